"""The serving stack, deployed by cdktf and the real Terraform core onto the local workspace."""

from __future__ import annotations

import copy
import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.serving.sandbox import Sandbox
from tests.plugin.workspaces import BRIGHTNESS, CONTRAST, ENDPOINTS, IMAGE, entity, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.plugin.workspaces import RunningWorkspace

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def first(
    tmp_path_factory: pytest.TempPathFactory,
    workspace_process: RunningWorkspace,
    terraform: dict[str, str],
) -> Iterator[tuple[Sandbox, str]]:
    """A deployment of Keras and PyTorch, made as a user makes it, and what the command said."""
    folder = tmp_path_factory.mktemp("trained")
    with Sandbox(folder, workspace_process, terraform, arms=("keras", "torch")) as sandbox:
        yield sandbox, sandbox.cdktf("apply", process=True)


class TestTrainedArms:
    """They take seconds to load."""

    @pytest.fixture
    def deployed(self, first: tuple[Sandbox, str]) -> Sandbox:
        sandbox, _ = first
        sandbox.restore()
        return sandbox

    def test_a_deployment_answers_logs_and_leaves_nothing_to_do(
        self, deployed: Sandbox, first: tuple[Sandbox, str]
    ) -> None:
        _, output = first

        assert "stand-in" in output
        url = f"{deployed.workspace.host}/serving-endpoints/{deployed.endpoint}/invocations"
        assert url in "".join(output.split())
        assert deployed.routes() == {"keras-1": 50, "torch-1": 50}
        request_id = str(uuid.uuid4())
        answer = deployed.ask(client_request_id=request_id)
        assert answer.status_code == 200
        assert 0 <= answer.json()["predictions"][0][0] <= 1
        rows = eventually(
            lambda: deployed.workspace.sql(
                "SELECT DISTINCT databricks_request_id, served_entity_name"
                f" FROM local.gold.{deployed.table}_payload"
                " JOIN system.serving.served_entities USING (served_entity_id)"
                f" WHERE client_request_id = '{request_id}'"
            )
        )
        assert [name for _, name in rows] == [answer.headers["served-model-name"]]
        assert "No changes." in deployed.cdktf("plan")

    def test_no_request_fails_while_a_user_shifts_the_traffic(self, deployed: Sandbox) -> None:
        with deployed.edited() as document:
            _split(document)

        with deployed.requests_flowing() as traffic:
            deployed.cdktf("apply")

        assert traffic.failed == {}
        assert deployed.routes() == {"keras-1": 90, "torch-1": 10}
        assert "No changes." in deployed.plan()

    def test_no_request_fails_while_a_new_version_is_loaded(self, deployed: Sandbox) -> None:
        with deployed.edited() as document:
            _version(document)

        with deployed.requests_flowing() as traffic:
            deployed.deploy()

        assert traffic.failed == {}
        assert deployed.routes() == {"keras-1": 50, "torch-2": 50}
        assert "No changes." in deployed.plan()


def _split(document: Any) -> None:
    document["ab_test"]["challengers"][0]["traffic"] = 10


def _version(document: Any) -> None:
    document["ab_test"]["challengers"][0]["version"] = 2


def _tags(document: Any) -> None:
    document["tags"]["cost_centre"] = "radiology"


@pytest.mark.parametrize("edit", [_split, _version, _tags])
def test_no_request_fails_while_a_change_is_deployed(
    deployed: Sandbox, edit: Callable[[Any], None]
) -> None:
    with deployed.edited() as document:
        edit(document)

    with deployed.requests_flowing() as traffic:
        deployed.deploy()

    assert traffic.failed == {}
    assert traffic.statuses[200] > 0
    assert "No changes." in deployed.plan()


def _awake(document: Any) -> None:
    document["ab_test"]["champion"]["scale_to_zero"] = False


def test_arms_that_stay_awake_go_up_the_ramp_and_change_their_version(deployed: Sandbox) -> None:
    """Databricks refuses an update that leaves a false out, as the provider does in one of the two
    names of an arm: the other one is used, and the switch is in place."""
    before = deployed.live()["id"]
    for edit in (_awake, _split, _version):
        with deployed.edited() as document:
            edit(document)
        deployed.deploy()
        assert "No changes." in deployed.plan()

    assert deployed.live()["id"] == before
    entities = deployed.live()["config"]["served_entities"]
    assert [it["scale_to_zero_enabled"] for it in entities] == [False, True]
    assert deployed.routes() == {"brightness-1": 90, "contrast-2": 10}


def test_a_second_test_is_deployed_beside_the_first_one(sandbox: Sandbox) -> None:
    sandbox.deploy()
    before = sandbox.live()["id"]
    second = f"{sandbox.endpoint}-2"
    with sandbox.edited() as document:
        test = copy.deepcopy(document["ab_test"].unwrap())
        test |= {
            "endpoint": second,
            "inference_table": {"schema": "gold", "prefix": f"{sandbox.table}_2"},
        }
        document["second_test"] = test
        document["triage"] = {
            "endpoint": f"{sandbox.endpoint}-3",
            "model": "contrast",
            "version": 1,
        }
    try:
        sandbox.deploy()

        assert "No changes." in sandbox.plan()
        assert sandbox.live()["id"] == before
        assert sandbox.workspace.invoke(second, {"inputs": [IMAGE]}).status_code == 200
        every = sandbox.rollout("status").stdout
        assert every.count("as declared: no drift") == 3
        named = sandbox.rollout("status", "--test", "second_test").stdout
        assert named.count("as declared: no drift") == 1
        assert second in named
        assert sandbox.rollout("wait", "--test", "second_test").returncode == 0
        assert sandbox.rollout("check", "--stack", "serving").returncode == 0
        refused = sandbox.rollout("pin", "--newest")
        assert refused.returncode == 1
        assert "--test ab_test or --test second_test" in refused.stderr
    finally:
        for number in (2, 3):
            sandbox.workspace.client.delete(f"{ENDPOINTS}/{sandbox.endpoint}-{number}")


def _gateway(document: Any) -> None:
    document["ab_test"]["rate_limits"] = [{"calls": 1000, "key": "user"}]
    document["ab_test"]["usage_tracking_config"] = {"enabled": True}


def _concurrency(document: Any) -> None:
    document["ab_test"]["champion"] |= {
        "min_provisioned_concurrency": 4,
        "max_provisioned_concurrency": 8,
    }


def _name(document: Any) -> None:
    document["ab_test"]["champion"]["served_entity"] = "the-first"


def _place(document: Any) -> None:
    document["ab_test"]["champion"] |= {"catalog": "local", "schema": "models"}


def _profile(document: Any) -> None:
    arn = "arn:aws:iam::123456789012:instance-profile/serving"
    document["ab_test"]["champion"]["instance_profile_arn"] = arn


def _own_tags(document: Any) -> None:
    document["ab_test"]["tags"] = {"project": "films", "team": "ml"}


@pytest.mark.parametrize("edit", [_gateway, _concurrency, _name, _place, _profile, _own_tags])
def test_what_an_endpoint_may_have_is_deployed_and_as_declared(
    deployed: Sandbox, edit: Callable[[Any], None]
) -> None:
    with deployed.edited() as document:
        edit(document)

    deployed.deploy()

    assert "No changes." in deployed.plan()
    assert "as declared: no drift" in deployed.rollout("status").stdout


def test_what_is_sent_once_is_compared_ever_after(sandbox: Sandbox) -> None:
    with sandbox.edited() as document:
        document["ab_test"] |= {
            "description": "films",
            "budget_policy_id": "policy-1",
            "email_notifications": {"on_update_failure": ["a@example.com"]},
            "route_optimized": True,
        }
    sandbox.deploy()
    assert "No changes." in sandbox.plan()
    assert "as declared: no drift" in sandbox.rollout("status").stdout

    with sandbox.edited() as document:
        document["ab_test"]["description"] = "others"
    sandbox.deploy()

    assert sandbox.live()["description"] == "films"
    found = sandbox.rollout("status")
    assert found.returncode == 3
    assert 'description: file "others"' in found.stdout
    assert "never sends a changed description" in found.stdout


def test_another_inference_table_starts_without_a_failed_request(sandbox: Sandbox) -> None:
    with sandbox.edited() as document:
        del document["ab_test"]["inference_table"]
    sandbox.deploy()
    with sandbox.edited() as document:
        document["ab_test"]["inference_table"] = {"schema": "gold", "prefix": sandbox.table}

    with sandbox.requests_flowing() as traffic:
        sandbox.deploy()

    assert traffic.failed == {}
    assert "No changes." in sandbox.plan()
    sandbox.ask()
    payload = f"SELECT count(*) FROM local.gold.{sandbox.table}_payload"
    assert eventually(lambda: sandbox.workspace.sql(payload))


def test_the_split_that_is_deployed_is_the_split_that_is_drawn(deployed: Sandbox) -> None:
    with deployed.edited() as document:
        _split(document)
    deployed.deploy()

    arms = [deployed.ask().headers["served-model-name"] for _ in range(300)]

    # 30 expected; outside of 5 to 70 once in 10^9 times.
    assert 5 <= arms.count("contrast-1") <= 70


def test_the_old_file_rolls_a_deployment_back(deployed: Sandbox) -> None:
    old = deployed.file.read_text()
    with deployed.edited() as document:
        _split(document)
        _version(document)
    deployed.deploy()
    assert deployed.routes() == {"brightness-1": 90, "contrast-2": 10}

    deployed.file.write_text(old)
    with deployed.requests_flowing() as traffic:
        deployed.cdktf("apply")

    assert traffic.failed == {}
    assert deployed.routes() == {"brightness-1": 50, "contrast-1": 50}


def test_drift_made_by_hand_is_seen_and_repaired(deployed: Sandbox) -> None:
    config = deployed.live()["config"]
    for route, percent in zip(config["traffic_config"]["routes"], (0, 100), strict=True):
        route["traffic_percentage"] = percent
        del route["served_model_name"]
    changed = deployed.workspace.client.put(
        f"{ENDPOINTS}/{deployed.endpoint}/config",
        json={
            "served_entities": [
                entity(BRIGHTNESS, scale_to_zero_enabled=True),
                entity(CONTRAST, scale_to_zero_enabled=True),
            ],
            "traffic_config": config["traffic_config"],
        },
    )
    assert changed.status_code == 200, changed.text
    deployed.workspace.settled(deployed.endpoint)

    plan = deployed.plan()

    assert "1 to change" in plan
    deployed.deploy()
    assert deployed.routes() == {"brightness-1": 50, "contrast-1": 50}


def test_an_endpoint_made_by_hand_is_adopted_not_replaced(sandbox: Sandbox) -> None:
    made = sandbox.workspace.create(
        sandbox.endpoint,
        entity(BRIGHTNESS, scale_to_zero_enabled=True),
        entity(CONTRAST, scale_to_zero_enabled=True),
    )
    assert "adopt = true" in sandbox.refused()

    with sandbox.edited() as document:
        document["ab_test"]["adopt"] = True
    sandbox.deploy()

    assert sandbox.live()["id"] == made["id"]
    assert sandbox.live()["ai_gateway"]["inference_table_config"]["enabled"]
    assert "No changes." in sandbox.plan()


def test_a_live_endpoint_is_not_replaced_without_a_word_in_the_file(sandbox: Sandbox) -> None:
    sandbox.deploy()
    before, renamed = sandbox.live(), f"{sandbox.endpoint}-b"
    with sandbox.edited() as document:
        document["ab_test"]["endpoint"] = renamed
    refused = sandbox.refused_by_the_command()

    assert f"databricks_model_serving.ab-test ({sandbox.endpoint}): an endpoint" in refused
    assert "destroyed and created, for name" in refused
    assert sandbox.live()["id"] == before["id"]

    (line,) = re.findall(r"^  (may_destroy = .*)$", refused, re.MULTILINE)
    sandbox.file.write_text(f"{line}\n{sandbox.file.read_text()}")
    sandbox.cdktf("apply")

    client = sandbox.workspace.client
    assert client.get(f"{ENDPOINTS}/{sandbox.endpoint}").status_code == 404
    assert client.delete(f"{ENDPOINTS}/{renamed}").is_success


def test_adopting_a_route_optimized_endpoint_does_not_destroy_it(sandbox: Sandbox) -> None:
    client = sandbox.workspace.client
    body = {"name": sandbox.endpoint, "route_optimized": True}
    made = client.post(
        ENDPOINTS, json=body | {"config": {"served_entities": [entity(BRIGHTNESS)]}}
    ).json()
    with sandbox.edited() as document:
        document["ab_test"]["adopt"] = True

    refused = sandbox.refused_by_the_command()

    assert "destroyed and created, for route_optimized" in refused
    assert sandbox.live()["id"] == made["id"]


def test_a_model_that_is_not_registered_is_named_with_the_way_out(sandbox: Sandbox) -> None:
    with sandbox.edited() as document:
        document["ab_test"]["challengers"][0]["version"] = 99

    text = sandbox.refused()

    assert "local.models.contrast" in text
    assert "99" in text
    assert "train" in text
    missing = sandbox.workspace.client.get(f"{ENDPOINTS}/{sandbox.endpoint}")
    assert missing.status_code == 404


def test_a_version_that_can_not_be_served_leaves_the_old_one_serving(sandbox: Sandbox) -> None:
    sandbox.deploy()
    with sandbox.edited() as document:
        document["ab_test"]["challengers"][0]["model"] = "broken"

    with sandbox.requests_flowing() as traffic:
        sandbox.refused()

    assert traffic.failed == {}
    assert sandbox.routes() == {"brightness-1": 50, "contrast-1": 50}


def test_destroy_leaves_nothing(sandbox: Sandbox) -> None:
    sandbox.deploy()

    sandbox.cdktf("destroy")

    missing = sandbox.workspace.client.get(f"{ENDPOINTS}/{sandbox.endpoint}")
    assert missing.status_code == 404

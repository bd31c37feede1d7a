"""The serving stack, deployed by cdktf and the real Terraform core onto the local workspace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.end_to_end.serving.sandbox import Sandbox
from tests.local.serving.running import entity, eventually


def test_a_deployment_answers_logs_and_leaves_nothing_to_do(sandbox: Sandbox) -> None:
    output = sandbox.deploy()

    assert "stand-in" in output
    url = f"{sandbox.workspace.host}/serving-endpoints/{sandbox.endpoint}/invocations"
    assert url in "".join(output.split())
    assert sandbox.routes() == {"keras-1": 50, "torch-1": 50}
    answer = sandbox.ask()
    assert answer.status_code == 200
    assert 0 <= answer.json()["predictions"][0][0] <= 1
    rows = eventually(
        lambda: sandbox.workspace.sql(
            f"SELECT served_entity_name FROM local.gold.{sandbox.table}_payload"
            " JOIN system.serving.served_entities USING (served_entity_id)"
        )
    )
    assert rows == [[answer.headers["served-model-name"]]]
    assert "No changes." in sandbox.plan()


def _split(document: Any) -> None:
    document["ab_test"]["challengers"][0]["traffic"] = 10


def _version(document: Any) -> None:
    document["ab_test"]["challengers"][0]["version"] = 2


def _tags(document: Any) -> None:
    document["tags"]["cost_centre"] = "radiology"


def _inference_table(document: Any) -> None:
    document["ab_test"]["inference_table"]["enabled"] = False


@pytest.mark.parametrize("edit", [_split, _version, _tags])
def test_no_request_fails_while_a_change_is_deployed(
    sandbox: Sandbox, edit: Callable[[Any], None]
) -> None:
    sandbox.deploy()
    with sandbox.edited() as document:
        edit(document)

    with sandbox.requests_flowing() as traffic:
        sandbox.deploy()

    assert traffic.failed == {}
    assert traffic.statuses[200] > 0
    assert "No changes." in sandbox.plan()


def test_the_provider_drops_the_false_that_would_end_the_logging(sandbox: Sandbox) -> None:
    """Issue 5504 of the real provider; the stand-in is not kinder. Nothing is lost meanwhile."""
    sandbox.deploy()
    with sandbox.edited() as document:
        _inference_table(document)

    with sandbox.requests_flowing() as traffic:
        sandbox.deploy()

    assert traffic.failed == {}


def test_the_split_that_is_deployed_is_the_split_that_is_drawn(sandbox: Sandbox) -> None:
    sandbox.deploy()
    with sandbox.edited() as document:
        _split(document)
    sandbox.deploy()

    arms = [sandbox.ask().headers["served-model-name"] for _ in range(300)]

    # 30 expected; outside of 10 to 60 once in 100,000 times.
    assert 10 <= arms.count("torch-1") <= 60


def test_the_old_file_rolls_a_deployment_back(sandbox: Sandbox) -> None:
    sandbox.deploy()
    old = sandbox.file.read_text()
    with sandbox.edited() as document:
        _split(document)
        _version(document)
    sandbox.deploy()
    assert sandbox.routes() == {"keras-1": 90, "torch-2": 10}

    sandbox.file.write_text(old)
    with sandbox.requests_flowing() as traffic:
        sandbox.deploy()

    assert traffic.failed == {}
    assert sandbox.routes() == {"keras-1": 50, "torch-1": 50}


def test_drift_made_by_hand_is_seen_and_repaired(sandbox: Sandbox) -> None:
    sandbox.deploy()
    config = sandbox.live()["config"]
    for route, percent in zip(config["traffic_config"]["routes"], (0, 100), strict=True):
        route["traffic_percentage"] = percent
        del route["served_model_name"]
    changed = sandbox.workspace.client.put(
        f"/api/2.0/serving-endpoints/{sandbox.endpoint}/config",
        json={
            "served_entities": [
                entity("local.models.keras", scale_to_zero_enabled=True),
                entity("local.models.torch", scale_to_zero_enabled=True),
            ],
            "traffic_config": config["traffic_config"],
        },
    )
    assert changed.status_code == 200, changed.text
    sandbox.workspace.settled(sandbox.endpoint)

    plan = sandbox.plan()

    assert "1 to change" in plan
    sandbox.deploy()
    assert sandbox.routes() == {"keras-1": 50, "torch-1": 50}


def test_an_endpoint_made_by_hand_is_adopted_not_replaced(sandbox: Sandbox) -> None:
    made = sandbox.workspace.create(
        sandbox.endpoint,
        entity("local.models.keras", scale_to_zero_enabled=True),
        entity("local.models.torch", scale_to_zero_enabled=True),
    )
    refused = sandbox.command("apply", "--auto-approve")
    assert refused.returncode != 0
    assert "adopt = true" in " ".join((refused.stdout + refused.stderr).split())

    with sandbox.edited() as document:
        document["ab_test"]["adopt"] = True
    sandbox.deploy()

    assert sandbox.live()["id"] == made["id"]
    assert sandbox.live()["ai_gateway"]["inference_table_config"]["enabled"]
    assert "No changes." in sandbox.plan()


def test_a_model_that_is_not_registered_is_named_with_the_way_out(sandbox: Sandbox) -> None:
    with sandbox.edited() as document:
        document["ab_test"]["challengers"][0]["version"] = 99

    refused = sandbox.command("apply", "--auto-approve")

    text = " ".join((refused.stdout + refused.stderr).replace("│", " ").split())
    assert refused.returncode != 0
    assert "local.models.torch" in text
    assert "99" in text
    assert "train" in text
    missing = sandbox.workspace.client.get(f"/api/2.0/serving-endpoints/{sandbox.endpoint}")
    assert missing.status_code == 404


def test_a_version_that_can_not_be_served_leaves_the_old_one_serving(sandbox: Sandbox) -> None:
    sandbox.deploy()
    with sandbox.edited() as document:
        document["ab_test"]["challengers"][0]["model"] = "broken"

    with sandbox.requests_flowing() as traffic:
        failed = sandbox.command("apply", "--auto-approve")

    assert failed.returncode != 0
    assert traffic.failed == {}
    assert sandbox.routes() == {"keras-1": 50, "torch-1": 50}


def test_destroy_leaves_nothing(sandbox: Sandbox) -> None:
    sandbox.deploy()

    done = sandbox.command("destroy", "--auto-approve")

    assert done.returncode == 0, done.stdout + done.stderr
    missing = sandbox.workspace.client.get(f"/api/2.0/serving-endpoints/{sandbox.endpoint}")
    assert missing.status_code == 404

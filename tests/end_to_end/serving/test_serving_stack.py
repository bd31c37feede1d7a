"""The serving stack, deployed by cdktf and the real Terraform core onto the local workspace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.end_to_end.serving.sandbox import Sandbox
from tests.plugin.workspaces import entity, eventually


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
    assert 5 <= arms.count("torch-1") <= 70


def test_the_old_file_rolls_a_deployment_back(deployed: Sandbox) -> None:
    old = deployed.file.read_text()
    with deployed.edited() as document:
        _split(document)
        _version(document)
    deployed.deploy()
    assert deployed.routes() == {"keras-1": 90, "torch-2": 10}

    deployed.file.write_text(old)
    with deployed.requests_flowing() as traffic:
        deployed.deploy()

    assert traffic.failed == {}
    assert deployed.routes() == {"keras-1": 50, "torch-1": 50}


def test_drift_made_by_hand_is_seen_and_repaired(deployed: Sandbox) -> None:
    config = deployed.live()["config"]
    for route, percent in zip(config["traffic_config"]["routes"], (0, 100), strict=True):
        route["traffic_percentage"] = percent
        del route["served_model_name"]
    changed = deployed.workspace.client.put(
        f"/api/2.0/serving-endpoints/{deployed.endpoint}/config",
        json={
            "served_entities": [
                entity("local.models.keras", scale_to_zero_enabled=True),
                entity("local.models.torch", scale_to_zero_enabled=True),
            ],
            "traffic_config": config["traffic_config"],
        },
    )
    assert changed.status_code == 200, changed.text
    deployed.workspace.settled(deployed.endpoint)

    plan = deployed.plan()

    assert "1 to change" in plan
    deployed.deploy()
    assert deployed.routes() == {"keras-1": 50, "torch-1": 50}


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


def test_a_version_that_can_not_be_served_leaves_the_old_one_serving(deployed: Sandbox) -> None:
    with deployed.edited() as document:
        document["ab_test"]["challengers"][0]["model"] = "broken"

    with deployed.requests_flowing() as traffic:
        failed = deployed.command("apply", "--auto-approve")

    assert failed.returncode != 0
    assert traffic.failed == {}
    assert deployed.routes() == {"keras-1": 50, "torch-1": 50}


def test_destroy_leaves_nothing(sandbox: Sandbox) -> None:
    sandbox.deploy()

    done = sandbox.command("destroy", "--auto-approve")

    assert done.returncode == 0, done.stdout + done.stderr
    missing = sandbox.workspace.client.get(f"/api/2.0/serving-endpoints/{sandbox.endpoint}")
    assert missing.status_code == 404

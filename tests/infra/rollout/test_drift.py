"""What an endpoint is set to, in three forms, and what heals a difference between them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.declared.environment import load
from infra.rollout import settings
from infra.rollout.drift import Drift, drifts

Write = Callable[..., Path]


def entity(name: str, version: str, size: str) -> dict[str, Any]:
    return {
        "name": name,
        "entity_name": f"healthcare_catalog_dev.models.{name.partition('-')[0]}",
        "entity_version": version,
        "workload_size": size,
        "scale_to_zero_enabled": True,
    }


def answer(**changes: Any) -> dict[str, Any]:
    """What Databricks says of the endpoint of the test's environment file, at 80/20."""
    return {
        "name": "ab",
        "config": {
            "served_entities": [entity("torch-2", "2", "Medium"), entity("keras-1", "1", "Small")],
            "traffic_config": {
                "routes": [
                    {"served_model_name": "keras-1", "traffic_percentage": 80},
                    {"served_entity_name": "torch-2", "traffic_percentage": 20},
                ]
            },
        },
        "ai_gateway": {
            "inference_table_config": {
                "catalog_name": "healthcare_catalog_dev",
                "schema_name": "gold",
                "table_name_prefix": "pneumonia_classifier",
                "enabled": True,
            },
            "usage_tracking_config": {"enabled": False},
        },
        "description": "",
        **changes,
    }


def in_state(document: dict[str, Any]) -> dict[str, Any]:
    """The same as attributes of a state: a nested block is a list of one."""
    config = document["config"]
    gateway = document["ai_gateway"]
    return {
        **document,
        "config": [{**config, "traffic_config": [config["traffic_config"]]}],
        "ai_gateway": [{part: [block] for part, block in gateway.items()}],
        "rate_limits": [],
        "tags": [],
        "email_notifications": [],
    }


@pytest.fixture
def found(environment: Write) -> Callable[..., dict[str, Drift]]:
    """The drifts between the file and an answer, by the name of the setting."""

    def found(
        file: Path | None = None, state: dict[str, Any] | None = None, **changes: Any
    ) -> dict[str, Drift]:
        loaded = load(file or environment(20))
        seen = drifts(
            loaded,
            loaded.ab_test,
            file=settings.declared(loaded, loaded.ab_test),
            state=None if state is None else settings.found(state),
            live=settings.found(answer(**changes)),
        )
        return {drift.setting: drift for drift in seen}

    return found


def test_the_three_forms_of_one_endpoint_are_the_same(environment: Write) -> None:
    loaded = load(environment(20))
    declared = settings.declared(loaded, loaded.ab_test)

    assert settings.found(answer()) == declared
    assert settings.found(in_state(answer())) == declared


def test_a_difference_of_the_state_alone_asks_for_a_refresh(found: Any) -> None:
    behind = in_state(answer())
    behind["config"][0]["traffic_config"][0]["routes"][1]["traffic_percentage"] = 5

    [drift] = found(state=behind).values()

    assert (drift.file, drift.state, drift.live) == ("20", "5", "20")
    assert "refresh-only" in drift.heal


def test_a_state_that_was_not_read_is_not_compared(found: Any) -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("changes", "setting", "heal"),
    [
        ({"description": "by hand"}, "description", "create the endpoint anew"),
        (
            {"email_notifications": {"on_update_success": ["a@example.com"]}},
            "email_notifications",
            "databricks api patch /api/2.0/serving-endpoints/ab/notifications",
        ),
        (
            {"rate_limits": [{"calls": 5, "key": "user", "renewal_period": "minute"}]},
            "rate_limits",
            "databricks api put /api/2.0/serving-endpoints/ab/rate-limits",
        ),
        (
            {"ai_gateway": None},
            "inference table",
            "databricks api put /api/2.0/serving-endpoints/ab/ai-gateway",
        ),
    ],
)
def test_what_the_provider_drops_is_healed_by_a_call(
    found: Any, changes: dict[str, Any], setting: str, heal: str
) -> None:
    drift = found(**changes)[setting]

    assert drift.obstacle
    assert heal in drift.heal


def test_a_description_is_compared(found: Any, environment: Write) -> None:
    declared = environment(20, ("[ab_test]\n", '[ab_test]\ndescription = "films"\n'))

    drift = found(declared)["description"]

    assert drift.live == "-"
    assert "never sends" in drift.obstacle
    assert "create the endpoint anew" in drift.heal


def test_a_budget_policy_is_compared_where_the_endpoint_shows_it(
    found: Any, environment: Write
) -> None:
    declared = environment(20, ("[ab_test]\n", '[ab_test]\nbudget_policy_id = "b1"\n'))

    assert "budget_policy_id" not in found(declared)
    drift = found(declared, budget_policy_id="b2")["budget_policy_id"]
    assert "after the creation" in drift.obstacle
    assert "the workspace's page" in drift.heal


def test_notifications_are_compared_where_the_endpoint_shows_them(
    found: Any, environment: Write
) -> None:
    line = 'email_notifications = { on_update_failure = ["a@b.c"] }'
    declared = environment(20, ("[ab_test]\n", f"[ab_test]\n{line}\n"))

    shown = found(declared, email_notifications={"on_update_failure": ["d@e.f"]})

    told = '{"email_notifications": {"on_update_failure": ["a@b.c"], "on_update_success": []}}'
    assert told in shown["email_notifications"].heal
    assert "email_notifications" not in found(declared)


def test_an_arm_that_shall_stay_awake_is_healed_by_a_deployment(
    found: Any, environment: Write
) -> None:
    awake = environment(20, ('workload_size = "Small"', "scale_to_zero = false"))

    drift = found(awake)["arm keras-1.scale_to_zero"]

    assert (drift.file, drift.live) == ("false", "true")
    assert drift.obstacle == ""
    assert drift.heal == "cdktf deploy serving-dev"


def test_logging_that_the_file_ends_and_the_provider_does_not(
    found: Any, environment: Write
) -> None:
    off = environment(
        20, ('prefix = "pneumonia_classifier"', 'prefix = "pneumonia_classifier"\nenabled = false')
    )

    drift = found(off)["inference table.enabled"]

    assert "leaves a false out" in drift.obstacle
    assert '"enabled": false' in drift.heal


def test_limits_of_a_gateway_that_the_file_does_not_declare_are_compared_by_nobody(
    found: Any, environment: Write
) -> None:
    without = environment(20)
    without.write_text(without.read_text().partition("[ab_test.inference_table]")[0])
    limited = {"rate_limits": [{"calls": 5, "key": "endpoint", "renewal_period": "minute"}]}

    drift = found(without, ai_gateway=limited)["ai_gateway.rate_limits"]

    assert "compares none" in drift.obstacle


def test_limits_of_a_gateway_that_the_file_declares_are_healed_by_a_deployment(found: Any) -> None:
    gateway = answer()["ai_gateway"] | {"rate_limits": [{"calls": 5, "key": "endpoint"}]}

    drift = found(ai_gateway=gateway)["ai_gateway.rate_limits"]

    assert drift.obstacle == ""
    assert drift.heal == "cdktf deploy serving-dev"


def test_a_credential_in_plain_text_is_not_repeated(found: Any) -> None:
    document = answer()
    document["config"]["served_entities"][0]["environment_vars"] = {"API_TOKEN": "s3cret"}

    drift = found(config=document["config"])["arm torch-2.environment_vars.API_TOKEN"]

    assert "s3cret" not in str(drift)

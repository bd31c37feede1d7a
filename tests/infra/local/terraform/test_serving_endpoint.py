"""databricks_model_serving as the real provider manages it: what is seen, sent, and dropped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

Settings = dict[str, Any]
CALLS = Path(__file__).parent / "recorded"
EP = "/api/2.0/serving-endpoints/ep"
GATEWAY = [{"inference_table_config": [{"catalog_name": "c", "schema_name": "s", "enabled": True}]}]


def entity(name: str, version: str = "1", **settings: Any) -> Settings:
    return {"name": name, "entity_name": "c.s.m", "entity_version": version} | settings


def endpoint(champion: int = 90, **settings: Any) -> Settings:
    routes = [
        {"served_model_name": "champion", "traffic_percentage": champion},
        {"served_model_name": "challenger", "traffic_percentage": 100 - champion},
    ]
    entities = [
        entity("champion", workload_size="Small", scale_to_zero_enabled=True),
        entity("challenger", workload_size="Small", scale_to_zero_enabled=True),
    ]
    config = {"served_entities": entities, "traffic_config": [{"routes": routes}]}
    return {
        "name": "ep",
        "config": [config],
        "tags": [{"key": "team", "value": "ml"}],
        "ai_gateway": GATEWAY,
    } | settings


@pytest.fixture
def serving(deployed: Any, server: Any) -> Any:
    """A deployed endpoint; its calls so far are forgotten."""
    deployed.write(databricks_model_serving={"this": endpoint()})
    deployed.apply()
    server.take()
    return deployed


def changes(server: Any) -> list[str]:
    return [request.call for request in server.take() if request.method != "GET"]


def test_false_is_left_out_of_requests_and_zero_percent_is_sent(deployed: Any, server: Any) -> None:
    one = endpoint(champion=100)
    one["config"][0]["served_entities"][1]["scale_to_zero_enabled"] = False
    deployed.write(databricks_model_serving={"this": one})
    deployed.apply()

    created = server.take()[0].body
    assert "scale_to_zero_enabled" not in created["config"]["served_entities"][1]
    assert created["config"]["traffic_config"]["routes"][1] == {
        "served_model_name": "challenger",
        "traffic_percentage": 0,
    }
    assert deployed.plan() == ""


def test_the_default_traffic_of_the_server_is_no_change(deployed: Any, server: Any) -> None:
    one = endpoint(config=[{"served_entities": [entity("champion")]}])
    deployed.write(databricks_model_serving={"this": one})
    deployed.apply()

    assert "traffic_config" not in server.take()[0].body["config"]
    assert deployed.plan() == ""


def test_a_size_that_only_the_server_names_is_no_change(
    deployed: Any, workspace: Any, server: Any
) -> None:
    one = endpoint(config=[{"served_entities": [entity("champion")]}])
    deployed.write(databricks_model_serving={"this": one})
    deployed.apply()

    def with_size(shown: Settings) -> None:
        shown["config"]["served_entities"][0]["workload_size"] = "Small"

    workspace.shown = with_size
    assert deployed.plan() == ""


def test_the_server_may_list_the_entities_in_another_order(serving: Any, workspace: Any) -> None:
    workspace.shown = lambda shown: shown["config"]["served_entities"].reverse()
    assert serving.plan() == ""


@pytest.mark.parametrize("setting", ["description", "budget_policy_id"])
def test_a_change_that_the_provider_drops_sends_nothing(
    setting: str, serving: Any, server: Any
) -> None:
    serving.write(databricks_model_serving={"this": endpoint(**{setting: "new"})})
    serving.apply()

    assert changes(server) == []


@pytest.mark.parametrize(
    "dropped",
    [
        {"email_notifications": [{"on_update_failure": ["me@example.com"]}]},
        {"rate_limits": [{"calls": 1, "renewal_period": "minute"}]},
    ],
    ids=["email_notifications", "rate_limits"],
)
def test_a_changed_block_that_the_provider_drops_sends_nothing(
    dropped: Settings, serving: Any, server: Any
) -> None:
    serving.write(databricks_model_serving={"this": endpoint(**dropped)})
    serving.apply()

    assert changes(server) == []
    assert serving.plan() == ""


def test_removing_the_gateway_fails_and_the_next_plan_sees_nothing(
    serving: Any, server: Any, workspace: Any
) -> None:
    without = {name: value for name, value in endpoint().items() if name != "ai_gateway"}
    serving.write(databricks_model_serving={"this": without})

    output = serving.apply(check=False)
    assert "nil pointer dereference" in output
    assert "Keep the block" in output
    assert changes(server) == []
    assert workspace.endpoint("ep")["ai_gateway"]
    assert serving.plan() == ""


def test_an_update_waits_for_the_config_and_only_for_it(
    serving: Any, server: Any, workspace: Any
) -> None:
    workspace.updates_seen = ["NOT_UPDATING", "IN_PROGRESS"]  # the refresh, then the wait
    tags = [{"key": "team", "value": "ds"}]
    serving.write(databricks_model_serving={"this": endpoint(50, tags=tags)})
    serving.apply()

    path = "/api/2.0/serving-endpoints/ep"
    assert [request.call for request in server.take()] == [
        f"GET {path}",
        f"PUT {path}/config",
        f"GET {path}",
        f"GET {path}",
        f"GET {path}",
        f"PATCH {path}/tags",
        f"GET {path}",
    ]


def test_a_failed_creation_is_deleted_and_says_why(
    deployed: Any, server: Any, workspace: Any
) -> None:
    workspace.updates_seen = ["UPDATE_FAILED"]
    deployed.write(databricks_model_serving={"this": endpoint()})

    output = deployed.apply(check=False)
    assert "got UPDATE_FAILED" in output
    assert changes(server)[-1] == "DELETE /api/2.0/serving-endpoints/ep"
    assert workspace.is_as_given
    assert deployed.apply()


def test_a_timeout_is_told_and_the_created_endpoint_deleted(deployed: Any, workspace: Any) -> None:
    workspace.updates_seen = ["IN_PROGRESS"] * 5
    settings = endpoint(timeouts={"create": "11s"})  # of which 10 s are for the deletion
    deployed.write(databricks_model_serving={"this": settings})

    assert "timed out after 1 s" in deployed.apply(check=False)
    assert workspace.is_as_given


@pytest.mark.parametrize("name", ["name", "route_optimized"])
def test_what_cannot_be_changed_replaces_the_endpoint(name: str, serving: Any, server: Any) -> None:
    changed = endpoint() | ({"name": "other"} if name == "name" else {"route_optimized": True})
    serving.write(databricks_model_serving={"this": changed})

    assert "1 to add, 0 to change, 1 to destroy" in serving.plan()


def configured(*entities: Settings, traffic: tuple[int, ...] = (90, 10, 0)) -> Settings:
    settings = {"workload_size": "Small", "scale_to_zero_enabled": True}
    routes = [
        {"served_entity_name": one["name"], "traffic_percentage": percentage}
        for one, percentage in zip(entities, traffic, strict=False)
    ]
    served = [one | settings for one in entities]
    return {"served_entities": served, "traffic_config": {"routes": routes}}


CHAMPION, CHALLENGER = entity("champion"), entity("challenger")
DRIFTS = {
    "traffic": ("PUT", "config", configured(CHAMPION, CHALLENGER, traffic=(1, 99))),
    "version": ("PUT", "config", configured(CHAMPION | {"entity_version": "2"}, CHALLENGER)),
    "another entity": ("PUT", "config", configured(CHAMPION, CHALLENGER, entity("third"))),
    "a changed tag": ("PATCH", "tags", {"add_tags": [{"key": "team", "value": "other"}]}),
    "a changed gateway": (
        "PUT",
        "ai-gateway",
        {"inference_table_config": {"catalog_name": "c", "schema_name": "s", "enabled": False}},
    ),
}
BLIND_SPOTS = {
    "no gateway in the answer": lambda shown: shown.pop("ai_gateway"),
    "a setting never configured": lambda shown: shown.update(task="llm/v1/chat"),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_is_seen_and_put_right(drift: str, serving: Any, workspace: Any) -> None:
    before = workspace.endpoint("ep")
    method, what, body = DRIFTS[drift]
    workspace.ask(method, f"{EP}/{what}", body)

    assert "1 to change" in serving.plan()
    serving.apply()
    assert serving.plan() == ""
    after = workspace.endpoint("ep")
    assert after["tags"] == before["tags"]
    assert after["config"]["traffic_config"] == before["config"]["traffic_config"]


@pytest.mark.parametrize("drift", BLIND_SPOTS)
def test_the_blind_spots_of_the_provider_stay_blind(
    drift: str, serving: Any, workspace: Any
) -> None:
    workspace.shown = BLIND_SPOTS[drift]
    assert serving.plan() == ""


def test_that_all_tags_were_removed_is_a_blind_spot_too(serving: Any, workspace: Any) -> None:
    workspace.ask("PATCH", f"{EP}/tags", {"delete_tags": ["team"]})
    assert serving.plan() == ""


def test_an_endpoint_deleted_behind_its_back_is_created_again(serving: Any, workspace: Any) -> None:
    workspace.ask("DELETE", EP)
    assert "1 to add, 0 to change" in serving.plan()
    serving.apply()
    assert workspace.endpoint("ep")


def test_an_endpoint_made_by_hand_is_refused_with_the_way_out_and_can_be_adopted(
    serving: Any, workspace: Any, server: Any
) -> None:
    serving.forget("databricks_model_serving.this")

    output = " ".join(serving.apply(check=False).split())
    assert "Serving endpoint with name ep already exists" in output
    assert "RESOURCE_ALREADY_EXISTS" in output
    assert "adopt = true" in output

    serving.import_("databricks_model_serving.this", "ep")
    assert serving.plan() == ""


def test_a_missing_model_is_refused_with_the_way_out(deployed: Any) -> None:
    config = [{"served_entities": [entity("champion") | {"entity_name": "c.s.missing"}]}]
    deployed.write(databricks_model_serving={"this": endpoint(config=config)})

    output = " ".join(deployed.apply(check=False).split())
    assert "Registered model 'c.s.missing' does not exist" in output
    assert "RESOURCE_DOES_NOT_EXIST" in output
    assert "train and register the model first, or pin `version`" in output
    assert "POST /api/2.0/serving-endpoints" in output


@pytest.mark.parametrize("operation", ["create", "update"])
def test_a_missing_secret_is_refused_with_its_own_way_out(deployed: Any, operation: str) -> None:
    if operation == "update":
        deployed.write(databricks_model_serving={"this": endpoint()})
        deployed.apply()
    secretive = endpoint()
    secretive["config"][0]["served_entities"][0]["environment_vars"] = {
        "TOKEN": "{{secrets/given/key}}"
    }
    deployed.write(databricks_model_serving={"this": secretive})

    output = " ".join(deployed.apply(check=False).split())
    assert "scope 'given' has no secret 'key'" in output
    assert "databricks secrets put-secret given key" in output
    assert "train" not in output


def test_importing_what_does_not_exist_says_so(deployed: Any) -> None:
    deployed.write(databricks_model_serving={"this": endpoint()})
    done = deployed.run("import", "-no-color", "databricks_model_serving.this", "x", check=False)
    assert "cannot import model serving: 'x' does not exist" in done.stderr


def test_served_models_and_served_entities_exclude_each_other(deployed: Any) -> None:
    models = [{"name": "m", "model_name": "c.s.m", "model_version": "1"}]
    config = [{"served_entities": [entity("champion")], "served_models": models}]
    deployed.write(databricks_model_serving={"this": endpoint(config=config)})

    assert "conflicts with config.served_entities" in deployed.apply(check=False)


def test_arms_that_stay_awake_are_sent_as_the_real_provider_sent_them(
    deployed: Any, server: Any
) -> None:
    """A creation and a step of the ramp: `false` is sent in served_models, and only there."""
    for line in (CALLS / "served_models.jsonl").read_text().splitlines()[:2]:
        sent = json.loads(line.replace("healthcare_catalog_local", "c"))["request"]
        config = sent.get("config", sent)
        routes = [
            {key: it[key] for key in ("served_model_name", "traffic_percentage")}
            for it in config["traffic_config"]["routes"]
        ]
        declared = {**config, "traffic_config": [{"routes": routes}]}
        deployed.write(databricks_model_serving={"this": {"name": "ep", "config": [declared]}})
        server.take()
        deployed.apply()

        bodies = [it.body for it in server.take() if it.method in ("POST", "PUT")]
        assert [body.get("config", body) for body in bodies] == [config]
        assert deployed.plan() == ""


def test_an_arm_that_wakes_up_is_an_update_in_place(deployed: Any, server: Any) -> None:
    routes = [{"served_model_name": "champion", "traffic_percentage": 100}]
    traffic = {"traffic_config": [{"routes": routes}]}
    asleep = {"served_entities": [entity("champion", scale_to_zero_enabled=True)], **traffic}
    model = {"name": "champion", "model_name": "c.s.m", "model_version": "1"}
    awake = {"served_models": [model | {"scale_to_zero_enabled": False}], **traffic}
    for config in (asleep, awake, asleep):
        deployed.write(databricks_model_serving={"this": endpoint(config=[config])})
        deployed.apply()
        assert deployed.plan() == ""

    assert [it.split()[0] for it in changes(server)] == ["POST", "PUT", "PUT"]


def test_what_an_endpoint_may_have_is_sent_as_the_real_provider_sent_it(
    deployed: Any, server: Any
) -> None:
    lines = (CALLS / "endpoint_keys.jsonl").read_text()
    lines = lines.replace("healthcare_catalog_local.models.third", "c.s.m")
    lines = lines.replace('"catalog_name": "base"', '"catalog_name": "c"')
    recorded = {it["case"]: it["request"] for it in map(json.loads, lines.splitlines())}
    deployed.write(
        databricks_model_serving={case: _blocks(body) for case, body in recorded.items()}
    )
    deployed.apply()

    sent = {it.body["name"]: it.body for it in server.take() if it.method == "POST"}
    assert sent == {body["name"]: body for body in recorded.values()}
    assert deployed.plan() == ""


def _blocks(body: Settings) -> Settings:
    """A body as the configuration that causes it: a nested object is a block, a list of one."""
    maps = ("environment_vars",)
    return {
        key: [_blocks(it)]
        if isinstance(it, dict) and key not in maps
        else [_blocks(one) if isinstance(one, dict) else one for one in it]
        if isinstance(it, list)
        else it
        for key, it in body.items()
    }

"""The states of an endpoint, without a server and without time."""

import itertools
from typing import Any

import pytest

from infra.local.refusal import Refusal
from infra.local.serving import endpoint as states
from infra.local.serving.config import Tag
from infra.local.serving.endpoint import Deployment, Endpoint, Update
from infra.local.serving.requests import parse_config, parse_create, parse_gateway


class Ids:
    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __call__(self) -> str:
        return f"{next(self._numbers):032x}"


def entity(name: str, version: str = "1") -> dict[str, Any]:
    return {
        "name": name,
        "entity_name": "c.s.m",
        "entity_version": version,
        "scale_to_zero_enabled": True,
    }


def config(split: dict[str, int], **versions: str) -> dict[str, Any]:
    return {
        "served_entities": [entity(name, versions.get(name, "1")) for name in split],
        "traffic_config": {
            "routes": [
                {"served_entity_name": name, "traffic_percentage": percentage}
                for name, percentage in split.items()
            ]
        },
    }


def created(ids: Ids, split: dict[str, int] | None = None) -> Endpoint:
    spec = parse_create({"name": "ab", "config": config(split or {"a": 50, "b": 50})})
    return states.create(spec, creator="me", now_ms=1, new_id=ids)


def deployed(endpoint: Endpoint) -> Endpoint:
    assert endpoint.pending is not None
    for each in endpoint.pending.entities:
        endpoint = states.entity_changed(endpoint, each.id, Deployment.READY, "")
    return states.complete_update(endpoint)


def updated(endpoint: Endpoint, ids: Ids, body: dict[str, Any]) -> Endpoint:
    return states.begin_update(endpoint, parse_config(body), creator="me", now_ms=2, new_id=ids)


def test_a_created_endpoint_is_being_updated_and_not_ready() -> None:
    document = states.document(created(Ids()))
    assert document["state"] == {"ready": "NOT_READY", "config_update": "IN_PROGRESS"}
    assert document["pending_config"]["config_version"] == 1


def test_a_deployed_endpoint_is_ready_at_version_1_without_pending_config() -> None:
    document = states.document(deployed(created(Ids())))
    assert document["state"] == {"ready": "READY", "config_update": "NOT_UPDATING"}
    assert document["config"]["config_version"] == 1
    assert "pending_config" not in document


def test_a_second_update_during_an_update_conflicts() -> None:
    ids = Ids()
    endpoint = updated(deployed(created(ids)), ids, config({"a": 90, "b": 10}))
    with pytest.raises(Refusal, match="currently updating") as refused:
        updated(endpoint, ids, config({"a": 100}))
    assert (refused.value.status, refused.value.error_code) == (409, "RESOURCE_CONFLICT")


def test_the_old_config_serves_until_the_new_one_is_ready() -> None:
    ids = Ids()
    endpoint = updated(deployed(created(ids)), ids, config({"a": 50, "b": 50}, b="2"))
    document = states.document(endpoint)
    assert document["state"] == {"ready": "READY", "config_update": "IN_PROGRESS"}
    assert document["config"]["served_entities"][1]["entity_version"] == "1"
    assert document["pending_config"]["served_entities"][1]["entity_version"] == "2"
    assert states.document(deployed(endpoint))["config"]["config_version"] == 2


def test_an_unchanged_entity_keeps_its_identity_and_a_changed_one_gets_a_new_one() -> None:
    ids = Ids()
    before = deployed(created(ids))
    after = deployed(updated(before, ids, config({"a": 90, "b": 10}, b="2")))
    assert before.active is not None
    assert after.active is not None
    assert before.active.entities[0].id == after.active.entities[0].id
    assert before.active.entities[1].id != after.active.entities[1].id


def test_a_failed_update_leaves_the_old_config_serving_and_says_why() -> None:
    ids = Ids()
    endpoint = updated(deployed(created(ids)), ids, config({"a": 40, "b": 30, "c": 30}, b="2"))
    assert endpoint.pending is not None
    failed = endpoint.pending.entities[1]
    endpoint = states.fail_update(endpoint, failed.id, "no such file")
    document = states.document(endpoint)
    assert document["state"] == {"ready": "READY", "config_update": "UPDATE_FAILED"}
    assert document["config"]["config_version"] == 1
    assert [e["state"] for e in document["pending_config"]["served_entities"]] == [
        {"deployment": "DEPLOYMENT_READY", "deployment_state_message": ""},
        {"deployment": "DEPLOYMENT_FAILED", "deployment_state_message": "no such file"},
        {
            "deployment": "DEPLOYMENT_ABORTED",
            "deployment_state_message": "Another entity failed",
        },
    ]


def test_after_a_failed_update_the_next_one_may_succeed() -> None:
    ids = Ids()
    endpoint = updated(deployed(created(ids)), ids, config({"a": 100}, a="2"))
    assert endpoint.pending is not None
    endpoint = states.fail_update(endpoint, endpoint.pending.entities[0].id, "no")
    endpoint = deployed(updated(endpoint, ids, config({"a": 100}, a="3")))
    assert endpoint.update is Update.NOT_UPDATING
    assert states.document(endpoint)["config"]["config_version"] == 3


def test_an_endpoint_with_a_recovering_entity_is_not_ready() -> None:
    endpoint = deployed(created(Ids()))
    assert endpoint.active is not None
    endpoint = states.entity_changed(
        endpoint, endpoint.active.entities[0].id, Deployment.RECOVERING, "restarting"
    )
    assert states.document(endpoint)["state"]["ready"] == "NOT_READY"


def test_routes_come_back_in_the_order_they_were_sent_with_both_spellings() -> None:
    document = states.document(deployed(created(Ids(), {"z": 10, "a": 90})))
    assert document["config"]["traffic_config"]["routes"] == [
        {"served_model_name": "z", "served_entity_name": "z", "traffic_percentage": 10},
        {"served_model_name": "a", "served_entity_name": "a", "traffic_percentage": 90},
    ]


def test_tags_are_replaced_by_key_deleted_by_key_and_sorted() -> None:
    endpoint = created(Ids())
    first = (Tag(key="team", value="ml"), Tag(key="env", value="dev"))
    endpoint = states.with_tags(endpoint, add=first, delete=(), now_ms=3)
    endpoint = states.with_tags(
        endpoint, add=(Tag(key="team", value="ds"), Tag(key="a")), delete=("env",), now_ms=4
    )
    assert states.document(endpoint)["tags"] == [{"key": "a"}, {"key": "team", "value": "ds"}]


def test_an_endpoint_survives_being_written_and_read() -> None:
    endpoint = deployed(created(Ids()))
    assert Endpoint.model_validate_json(endpoint.model_dump_json()) == endpoint


def table(prefix: str = "p", **fields: Any) -> dict[str, Any]:
    names = {"catalog_name": "c", "schema_name": "s", "table_name_prefix": prefix}
    return {"inference_table_config": names | {"enabled": True} | fields}


def with_table(endpoint: Endpoint, body: dict[str, Any]) -> Endpoint:
    return states.with_gateway(endpoint, parse_gateway(body), now_ms=5)


def logged(endpoint: Endpoint) -> Endpoint:
    assert endpoint.table is not None
    return states.with_logged_table(endpoint, endpoint.table)


@pytest.mark.parametrize("change", ["catalog_name", "schema_name", "table_name_prefix"])
def test_an_enabled_inference_table_can_not_be_renamed(change: str) -> None:
    endpoint = with_table(created(Ids()), table())
    with pytest.raises(Refusal, match="disable it first"):
        with_table(endpoint, table(**{change: "other"}))


def test_a_disabled_inference_table_with_rows_can_not_be_enabled_again() -> None:
    endpoint = logged(with_table(created(Ids()), table()))
    endpoint = with_table(endpoint, table(enabled=False))
    with pytest.raises(Refusal, match=r"c\.s\.p_payload was disabled and can not be enabled"):
        with_table(endpoint, table())
    assert with_table(endpoint, table("q")).table is not None


def test_a_disabled_inference_table_without_rows_can_be_enabled_again() -> None:
    endpoint = with_table(with_table(created(Ids()), table()), table(enabled=False))
    assert with_table(endpoint, table()).table is not None


def test_an_enabled_inference_table_with_rows_can_be_sent_again_unchanged() -> None:
    endpoint = logged(with_table(created(Ids()), table()))
    assert with_table(endpoint, table()).table is not None


def test_an_endpoint_is_shown_in_both_spellings_whichever_was_sent() -> None:
    models = [
        {
            "name": "a",
            "model_name": "c.s.m",
            "model_version": "1",
            "workload_size": "Small",
            "scale_to_zero_enabled": False,
        }
    ]
    entities = [{**entity("a"), "scale_to_zero_enabled": False, "workload_size": "Small"}]
    shown = []
    for sent in ({"served_models": models}, {"served_entities": entities}):
        spec = parse_create({"name": "ab", "config": sent})
        endpoint = states.create(spec, creator="me", now_ms=1, new_id=Ids())
        shown.append(states.document(endpoint))
    assert shown[0] == shown[1]
    for config_shown in (shown[0]["config"], shown[0]["pending_config"]):
        [model], [served] = config_shown["served_models"], config_shown["served_entities"]
        assert models[0].items() <= model.items()
        assert (served["entity_name"], served["entity_version"]) == ("c.s.m", "1")
        assert model["state"] == served["state"]

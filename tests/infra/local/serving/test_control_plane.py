"""The REST calls about endpoints, as Terraform's provider, the SDK and the CLI send them."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

import httpx
import pytest

from infra.local.serving.store import EndpointStore
from tests.plugin.workspaces import ENDPOINTS, IMAGE, PROBE, config, entity, gateway

if TYPE_CHECKING:
    from tests.plugin.workspaces import Workspace


def test_an_endpoint_shows_what_was_asked_for_and_how_it_is(workspace: Workspace, ab: str) -> None:
    endpoint = workspace.get(ab)
    assert re.fullmatch(r"[0-9a-f]{32}", endpoint["id"])
    assert endpoint["creator"] == "minilake-user"
    assert endpoint["description"] == ""
    assert endpoint["route_optimized"] is False
    assert [e["name"] for e in endpoint["config"]["served_entities"]] == ["champion", "challenger"]
    assert endpoint["config"]["served_entities"][0]["state"]["deployment"] == "DEPLOYMENT_READY"
    assert endpoint["config"]["config_version"] == 1


def test_the_list_holds_every_endpoint(workspace: Workspace, ab: str, probe: str) -> None:
    listed = workspace.client.get(ENDPOINTS).json()["endpoints"]
    assert {ab, probe} <= {endpoint["name"] for endpoint in listed}


def test_an_existing_name_is_refused(workspace: Workspace, probe: str) -> None:
    response = workspace.client.post(
        ENDPOINTS, json={"name": probe, "config": config(entity(PROBE))}
    )
    assert response.status_code == 409
    assert response.json() == {
        "error_code": "RESOURCE_ALREADY_EXISTS",
        "message": f"Serving endpoint with name {probe} already exists",
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("PUT", "/config"),
        ("PUT", "/ai-gateway"),
        ("PATCH", "/tags"),
        ("PATCH", "/notifications"),
        ("GET", "/metrics"),
        ("GET", "/openapi"),
        ("GET", "/served-models/a/build-logs"),
    ],
)
def test_an_endpoint_that_does_not_exist_is_said_to_be_missing(
    workspace: Workspace, method: str, path: str
) -> None:
    response = workspace.client.request(
        method, f"{ENDPOINTS}/nobody{path}", json=None if method in ("GET", "DELETE") else {}
    )
    assert response.status_code == 404
    assert response.json() == {
        "error_code": "RESOURCE_DOES_NOT_EXIST",
        "message": "Endpoint with name 'nobody' does not exist.",
    }


@pytest.mark.parametrize(
    ("model", "version", "status", "text"),
    [
        ("local.models.nobody", "1", 404, "local.models.nobody"),
        (PROBE, "9", 404, "9"),
        ("local.models.pending", "1", 400, "PENDING_REGISTRATION"),
    ],
)
def test_a_version_that_can_not_be_served_is_refused_and_leaves_no_endpoint(
    workspace: Workspace, model: str, version: str, status: int, text: str
) -> None:
    body = {"name": "unservable", "config": config(entity(model, version))}
    response = workspace.client.post(ENDPOINTS, json=body)
    assert response.status_code == status
    assert text in response.json()["message"]
    assert workspace.client.get(f"{ENDPOINTS}/unservable").status_code == 404


def test_a_secret_that_does_not_exist_is_refused(workspace: Workspace) -> None:
    variables = {"PASSWORD": "{{secrets/nowhere/none}}"}
    body = {"name": "secretive", "config": config(entity(PROBE, environment_vars=variables))}
    response = workspace.client.post(ENDPOINTS, json=body)
    assert response.status_code == 404
    assert "PASSWORD" in response.json()["message"]
    assert "'nowhere'" in response.json()["message"]


def test_a_model_that_can_not_be_loaded_fails_the_update_and_says_why(
    workspace: Workspace,
) -> None:
    body = {"name": "broken", "config": config(entity("local.models.broken"))}
    assert workspace.client.post(ENDPOINTS, json=body).status_code == 200
    endpoint = workspace.settled("broken")
    assert endpoint["state"] == {"ready": "NOT_READY", "config_update": "UPDATE_FAILED"}
    state = endpoint["pending_config"]["served_entities"][0]["state"]
    assert state["deployment"] == "DEPLOYMENT_FAILED"
    assert "python_function" in state["deployment_state_message"]
    log = workspace.client.get(f"{ENDPOINTS}/broken/served-models/broken-1/build-logs").json()
    assert "Traceback" in log["logs"]
    refused = workspace.probe("broken", "echo:x")
    assert (refused.status_code, refused.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert workspace.client.delete(f"{ENDPOINTS}/broken").status_code == 200


def test_traffic_moves_without_a_new_process(workspace: Workspace) -> None:
    before = workspace.create("moved", *(entity(PROBE, name=name) for name in ("one", "other")))
    workers = workspace.workers_of("moved")
    body = config(*before["config"]["served_entities"], split=[90, 10])
    response = workspace.client.put(f"{ENDPOINTS}/moved/config", json=body)
    assert response.json()["state"]["config_update"] == "NOT_UPDATING"
    after = workspace.get("moved")
    assert after["config"]["config_version"] == before["config"]["config_version"] + 1
    assert after["config"]["traffic_config"]["routes"][0]["traffic_percentage"] == 90
    assert workspace.workers_of("moved") == workers
    assert len(workers) == 2
    workspace.client.delete(f"{ENDPOINTS}/moved")


def test_tags_are_patched(workspace: Workspace, probe: str) -> None:
    body = {"add_tags": [{"key": "team", "value": "ml"}, {"key": "env", "value": "dev"}]}
    workspace.client.patch(f"{ENDPOINTS}/{probe}/tags", json=body)
    response = workspace.client.patch(f"{ENDPOINTS}/{probe}/tags", json={"delete_tags": ["env"]})
    assert response.json() == {"tags": [{"key": "team", "value": "ml"}]}
    assert workspace.get(probe)["tags"] == [{"key": "team", "value": "ml"}]


def test_an_inference_table_needs_its_schema(workspace: Workspace, probe: str) -> None:
    gateway = {"inference_table_config": {"enabled": True, "catalog_name": "local"}}
    gateway["inference_table_config"]["schema_name"] = "nowhere"
    body = {"name": "unlogged", "config": config(entity(PROBE)), "ai_gateway": gateway}
    before = workspace.get(probe)
    for answer in (
        workspace.client.post(ENDPOINTS, json=body),
        workspace.client.put(f"{ENDPOINTS}/{probe}/ai-gateway", json=gateway),
    ):
        assert answer.status_code == 404
        assert "Schema 'local.nowhere' of the inference table" in answer.json()["message"]
    assert workspace.client.get(f"{ENDPOINTS}/unlogged").status_code == 404
    assert workspace.get(probe) == before


def test_notifications_are_lists_of_addresses(workspace: Workspace, probe: str) -> None:
    for mail in ("a@b.c", {"on_update_success": "a@b.c"}):
        answer = workspace.client.patch(
            f"{ENDPOINTS}/{probe}/notifications", json={"email_notifications": mail}
        )
        assert answer.status_code == 400


def test_notifications_are_kept_when_patched_but_not_when_created(
    workspace: Workspace,
) -> None:
    mail = {"on_update_success": ["a@example.com"]}
    body = {"name": "notified", "email_notifications": mail}
    assert "email_notifications" not in workspace.client.post(ENDPOINTS, json=body).json()
    url = f"{ENDPOINTS}/notified/notifications"
    assert workspace.client.patch(url, json={"email_notifications": mail}).status_code == 200
    assert workspace.get("notified")["email_notifications"] == mail
    workspace.client.delete(f"{ENDPOINTS}/notified")


def test_the_gateway_is_replaced_whole(workspace: Workspace) -> None:
    workspace.client.post(ENDPOINTS, json={"name": "gated"})
    url = f"{ENDPOINTS}/gated/ai-gateway"
    first = gateway("gated")
    assert workspace.client.put(url, json=first).json() == first
    second = {"usage_tracking_config": {"enabled": True}}
    assert workspace.client.put(url, json=second).json() == second
    assert workspace.get("gated")["ai_gateway"] == second
    workspace.client.delete(f"{ENDPOINTS}/gated")


def test_permissions_go_by_id_and_are_replaced_merged_and_returned(
    workspace: Workspace, probe: str
) -> None:
    url = f"/api/2.0/permissions/serving-endpoints/{workspace.get(probe)['id']}"
    initial = workspace.client.get(url).json()
    assert initial["object_type"] == "serving-endpoint"
    assert initial["access_control_list"][0]["user_name"] == "minilake-user"

    analysts = {"group_name": "analysts", "permission_level": "CAN_QUERY"}
    me = {"user_name": "minilake-user", "permission_level": "CAN_MANAGE"}
    workspace.client.put(url, json={"access_control_list": [analysts, me]})
    changed = {**analysts, "permission_level": "CAN_VIEW"}
    workspace.client.patch(url, json={"access_control_list": [changed]})
    levels = {
        entry.get("group_name") or entry.get("user_name"): entry["all_permissions"]
        for entry in workspace.client.get(url).json()["access_control_list"]
    }
    assert levels == {
        "analysts": [{"permission_level": "CAN_VIEW", "inherited": False}],
        "minilake-user": [{"permission_level": "CAN_MANAGE", "inherited": False}],
    }
    offered = workspace.client.get(f"{url}/permissionLevels").json()["permission_levels"]
    assert [o["permission_level"] for o in offered] == ["CAN_VIEW", "CAN_QUERY", "CAN_MANAGE"]


def test_permissions_by_name_are_refused(workspace: Workspace, probe: str) -> None:
    response = workspace.client.get(f"/api/2.0/permissions/serving-endpoints/{probe}")
    assert response.status_code == 404


def test_the_query_schema_comes_from_the_signature(workspace: Workspace, ab: str) -> None:
    document = workspace.client.get(f"{ENDPOINTS}/{ab}/openapi").json()
    path = f"/serving-endpoints/{ab}/served-models/champion/invocations"
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    images = content["schema"]["properties"]["inputs"]
    assert (images["items"]["minItems"], images["items"]["items"]["maxItems"]) == (28, 28)


def test_two_arms_with_one_signature_have_one_query_schema(workspace: Workspace, ab: str) -> None:
    document = workspace.client.get(f"{ENDPOINTS}/{ab}/openapi").json()
    contents = [
        operation["post"]["requestBody"]["content"]["application/json"]["schema"]
        for operation in document["paths"].values()
    ]
    assert len(contents) == 3
    assert contents == [contents[0]] * 3, "with a schema twice, oneOf would hold for no request"


def test_metrics_count_the_requests_of_each_arm(workspace: Workspace, ab: str) -> None:
    def count() -> float:
        text = workspace.client.get(f"{ENDPOINTS}/{ab}/metrics").text
        name = r'request_count_total\{endpoint_name="ab",served_model_name="champion"\} (\S+)'
        match = re.search(name, text)
        assert match, text
        return float(match[1])

    before = count()
    workspace.invoke(ab, {"inputs": [IMAGE]}, "champion")
    assert count() == before + 1


def test_service_logs_hold_what_the_model_prints(workspace: Workspace, probe: str) -> None:
    workspace.probe(probe, "raise")
    log = workspace.client.get(f"{ENDPOINTS}/{probe}/served-models/probe-1/logs")
    assert log.status_code == 200
    assert "logs" in log.json()


def test_what_is_not_emulated_answers_501(workspace: Workspace) -> None:
    for path in ("/api/2.0/apps", "/something/else", f"{ENDPOINTS}/a/b/c", f"{ENDPOINTS}/pt/a"):
        response = workspace.client.get(path)
        assert response.status_code == 501, path
        assert response.json()["error_code"] == "NOT_IMPLEMENTED"


def test_a_body_that_is_not_json_is_malformed(workspace: Workspace) -> None:
    response = workspace.client.post(ENDPOINTS, content=b"{")
    assert (response.status_code, response.json()["error_code"]) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "UNAUTHENTICATED"),
        ({"Authorization": "Digest x"}, 401, "UNAUTHENTICATED"),
        ({"Authorization": "Bearer wrong"}, 403, "PERMISSION_DENIED"),
        ({"Authorization": "Basic dG9rZW46d3Jvbmc="}, 403, "PERMISSION_DENIED"),
    ],
)
@pytest.mark.parametrize(
    "path",
    [ENDPOINTS, "/serving-endpoints/ab/invocations", "/api/2.1/unity-catalog/catalogs", "/ui/"],
)
def test_nothing_is_answered_without_the_token(
    workspace: Workspace, headers: dict[str, str], status: int, code: str, path: str
) -> None:
    response = httpx.get(workspace.host + path, headers=headers, timeout=60)
    assert response.status_code == status
    assert response.json()["error_code"] == code
    assert set(response.json()) == {"error_code", "message"}


def test_an_endpoint_that_can_not_be_kept_is_not_there(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(EndpointStore, "save", full)
        response = workspace.client.post(ENDPOINTS, json={"name": "half"})
        assert response.status_code == 500
        assert "disk is full" in response.json()["message"]
    assert workspace.client.get(f"{ENDPOINTS}/half").status_code == 404

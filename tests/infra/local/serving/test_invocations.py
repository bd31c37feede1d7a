"""What an endpoint answers to requests, good and bad."""

from __future__ import annotations

import base64
import json
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from scipy.stats import binom

from tests.plugin.workspaces import (
    ENDPOINTS,
    IMAGE,
    KERAS,
    PROBE,
    TORCH,
    config,
    entity,
    eventually,
    gateway,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.workspaces import Workspace

COLUMN = {"action": "echo:hello"}
SURELY = 1 - 1e-9
"""The workspace draws without a seed: bounds that a sound draw leaves once in 10^9 runs."""


@pytest.fixture(scope="module")
def ab(workspace: Workspace) -> str:
    """Name of an endpoint with a Keras and a PyTorch arm, half of the traffic each."""
    workspace.create("ab", entity(KERAS, "1", "keras-1"), entity(TORCH, "1", "torch-1"))
    return "ab"


def test_an_answer_names_its_arm_and_its_request_in_both_spellings(
    workspace: Workspace, ab: str
) -> None:
    response = workspace.invoke(ab, {"inputs": [IMAGE]})
    assert response.headers["served-model-name"] in ("keras-1", "torch-1")
    request_id = response.headers["x-databricks-request-id"]
    assert uuid.UUID(request_id).version == 4
    assert response.headers["databricks-request-id"] == request_id
    [[probability]] = response.json()["predictions"]
    assert 0 <= probability <= 1


def test_the_arms_share_the_requests_within_binomial_bounds(workspace: Workspace, ab: str) -> None:
    body = {"inputs": [IMAGE]}
    arms = [workspace.invoke(ab, body).headers["served-model-name"] for _ in range(400)]
    low, high = binom.interval(SURELY, len(arms), 0.5)
    assert low <= arms.count("torch-1") <= high


@pytest.mark.parametrize("arm", ["keras-1", "torch-1"])
def test_one_arm_can_be_asked_whatever_the_traffic(workspace: Workspace, ab: str, arm: str) -> None:
    for _ in range(5):
        response = workspace.invoke(ab, {"inputs": [IMAGE]}, arm)
        assert response.headers["served-model-name"] == arm


@pytest.mark.parametrize("arm", ["keras-1", "torch-1"])
def test_requests_computed_together_get_the_predictions_of_requests_computed_alone(
    workspace: Workspace, ab: str, arm: str
) -> None:
    images = [[[[(i + 1) / 40]] * 28] * 28 for i in range(32)]
    alone = [workspace.invoke(ab, {"inputs": [i]}, arm).json()["predictions"][0] for i in images]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda i: workspace.invoke(ab, {"inputs": [i]}, arm), images)
        together = [answer.json()["predictions"][0] for answer in answers]
    assert [p for [p] in together] == pytest.approx([p for [p] in alone], abs=1e-6)
    batch = workspace.invoke(ab, {"inputs": images}, arm).json()["predictions"]
    assert [p for [p] in batch] == pytest.approx([p for [p] in alone], abs=1e-6)


@pytest.mark.parametrize("key", ["inputs", "instances"])
def test_tensors_come_as_inputs_or_instances(workspace: Workspace, ab: str, key: str) -> None:
    response = workspace.invoke(ab, {key: [IMAGE, IMAGE]})
    assert response.status_code == 200, response.text
    assert len(response.json()["predictions"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [COLUMN]},
        {"dataframe_split": {"columns": ["action"], "data": [["echo:hello"]]}},
        {"inputs": {"action": ["echo:hello"]}},
        {"instances": [COLUMN]},
    ],
    ids=lambda body: next(iter(body)),
)
def test_columns_come_in_four_forms(workspace: Workspace, probe: str, body: dict[str, Any]) -> None:
    response = workspace.invoke(probe, body)
    assert response.status_code == 200, response.text
    assert response.json() == {"predictions": ["hello"]}


def test_csv_is_read_as_columns(workspace: Workspace, probe: str) -> None:
    response = workspace.client.post(
        f"/serving-endpoints/{probe}/invocations",
        content="action\necho:a\necho:b\n",
        headers={"Content-Type": "text/csv"},
    )
    assert response.json() == {"predictions": ["a", "b"]}


def test_params_reach_the_model(workspace: Workspace, probe: str) -> None:
    response = workspace.probe(probe, "parameter", params={"suffix": "given"})
    assert response.json() == {"predictions": ["given"]}


def test_a_served_entity_has_its_own_process_and_its_own_framework_alone(
    workspace: Workspace, ab: str, probe: str
) -> None:
    pid = int(workspace.probe(probe, "pid").json()["predictions"][0])
    assert pid != workspace.pid
    assert pid in workspace.workers()
    loaded = workspace.probe(probe, "modules:torch,tensorflow,keras").json()["predictions"][0]
    assert loaded == ""


def test_a_served_entity_can_not_import_this_repository(workspace: Workspace, probe: str) -> None:
    assert workspace.probe(probe, "importable:ml").json()["predictions"] == ["False"]


def test_environment_variables_and_secrets_reach_the_model(workspace: Workspace) -> None:
    client = workspace.client
    client.post("/api/2.0/secrets/scopes/create", json={"scope": "tests"})
    client.post(
        "/api/2.0/secrets/put", json={"scope": "tests", "key": "key", "string_value": "hidden"}
    )
    variables = {"PLAIN": "open", "SECRET": "{{secrets/tests/key}}"}
    workspace.create("variables", entity(PROBE, environment_vars=variables))
    assert workspace.probe("variables", "environment:PLAIN").json()["predictions"] == ["open"]
    assert workspace.probe("variables", "environment:SECRET").json()["predictions"] == ["hidden"]
    shown = workspace.get("variables")["config"]["served_entities"][0]["environment_vars"]
    assert shown == variables
    assert workspace.probe("variables", "environment:DATABRICKS_TOKEN").json()["predictions"] == [
        ""
    ]
    client.delete(f"{ENDPOINTS}/variables")


def nested(depth: int) -> bytes:
    return b'{"inputs": ' + b"[" * depth + b"1" + b"]" * depth + b"}"


def images(value: str) -> bytes:
    row = "[" + ",".join([f"[{value}]"] * 28) + "]"
    return ('{"inputs": [[' + ",".join([row] * 28) + "]]}").encode()


MALFORMED = {
    "empty": b"",
    "no JSON": b"{",
    "truncated": images("0.5")[:-20],
    "bad UTF-8": b'{"inputs": ["\xff\xfe"]}',
    "NaN": images("NaN"),
    "Infinity": images("-Infinity"),
    "null": images("null"),
    "beyond double": images("1e999"),
    "beyond float32": images("1e39"),
    "text": images('"abc"'),
    "objects": images("{}"),
    "a list": b"[1, 2]",
    "a number": b"7",
    "no key": b"{}",
    "a wrong key": b'{"input": [1]}',
    "two keys": b'{"inputs": [1], "instances": [1]}',
    "inputs are null": b'{"inputs": null}',
    "inputs are a number": b'{"inputs": 3}',
    "inputs are an object": b'{"inputs": {"a": 1}}',
    "no image": b'{"inputs": []}',
    "an empty image": b'{"inputs": [[]]}',
    "a ragged image": b'{"inputs": [[[[1], [2]], [[1]]]]}',
    "a small image": b'{"inputs": [[[[0.5]]]]}',
    "flat": b'{"inputs": [1, 2, 3]}',
    "200 levels": nested(200),
    "5000 levels": nested(5000),
    "a huge integer": b'{"inputs": [' + b"9" * 5000 + b"]}",
    "records that are none": b'{"dataframe_records": 3}',
    "a split without data": b'{"dataframe_split": {"columns": ["a"]}}',
    "a split of the wrong shape": b'{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}',
    "params that are none": b'{"inputs": [1], "params": 3}',
    "an id that is an object": b'{"inputs": [1], "client_request_id": {"a": 1}}',
    "an id that is no text": b'{"inputs": [1], "client_request_id": true}',
    "chat": b'{"messages": [{"role": "user", "content": "hi"}]}',
}


@pytest.mark.parametrize("arm", ["keras-1", "torch-1"])
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_gets_mlflows_400(
    workspace: Workspace, ab: str, arm: str, body: bytes
) -> None:
    response = workspace.client.post(
        f"/serving-endpoints/{ab}/served-models/{arm}/invocations",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 400, response.text
    assert response.json()["error_code"] in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")
    assert response.json()["message"]
    assert len(response.content) < 20_000


def test_malformed_requests_kill_no_process(workspace: Workspace, ab: str) -> None:
    workers = workspace.workers_of(ab)
    for body in MALFORMED.values():
        workspace.client.post(
            f"/serving-endpoints/{ab}/invocations",
            content=body,
            headers={"Content-Type": "application/json"},
        )
    assert workspace.workers_of(ab) == workers


def test_a_wrong_request_in_company_spoils_only_its_own_answer(
    workspace: Workspace, ab: str
) -> None:
    bodies = [{"inputs": [IMAGE]}, {"inputs": [[1]]}] * 16
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: workspace.invoke(ab, body, "torch-1"), bodies))
    assert [answer.status_code for answer in answers] == [200, 400] * 16


def test_an_exception_in_the_model_is_the_requests_fault(workspace: Workspace, probe: str) -> None:
    response = workspace.probe(probe, "raise")
    assert response.status_code == 400
    assert response.json()["error_code"] == "BAD_REQUEST"
    assert "unexpected error while evaluating the model" in response.json()["message"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "", "application/json; charset=latin-1"],
)
def test_another_content_type_is_unsupported(
    workspace: Workspace, ab: str, content_type: str
) -> None:
    response = workspace.client.post(
        f"/serving-endpoints/{ab}/invocations",
        content=json.dumps({"inputs": [IMAGE]}),
        headers={"Content-Type": content_type},
    )
    assert response.status_code == 415


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_another_method_is_not_allowed(workspace: Workspace, ab: str, method: str) -> None:
    response = workspace.client.request(method, f"/serving-endpoints/{ab}/invocations")
    assert response.status_code == 405


@pytest.mark.parametrize(
    "path",
    ["nobody/invocations", "ab/served-models/nobody/invocations", "ab/elsewhere", "ab"],
)
def test_what_does_not_exist_is_not_found(workspace: Workspace, ab: str, path: str) -> None:
    response = workspace.client.post(f"/serving-endpoints/{path}", json={"inputs": [IMAGE]})
    assert response.status_code == 404
    assert set(response.json()) == {"error_code", "message"}


@pytest.mark.parametrize("path", ["chat/completions", "completions", "embeddings", "responses"])
def test_what_openais_clients_ask_for_is_not_emulated(workspace: Workspace, path: str) -> None:
    response = workspace.client.post(f"/serving-endpoints/{path}", json={"model": "ab"})
    assert response.status_code == 501
    assert "not emulated" in response.json()["message"]


def test_a_body_over_16_mb_is_refused_before_the_model_sees_it(
    workspace: Workspace, probe: str
) -> None:
    body = {"dataframe_records": [{"action": "echo:" + "x" * (16 * 1024 * 1024)}]}
    response = workspace.invoke(probe, body)
    assert response.status_code == 413
    assert "16 MB" in response.json()["message"]


def test_a_body_of_15_mb_is_answered(workspace: Workspace, probe: str) -> None:
    text = "x" * (15 * 1024 * 1024)
    assert workspace.probe(probe, "echo:" + text).json() == {"predictions": [text]}


def test_a_client_that_leaves_in_the_middle_of_its_body_disturbs_nobody(
    workspace: Workspace, ab: str
) -> None:
    address = httpx.URL(workspace.host)
    head = (
        f"POST /serving-endpoints/{ab}/invocations HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {workspace.token}\r\nContent-Type: application/json\r\n"
        "Content-Length: 100000\r\n\r\n"
    )
    for _ in range(20):
        with socket.create_connection((address.host, address.port or 80)) as connection:
            connection.sendall(head.encode() + b'{"inputs": [')
    assert workspace.invoke(ab, {"inputs": [IMAGE]}).status_code == 200


def test_basic_authentication_with_the_user_token_is_accepted(
    workspace: Workspace, ab: str
) -> None:
    credentials = base64.b64encode(f"token:{workspace.token}".encode()).decode()
    response = httpx.post(
        f"{workspace.host}/serving-endpoints/{ab}/invocations",
        json={"inputs": [IMAGE]},
        headers={"Authorization": f"Basic {credentials}"},
        timeout=60,
    )
    assert response.status_code == 200


def test_too_many_waiting_requests_get_429(
    workspace: Workspace, probe: str, tmp_path: Path
) -> None:
    # Small: 4 are computed, and with queue_per_slot=1 as many wait.
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(workspace.probe, probe, f"hold:{tmp_path}") for _ in range(16)]
        eventually(lambda: sum(future.done() for future in asked) >= 8)
        (tmp_path / "go").touch()
    answers = [future.result() for future in asked]
    statuses = [answer.status_code for answer in answers]
    assert sorted(set(statuses)) == [200, 429]
    assert statuses.count(200) == 8
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["message"] == (
        "Too many concurrent requests. Consider increasing the provisioned concurrency of the "
        "served entity."
    )


def test_requests_of_one_entity_run_side_by_side(
    workspace: Workspace, probe: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(workspace.probe, probe, f"hold:{tmp_path}") for _ in range(4)]
        held = eventually(lambda: list(tmp_path.glob("held-*")), lambda held: len(held) == 4)
        (tmp_path / "go").touch()
    assert len(held) == 4
    assert [future.result().json() for future in asked] == [{"predictions": ["released"]}] * 4


def test_the_gateways_rate_limit_gets_429(workspace: Workspace) -> None:
    limits = [{"calls": 3, "key": "endpoint", "renewal_period": "minute"}]
    workspace.create("limited", entity(PROBE), ai_gateway={"rate_limits": limits})
    statuses = [
        workspace.probe("limited", "echo:x").status_code
        # Twice the limit and one more: a minute may end in between.
        for _ in range(7)
    ]
    assert statuses.count(429) >= 1
    assert 3 <= statuses.count(200) <= 6
    workspace.client.delete(f"{ENDPOINTS}/limited")


# The inference table


def rows(workspace: Workspace, columns: str, where: str) -> list[list[Any]]:
    statement = f"SELECT {columns} FROM local.gold.probe_payload WHERE {where}"
    found: list[list[Any]] = eventually(lambda: workspace.sql(statement))
    return found


def test_an_answered_request_is_logged_in_the_documented_columns(
    workspace: Workspace, probe: str
) -> None:
    response = workspace.probe(probe, "echo:logged", client_request_id="mine")
    request_id = response.headers["x-databricks-request-id"]
    [row] = rows(
        workspace,
        "client_request_id, status_code, sampling_fraction, request, response, "
        "logging_error_codes, served_entity_id, requester, request_date = date(request_time)",
        f"databricks_request_id = '{request_id}'",
    )
    assert row[0:3] == ["mine", "200", "1.0"]
    assert json.loads(row[3])["dataframe_records"] == [{"action": "echo:logged"}]
    assert json.loads(row[4]) == {"predictions": ["logged"]}
    [served_id] = workspace.served_entity_ids(probe)
    assert row[5:] == ["[]", served_id, "minilake-user", "true"]


def test_the_time_in_the_model_is_logged(workspace: Workspace, probe: str) -> None:
    sent = time.monotonic()
    request_id = workspace.probe(probe, "sleep:0.3").headers["x-databricks-request-id"]
    elapsed = time.monotonic() - sent
    where = f"databricks_request_id = '{request_id}'"
    [[milliseconds]] = rows(workspace, "execution_duration_ms", where)
    assert 300 <= int(milliseconds) <= elapsed * 1000 + 1


def test_a_models_refusal_is_logged_with_its_status(workspace: Workspace, probe: str) -> None:
    request_id = workspace.probe(probe, "raise").headers["x-databricks-request-id"]
    [[status]] = rows(workspace, "status_code", f"databricks_request_id = '{request_id}'")
    assert status == "400"


def test_bodies_over_1_mib_are_null_with_the_documented_codes(
    workspace: Workspace, probe: str
) -> None:
    large = "x" * (1024 * 1024 + 1)
    ids = {
        name: workspace.probe(probe, action).headers["x-databricks-request-id"]
        for name, action in (("both", f"echo:{large}"), ("response", f"long:{len(large)}"))
    }
    columns = "request IS NULL, response IS NULL, logging_error_codes"
    [both] = rows(workspace, columns, f"databricks_request_id = '{ids['both']}'")
    codes = ["MAX_REQUEST_SIZE_EXCEEDED", "MAX_RESPONSE_SIZE_EXCEEDED"]
    assert both[:2] == ["true", "true"]
    assert json.loads(both[2]) == codes
    [response] = rows(workspace, columns, f"databricks_request_id = '{ids['response']}'")
    assert response[:2] == ["false", "true"]
    assert json.loads(response[2]) == codes[1:]


def test_usage_is_tracked(workspace: Workspace, probe: str) -> None:
    response = workspace.probe(probe, "echo:x", client_request_id="used")
    request_id = response.headers["x-databricks-request-id"]
    statement = (
        "SELECT client_request_id, status_code, requester FROM system.serving.endpoint_usage "
        f"WHERE databricks_request_id = '{request_id}'"
    )
    found = eventually(lambda: workspace.sql(statement))
    assert found == [["used", "200", "minilake-user"]]


def test_sampling_logs_a_fraction(workspace: Workspace) -> None:
    workspace.create("sampled", entity(PROBE), ai_gateway=gateway("sampled", sampling_fraction=0.3))
    for _ in range(200):
        workspace.probe("sampled", "echo:x")
    [served_id] = workspace.served_entity_ids("sampled")
    # Usage is tracked of every request, and delivered in their order, after the payload.
    tracked = (
        f"SELECT count(*) FROM system.serving.endpoint_usage WHERE served_entity_id = '{served_id}'"
    )
    usage = eventually(lambda: workspace.sql(tracked), lambda rows: rows == [["200"]])
    assert usage == [["200"]]
    low, high = binom.interval(SURELY, 200, 0.3)
    statement = "SELECT count(*), min(sampling_fraction) FROM local.gold.sampled_payload"
    [[count, fraction]] = workspace.sql(statement)
    assert low <= int(count) <= high
    assert float(fraction) == 0.3
    workspace.client.delete(f"{ENDPOINTS}/sampled")


def test_logging_ends_and_begins_with_the_inference_table(workspace: Workspace) -> None:
    workspace.create("switched", entity(PROBE))
    url = f"{ENDPOINTS}/switched/ai-gateway"

    def count(table: str) -> int:
        found = workspace.sql(f"SELECT count(*) FROM local.gold.{table}_payload")
        return int(found[0][0]) if found else 0

    def send() -> None:
        assert workspace.probe("switched", "echo:x").status_code == 200

    send()
    workspace.client.put(url, json=gateway("switched"))
    send()
    assert eventually(lambda: count("switched")) == 1
    workspace.client.put(url, json=gateway("switched", enabled=False))
    send()
    again = workspace.client.put(url, json=gateway("switched"))
    assert (again.status_code, again.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    workspace.client.put(url, json=gateway("switched2"))
    send()
    assert eventually(lambda: count("switched2")) == 1
    assert count("switched") == 1
    workspace.client.delete(f"{ENDPOINTS}/switched")


def test_the_system_table_follows_an_endpoints_configs_and_its_end(
    workspace: Workspace,
) -> None:
    workspace.create("followed", entity(PROBE))
    body = config(entity(PROBE, "1"), entity(PROBE, "2"), split=[60, 40])
    workspace.client.put(f"{ENDPOINTS}/followed/config", json=body)
    workspace.settled("followed")
    workspace.client.delete(f"{ENDPOINTS}/followed")
    statement = (
        "SELECT served_entity_name, entity_version, endpoint_config_version, "
        "endpoint_delete_time IS NOT NULL FROM system.serving.served_entities "
        "WHERE endpoint_name = 'followed' ORDER BY 3, 1"
    )
    expected = [
        ["probe-1", "1", "1", "false"],
        ["probe-1", "1", "2", "true"],
        ["probe-2", "2", "2", "true"],
    ]
    assert eventually(lambda: workspace.sql(statement), lambda rows: rows == expected) == expected

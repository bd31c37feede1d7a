"""The calls that the real Terraform provider 1.99.0 made, replayed against the workspace.

`provider-calls/*.jsonl` was recorded with minilake 1.9.0. What must come back is the status, and
every field that the provider put into its state, which is what it sent:
docs/reference/terraform-provider.md#what-other-resources-need.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).parents[0] / "provider-calls"
SERVING = "serving"
"""Recordings of serving are replayed with the serving control plane."""

WAREHOUSE = "6be3b26a"
"""The warehouse of the recording, which existed before it began."""

# Where the recorded status is minilake's failure, and what Databricks answers instead.
CORRECTED_FAILURES = {
    ("sqltab_addcol", "POST /api/2.0/sql/statements"): "SUCCEEDED",
    ("sqltab_colcomment", "POST /api/2.0/sql/statements"): "SUCCEEDED",
    ("sqltab_dropcol", "POST /api/2.0/sql/statements"): "SUCCEEDED",
    ("sqltab_props", "POST /api/2.0/sql/statements"): "SUCCEEDED",
    # The provider dropped a view as a table, because minilake had called it one.
    ("sqltab_view", "POST /api/2.0/sql/statements"): "FAILED",
}

# Fields of a request that no read repeats.
NOT_READ_BACK = {
    *("auto_resolve_display_name", "update_mask", "query", "changes", "access_control_list"),
    # Set by the server; the provider sends them back as it read them.
    *("created_at", "created_by", "updated_at", "updated_by", "etag", "create_time"),
    *("update_time", "path", "lifecycle_state", "metastore_id", "storage_location"),
}

# Calls whose request another call's answer shows, or none.
NOT_THE_OBJECT = (
    *("/published", "/secrets/", "/api/2.0/permissions/", "/unity-catalog/permissions/"),
    "/sql/statements",
)

# Calls about an object that the case's own refers to.
BESIDE = "/notification-destinations"

# What a read of a table must show after the statements of a phase.
TABLES = {
    ("sqltab_addcol", "create"): {"columns": ["id", "name", "amt"]},
    ("sqltab_addcol", "plan3"): {"columns": ["id", "name", "amt", "n"]},
    ("sqltab_colcomment", "plan3"): {"comments": [None, "x", None]},
    ("sqltab_dropcol", "plan3"): {"columns": ["id", "name", "amt"]},
    ("sqltab_part", "plan2"): {"partitions": [None, 0, None]},
    ("sqltab_props", "plan2"): {"properties": {"k": "v"}},
    ("sqltab_props", "plan3"): {"properties": {"k": "v2"}},
    ("sqltab_view", "plan2"): {"table_type": "VIEW", "view_definition": "SELECT 1 AS a"},
    ("sql_table", "create"): {
        "table_type": "MANAGED",
        "data_source_format": "DELTA",
        "comment": "one",
        "comments": [None, "nm", None],
        "nullable": [False, True, True],
        "types": ["bigint", "string", "double"],
    },
    ("sql_table", "plan3"): {"comment": "two", "columns": ["id", "name", "amt", "ts"]},
}


def recorded_cases() -> dict[str, list[dict[str, Any]]]:
    cases: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(RECORDINGS.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            call = json.loads(line)
            if SERVING not in file.stem and SERVING not in call["case"]:
                cases.setdefault(call["case"], []).append(call)
    return cases


CASES = recorded_cases()


class Replay:
    """Sends recorded calls, with this server's ids in the place of the recorded ones."""

    def __init__(self, client: Any, ids: dict[str, str]) -> None:
        self._client = client
        self._ids = dict(ids)

    def send(self, call: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The response and the request as it was sent."""
        method, _, path = self._translated(call["call"]).partition(" ")
        body = json.loads(self._translated(json.dumps(call["request"])))
        response = self._client.request(method, path, json=body)
        self._learn(call["response"], response)
        return response, body or {}

    def create_model(self, catalog: str, schema: str, name: str) -> None:
        body = {"catalog_name": catalog, "schema_name": schema, "name": name}
        answer = self._client.post("/api/2.1/unity-catalog/models", json=body)
        assert answer.status_code == 200, answer.text

    def _translated(self, text: str) -> str:
        for recorded, ours in self._ids.items():
            text = re.sub(rf"(?<![\w-]){re.escape(recorded)}(?![\w-])", ours, text)
        return text

    def _learn(self, recorded: str, response: Any) -> None:
        """Remember which of our ids stands for which recorded one."""
        answer = response.json() if response.content and response.is_success else None
        for key in ("id", "cluster_id", "dashboard_id"):
            match = re.match(rf'.*?"{key}": ?"([\w-]+)"', recorded)
            ours = answer.get(key) if isinstance(answer, dict) else None
            if match and isinstance(ours, str):
                self._ids[match[1]] = ours


@pytest.fixture
def replay(new_workspace: Any, empty_registry: Path) -> Replay:
    """A workspace with what the recording found there: catalog, schema, warehouse, job, scope."""
    shutil.copy(empty_registry, new_workspace.folder / empty_registry.name)
    client = new_workspace.client
    for path, body in (
        ("/api/2.0/secrets/scopes/create", {"scope": "fx"}),
        (
            "/api/2.2/jobs/create",
            {
                "name": "fx",
                "tasks": [{"task_key": "a", "spark_python_task": {"python_file": "/x"}}],
            },
        ),
    ):
        assert client.post(path, json=body).status_code == 200
    return Replay(client, {WAREHOUSE: new_workspace.warehouse_id})


@pytest.mark.parametrize("case", CASES)
def test_recorded_calls_get_the_answers_that_the_provider_needs(case: str, replay: Replay) -> None:
    objects: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    if case == "grants_model":
        replay.create_model("base", "s", "m")
    for call in CASES[case]:
        response, request = replay.send(call)
        object_ = objects[BESIDE in call["call"]]
        where = f"{call['phase']}: {call['call']}: {response.text}"
        corrected = CORRECTED_FAILURES.get((case, call["call"])) if call["status"] != 200 else None
        expected = 200 if corrected else call["status"]
        assert response.status_code == expected, where
        if "/sql/statements" in call["call"]:
            assert response.json()["status"]["state"] == (corrected or "SUCCEEDED"), where
        elif call["call"].startswith("GET "):
            assert_read(response.json(), object_, where)
            if wanted := TABLES.get((case, call["phase"])):
                assert shown(response.json(), wanted) == wanted, where
        elif not any(path in call["call"] for path in NOT_THE_OBJECT):
            object_ |= read_back(request)
        if "/permissions/" in call["call"]:
            assert_access(response.json(), request, case, where)


def read_back(request: dict[str, Any]) -> dict[str, Any]:
    """The fields that a read must show after a create or an update."""
    fields = {**request, **request.get("query", {})}
    if "new_settings" in fields:
        fields = fields.pop("new_settings")
    return {key: value for key, value in fields.items() if key not in NOT_READ_BACK}


def assert_read(answer: Any, object_: dict[str, Any], where: str) -> None:
    """A read shows what was sent: of the object itself, or by its name in a listing."""
    match answer:
        case {"clusters": clusters}:
            pinned = {cluster["pinned_by_user_name"] for cluster in clusters}
            assert pinned <= {"minilake-user"}, where  # what the filter asks for
        case [*data_sources]:
            assert object_["name"] in {source["name"] for source in data_sources}, where
        case {"secrets": secrets}:
            assert [secret["key"] for secret in secrets] == ["k1"], where
        case {"scopes": scopes}:
            assert "sc1" in {scope["name"] for scope in scopes}, where
        case {"userName": _} | {"access_control_list": _} | {"privilege_assignments": _}:
            pass
        case {"settings": settings}:
            assert_contains(settings, object_, where)
        case _:
            assert_contains(answer, object_, where)


def assert_contains(answer: Any, sent: Any, where: str) -> None:
    if isinstance(sent, dict):
        for key, value in sent.items():
            if f"{key}_set" in answer:  # a secret: that it is there, and not what it is
                assert answer[f"{key}_set"] is True, where
                assert key not in answer, where
                continue
            assert key in answer, f"{key} is missing: {where}"
            assert_contains(answer[key], value, where)
    elif isinstance(sent, list):
        for answered, value in zip(answer, sent, strict=True):
            assert_contains(answered, value, where)
    else:
        assert answer == sent, where


def shown(answer: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    columns = answer["columns"]
    of_columns = {
        "columns": [column["name"] for column in columns],
        "comments": [column.get("comment") for column in columns],
        "nullable": [column["nullable"] for column in columns],
        "partitions": [column.get("partition_index") for column in columns],
        "types": [column["type_text"] for column in columns],
    }
    return {key: of_columns.get(key, answer.get(key)) for key in wanted}


def assert_access(answer: dict[str, Any], request: dict[str, Any], case: str, where: str) -> None:
    """Lists and grants show who was given what, under the singular name of the object."""
    if case == "permissions_job":
        assert answer["object_type"] == "job", where
        for entry in request.get("access_control_list", []):
            level = {"permission_level": entry["permission_level"], "inherited": False}
            listed = [e for e in answer["access_control_list"] if level in e["all_permissions"]]
            assert any(set(entry.items()) >= set(principal(e).items()) for e in listed), where
    given = {
        change["principal"]: set(change["add"])
        for change in request.get("changes", [])
        if "add" in change
    }
    for assignment in answer.get("privilege_assignments", []):
        assert given.get(assignment["principal"], set()) <= set(assignment["privileges"]), where


def principal(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "all_permissions"}

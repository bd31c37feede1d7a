"""Grants: what is applicable is kept, what is revoked is gone, and nothing else is taken."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.catalog.grants_api import NOT_IN_ALL, PRIVILEGES

UNITY = "/api/2.1/unity-catalog"
CATALOG = f"{UNITY}/permissions/catalog/base"


def change(workspace: Any, path: str, principal: str = "analysts", **change: Any) -> Any:
    body = {"changes": [{"principal": principal, **change}]}
    return workspace.client.patch(path, json=body)


def held(workspace: Any, path: str, principal: str) -> list[str]:
    found = workspace.client.get(path).json().get("privilege_assignments", [])
    return next((it["privileges"] for it in found if it["principal"] == principal), [])


def test_revoking_all_privileges_revokes_what_they_imply(shared_workspace: Any) -> None:
    everything = ["USE_CATALOG", "SELECT", "MANAGE", "ALL_PRIVILEGES"]
    change(shared_workspace, CATALOG, "owners", add=everything)

    answer = change(shared_workspace, CATALOG, "owners", remove=["ALL_PRIVILEGES"])

    assert answer.status_code == 200
    assert held(shared_workspace, CATALOG, "owners") == ["MANAGE"]


def test_what_all_privileges_leave_out_can_be_granted_on_a_catalog_all_the_same() -> None:
    assert NOT_IN_ALL - {"EXTERNAL_USE_LOCATION"} <= PRIVILEGES["CATALOG"]


@pytest.mark.parametrize(
    ("path", "body", "status", "mentioned"),
    [
        ("permissions/catalog/base", {"add": ["FLY"]}, 400, "FLY is no privilege"),
        ("permissions/catalog/base", {"remove": ["FLY"]}, 400, "FLY is no privilege"),
        ("permissions/schema/base.s", {"add": ["USE_CATALOG"]}, 400, "not applicable to a schema"),
        ("permissions/catalog/none", {"add": ["SELECT"]}, 404, "does not exist"),
        ("permissions/table/base.s.none", {"add": ["SELECT"]}, 404, "does not exist"),
        ("permissions/volume/base.s.none", {"add": ["READ_VOLUME"]}, 404, "does not exist"),
        ("permissions/function/base.s.none", {"add": ["EXECUTE"]}, 404, "does not exist"),
        ("permissions/table/base.s", {"add": ["SELECT"]}, 400, "3 part(s)"),
        ("permissions/cluster/base", {"add": ["SELECT"]}, 400, "no type of securable"),
        ("permissions/external_location/lake", {"add": ["READ_FILES"]}, 501, "external_location"),
    ],
)
def test_what_databricks_does_not_have_is_refused(
    shared_workspace: Any, path: str, body: dict[str, Any], status: int, mentioned: str
) -> None:
    answer = change(shared_workspace, f"{UNITY}/{path}", **body)

    assert answer.status_code == status, answer.text
    assert mentioned in answer.json()["message"]
    if status != 400 or "privilege" not in mentioned.lower():
        read = shared_workspace.client.get(f"{UNITY}/{path}")
        assert read.status_code in {200, status}


def test_a_refused_change_changes_nothing(shared_workspace: Any) -> None:
    change(shared_workspace, CATALOG, "pilots", add=["USE_CATALOG", "FLY"])

    assert held(shared_workspace, CATALOG, "pilots") == []


def test_the_sdk_grants_and_revokes(shared_workspace: Any) -> None:
    from databricks.sdk.service.catalog import PermissionsChange, Privilege

    sdk = shared_workspace.sdk()
    for add, remove, left in (
        ([Privilege.USE_SCHEMA, Privilege.SELECT], [], {"USE_SCHEMA", "SELECT"}),
        ([], [Privilege.SELECT], {"USE_SCHEMA"}),
        ([], [Privilege.ALL_PRIVILEGES], set()),
    ):
        one = PermissionsChange(principal="clients", add=add, remove=remove)
        sdk.grants.update("schema", "BASE.s", changes=[one])
        there = held(shared_workspace, f"{UNITY}/permissions/schema/base.s", "clients")
        assert set(there) == left


DROPPED = {
    "catalog": ("catalog/gone", "DELETE catalogs/gone?force=true", "SELECT"),
    "schema": ("schema/gone.s", "DROP SCHEMA gone.s CASCADE", "SELECT"),
    "schema_by_rest": ("schema/gone.s", "DELETE schemas/gone.s?force=true", "SELECT"),
    "schema_of_a_catalog": ("schema/gone.s", "DELETE catalogs/gone?force=true", "SELECT"),
    "table": ("table/gone.s.t", "DROP TABLE gone.s.t", "SELECT"),
    "table_by_rest": ("table/gone.s.t", "DELETE tables/gone.s.t", "SELECT"),
    "table_of_a_schema": ("table/gone.s.t", "DROP SCHEMA gone.s CASCADE", "SELECT"),
    "table_of_a_catalog": ("table/gone.s.t", "DELETE catalogs/gone?force=true", "SELECT"),
    "view": ("table/gone.s.v", "DROP VIEW gone.s.v", "SELECT"),
    "volume": ("volume/gone.s.files", "DELETE volumes/gone.s.files", "READ_VOLUME"),
    "volume_of_a_schema": ("volume/gone.s.files", "DROP SCHEMA gone.s CASCADE", "READ_VOLUME"),
    "model": ("function/gone.s.m", "DELETE models/gone.s.m", "EXECUTE"),
}


def given(workspace: Any) -> None:
    """The catalog `gone` with one of each, where it is missing."""
    of_schema = {"catalog_name": "gone", "schema_name": "s"}
    for path, body in (
        ("catalogs", {"name": "gone"}),
        ("schemas", {"name": "s", "catalog_name": "gone"}),
        ("volumes", {**of_schema, "name": "files", "volume_type": "MANAGED"}),
        ("models", {**of_schema, "name": "m"}),
    ):
        answer = workspace.client.post(f"{UNITY}/{path}", json=body)
        assert answer.status_code in {200, 400, 409}, answer.text
    workspace.rows("CREATE TABLE IF NOT EXISTS gone.s.t (a INT)")
    workspace.rows("CREATE VIEW IF NOT EXISTS gone.s.v AS SELECT 1 AS a")


def do(workspace: Any, dropping: str) -> None:
    if dropping.startswith("DELETE"):
        answer = workspace.client.delete(f"{UNITY}/{dropping.removeprefix('DELETE ')}")
        assert answer.status_code == 200, answer.text
    else:
        workspace.rows(dropping)


@pytest.mark.parametrize("case", DROPPED)
def test_what_is_dropped_takes_its_grants_along(shared_workspace: Any, case: str) -> None:
    path, dropping, privilege = DROPPED[case]
    given(shared_workspace)
    granted = f"{UNITY}/permissions/{path}"
    change(shared_workspace, granted, add=[privilege]).raise_for_status()
    do(shared_workspace, dropping)
    assert shared_workspace.client.get(granted).status_code == 404

    given(shared_workspace)

    assert held(shared_workspace, granted, "analysts") == []


def test_nothing_is_inherited_from_what_was_dropped(shared_workspace: Any) -> None:
    given(shared_workspace)
    change(shared_workspace, f"{UNITY}/permissions/schema/gone.s", add=["SELECT"])
    change(shared_workspace, f"{UNITY}/permissions/catalog/gone", add=["SELECT"])
    do(shared_workspace, "DELETE catalogs/gone?force=true")
    given(shared_workspace)

    effective = f"{UNITY}/effective-permissions/table/gone.s.t"

    assert shared_workspace.client.get(effective).json().get("privilege_assignments", []) == []


def test_a_replaced_table_keeps_its_grants_and_a_replaced_view_does_not(
    shared_workspace: Any,
) -> None:
    given(shared_workspace)
    for name in ("t", "v"):
        change(shared_workspace, f"{UNITY}/permissions/table/gone.s.{name}", add=["SELECT"])
    shared_workspace.rows("CREATE OR REPLACE TABLE gone.s.t (b INT)")
    shared_workspace.rows("CREATE OR REPLACE VIEW gone.s.v AS SELECT 2 AS b")

    kept = [
        held(shared_workspace, f"{UNITY}/permissions/table/gone.s.{name}", "analysts")
        for name in ("t", "v")
    ]

    assert kept == [["SELECT"], []]


def test_a_renamed_table_keeps_its_grants_and_another_of_its_name_has_none(
    shared_workspace: Any,
) -> None:
    given(shared_workspace)
    old, new = (f"{UNITY}/permissions/table/gone.s.{name}" for name in ("before", "after"))
    shared_workspace.rows("CREATE TABLE gone.s.before (a INT)")
    change(shared_workspace, old, add=["SELECT"])
    shared_workspace.rows("ALTER TABLE gone.s.before RENAME TO gone.s.after")
    shared_workspace.rows("CREATE TABLE gone.s.before (a INT)")

    assert held(shared_workspace, old, "analysts") == []
    assert held(shared_workspace, new, "analysts") == ["SELECT"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("catalog/base", {"a_next_years_field": 1}, 501),
        ("catalog/base", {"changes": [{"principal": "p", "adds": ["SELECT"]}]}, 501),
        ("metastore/another", {"changes": [{"principal": "p", "add": ["CREATE_CATALOG"]}]}, 404),
    ],
)
def test_a_change_that_would_grant_nothing_is_refused(
    shared_workspace: Any, path: str, body: dict[str, Any], status: int
) -> None:
    url = f"/api/2.1/unity-catalog/permissions/{path}"
    assert shared_workspace.client.patch(url, json=body).status_code == status

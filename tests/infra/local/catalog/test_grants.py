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

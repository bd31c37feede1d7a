"""Catalogs and schemas: only what is empty is deleted, unless it is forced."""

from __future__ import annotations

from typing import Any

import pytest

PATH = "/api/2.1/unity-catalog"


def test_a_schema_with_tables_is_not_deleted(new_workspace: Any) -> None:
    new_workspace.rows("CREATE TABLE base.s.t (a INT)")
    answer = new_workspace.client.delete(f"{PATH}/schemas/base.s")
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_STATE"
    assert "table(s) t" in answer.json()["message"]
    assert new_workspace.rows("SELECT count(*) FROM base.s.t") == [["0"]]


def test_a_schema_with_a_volume_is_not_deleted(new_workspace: Any) -> None:
    body = {"catalog_name": "base", "schema_name": "s", "name": "v", "volume_type": "MANAGED"}
    assert new_workspace.client.post(f"{PATH}/volumes", json=body).status_code == 200
    assert "volume(s) v" in new_workspace.client.delete(f"{PATH}/schemas/base.s").json()["message"]


def test_force_deletes_what_is_in_it(new_workspace: Any) -> None:
    volume = {"catalog_name": "base", "schema_name": "s", "name": "v", "volume_type": "MANAGED"}
    new_workspace.rows("CREATE TABLE base.s.t (a INT)")
    new_workspace.client.post(f"{PATH}/volumes", json=volume)
    assert new_workspace.client.delete(f"{PATH}/schemas/base.s?force=true").status_code == 200
    assert new_workspace.client.get(f"{PATH}/schemas/base.s").status_code == 404
    assert new_workspace.error("SELECT * FROM base.s.t").startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    # Nothing comes back with the name.
    new_workspace.rows("CREATE SCHEMA base.s")
    assert new_workspace.rows("SHOW TABLES IN base.s") == []
    assert new_workspace.client.post(f"{PATH}/volumes", json=volume).status_code == 200


def test_a_catalog_is_deleted_with_its_schemas_only_by_force(new_workspace: Any) -> None:
    assert new_workspace.client.delete(f"{PATH}/catalogs/base").status_code == 400
    assert new_workspace.client.delete(f"{PATH}/catalogs/base?force=true").status_code == 200
    assert new_workspace.client.get(f"{PATH}/catalogs/base").status_code == 404


def test_the_owner_of_a_catalog_and_a_schema_can_be_changed(new_workspace: Any) -> None:
    for path in ("catalogs/base", "schemas/base.s"):
        answer = new_workspace.client.patch(f"{PATH}/{path}", json={"owner": "admins"})
        assert answer.status_code == 200
        assert new_workspace.client.get(f"{PATH}/{path}").json()["owner"] == "admins"


def test_the_owner_of_a_table_can_be_changed(new_workspace: Any) -> None:
    new_workspace.rows("CREATE TABLE base.s.t (a INT COMMENT 'kept')")
    answer = new_workspace.client.patch(f"{PATH}/tables/base.s.t", json={"owner": "admins"})
    assert answer.status_code == 200
    table = new_workspace.client.get(f"{PATH}/tables/base.s.t").json()
    assert (table["owner"], table["columns"][0]["comment"]) == ("admins", "kept")


@pytest.mark.parametrize("path", ["catalogs/none", "schemas/base.none", "tables/base.s.none"])
def test_what_is_not_there_is_404(new_workspace: Any, path: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        answer = new_workspace.client.request(
            method, f"{PATH}/{path}", json={} if method == "PATCH" else None
        )
        assert answer.status_code == 404, (method, answer.text)


def test_the_sdk_manages_tables(new_workspace: Any) -> None:
    new_workspace.rows("CREATE TABLE base.s.t (a ARRAY<INT> COMMENT 'c') TBLPROPERTIES ('k' = 'v')")
    new_workspace.rows("CREATE VIEW base.s.v AS SELECT 1 AS one")
    sdk = new_workspace.sdk()
    table = sdk.tables.get("base.s.t")
    assert (table.table_type.value, table.properties) == ("MANAGED", {"k": "v"})
    assert (table.columns[0].type_text, table.columns[0].comment) == ("array<int>", "c")
    view = sdk.tables.get("base.s.v")
    assert (view.table_type.value, view.view_definition) == ("VIEW", "SELECT 1 AS one")
    assert [t.name for t in sdk.tables.list("base", "s")] == ["t", "v"]
    assert sdk.tables.exists("base.s.t").table_exists
    sdk.tables.update("base.s.t", owner="admins")
    sdk.tables.delete("base.s.t")
    assert not sdk.tables.exists("base.s.t").table_exists


def test_a_managed_table_can_be_created_by_rest(new_workspace: Any) -> None:
    body = {
        "catalog_name": "base",
        "schema_name": "s",
        "name": "t",
        "comment": "one",
        "columns": [{"name": "a", "type_text": "map<string,int>", "nullable": False}],
    }
    assert new_workspace.client.post(f"{PATH}/tables", json=body).status_code == 200
    assert new_workspace.client.post(f"{PATH}/tables", json=body).status_code == 409
    assert new_workspace.rows("DESCRIBE base.s.t") == [["a", "map<string,int>", None]]
    external = {**body, "name": "x", "table_type": "EXTERNAL", "storage_location": "s3://x"}
    assert new_workspace.client.post(f"{PATH}/tables", json=external).status_code == 501


@pytest.mark.parametrize("kind", ["catalogs/base", "schemas/base.s", "volumes/base.s.v"])
def test_a_rename_is_refused_rather_than_swallowed(new_workspace: Any, kind: str) -> None:
    volume = {"catalog_name": "base", "schema_name": "s", "name": "v", "volume_type": "MANAGED"}
    new_workspace.client.post(f"{PATH}/volumes", json=volume)
    own = kind.rpartition("/")[2].rpartition(".")[2]

    renamed = new_workspace.client.patch(f"{PATH}/{kind}", json={"new_name": "other"})
    same = new_workspace.client.patch(f"{PATH}/{kind}", json={"new_name": own, "comment": "c"})

    assert (renamed.status_code, renamed.json()["error_code"]) == (501, "NOT_IMPLEMENTED")
    assert same.status_code == 200
    assert new_workspace.client.get(f"{PATH}/{kind}").json()["comment"] == "c"


def test_names_may_have_a_hyphen_and_are_kept_in_lower_case(new_workspace: Any) -> None:
    client = new_workspace.client
    assert client.post(f"{PATH}/catalogs", json={"name": "My-Lake"}).json()["name"] == "my-lake"
    schema = {"catalog_name": "MY-lake", "name": "Raw-Data"}
    assert client.post(f"{PATH}/schemas", json=schema).json()["full_name"] == "my-lake.raw-data"

    new_workspace.rows("CREATE TABLE `my-lake`.`raw-data`.t AS SELECT 1 AS a")

    assert new_workspace.rows("SELECT a FROM `MY-LAKE`.`Raw-Data`.t") == [["1"]]
    assert client.get(f"{PATH}/catalogs/MY-LAKE").json()["name"] == "my-lake"
    assert client.post(f"{PATH}/catalogs", json={"name": "MY-LAKE"}).status_code == 409
    assert client.delete(f"{PATH}/catalogs/My-Lake?force=true").status_code == 200
    assert client.get(f"{PATH}/catalogs/my-lake").status_code == 404


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *(("system", 409), ("main", 501), ("temp", 501), ("memory", 501)),
        *(("information_schema", 501), ("a.b", 400), ("a/b", 400), ("a b", 400), ("", 400)),
    ],
)
def test_a_catalog_that_could_not_keep_its_tables_is_refused(
    new_workspace: Any, name: str, status: int
) -> None:
    before = new_workspace.client.get(f"{PATH}/catalogs").json()

    assert new_workspace.client.post(f"{PATH}/catalogs", json={"name": name}).status_code == status
    assert new_workspace.client.get(f"{PATH}/catalogs").json() == before


@pytest.mark.parametrize(
    "field",
    [
        {"isolation_mode": "ISOLATED"},
        {"options": {"k": "v"}},
        {"share_name": "s", "provider_name": "p"},
    ],
)
def test_a_catalog_of_another_kind_is_refused(new_workspace: Any, field: dict[str, str]) -> None:
    body = {"name": "other", **field}
    assert new_workspace.client.post(f"{PATH}/catalogs", json=body).status_code == 501
    if "isolation_mode" in field:
        assert new_workspace.client.patch(f"{PATH}/catalogs/base", json=field).status_code == 501


@pytest.mark.parametrize(
    ("kind", "body"), [("catalogs", {}), ("schemas", {"catalog_name": "base"})]
)
def test_predictive_optimization_is_kept_as_it_was_asked_for(
    new_workspace: Any, kind: str, body: dict[str, str]
) -> None:
    field = "enable_predictive_optimization"
    path, full_name = f"{PATH}/{kind}", "base.other" if "catalog_name" in body else "other"
    client = new_workspace.client
    body = body | {"name": "other"}

    assert client.post(path, json=body | {field: "MAYBE"}).status_code == 400
    assert client.post(path, json=body | {field: "ENABLE"}).json()[field] == "ENABLE"
    assert client.patch(f"{path}/{full_name}", json={field: "MAYBE"}).status_code == 400
    assert client.patch(f"{path}/{full_name}", json={field: "INHERIT"}).status_code == 200
    assert client.get(f"{path}/{full_name}").json()[field] == "INHERIT"


def test_a_schema_shows_the_root_that_it_was_given(new_workspace: Any) -> None:
    body = {"name": "rooted", "catalog_name": "base", "storage_root": "s3://a/b"}
    created = new_workspace.client.post(f"{PATH}/schemas", json=body).json()
    assert created["storage_root"] == "s3://a/b"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"volume_type": "EXTERNAL", "storage_location": "s3://a/b"}, 501),
        ({"volume_type": "MANAGED", "storage_location": "s3://a/b"}, 400),
        ({"volume_type": "TOASTER"}, 400),
    ],
)
def test_a_volume_that_would_lie_elsewhere_is_refused(
    new_workspace: Any, fields: dict[str, str], status: int
) -> None:
    body = {"name": "v", "catalog_name": "base", "schema_name": "default"} | fields
    assert new_workspace.client.post(f"{PATH}/volumes", json=body).status_code == status
    assert new_workspace.client.get(f"{PATH}/volumes/base.default.v").status_code == 404

"""No answer 200 to what was not done: fields that nobody keeps, values that nobody takes."""

from __future__ import annotations

from typing import Any

import pytest

PATH = "/api/2.1/unity-catalog"
VOLUME = {"catalog_name": "base", "schema_name": "s", "name": "v", "volume_type": "MANAGED"}
MODEL = {"catalog_name": "base", "schema_name": "s", "name": "m"}
TABLE = {**MODEL, "name": "t", "columns": [{"name": "a", "type_text": "int"}]}


@pytest.fixture(scope="module")
def furnished(shared_workspace: Any) -> Any:
    """The workspace with one of each."""
    for kind, body in (("volumes", VOLUME), ("models", MODEL), ("tables", TABLE)):
        assert shared_workspace.client.post(f"{PATH}/{kind}", json=body).status_code == 200
    return shared_workspace


ONES = ("catalogs/base", "schemas/base.s", "volumes/base.s.v", "tables/base.s.t", "models/base.s.m")


@pytest.mark.parametrize("path", ONES)
@pytest.mark.parametrize(
    ("field", "status"),
    [
        ({"a_next_years_field": 1}, 501),
        ({"options": {"a": "b"}}, 501),
        ({"owner": ""}, 400),
        ({"owner": 5}, 400),
        ({"new_name": "other"}, 501),
    ],
)
def test_what_would_be_passed_over_is_refused(
    furnished: Any, path: str, field: dict[str, Any], status: int
) -> None:
    before = furnished.client.get(f"{PATH}/{path}").json()

    answer = furnished.client.patch(f"{PATH}/{path}", json={"comment": "changed", **field})

    assert answer.status_code == status, answer.text
    assert furnished.client.get(f"{PATH}/{path}").json() == before


@pytest.mark.parametrize("path", [*ONES[:3], ONES[4]])
def test_a_comment_and_an_owner_are_changed_and_shown(furnished: Any, path: str) -> None:
    changed = furnished.client.patch(f"{PATH}/{path}", json={"comment": "c", "owner": "o"}).json()
    kind, name = path.split("/")
    shown = furnished.client.get(f"{PATH}/{kind}/{name if kind == 'models' else name.upper()}")
    assert (changed["comment"], changed["owner"]) == ("c", "o")
    assert shown.json() == changed


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("catalogs", {"name": "x", "a_next_years_field": 1}, 501),
        ("schemas", {"name": "x", "catalog_name": "base", "a_next_years_field": 1}, 501),
        ("volumes", {**VOLUME, "name": "x", "volume_type": "EXTERNAL"}, 501),
        ("volumes", {**VOLUME, "name": "x", "storage_location": "s3://b"}, 400),
        ("volumes", {**VOLUME, "name": "x", "volume_type": "ODD"}, 400),
        ("volumes", {**VOLUME, "name": "a/b"}, 400),
        ("volumes", {**VOLUME, "name": "x", "schema_name": "none"}, 404),
        ("volumes", {**VOLUME, "name": "V", "catalog_name": "BASE"}, 409),
        ("tables", {**TABLE, "name": "x", "a_next_years_field": 1}, 501),
        ("models", {**MODEL, "name": "x", "aliases": [{"alias_name": "a"}]}, 501),
    ],
)
def test_what_can_not_be_made_as_it_was_asked_for_is_not_made(
    furnished: Any, kind: str, body: dict[str, Any], status: int
) -> None:
    assert furnished.client.post(f"{PATH}/{kind}", json=body).status_code == status
    prefix = "".join(f"{body[it]}." for it in ("catalog_name", "schema_name") if it in body)
    if status != 409:
        assert furnished.client.get(f"{PATH}/{kind}/{prefix}x").status_code == 404


def test_the_system_catalog_is_not_changed(furnished: Any) -> None:
    answer = furnished.client.patch(f"{PATH}/catalogs/system", json={"comment": "mine"})
    assert answer.status_code == 404


def test_lists_come_in_pages(furnished: Any) -> None:
    client, sdk = furnished.client, furnished.sdk()
    for name in ("p1", "p2"):
        body = {**VOLUME, "name": name}
        assert client.post(f"{PATH}/volumes", json=body).status_code == 200
    of = {"catalog_name": "base", "schema_name": "s"}
    first = client.get(f"{PATH}/volumes", params={**of, "max_results": 2}).json()
    assert [it["name"] for it in first["volumes"]] == ["v", "p1"]
    assert [it.name for it in sdk.volumes.list("base", "s", max_results=2)] == ["v", "p1", "p2"]
    assert {it.name for it in sdk.schemas.list("base", max_results=1)} >= {"default", "s"}
    assert [it.name for it in sdk.tables.list("base", "s", max_results=1)] == ["t"]
    assert client.get(f"{PATH}/volumes", params={**of, "max_results": -1}).status_code == 400


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("schemas", {"catalog_name": "none"}),
        ("volumes", {"catalog_name": "base", "schema_name": "none"}),
        ("tables", {"catalog_name": "base", "schema_name": "none"}),
    ],
)
def test_nothing_is_listed_of_what_is_not_there(
    furnished: Any, kind: str, of: dict[str, str]
) -> None:
    assert furnished.client.get(f"{PATH}/{kind}", params=of).status_code == 404

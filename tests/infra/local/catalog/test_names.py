"""A name is no path: nothing outside the data folder is created or removed, whatever it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.local.catalog.names import inside, rule_broken_by

if TYPE_CHECKING:
    from tests.plugin.served import Served

PATHS = ["{}", "{}/", "../../{}", "..", ".", "a/../../b", "/", "a b", "a\nb", "x" * 256]


@pytest.fixture
def treasure(tmp_path: Path) -> Path:
    """A folder of the user's that has nothing to do with the workspace."""
    folder = tmp_path / "treasure"
    folder.mkdir()
    (folder / "kept").touch()
    return folder


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE SCHEMA base.`{}`",
        "CREATE SCHEMA IF NOT EXISTS base.`{}`",
        "CREATE TABLE base.s.`{}` (a INT)",
        "CREATE TABLE base.s.`{}` AS SELECT 1 AS a",
        "CREATE VIEW base.s.`{}` AS SELECT 1 AS a",
    ],
)
def test_nothing_is_created_under_a_name_that_is_a_path(
    shared_workspace: Served, treasure: Path, statement: str, path: str
) -> None:
    error = shared_workspace.error(statement.format(path.format(treasure)))

    assert error.startswith("[INVALID_SCHEMA_OR_RELATION_NAME]")
    assert (treasure / "kept").exists()


def test_a_table_is_not_renamed_to_a_path(shared_workspace: Served) -> None:
    shared_workspace.rows("CREATE TABLE base.s.renamed (a INT)")

    error = shared_workspace.error("ALTER TABLE base.s.renamed RENAME TO base.s.`../x`")

    assert error.startswith("[INVALID_SCHEMA_OR_RELATION_NAME]")


@pytest.mark.parametrize("path", ["{}", "../../{}", "..", ""])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("catalogs", {}),
        ("schemas", {"catalog_name": "base"}),
        ("volumes", {"catalog_name": "base", "schema_name": "s", "volume_type": "MANAGED"}),
        ("models", {"catalog_name": "base", "schema_name": "s"}),
        (
            "tables",
            {
                "catalog_name": "base",
                "schema_name": "s",
                "columns": [{"name": "a", "type_text": "int"}],
            },
        ),
    ],
)
def test_rest_creates_nothing_under_a_name_that_is_a_path(
    shared_workspace: Served, treasure: Path, kind: str, body: dict[str, object], path: str
) -> None:
    answer = shared_workspace.client.post(
        f"/api/2.1/unity-catalog/{kind}", json=body | {"name": path.format(treasure)}
    )

    assert answer.status_code == 400, answer.text
    assert "name" in answer.json()["message"]


@pytest.mark.parametrize("name", ["..", "..base", "base..", "a.b", "base.s."])
def test_a_volume_is_deleted_by_its_whole_name_alone(shared_workspace: Served, name: str) -> None:
    shared_workspace.client.post(
        "/api/2.1/unity-catalog/volumes",
        json={
            "catalog_name": "base", "schema_name": "s", "name": "films", "volume_type": "MANAGED",
        },
    )  # fmt: skip
    file = "/api/2.0/fs/files/Volumes/base/s/films/a.txt"
    shared_workspace.client.put(file, content=b"kept")

    answer = shared_workspace.client.delete(f"/api/2.1/unity-catalog/volumes/{name}")

    assert answer.status_code in {400, 404, 501}
    assert shared_workspace.client.get(file).content == b"kept"


def test_a_schema_that_an_older_workspace_named_by_a_path_removes_nothing_elsewhere(
    shared_workspace: Served, treasure: Path
) -> None:
    from infra.local.emulator import state_of

    record = {"name": str(treasure), "catalog_name": "base", "full_name": f"base.{treasure}"}
    state_of("unity_catalog", "schemas")[f"base.{treasure}"] = record

    shared_workspace.sql(f"DROP SCHEMA base.`{treasure}` CASCADE")

    assert (treasure / "kept").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.text(st.characters(blacklist_categories=["Cs"])), max_size=3))
def test_what_may_be_a_name_stays_inside_whatever_it_is(tmp_path: Path, names: list[str]) -> None:
    accepted = [name for name in names if rule_broken_by(name) is None]

    if accepted and all(len(name.encode()) <= 255 for name in accepted):
        assert tmp_path in inside(tmp_path, *accepted).parents


@pytest.mark.parametrize("name", ["..", ".", "", "/etc", "a/../.."])
def test_what_is_elsewhere_is_never_a_path_to_remove(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="nothing is removed"):
        inside(tmp_path, name)

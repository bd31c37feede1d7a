"""Which plans are refused: those that destroy what nobody can create again."""

from __future__ import annotations

from typing import Any

import pytest

from infra.declared.destruction import HELD, NoPlan, destructions, refusal, unused

FEEDBACK = "databricks_sql_table.prediction_feedback"
ENDPOINT = "databricks_model_serving.ab-test"


def change(address: str, *actions: str, **fields: Any) -> dict[str, Any]:
    changed = {"actions": list(actions), "before": fields.pop("before", {"id": "it"}), **fields}
    return {
        "address": address,
        "type": address.partition(".")[0],
        "mode": fields.get("mode", "managed"),
        "action_reason": fields.get("reason"),
        "change": changed,
    }


def plan(*changes: dict[str, Any]) -> dict[str, Any]:
    return {"planned_values": {}, "resource_changes": list(changes)}


@pytest.mark.parametrize("kind", HELD)
@pytest.mark.parametrize(
    "actions", [("delete",), ("delete", "create"), ("create", "delete")], ids="+".join
)
def test_what_answers_or_holds_data_is_not_destroyed(kind: str, actions: tuple[str, ...]) -> None:
    address = f"{kind}.it"

    assert [it.address for it in destructions(plan(change(address, *actions)))] == [address]


@pytest.mark.parametrize(
    "harmless",
    [
        change(FEEDBACK, "create", before=None),
        change(FEEDBACK, "update"),
        change(FEEDBACK, "no-op"),
        change(FEEDBACK, "forget"),
        change("databricks_sql_table.view", "delete", "create", before={"table_type": "VIEW"}),
        change("databricks_grant.it", "delete"),
        change("databricks_job.it", "delete", "create"),
        change(f"data.{FEEDBACK}", "read") | {"mode": "data"},
    ],
    ids=["create", "update", "no-op", "forget", "view", "grant", "job", "read"],
)
def test_what_can_be_made_again_is_left_to_terraform(harmless: dict[str, Any]) -> None:
    assert destructions(plan(harmless)) == ()


def test_an_import_that_is_replaced_is_a_destruction() -> None:
    imported = change(
        ENDPOINT, "delete", "create", importing={"id": "ab"}, replace_paths=[["route_optimized"]]
    )

    (found,) = destructions(plan(imported))

    assert "destroyed and created, for route_optimized" in str(found)


@pytest.mark.parametrize(
    ("columns", "lost"),
    [(["label", "FILM"], []), (["film"], ["label"]), (["film", "label", "more"], []), (None, [])],
)
def test_a_column_that_goes_takes_its_values_along(
    columns: list[str] | None, lost: list[str]
) -> None:
    before = {"id": "c.s.t", "column": [{"name": "film"}, {"name": "label"}]}
    after = {"column": columns and [{"name": name} for name in columns]}

    found = destructions(plan(change(FEEDBACK, "update", before=before, after=after)))

    assert [it.what.rpartition(" ")[2] for it in found] == lost


def test_the_refusal_names_the_line_that_allows_it_and_the_line_does() -> None:
    both = plan(change(FEEDBACK, "delete"), change(ENDPOINT, "delete", "create"))

    refused = refusal([both], [FEEDBACK], "dev.toml")

    assert ENDPOINT in refused
    assert f"  {FEEDBACK}" not in refused
    assert f'may_destroy = ["{FEEDBACK}", "{ENDPOINT}"]' in refused
    assert refusal([both], [FEEDBACK, ENDPOINT], "dev.toml") == ""


def test_a_word_that_was_not_needed_is_named() -> None:
    assert unused([plan(change(FEEDBACK, "delete")), plan()], [FEEDBACK, ENDPOINT]) == (ENDPOINT,)


@pytest.mark.parametrize("document", [{}, {"values": {}}, plan() | {"errored": True}])
def test_what_is_no_whole_plan_is_no_permission(document: dict[str, Any]) -> None:
    with pytest.raises(NoPlan):
        refusal([document], [], "dev.toml")

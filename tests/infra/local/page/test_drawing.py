"""Dashboards drawn from their own JSON: what a change of one looks like before it is deployed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.page.drawing import Drawings, Widget

if TYPE_CHECKING:
    from tests.plugin.served import Served

DASHBOARDS = Path("infra", "dashboards")
SEEN = "SELECT * FROM VALUES ('a', 0.25D, 3), ('b', 0.5D, 4) AS seen(arm, `share.of`, n)"
COLUMN = {"fieldName": "arm", "displayName": "Arm"}
BAR = {
    "x": COLUMN,
    "y": {
        "fieldName": "share.of",
        "displayName": "Share",
        "scale": {"type": "quantitative"},
        "format": {"type": "number-percent", "decimalPlaces": {"places": 1}},
    },
}


def widget(kind: str, encodings: Any, dataset: str = "seen") -> dict[str, Any]:
    return {
        "name": "w",
        "queries": [{"name": "main_query", "query": {"datasetName": dataset}}],
        "spec": {"widgetType": kind, "encodings": encodings, "frame": {"title": "Shares"}},
    }


@pytest.fixture(scope="module")
def drawings(shared_workspace: Served) -> Drawings:
    return Drawings(shared_workspace.lake.statements)


def drawn(drawings: Drawings, *widgets: dict[str, Any], query: str = SEEN) -> list[Widget]:
    [page] = drawings.pages(
        json.dumps(
            {
                "datasets": [{"name": "seen", "queryLines": [query]}],
                "pages": [{"displayName": "P", "layout": [{"widget": it} for it in widgets]}],
            }
        )
    )
    return list(page.widgets)


def test_a_table_has_the_rows_of_its_statement(drawings: Drawings) -> None:
    [table] = drawn(drawings, widget("table", {"columns": [COLUMN, BAR["y"]]}))

    assert table.columns == ("Arm", "Share")
    assert [[it.text for it in row] for row in table.rows] == [["a", "25.0%"], ["b", "50.0%"]]


@pytest.mark.parametrize("kind", ["bar", "line", "area", "scatter"])
def test_a_chart_is_drawn_and_has_its_numbers_beside_it(drawings: Drawings, kind: str) -> None:
    [chart] = drawn(drawings, widget(kind, BAR))

    svg = (drawings.svg(chart.chart) or b"").decode()
    assert svg.startswith("<svg")
    assert all(f">{it}</text>" in svg for it in ("Arm", "Share", "a", "b"))
    assert [[it.text for it in row] for row in chart.rows] == [["a", "25.0%"], ["b", "50.0%"]]


def test_a_chart_that_is_not_known_any_more_is_none(drawings: Drawings) -> None:
    assert drawings.svg("0" * 24) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (widget("pie", BAR), "A widget of the type pie is not drawn here."),
        (widget("bar", BAR, dataset="other"), "no data set 'other'"),
        (
            widget("table", {"columns": [{"fieldName": "arms"}]}),
            "has no arms: it has arm, share.of, n.",
        ),
        (widget("table", {"columns": [{}]}), "KeyError: 'fieldName'"),
        (widget("bar", {"y": {**COLUMN, "scale": {"type": "quantitative"}}}), "float: 'a'"),
        ({"name": "w", "queries": [{}], "spec": {}}, "KeyError: 'query'"),
    ],
)
def test_a_widget_that_can_not_be_drawn_says_why_and_hides_no_other(
    drawings: Drawings, wrong: dict[str, Any], said: str
) -> None:
    told, beside = drawn(drawings, wrong, widget("table", {"columns": [COLUMN]}))

    assert said in told.remark
    assert beside.rows


def test_a_statement_that_fails_is_told_in_its_widgets_place(drawings: Drawings) -> None:
    [told] = drawn(drawings, widget("table", {"columns": [COLUMN]}), query="SELECT * FROM nowhere")

    assert "TABLE_OR_VIEW_NOT_FOUND" in told.remark


def test_rows_beyond_a_thousand_are_counted_and_not_shown(drawings: Drawings) -> None:
    query = "SELECT explode(sequence(1, 1200)) AS arm"
    [table] = drawn(drawings, widget("table", {"columns": [COLUMN]}), query=query)

    assert (len(table.rows), table.remark) == (1000, "The first 1000 of 1200 rows.")


@pytest.mark.parametrize("text", ["{", "[]", '{"datasets": [{}]}', '{"pages": [1]}'])
def test_what_is_no_dashboard_is_told(drawings: Drawings, text: str) -> None:
    [page] = drawings.pages(text)

    assert "Its JSON is not that of a dashboard" in page.widgets[0].remark


@pytest.mark.parametrize("file", sorted(DASHBOARDS.glob("*.lvdash.json")), ids=lambda it: it.name)
def test_every_widget_of_the_projects_dashboards_is_of_a_kind_that_is_drawn(
    drawings: Drawings, file: Path
) -> None:
    """Over rows that have every column which the widgets name."""
    document = json.loads(file.read_text())
    columns: dict[str, dict[str, str]] = {}
    widgets = [item["widget"] for page in document["pages"] for item in page["layout"]]
    for it in (it for it in widgets if "queries" in it):
        encodings = it["spec"]["encodings"]
        named = encodings["columns"] if "columns" in encodings else encodings.values()
        for said in named:
            is_number = (said.get("scale") or {}).get("type") == "quantitative"
            known = columns.setdefault(it["queries"][0]["query"]["datasetName"], {})
            known.setdefault(said["fieldName"], "1" if is_number else "'2026-01-01 00:00:00'")
    for dataset in document["datasets"]:
        values = ", ".join(f"{it} AS `{name}`" for name, it in columns[dataset["name"]].items())
        dataset["queryLines"] = [f"SELECT {values}"]

    shown = [it for page in drawings.pages(json.dumps(document)) for it in page.widgets]

    assert len(shown) == len(widgets)
    assert [it.remark for it in shown if it.remark] == []
    assert all(drawings.svg(it.chart) for it in shown if it.chart)

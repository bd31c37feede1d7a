"""The dashboard: what its widgets show is what its statements give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.ab_test import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from tests.plugin.ab_test import ABTestBed

pytestmark = pytest.mark.programs  # real statements on a real workspace


@pytest.fixture
def definition(ab_test: ABTestBed) -> dict[str, Any]:
    from infra.constructs.dashboard import layout

    ab_test.answer(CHAMPION, 0.9, id="film-1")
    ab_test.answer(CHALLENGER, 0.9, id="film-2")
    ab_test.judge("film-1", "PNEUMONIA")
    ab_test.judge("film-2", "NORMAL")
    ab_test.create_views()
    return layout("ab_test", ab_test.analysis)


@pytest.fixture
def results(ab_test: ABTestBed, definition: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of every data set."""
    return {
        dataset["name"]: ab_test.query("".join(dataset["queryLines"]))
        for dataset in definition["datasets"]
    }


def widgets(definition: dict[str, Any]) -> list[dict[str, Any]]:
    return [item["widget"] for page in definition["pages"] for item in page["layout"]]


def test_every_statement_runs_and_finds_rows(results: dict[str, list[Any]]) -> None:
    assert {name for name, rows in results.items() if rows} == set(results)


def test_every_field_of_a_widget_is_a_column_of_its_data_set(
    definition: dict[str, Any], results: dict[str, list[dict[str, Any]]]
) -> None:
    for widget in widgets(definition):
        for query in widget.get("queries", ()):
            columns = results[query["query"]["datasetName"]][0].keys()
            for field in query["query"]["fields"]:
                assert field["name"] in columns, (widget["name"], field["name"])
                assert field["expression"] == f"`{field['name']}`"


def test_every_encoding_shows_a_field_of_its_query(definition: dict[str, Any]) -> None:
    for widget in widgets(definition):
        for query in widget.get("queries", ()):
            fields = {field["name"] for field in query["query"]["fields"]}
            assert shown(widget["spec"]["encodings"]) == fields, widget["name"]


def shown(encodings: Any) -> set[str]:
    if isinstance(encodings, list):
        return set().union(*map(shown, encodings))
    if isinstance(encodings, dict):
        name = {encodings["fieldName"]} if "fieldName" in encodings else set()
        return name.union(*map(shown, encodings.values()))
    return set()


def test_every_data_set_is_shown(definition: dict[str, Any]) -> None:
    queried = {
        query["query"]["datasetName"]
        for widget in widgets(definition)
        for query in widget.get("queries", ())
    }

    assert queried == {dataset["name"] for dataset in definition["datasets"]}


def test_no_two_widgets_lie_over_each_other(definition: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for item in definition["pages"][0]["layout"]:
        place = item["position"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["width"])
            for y in range(place["y"], place["y"] + place["height"])
        }
        assert not cells & taken, item["widget"]["name"]
        assert place["x"] + place["width"] <= 12
        taken |= cells


def test_it_says_that_it_is_no_medical_device(definition: dict[str, Any]) -> None:
    texts = [
        line
        for widget in widgets(definition)
        for line in widget.get("multilineTextboxSpec", {}).get("lines", ())
    ]

    assert any("not for diagnosis" in text for text in texts)


def test_sensitivity_and_specificity_come_from_the_counts(
    results: dict[str, list[dict[str, Any]]],
) -> None:
    by_arm = {row["arm"]: row for row in results["outcomes"]}

    assert (by_arm["keras-1"]["sensitivity"], by_arm["keras-1"]["specificity"]) == (1.0, None)
    assert (by_arm["torch-2"]["sensitivity"], by_arm["torch-2"]["specificity"]) == (None, 0.0)

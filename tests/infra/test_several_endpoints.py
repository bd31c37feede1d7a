"""What the stacks of an environment with several endpoints deploy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.declared.environment import load
from tests.infra.several import SEVERAL


@pytest.fixture
def stack(app: Any, synthesize: Callable[[Any], Any], tmp_path: Path) -> Callable[[str], Any]:
    import infra.stacks as stacks

    file = tmp_path / "several.toml"
    file.write_text(SEVERAL, encoding="utf-8")
    return lambda kind: synthesize(getattr(stacks, kind)(app, load(file)))


def test_every_endpoint_is_named_by_its_table_and_has_an_output(
    stack: Callable[[str], Any],
) -> None:
    serving = stack("ServingStack")

    endpoints = serving["resource"]["databricks_model_serving"]
    assert {name: it["name"] for name, it in endpoints.items()} == {
        "ab-test": "films",
        "second-test": "columns",
        "triage": "triage",
        "feedback": "feedback-endpoint",
    }
    host = "https://adb-1.7.azuredatabricks.net/serving-endpoints"
    assert {name: it["value"] for name, it in serving["output"].items()} == {
        "ab_test_endpoint_url": f"{host}/films/invocations",
        "second_test_endpoint_url": f"{host}/columns/invocations",
        "triage_endpoint_url": f"{host}/triage/invocations",
        "feedback_endpoint_url": f"{host}/feedback-endpoint/invocations",
    }


def test_callers_ask_every_endpoint_but_that_of_the_feedback(
    stack: Callable[[str], Any],
) -> None:
    permissions = stack("ServingStack")["resource"]["databricks_permissions"].values()

    asking = {
        it["serving_endpoint_id"].split(".")[1]: [
            control["group_name"]
            for control in it["access_control"]
            if control["permission_level"] == "CAN_QUERY"
        ]
        for it in permissions
    }
    assert asking == {
        "ab-test": ["callers"],
        "second-test": ["callers"],
        "triage": ["callers"],
        "feedback": ["readers"],
    }


def test_every_test_has_a_dashboard_and_views(stack: Callable[[str], Any]) -> None:
    dashboards = stack("PlatformStack")["resource"]["databricks_dashboard"]
    views = stack("AnalysisStack")["resource"]["databricks_sql_table"]

    assert {name: it["display_name"] for name, it in dashboards.items()} == {
        "dashboard": "Champion and challenger (several)",
        "second-test-dashboard": "Champion and challenger (several, second_test)",
    }
    assert "c.silver.columns_" in dashboards["second-test-dashboard"]["serialized_dashboard"]
    assert views["outcomes"]["name"] == "films_outcomes"
    assert views["second-test-outcomes"]["name"] == "columns_outcomes"
    assert views["second-test-outcomes"]["depends_on"] == [
        "databricks_sql_table.second-test-predictions",
        "databricks_sql_table.second-test-labelled",
    ]


def test_a_second_test_renames_nothing_of_the_first(
    app: Any, synthesize: Callable[[Any], Any], tmp_path: Path
) -> None:
    """A renamed address is a destroyed resource."""
    from infra.stacks import AnalysisStack, PlatformStack, ServingStack

    before = tmp_path / "several.toml"
    before.write_text(SEVERAL.partition("[second_test]")[0], encoding="utf-8")
    first = load(before)
    both = tmp_path / "both.toml"
    both.write_text(SEVERAL, encoding="utf-8")
    second = load(both)

    for kind in (ServingStack, PlatformStack, AnalysisStack):
        was, now = (synthesize(kind(app, it))["resource"] for it in (first, second))
        assert all(was[resource].keys() <= now[resource].keys() for resource in was)


def test_models_of_the_organisation_are_created_and_granted(stack: Callable[[str], Any]) -> None:
    platform = stack("PlatformStack")["resource"]

    assert platform["databricks_registered_model"]["model-trees"]["name"] == "trees"
    executing = {
        it["model"] for it in platform["databricks_grant"].values() if "EXECUTE" in it["privileges"]
    }
    assert {"c.models.trees", "c.models.linear"} <= executing

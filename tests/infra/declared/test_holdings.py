"""What an apply of the platform would create, by what the state knows of its tables and volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.declared.environment import load
from infra.declared.holdings import created, holdings, known, models

if TYPE_CHECKING:
    from infra.declared.environment import Environment

TABLE = "databricks_sql_table"
FEEDBACK = f"{TABLE}.prediction_feedback"


@pytest.fixture
def environment() -> Environment:
    return load("dev")


@pytest.fixture
def feedback(environment: Environment) -> str:
    return f"{environment.catalog}.gold.prediction_feedback"


@pytest.fixture
def resources(environment: Environment) -> list[dict[str, Any]]:
    """Of a state that knows everything; the feedback is the last of them."""
    found = [
        resource(*holding.address.split("."), holding.name) for holding in holdings(environment)
    ]
    return sorted(found, key=lambda it: it["name"] == "prediction_feedback")


def resource(kind: str, address: str, name: str, **instance: Any) -> dict[str, Any]:
    instances = [{"attributes": {"id": name}, **instance}]
    return {"mode": "managed", "type": kind, "name": address, "instances": instances}


def commands(environment: Environment, resources: list[dict[str, Any]]) -> dict[str, Any]:
    found = created(environment, known({"resources": resources}))
    return {holding.address: commands for holding, commands in found}


def test_a_state_that_knows_everything_creates_nothing(
    environment: Environment, resources: list[dict[str, Any]]
) -> None:
    assert commands(environment, resources) == {}


@pytest.mark.parametrize("state", [{}, {"resources": None}, {"resources": []}])
def test_an_empty_state_creates_everything(
    environment: Environment, feedback: str, state: dict[str, Any]
) -> None:
    found = dict(created(environment, known(state)))

    assert tuple(found) == holdings(environment)
    assert {it.kind for it in found} == {"table", "volume"}
    assert found[holdings(environment)[-1]] == (f"import {FEEDBACK} {feedback}",)


def test_a_table_is_known_in_any_case(
    environment: Environment, feedback: str, resources: list[dict[str, Any]]
) -> None:
    resources[-1] = resource(TABLE, "prediction_feedback", feedback.upper())

    assert commands(environment, resources) == {}


@pytest.mark.parametrize(
    ("address", "instance", "expected"),
    [
        ("readings", {}, (f"state mv {TABLE}.readings {FEEDBACK}",)),
        ("prediction_feedback", {"status": "tainted"}, (f"untaint {FEEDBACK}",)),
        ("prediction_feedback", {"deposed": "1"}, (f"import {FEEDBACK} {{name}}",)),
    ],
    ids=["moved in the code", "tainted", "deposed"],
)
def test_what_the_state_knows_otherwise_is_created_too(
    environment: Environment,
    feedback: str,
    resources: list[dict[str, Any]],
    address: str,
    instance: dict[str, Any],
    expected: tuple[str, ...],
) -> None:
    resources[-1] = resource(TABLE, address, feedback, **instance)

    wanted = tuple(it.format(name=feedback) for it in expected)
    assert commands(environment, resources) == {FEEDBACK: wanted}


def test_a_table_that_moves_to_a_name_is_created_there(
    environment: Environment, feedback: str, resources: list[dict[str, Any]]
) -> None:
    resources[-1] = resource(TABLE, "prediction_feedback", "before.gold.prediction_feedback")

    assert commands(environment, resources) == {
        FEEDBACK: (f"state rm {FEEDBACK}", f"import {FEEDBACK} {feedback}")
    }


def test_a_table_that_is_only_looked_up_is_not_known(
    environment: Environment, resources: list[dict[str, Any]]
) -> None:
    resources[-1]["mode"] = "data"

    assert list(commands(environment, resources)) == [FEEDBACK]


class TestModels:
    """Registered models hold nothing that an apply would erase; it would stop at them."""

    def test_one_that_the_state_does_not_know_is_imported(self, environment: Environment) -> None:
        found = dict(created(environment, (), models))

        assert {it.kind for it in found} == {"model"}
        name = environment.full_model_name("feedback_processor")
        address = "databricks_registered_model.feedback_processor"
        assert (f"import {address} {name}",) in found.values()

    def test_one_of_somebody_else_is_created_by_nobody(self, environment: Environment) -> None:
        platform = environment.platform.model_copy(
            update={"models": environment.platform.models.model_copy(update={"create": False})}
        )
        assert models(environment.model_copy(update={"platform": platform})) == ()

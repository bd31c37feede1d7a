"""What an apply of the platform would create, by what the state knows of its tables and volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.declared.environment import ENVIRONMENTS, load
from infra.declared.holdings import (
    containers,
    created,
    held,
    holdings,
    is_adoptable,
    known,
    left_alone,
    models,
)
from infra.declared.tables import TABLES, VOLUMES, tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
        assert not any(is_adoptable(*it) for it in found.items())
        assert {it.key for it in found} == {"[platform.models]"}

    def test_one_of_somebody_else_is_created_by_nobody(self, environment: Environment) -> None:
        platform = environment.platform.model_copy(
            update={"models": environment.platform.models.model_copy(update={"create": False})}
        )
        assert models(environment.model_copy(update={"platform": platform})) == ()


class TestContainers:
    """What tables lie in, and the secret scope: an apply that was killed may have left them."""

    def test_each_is_imported_by_its_name_or_left_to_others_by_its_key(
        self, environment: Environment
    ) -> None:
        renamed = environment.model_copy(update={"models_schema": "registry"})
        found = {it.key: commands for it, commands in created(renamed, (), containers)}

        catalog = environment.catalog
        assert found == {
            "[platform.catalog]": (f"import databricks_catalog.catalog {catalog}",),
            **{
                f"[platform.schemas.{name}]": (f"import databricks_schema.{name} {catalog}.{name}",)
                for name in ("bronze", "silver", "gold")
            },
            "[platform.schemas.models]": (f"import databricks_schema.registry {catalog}.registry",),
            "[platform.secret_scope]": (
                f"import databricks_secret_scope.secrets {environment.secret_scope_name}",
            ),
        }

    def test_each_is_where_the_stack_declares_it(self, environment: Environment) -> None:
        nobody_s = {"create": False}
        platform = environment.platform
        left = platform.model_copy(
            update={
                "catalog": platform.catalog.model_copy(update=nobody_s),
                "secret_scope": platform.secret_scope.model_copy(update=nobody_s),
                "schemas": platform.schemas.model_copy(
                    update={
                        name: getattr(platform.schemas, name).model_copy(update=nobody_s)
                        for name in ("bronze", "silver", "gold", "models")
                    }
                ),
            }
        )
        referred = environment.model_copy(update={"platform": left})

        assert containers(referred) == ()
        assert {it.address for it in containers(environment)} <= {*left_alone(referred)}


class TestWhatTheFileSaysAboutOne:
    KEY = "[platform.tables.prediction_feedback]"

    @pytest.fixture
    def write(self, tmp_path: Path) -> Callable[[str], Environment]:
        def write(key: str) -> Environment:
            file = tmp_path / "dev.toml"
            text = (ENVIRONMENTS / "dev.toml").read_text(encoding="utf-8")
            file.write_text(f"{text}\n{key}\n", encoding="utf-8")
            return load(file)

        return write

    def test_each_is_a_key_of_the_file(self, environment: Environment) -> None:
        platform = environment.platform

        assert set(type(platform.tables).model_fields) == {it.name for it in tables(watched=True)}
        assert set(type(platform.volumes).model_fields) == {it.name for it in VOLUMES}
        assert all(held(environment, it).create for it in (*TABLES, *VOLUMES))
        assert {it.key for it in holdings(environment)} >= {self.KEY}

    def test_what_is_adopted_is_not_created(self, write: Callable[[str], Environment]) -> None:
        adopting = write(f"{self.KEY}\nadopt = true")

        assert FEEDBACK in {it.address for it in holdings(adopting)}
        assert FEEDBACK not in commands(adopting, [])

    @pytest.mark.parametrize(
        ("address", "instance"),
        [("readings", {}), ("prediction_feedback", {"status": "tainted"})],
        ids=["moved in the code", "tainted"],
    )
    def test_adopting_does_not_heal_what_the_state_knows_otherwise(
        self,
        write: Callable[[str], Environment],
        feedback: str,
        address: str,
        instance: dict[str, Any],
    ) -> None:
        adopting = write(f"{self.KEY}\nadopt = true")
        state = {"resources": [resource(TABLE, address, feedback, **instance)]}
        (found,) = (it for it in created(adopting, known(state)) if it[0].address == FEEDBACK)

        assert not is_adoptable(*found)

    def test_what_is_referred_to_is_neither_created_nor_destroyed(
        self, write: Callable[[str], Environment]
    ) -> None:
        referring = write(f"{self.KEY}\ncreate = false")

        assert FEEDBACK not in {it.address for it in holdings(referring)}
        assert left_alone(referring) == (FEEDBACK,)
        assert left_alone(load("dev")) == ()

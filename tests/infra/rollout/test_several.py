"""Commands on one of several A/B tests of an environment file change that test alone."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from infra.declared.environment import Environment, load
from infra.rollout import history, rollback, settings
from infra.rollout.__main__ import main
from infra.rollout.aliases import Move as AliasMove
from infra.rollout.aliases import moves as alias_moves
from infra.rollout.endpoints import endpoints_of
from infra.rollout.environment_file import EnvironmentFile
from infra.rollout.evidence import record_of
from infra.rollout.pin import pin
from infra.rollout.promote import promote
from infra.rollout.refusal import Refused
from infra.rollout.separation import require_separate
from infra.rollout.status import statuses
from infra.rollout.terraform_state import TerraformState
from infra.rollout.verify import both_of_each_test, moves
from infra.rollout.versions import Registry, Version
from tests.infra.rollout.trial import NOW
from tests.infra.several import SEVERAL

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


@pytest.fixture
def several(tmp_path: Path) -> Path:
    file = tmp_path / "environments" / "dev.toml"
    file.parent.mkdir()
    file.write_text(SEVERAL, encoding="utf-8")
    return file


class Versions:
    """A registry in which version 9 of every model is the newest, and all take the same."""

    def newest_ready(self, model: str) -> Version:
        return self.version(model, 9)

    def version(self, model: str, number: int) -> Version:
        return Version(model=model, number=number, status="READY")

    def signature(self, _: Version) -> object:
        return "the same"

    def aliases(self, _: str) -> dict[str, int]:
        return {}


REGISTRY = cast("Registry", Versions())


def changed_lines(file: Path) -> list[str]:
    before = SEVERAL.splitlines()
    return [it for it in file.read_text().splitlines() if it not in before]


class TestPin:
    def test_pins_the_arms_of_the_test_that_is_named(self, several: Path) -> None:
        pinned = pin(EnvironmentFile(several, "second_test"), REGISTRY, newest=True)

        assert [it.key for it in pinned] == ["second_test.champion", "second_test.challengers[0]"]
        assert load(several, "second_test").ab_test.champion.version == 9
        assert load(several, "ab_test").ab_test.champion.version == 1

    def test_finds_the_test_that_serves_the_model(self, several: Path) -> None:
        pin(EnvironmentFile(several), REGISTRY, newest=True, models=("linear",))

        assert changed_lines(several) == ["version = 9"]
        assert load(several, "second_test").ab_test.challengers[0].version == 9

    def test_pins_a_single_model(self, several: Path) -> None:
        pin(EnvironmentFile(several), REGISTRY, newest=True, models=("triage_model",))

        assert changed_lines(several) == ["version  = 9"]

    def test_says_which_tests_there_are_before_anything_is_asked(
        self, several: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["pin", "--environment", str(several)]) == 1

        assert "--test ab_test or --test second_test" in capsys.readouterr().err


class TestPromote:
    def test_moves_the_test_that_serves_what_was_compared(
        self, several: Path, experiment: Path, decide: Callable[..., Path]
    ) -> None:
        text = experiment.read_text().replace('"keras"\nversion = 1', '"trees"\nversion = 3')
        experiment.write_text(text.replace('"torch"', '"linear"'))
        decision = decide(champion=95, challenger=5)
        made = decision.read_text()
        made = made.replace("keras-1", "trees-3").replace('"keras"', '"trees"')
        made = made.replace("torch-2", "linear-2").replace('"torch"', '"linear"')
        decision.write_text(made.replace('"version": 1', '"version": 3'))

        done = promote(several, decision, experiment=experiment, now=NOW)

        assert done.percent == 20
        assert load(several, "second_test").ab_test.challengers[0].traffic == 20
        assert changed_lines(several) == [
            "traffic = 20                                        # a beginning"
        ]
        assert done.record == record_of(several, "linear-2", 20, "second_test")
        assert done.record.parent.parts[-2:] == ("dev", "second_test")


class TestVerify:
    def test_sees_the_moves_of_each_test(self, several: Path) -> None:
        before = load(several)
        file = EnvironmentFile(several, "second_test")
        file.set_traffic(0, 20)

        found = {
            now.test: [(it.served_entity, it.before, it.after) for it in moves(was, now)]
            for was, now in both_of_each_test(before, file.edited())
        }

        assert found == {"ab_test": [], "second_test": [("linear-2", 5, 20)]}

    def test_a_renamed_table_is_the_test_that_it_was(self, several: Path) -> None:
        before = load(several)
        several.write_text(SEVERAL.replace("second_test", "columns").replace("= 5  ", "= 90 "))

        pairs = both_of_each_test(before, load(several))

        assert [it.after for was, now in pairs for it in moves(was, now)] == [90]

    def test_a_move_of_any_test_is_apart_from_its_judges(
        self, several: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = load(several)
        file = EnvironmentFile(several, "second_test")
        file.set_traffic(0, 20)
        monkeypatch.setattr(history, "changed", lambda *_: ("ml/verdict/rule.py",))

        with pytest.raises(Refused, match="changes what judges the move"):
            require_separate(several, before, file.edited(), "HEAD")


class TestRollback:
    def test_takes_back_the_table_of_the_test_alone(self, several: Path) -> None:
        def commit(subject: str) -> None:
            for command in (("add", "."), ("commit", "-qm", subject)):
                identity = ("-c", "user.name=a", "-c", "user.email=a@b")
                subprocess.run(["git", *identity, *command], cwd=several.parent, check=True)

        subprocess.run(["git", "init", "-q"], cwd=several.parent, check=True)
        commit("Five")
        for test, percent in (("second_test", 20), ("ab_test", 50)):
            file = EnvironmentFile(several, test)
            file.set_traffic(0, percent)
            file.save()
            commit(f"{test} {percent}")
        environment = load(several, "second_test")
        live = settings.declared(environment, environment.ab_test)

        commit_ = rollback.target(several, environment, live)
        rollback.restore(several, commit_, "second_test")

        assert commit_.subject == "Five"
        assert several.read_text() == SEVERAL.replace("traffic = 20", "traffic = 50")


def test_every_alias_is_moved_unless_a_test_is_named(several: Path) -> None:
    every = alias_moves(REGISTRY, load(several))
    of_one = alias_moves(REGISTRY, load(several, "second_test"))

    assert [it.model for it in every] == [
        "c.models.keras",
        "c.models.torch",
        "c.models.trees",
        "c.models.linear",
    ]
    assert list(of_one) == [
        AliasMove(model="c.models.trees", alias="champion", version=3),
        AliasMove(model="c.models.linear", alias="challenger", version=2),
    ]


def test_a_command_about_a_test_looks_at_its_endpoint_alone(several: Path) -> None:
    assert [it.endpoint for it in endpoints_of(load(several))] == [
        "films",
        "columns",
        "triage",
        "feedback-endpoint",
    ]
    assert [it.endpoint for it in endpoints_of(load(several, "ab_test"))] == ["films"]


class TestStatus:
    STATE = TerraformState(endpoints={"films": {}, "columns": {}, "triage": {}, "gone": {}})

    def names(self, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> set[str]:
        monkeypatch.setattr("infra.rollout.status.live", lambda *_: None)
        monkeypatch.setattr("infra.rollout.status.as_deployed", lambda it, _: it.chosen.values())
        return {
            it.endpoint
            for it in statuses(cast("WorkspaceClient", None), environment, self.STATE)
            if "does not declare it" in it.remark
        }

    def test_an_endpoint_of_another_test_is_declared(
        self, several: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.names(load(several), monkeypatch) == {"gone"}

    def test_a_named_test_hears_of_its_own_endpoint_alone(
        self, several: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.names(load(several, "second_test"), monkeypatch) == set()

"""From the shadow to a decision, by the commands: `ml.shadow`, and `ml.compare --shadow`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ml.contract.decision import Decision
from ml.contract.tables import SHADOW_ANSWERS
from ml.workspace.endpoint import Answer
from tests.plugin.ab_test import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.ab_test import ABTestBed
    from tests.plugin.commands import Call, Run

pytestmark = pytest.mark.programs


class Challenger:
    """Stands for the challenger's endpoint, which has no containers here; sure of everything."""

    url = "http://challenger"

    def __init__(self, _client: Any, name: str, **given: Any) -> None:
        assert (name, given["served_entity"]) == ("ab-test", CHALLENGER)

    def request_schema(self) -> None:
        """There is one."""

    def invoke(self, document: bytes) -> Answer:
        films = json.loads(document)["inputs"]
        return Answer(
            predictions=[[0.95] for _ in films], served_entity=CHALLENGER, databricks_request_id="x"
        )


@pytest.fixture
def answered(ab_test: ABTestBed) -> ABTestBed:
    """The champion, asked of three films; two are read."""
    for number, probability in enumerate((0.9, 0.4, 0.8)):
        ab_test.answer(
            CHAMPION,
            probability,
            id=f"film-{number}",
            minutes=number,
            request=json.dumps({"inputs": [[number]]}),
        )
    for number, truth in enumerate(("PNEUMONIA", "NORMAL")):
        ab_test.judge(f"film-{number}", truth, minutes=60 + number)
    ab_test.create_views()
    return ab_test


@pytest.fixture
def shadow(
    run_main: Call, watched: Path, experiment: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Run]:
    monkeypatch.setattr("ml.workspace.endpoint.Endpoint", Challenger)
    return lambda *given: run_main(
        "ml.shadow", experiment(), "--environment", watched, "--per-minute", 60_000, *given
    )


@pytest.fixture
def compare(run_main: Call, watched: Path, experiment: Callable[..., Path]) -> Callable[..., Run]:
    return lambda *given: run_main(
        "ml.compare", experiment(), "--environment", watched, "--shadow", "--no-report", *given
    )


def test_a_challenger_without_traffic_is_judged_on_what_its_champion_was_asked(
    answered: ABTestBed,
    shadow: Callable[..., Run],
    compare: Callable[..., Run],
    tmp_path: Path,
) -> None:
    asked, again = shadow(), shadow()
    done = compare("--output", tmp_path / "out")

    assert asked.status == again.status == done.status == 0, asked.err + done.err
    assert "torch-2: 3 requests asked, 0 answers found in the log, 0 refused" in asked.out
    assert "torch-2: 0 requests asked" in again.out
    decision = Decision.read(tmp_path / "out" / "decision.json")
    assert (decision.mode, decision.environment) == ("replay", "clinic")
    assert decision.verdict == "INCONCLUSIVE"
    lines = (tmp_path / "out" / "answers.csv").read_text().splitlines()
    assert len(lines) == 1 + 2  # those that have a truth
    table = SHADOW_ANSWERS.full_name(answered.analysis.catalog)
    assert len(answered.query(f"SELECT * FROM {table}")) == 3


def test_one_run_asks_at_most_so_many_and_the_next_goes_on(
    answered: ABTestBed, shadow: Callable[..., Run]
) -> None:
    assert answered.analysis

    assert "1 requests asked" in shadow("--most", 1).out
    assert "2 requests asked" in shadow().out


def test_without_a_table_it_says_what_has_to_be_deployed(
    answered: ABTestBed, shadow: Callable[..., Run]
) -> None:
    answered.workspace.rows(f"DROP TABLE {SHADOW_ANSWERS.full_name(answered.analysis.catalog)}")

    done = shadow()

    assert done.status == 1
    assert "deploy platform-clinic" in done.err


@pytest.mark.usefixtures("answered")
def test_where_nobody_was_asked_there_is_nothing_to_judge(compare: Callable[..., Run]) -> None:
    done = compare()

    assert done.status == 1
    assert "python -m ml.shadow" in done.err


@pytest.mark.parametrize("option", [("--record",), ("--as-of", "2026-03-03T00:00:00Z")])
def test_what_does_not_belong_to_it_is_named(
    option: tuple[str, ...], compare: Callable[..., Run]
) -> None:
    done = compare(*option)

    assert done.status == 1
    assert f"{option[0]} does not belong to it" in done.err

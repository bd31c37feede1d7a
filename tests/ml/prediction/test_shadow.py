"""A challenger in the shadow: asked once, whatever happens, and counted nowhere but in pairs."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.declared.experiment import load
from ml.contract.tables import SHADOW_ANSWERS
from ml.prediction.shadow import Pace, Shadow
from ml.verdict.counting.shadow_pairs import shadow_pairs
from ml.workspace.endpoint import Answer, EndpointError, RequestRefused
from ml.workspace.warehouse import Warehouse
from tests.plugin.ab_test import CHALLENGER, CHAMPION
from tests.plugin.ingestion import create_table

if TYPE_CHECKING:
    from tests.plugin.ab_test import ABTestBed

pytestmark = pytest.mark.programs

QUICK = Pace(per_minute=60_000)


class Challenger:
    """Stands for the challenger's endpoint: answers 0.8, but for what it is told to fail at."""

    url = "http://challenger"

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.fails: dict[int, Exception] = {}

    def invoke(self, document: bytes) -> Answer:
        if problem := self.fails.pop(len(self.asked), None):
            raise problem
        sent = json.loads(document)
        self.asked.append(sent)
        return Answer(
            predictions=[[0.8] for _ in sent["inputs"]],
            served_entity=CHALLENGER,
            databricks_request_id="x",
        )


@pytest.fixture
def challenger() -> Challenger:
    return Challenger()


@pytest.fixture
def shadow(ab_test: ABTestBed, challenger: Challenger) -> Shadow:
    ab_test.workspace.rows(create_table(SHADOW_ANSWERS, ab_test.analysis.catalog))
    warehouse = Warehouse(ab_test.workspace.sdk(), ab_test.workspace.warehouse_id)
    return Shadow(
        warehouse,
        ab_test.analysis,
        SHADOW_ANSWERS.full_name(ab_test.analysis.catalog),
        challenger,  # type: ignore[arg-type]
        champion=CHAMPION,
        challenger=CHALLENGER,
    )


def inputs(*films: list[int]) -> str:
    return json.dumps({"inputs": films})


def asked_of_both(ab_test: ABTestBed) -> None:
    """Three requests of the champion, one of them of two films, and one of the challenger."""
    ab_test.answer(CHAMPION, 0.9, id="film-1", minutes=1, request=inputs([1]))
    ab_test.answer(CHAMPION, 0.2, 0.7, id="film-2", minutes=2, request=inputs([2], [3]))
    ab_test.answer(CHALLENGER, 0.5, id="film-3", minutes=3, request=inputs([4]))
    ab_test.answer(CHAMPION, 0.4, id="film-4", minutes=4, request=inputs([5]))
    ab_test.create_views()


def rows(ab_test: ABTestBed) -> list[tuple[Any, ...]]:
    table = SHADOW_ANSWERS.full_name(ab_test.analysis.catalog)
    found = ab_test.query(f"SELECT * FROM {table} ORDER BY prediction_id")
    return [
        (it["prediction_id"], it["champion_probability"], it["challenger_probability"])
        for it in found
    ]


def start() -> datetime.datetime:
    return datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def test_it_asks_what_the_champion_was_asked_as_it_came_and_once(
    ab_test: ABTestBed, shadow: Shadow, challenger: Challenger
) -> None:
    asked_of_both(ab_test)

    for _ in range(2):
        list(shadow.ask(shadow.unasked(start()), QUICK))

    assert [it["inputs"] for it in challenger.asked] == [[[1]], [[2], [3]], [[5]]]
    assert all(it["client_request_id"].startswith("shadow-request-") for it in challenger.asked)
    assert rows(ab_test) == [
        ("film-1", 0.9, 0.8),
        ("film-2", 0.2, 0.8),
        ("film-2#1", 0.7, 0.8),
        ("film-4", 0.4, 0.8),
    ]


def test_after_a_failure_it_goes_on_with_what_is_left(
    ab_test: ABTestBed, shadow: Shadow, challenger: Challenger
) -> None:
    asked_of_both(ab_test)
    challenger.fails[2] = EndpointError("gone")

    with pytest.raises(EndpointError):
        list(shadow.ask(shadow.unasked(start()), QUICK))
    list(shadow.ask(shadow.unasked(start()), QUICK))

    assert [it["inputs"] for it in challenger.asked] == [[[1]], [[2], [3]], [[5]]]
    assert len(rows(ab_test)) == 4


def test_an_answer_that_nobody_wrote_down_is_taken_from_the_log(
    ab_test: ABTestBed, shadow: Shadow, challenger: Challenger
) -> None:
    asked_of_both(ab_test)
    first, *_ = shadow.unasked(start())
    ab_test.answer(CHALLENGER, 0.35, id=f"shadow-{first}", minutes=9, request=inputs([1]))

    outcomes = list(shadow.ask(shadow.unasked(start()), QUICK))

    assert [it.asked for it in outcomes] == [False, True, True]
    assert ("film-1", 0.9, 0.35) in rows(ab_test)


def test_a_request_that_the_challenger_refuses_keeps_no_other_from_being_asked(
    ab_test: ABTestBed, shadow: Shadow, challenger: Challenger
) -> None:
    asked_of_both(ab_test)
    challenger.fails[0] = RequestRefused("too large")

    outcomes = list(shadow.ask(shadow.unasked(start()), QUICK))

    assert [it.refused for it in outcomes] == ["too large", "", ""]
    assert [it[2] for it in rows(ab_test)] == [None, 0.8, 0.8, 0.8]


def test_what_was_refused_is_written_down_and_asked_again_on_demand_alone(
    ab_test: ABTestBed, shadow: Shadow, challenger: Challenger
) -> None:
    asked_of_both(ab_test)
    challenger.fails[0] = RequestRefused("too large")
    list(shadow.ask(shadow.unasked(start()), QUICK))
    reasons = ab_test.query(
        f"SELECT prediction_id, refused FROM {SHADOW_ANSWERS.full_name(ab_test.analysis.catalog)} "
        "WHERE refused IS NOT NULL"
    )

    assert reasons == [{"prediction_id": "film-1", "refused": "too large"}]
    assert shadow.unasked(start()) == []

    shadow.forget_refusals()
    (request,) = shadow.unasked(start())
    list(shadow.ask([request], QUICK))
    assert [it[2] for it in rows(ab_test)] == [0.8, 0.8, 0.8, 0.8]


def test_an_input_without_a_probability_is_refused_and_the_others_of_its_request_count(
    ab_test: ABTestBed, shadow: Shadow, challenger: Challenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_of_both(ab_test)
    answer = Answer(predictions=[[0.8]], served_entity=CHALLENGER, databricks_request_id="x")
    monkeypatch.setattr(challenger, "invoke", lambda _: answer)

    outcomes = list(shadow.ask(shadow.unasked(start()), QUICK))

    assert [it.refused for it in outcomes] == ["", "http://challenger gave no probability", ""]
    assert ("film-2#1", 0.7, None) in rows(ab_test)
    assert shadow.unasked(start()) == []

    shadow.forget_refusals()
    assert len(shadow.unasked(start())) == 1


def test_a_request_whose_body_was_not_logged_is_not_asked(
    ab_test: ABTestBed, shadow: Shadow, challenger: Challenger
) -> None:
    ab_test.answer(CHAMPION, 0.9, id="film-0", minutes=0)
    asked_of_both(ab_test)

    outcomes = list(shadow.ask(shadow.unasked(start()), QUICK))

    assert [it.refused for it in outcomes] == ["", "", ""]
    assert len(challenger.asked) == 3


def test_what_is_asked_in_the_shadow_is_no_traffic(ab_test: ABTestBed, shadow: Shadow) -> None:
    asked_of_both(ab_test)
    ab_test.answer(CHALLENGER, 0.35, id="shadow-request-000", minutes=9)
    ab_test.answer(CHALLENGER, 0.35, id="replay-film", minutes=9)

    requests = {it["arm"]: it["requests"] for it in ab_test.read("traffic", "arm")}

    assert requests == {CHAMPION: 3, CHALLENGER: 1}
    assert shadow.unasked(start())


def test_the_pairs_stand_in_the_order_in_which_their_truths_came(
    ab_test: ABTestBed, shadow: Shadow
) -> None:
    asked_of_both(ab_test)
    list(shadow.ask(shadow.unasked(start()), QUICK))
    ab_test.judge("film-4", "NORMAL", minutes=60)
    ab_test.judge("film-1", "PNEUMONIA", minutes=90)
    ab_test.judge("film-2", "INDETERMINATE", minutes=30)
    experiment = load("pneumonia_ab")
    named = {
        role: getattr(experiment, role).model_copy(
            update={"model": name.rpartition("-")[0], "version": int(name.rpartition("-")[2])}
        )
        for role, name in (("champion", CHAMPION), ("challenger", CHALLENGER))
    }
    warehouse = Warehouse(ab_test.workspace.sdk(), ab_test.workspace.warehouse_id)

    pairs = shadow_pairs(
        experiment.model_copy(update=named),
        warehouse,
        ab_test.analysis,
        ab_test.analysis.catalog,
    )

    assert pairs.film == ["film-4", "film-1"]
    assert pairs.sick.tolist() == [False, True]
    assert pairs.champion.tolist() == [0.4, 0.9]
    assert pairs.challenger.tolist() == [0.8, 0.8]
    # Called positive by the champion: all are read. The other one was drawn.
    assert pairs.sampling.tolist() == [experiment.audit_share, 1.0]


def test_the_pace_is_even() -> None:
    slept: list[float] = []
    pace = Pace(per_minute=120, clock=lambda: sum(slept), sleep=slept.append)

    for _ in range(4):
        pace.wait()

    assert slept == pytest.approx([0.5, 0.5, 0.5])

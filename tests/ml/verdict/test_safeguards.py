"""What turning effects and readers who err do to a verdict, from a file to decision.json."""

from __future__ import annotations

import pytest

from tests.ml.verdict.log import CHALLENGER, CHAMPION

ALIKE = {"TP": 900, "FN": 100, "TN": 900, "FP": 100}


def finding(decision, condition):
    (found,) = [it for it in decision.findings if condition in it.condition]
    return found


@pytest.fixture
def judged(compare, experiment):
    def decision(declared=""):
        file = experiment(maturity=0, benefit="it answers in half the time")
        file.write_text(file.read_text() + declared)
        return compare(file)

    return decision


def test_an_effect_that_has_turned_blocks_a_promotion_and_is_named(judged, log):
    log.films(CHAMPION, ALIKE | {"TP": 3600, "FN": 400}, hours=1)
    log.films(CHALLENGER, ALIKE | {"TP": 3900, "FN": 100}, hours=1)
    log.films(CHAMPION, {"TP": 360, "FN": 40}, hours=49)
    log.films(CHALLENGER, {"TP": 280, "FN": 120}, hours=49)

    decision = judged()

    assert finding(decision, "sensitivity not inferior").holds
    assert decision.verdict == "INCONCLUSIVE"
    assert "sensitivity has turned: since 2026-03-04 it is -0.2" in decision.reason
    (turn,) = decision.numbers["turned"]
    assert turn["since"] == "2026-03-04"
    assert turn["gain"]["high"] < turn["limit"]


def test_one_that_lasts_does_not(judged, log):
    for hours in (1, 25, 49):
        log.films(CHAMPION, ALIKE, hours=hours)
        log.films(CHALLENGER, ALIKE, hours=hours)

    decision = judged()

    assert finding(decision, "no effect has turned").holds
    assert decision.verdict == "PROMOTE"


def test_a_declared_reader_error_is_a_condition_of_a_promotion(judged, log):
    log.films(CHAMPION, ALIKE)
    log.films(CHALLENGER, ALIKE)
    plain = judged()
    tipping = plain.numbers["reader errors"]["tipping point"]

    assert plain.verdict == "PROMOTE"
    assert judged(f"[readers]\nerror = {tipping}\n").verdict == "PROMOTE"
    beyond = judged(f"[readers]\nerror = {tipping + 0.02}\n")
    assert beyond.verdict == "INCONCLUSIVE"
    assert "readers are wrong of up to" in beyond.reason


def test_the_gains_that_readers_errors_would_leave_are_shown(judged, log):
    log.films(CHAMPION, ALIKE)
    log.films(CHALLENGER, ALIKE | {"TP": 920, "FN": 80})

    found = judged().numbers["reader errors"]

    assert list(found["gains"]) == ["0.02", "0.05", "0.1"]
    gains = [found["gains"][error]["sensitivity"]["value"] for error in ("0.02", "0.05", "0.1")]
    assert 0.02 < gains[0] < gains[1] < gains[2]


def test_readers_who_disagree_stop_the_test(judged, log):
    log.films(CHAMPION, ALIKE)
    log.films(CHALLENGER, ALIKE)
    for row in [row for row in log.rows if row["ground_truth"] == "PNEUMONIA"][::20]:
        log.rows.append(row | {"radiologist_id": "reader-2", "ground_truth": "NORMAL"})

    decision = judged("[readers]\nagreement = 0.7\n")

    assert not finding(decision, "readers agree").holds
    assert decision.verdict == "INCONCLUSIVE"
    assert "The test stops: all readers agreed on 0%" in decision.reason


def read_twice(log, *, films, alike):
    """So many films get a second reader, who says the same of so many of them."""
    readings = [row for row in log.rows if row["ground_truth"] == "PNEUMONIA"][::10][:films]
    for number, row in enumerate(readings):
        said = "PNEUMONIA" if number < alike else "INDETERMINATE"
        log.rows.append(row | {"radiologist_id": "reader-2", "ground_truth": said})


@pytest.mark.parametrize(
    ("films", "alike", "verdict"),
    [(20, 15, "PROMOTE"), (20, 13, "INCONCLUSIVE"), (0, 0, "INCONCLUSIVE")],
    ids=["enough", "fewer, though not shown to be fewer", "nothing known"],
)
def test_a_promotion_needs_as_much_agreement_as_was_asked_for(judged, log, films, alike, verdict):
    log.films(CHAMPION, ALIKE)
    log.films(CHALLENGER, ALIKE | {"TP": 940, "FN": 60})
    read_twice(log, films=films, alike=alike)

    decision = judged("[readers]\nagreement = 0.7\n")

    assert finding(decision, "readers agree").holds
    assert finding(decision, "agreed on").holds == (verdict == "PROMOTE")
    assert decision.verdict == verdict
    assert judged().verdict == "PROMOTE"

"""Early steps of the ramp: no harm is enough, and their labels spend nothing."""

from __future__ import annotations

import pytest

from tests.ml.verdict.log import CHALLENGER, CHAMPION

FAIR = {"TP": 90, "FN": 10, "TN": 180, "FP": 20}


def few(log, challenger):
    """Ten times as many films of the champion as of the challenger, at a split of 90 to 10."""
    log.films(CHAMPION, {outcome: 10 * n for outcome, n in FAIR.items()}, hours=1)
    log.films(CHALLENGER, challenger, hours=1)
    log.end()


@pytest.fixture
def early(experiment):
    def write(**values):
        return experiment(champion=90, challenger=10, **values)

    return write


def test_an_arm_that_does_no_harm_may_take_an_early_step_without_a_promotion(compare, early, log):
    few(log, FAIR)

    decision = compare(early())

    assert decision.verdict == "INCONCLUSIVE"
    assert decision.early_step.holds
    assert "at most 20 percent" in decision.early_step.condition


def test_one_whose_losses_may_be_large_may_not(compare, early, log):
    few(log, {"TP": 70, "FN": 30, "TN": 180, "FP": 20})

    decision = compare(early())

    assert not decision.early_step.holds
    assert "sensitivity" in decision.early_step.because


def test_one_with_few_labels_may_not(compare, early, log):
    log.films(CHAMPION, {"TP": 150, "FN": 0, "TN": 200, "FP": 0}, hours=1)
    log.films(CHALLENGER, {"TP": 15, "FN": 0, "TN": 20, "FP": 0}, hours=1)
    log.end()

    decision = compare(early())

    assert not decision.early_step.holds
    assert "needs 50 of each" in decision.early_step.because


def test_labels_of_early_steps_do_not_end_the_test(compare, early, log):
    few(log, FAIR)

    assert compare(early(maximum=1000)).verdict == "INCONCLUSIVE"


def test_without_early_steps_they_do(compare, early, log):
    few(log, FAIR)
    file = early(maximum=1000)
    file.write_text(file.read_text() + "[ramp]\nearly_up_to = 0\n")

    decision = compare(file)

    assert decision.verdict == "KEEP"
    assert not decision.early_step.holds

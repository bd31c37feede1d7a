"""A gain that was good and is so no more."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from ml.verdict.statistics.betting import Evidence
from ml.verdict.turning import finding, log_evidence, turns

FIRST = datetime.date(2026, 3, 2)


@pytest.fixture
def trial(experiment):
    from infra.declared.experiment import load

    return load(experiment(benefit="it answers in half the time"))


def of_gains(*gains, films=400):
    """Evidence of days on which both arms' answers to so many films had exactly these gains."""
    won = [films * (0.2 + gain) / 2 for gain in gains]
    lost = [films * (0.2 - gain) / 2 for gain in gains]
    daily = np.array([won, lost, films - np.add(won, lost)]).T
    return Evidence(
        u=np.array([1.0, -1.0, 0.0]),
        v=np.ones(3),
        bound=np.full(3, 2.0),
        counts=daily.cumsum(axis=0),
    )


def days(n):
    return [FIRST + datetime.timedelta(days=day) for day in range(n)]


def judged(trial, sensitivity, specificity=None):
    n = len(sensitivity.counts)
    return turns(
        trial,
        {"sensitivity": sensitivity, "specificity": specificity or of_gains(*[0] * n)},
        days(n),
    )


def test_a_gain_that_lasts_has_not_turned(trial):
    found = judged(trial, of_gains(*[0.03] * 60))

    assert found == ()
    assert finding(found).holds


def test_nor_has_a_loss_within_its_margin(trial):
    assert not judged(trial, of_gains(*[0.03] * 30, *[-0.05] * 90))


def test_one_that_turns_is_named_with_its_first_day_and_its_size(trial):
    (turn,) = judged(trial, of_gains(*[0.03] * 30, *[-0.15] * 30))

    assert turn.metric == "sensitivity"
    assert abs((turn.since - FIRST).days - 30) <= 1
    assert turn.gain.value == pytest.approx(-0.15, abs=0.01)
    assert turn.gain.low < -0.15 < turn.gain.high < turn.limit == -0.05


def test_the_running_mean_is_above_its_margin_by_then(trial):
    turning = of_gains(*[0.09] * 60, *[-0.15] * 30)

    assert judged(trial, turning)
    assert turning.estimates[-1] > 0


def test_the_finding_says_since_when_and_how_much(trial):
    found = finding(judged(trial, of_gains(*[0.03] * 30, *[-0.15] * 30)))

    assert not found.holds
    assert "sensitivity has turned: since 2026-0" in found.because
    assert "-0.15" in found.because
    assert "below -0.050" in found.because


def test_specificity_turns_too(trial):
    (turn,) = judged(trial, of_gains(*[0.0] * 60), of_gains(*[0.03] * 30, *[-0.15] * 30))

    assert turn.metric == "specificity"


def test_where_superiority_is_asked_for_a_recent_loss_is_a_turn(experiment):
    from infra.declared.experiment import load

    turning = of_gains(*[0.1] * 30, *[-0.04] * 120)

    assert judged(load(experiment()), turning)
    assert not judged(load(experiment(benefit="it is cheaper")), turning)


def test_without_a_film_nothing_has_turned(trial):
    nothing = Evidence(u=np.zeros(0), v=np.zeros(0), bound=np.zeros(0), counts=np.zeros((3, 0)))

    assert judged(trial, nothing, nothing) == ()


def test_the_capitals_begin_with_one_together():
    """So that Ville's inequality bounds false flags by the level."""
    assert log_evidence(of_gains(*[0.0] * 9, films=0), 0.0) == pytest.approx(0.0, abs=1e-12)

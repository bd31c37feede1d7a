"""AUC, Brier score, calibration, quantiles: against other implementations."""

from __future__ import annotations

import numpy as np
import pytest

from ml.evaluation.discrimination import Scores
from ml.verdict.statistics.asymptotic import asymptotic
from ml.verdict.statistics.calibration import calibration
from ml.verdict.statistics.summaries import brier, frequency, quantile


@pytest.fixture
def trial(experiment):
    from infra.declared.experiment import load

    return load(experiment())


def scores(n, seed=0):
    random = np.random.default_rng(seed)
    probability = random.random(n)
    return Scores(
        probability=probability,
        sick=random.random(n) < probability,
        weight=np.ones(n),
        n=np.ones(n),
    )


@pytest.mark.parametrize("n", [100, 2000])
def test_an_asymptotic_interval_is_that_of_ville(n):
    import ville

    values = np.random.default_rng(1).random(n)
    theirs = ville.AsymptoticCS(alpha=0.05, t_opt=500).fit(values).interval()
    ours = asymptotic(
        values.mean(),
        values.var(ddof=1) / n,
        n,
        alpha=0.05,
        narrowest_at=500,
        lowest=0.0,
        highest=1.0,
    )

    assert (ours.low, ours.high) == pytest.approx(theirs)


def test_a_handful_of_films_tells_nothing_asymptotically():
    interval = asymptotic(0.9, 0.01, 12, alpha=0.05, narrowest_at=500, lowest=0.0, highest=1.0)

    assert (interval.low, interval.high) == (0.0, 1.0)


def test_the_brier_score_is_that_of_scikit_learn(trial):
    from sklearn.metrics import brier_score_loss

    films = scores(500)

    assert brier(trial, films).value == pytest.approx(
        brier_score_loss(films.sick, films.probability)
    )


def test_the_calibration_is_that_of_the_evaluation_of_one_model(trial):
    from ml.evaluation.measures import evaluate

    films = scores(800)
    one = evaluate(films.probability, films.sick.astype(np.uint8))
    found = calibration(films, trial, 0.05)

    assert found.error.value == pytest.approx(one.calibration_error)
    assert [bin_.observed.value for bin_ in found.bins] == pytest.approx(
        [bin_.observed for bin_ in one.calibration]
    )
    assert [bin_.observed.n for bin_ in found.bins] == [bin_.n for bin_ in one.calibration]


def test_calibrated_probabilities_lie_within_their_intervals(trial):
    found = calibration(scores(5000), trial, 0.05)

    assert all(bin_.observed.low <= bin_.predicted <= bin_.observed.high for bin_ in found.bins)
    assert found.error.low == 0


def test_a_quantile_is_that_of_scipy():
    from scipy.stats import quantile_test

    values = np.random.default_rng(3).integers(1, 60, 400)
    levels, n = np.unique(values, return_counts=True)
    theirs = quantile_test(values, q=0, p=0.95).confidence_interval(0.95)

    found = quantile(levels.astype(float), n, 0.95, 0.05)

    assert found.value == np.quantile(values, 0.95, method="inverted_cdf")
    assert found.low <= theirs.low + 1
    assert found.high >= theirs.high - 1
    assert found.low <= found.value <= found.high


def test_a_frequency_of_nothing_is_not_defined():
    assert frequency(0, 0, 0.05) is None
    assert frequency(0, 50, 0.05).value == 0

"""Calibration intercept and slope: against statsmodels on one row a film, and closed forms."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit, logit

from ml.evaluation.discrimination import Scores
from ml.verdict.statistics.recalibration import NEAREST, recalibration
from tests.ml.verdict.log import CHALLENGER, CHAMPION


@pytest.fixture
def trial(experiment):
    from infra.declared.experiment import load

    return load(experiment())


def films(n, *, slope=1.0, intercept=0.0, spread=2.0, seed=0, audit=1.0):
    """Films whose truth has the logit `intercept + slope * logit(probability)`; of those below
    0.5 a share is read."""
    random = np.random.default_rng(seed)
    score = spread * random.standard_normal(n)
    sick = random.random(n) < expit(intercept + slope * score)
    sampling = np.where(score >= 0, 1.0, audit)
    read = random.random(n) < sampling
    return Scores(
        probability=expit(score)[read],
        sick=sick[read],
        weight=1 / sampling[read],
        n=np.ones(n)[read],
    )


def counted_together(scores, decimals):
    """The films alike up to so many decimals of their probability, as one row each."""
    rows = np.stack([scores.probability.round(decimals), scores.sick, scores.weight])
    (probability, sick, weight), n = np.unique(rows, axis=1, return_counts=True)
    return Scores(probability=probability, sick=sick == 1, weight=weight, n=n.astype(float))


def by_statsmodels(scores):
    """(intercept, its standard error), (slope, its standard error), one row a film."""
    from statsmodels.api import GLM, add_constant, families

    x, y = logit(scores.probability), scores.sick.astype(float)
    options = {"family": families.Binomial(), "var_weights": scores.weight}
    large = GLM(y, np.ones_like(x), offset=x, **options).fit(cov_type="HC0")
    both = GLM(y, add_constant(x), **options).fit(cov_type="HC0")
    return (large.params[0], large.bse[0]), (both.params[1], both.bse[1])


def half_widths_in_standard_errors(found, standard_error):
    return (found.high - found.value) / standard_error, (found.value - found.low) / standard_error


class TestTheEstimates:
    def test_are_those_of_statsmodels(self, trial):
        scores = films(2000, slope=0.7, intercept=0.3)
        (intercept, _), (slope, _) = by_statsmodels(scores)
        found = recalibration(trial, scores)

        assert found.intercept.value == pytest.approx(intercept, abs=1e-7)
        assert found.slope.value == pytest.approx(slope, abs=1e-7)
        assert (found.intercept.n, found.slope.n) == (2000, 2000)

    def test_are_those_of_logistic_regression_by_newtons_method(self, trial):
        from statsmodels.api import Logit, add_constant

        scores = films(2000, slope=0.7, intercept=0.3)
        theirs = Logit(scores.sick, add_constant(logit(scores.probability))).fit(disp=False)

        assert recalibration(trial, scores).slope.value == pytest.approx(theirs.params[1], abs=1e-6)

    def test_of_two_probabilities_are_the_closed_form(self, trial):
        # Of 100 films at 0.2, 30 are sick; of 100 at 0.8, 60: the model is saturated.
        scores = Scores(
            probability=np.array([0.2, 0.2, 0.8, 0.8]),
            sick=np.array([True, False, True, False]),
            weight=np.ones(4),
            n=np.array([30.0, 70.0, 60.0, 40.0]),
        )
        slope = (logit(0.6) - logit(0.3)) / (logit(0.8) - logit(0.2))

        assert recalibration(trial, scores).slope.value == pytest.approx(slope, abs=1e-7)

    def test_of_one_probability_have_the_intercept_alone(self, trial):
        scores = Scores(
            probability=np.array([0.2, 0.2]),
            sick=np.array([True, False]),
            weight=np.ones(2),
            n=np.array([30.0, 70.0]),
        )
        found = recalibration(trial, scores)

        assert found.intercept.value == pytest.approx(logit(0.3) - logit(0.2), abs=1e-7)
        assert found.slope is None

    @pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, 0.0), (1.5, 0.0)])
    def test_have_the_truth_in_their_interval(self, trial, slope, intercept):
        found = recalibration(trial, films(20_000, slope=slope, intercept=intercept))

        assert found.slope.low < slope < found.slope.high
        assert found.slope.high - found.slope.low < 0.3

    def test_have_an_intercept_below_zero_where_the_probabilities_are_too_high(self, trial):
        found = recalibration(trial, films(20_000, intercept=-0.5))

        assert found.intercept.high < 0
        assert found.intercept.low < -0.5 < found.intercept.high

    def test_of_films_read_by_sampling_are_those_of_all_films(self, trial):
        found = recalibration(trial, films(20_000, slope=0.6, intercept=-0.4, audit=0.2))
        every = recalibration(trial, films(20_000, slope=0.6, intercept=-0.4))

        assert found.slope.low < every.slope.value < found.slope.high
        assert found.intercept.low < every.intercept.value < found.intercept.high


class TestTheInterval:
    def test_is_wider_than_one_that_may_be_looked_at_once(self, trial):
        scores = films(2000, slope=0.7, audit=0.5)
        found = recalibration(trial, scores)

        for interval, (_, standard_error) in zip(
            (found.intercept, found.slope), by_statsmodels(scores), strict=True
        ):
            above, below = half_widths_in_standard_errors(interval, standard_error)
            assert above == pytest.approx(below)
            assert 1.96 < above < 5

    def test_of_films_counted_together_is_that_of_one_row_a_film(self, trial):
        one_each = films(3000, audit=0.5)
        rounded = Scores(**vars(one_each) | {"probability": one_each.probability.round(2)})

        found = recalibration(trial, counted_together(one_each, 2))
        exact = recalibration(trial, rounded)

        assert vars(found.slope) == pytest.approx(vars(exact.slope), abs=1e-7)
        assert vars(found.intercept) == pytest.approx(vars(exact.intercept), abs=1e-7)


class TestWhatCannotBeEstimated:
    def test_is_anything_from_one_class(self, trial):
        scores = films(500)
        found = recalibration(trial, scores.of(True))

        assert (found.intercept, found.slope) == (None, None)
        assert "0 without PNEUMONIA: it takes 10 of each" in found.not_estimable

    def test_is_anything_from_a_handful(self, trial):
        found = recalibration(trial, films(20))

        assert (found.intercept, found.slope) == (None, None)
        assert "30 in all" in found.not_estimable

    def test_is_anything_from_nothing(self, trial):
        nothing = np.array([])

        found = recalibration(
            trial, Scores(probability=nothing, sick=nothing == 1, weight=nothing, n=nothing)
        )

        assert (found.intercept, found.slope) == (None, None)

    @pytest.mark.parametrize("touching", [0.0, 1.0])
    def test_is_the_slope_where_a_threshold_tells_all_films_apart(self, trial, touching):
        probability = np.concatenate([np.linspace(0.1, 0.4, 50), np.linspace(0.6, 0.9, 50)])
        sick = np.arange(100) >= 50
        if touching:
            probability[[49, 50]] = 0.5  # one of each class at the threshold itself
        found = recalibration(
            trial,
            Scores(probability=probability, sick=sick, weight=np.ones(100), n=np.ones(100)),
        )

        assert found.slope is None
        assert "a threshold tells all films with PNEUMONIA" in found.not_estimable
        assert found.intercept.value == pytest.approx(0, abs=1e-7)

    def test_is_nothing_where_an_arm_is_certain_and_wrong_once(self, trial):
        probability = np.where(np.arange(200) % 2, 1.0, 0.0)
        sick = np.arange(200) % 2 == 1
        sick[:2] = [True, False]
        found = recalibration(
            trial, Scores(probability=probability, sick=sick, weight=np.ones(200), n=np.ones(200))
        )

        assert found.not_estimable == ""
        # Saturated: the observed logit of 99 in 100, by that of the nearest probability to 1.
        assert found.slope.value == pytest.approx(logit(0.99) / -logit(NEAREST), abs=1e-6)


class TestOfTheLoggedRows:
    def extreme(self, log, n=1500):
        """Both arms, probabilities from 1e-12 to 1 - 1e-12, twice as extreme as they should be."""
        random = np.random.default_rng(5)
        score = 7 * random.standard_normal(n)
        sick = random.random(n) < expit(0.5 * score)
        for number in range(n):
            log.film(
                CHALLENGER if number % 3 else CHAMPION,
                float(expit(score[number])),
                "PNEUMONIA" if sick[number] else "NORMAL",
                hours=number / 20,
            )
        log.end()

    @pytest.mark.parametrize("readings", [1_000_000, 0], ids=["steps of a logit", "6 decimals"])
    def test_counted_together_gives_what_the_exact_probabilities_give(
        self, log, experiment, compare, monkeypatch, readings
    ):
        from infra.declared.experiment import load
        from ml.verdict.counting.queries import Extent

        steps = Extent(readings=readings, samplings=2).steps(1)
        monkeypatch.setattr(Extent, "steps", lambda *_: steps)
        self.extreme(log)
        trial = experiment(maturity=0)
        found = compare(trial).numbers

        for arm, name in (("champion", CHAMPION), ("challenger", CHALLENGER)):
            rows = [row for row in log.rows if row["arm"] == name and row["ground_truth"]]
            one = np.ones(len(rows))
            exact = recalibration(
                load(trial),
                Scores(
                    probability=np.array([row["probability"] for row in rows]),
                    sick=np.array([row["ground_truth"] == "PNEUMONIA" for row in rows]),
                    weight=one,
                    n=one,
                ),
            )
            figures = found[arm]["figures"]
            for of, interval in exact.figures.items():
                chance = (interval.high - interval.low) / 2
                assert figures[of]["value"] == pytest.approx(interval.value, abs=0.01 * chance)
                assert figures[of]["low"] == pytest.approx(interval.low, abs=0.02 * chance)
                assert figures[of]["n"] == len(rows)

    def test_is_in_the_decision_and_in_what_people_read(self, log, experiment, command, capsys):
        log.films(CHAMPION, {"TP": 40, "FN": 10, "TN": 40, "FP": 10})
        log.films(CHALLENGER, {"TP": 50, "TN": 50})
        folder = command(experiment(maturity=0))

        numbers = json.loads((folder / "decision.json").read_text())["numbers"]
        shown, page = capsys.readouterr().out, (folder / "report.html").read_text()

        assert numbers["champion"]["figures"]["calibration slope"]["n"] == 100
        assert numbers["champion"]["recalibration"] == "estimated"
        assert numbers["challenger"]["figures"]["calibration slope"] is None
        assert "threshold tells all films" in numbers["challenger"]["recalibration"]
        for text in (" ".join(shown.split()), page):
            assert "calibration intercept" in text
            assert "calibration slope" in text
            assert f"Calibration of {CHALLENGER}: slope not estimable" in text

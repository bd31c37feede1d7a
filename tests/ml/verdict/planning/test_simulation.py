"""Thousands of tests on paper: how often the verdict errs, and what it costs.

The figures are printed (`pytest -s`), each with its interval.
"""

from __future__ import annotations

import numpy as np
import pytest

from ml.verdict.planning.simulation import Design, simulate
from ml.verdict.statistics.truth import Truth

RUNS = 2000
ALIKE = Truth(prevalence=0.5, sensitivity=(0.85, 0.85), specificity=(0.85, 0.85))


@pytest.fixture
def trial(experiment):
    from infra.declared.experiment import load

    return load(experiment(maximum=6000, audit=0.5))


@pytest.fixture
def trial_for_a_benefit(experiment):
    from infra.declared.experiment import load

    return load(experiment(maximum=6000, audit=0.5, benefit="it answers in half the time"))


def share(happened) -> tuple[float, float, float]:
    """A share of the runs, with its interval of 95 %."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(int(happened.sum()), happened.size, method="wilson")
    return float(happened.mean()), float(low), float(high)


@pytest.mark.parametrize("replay", [False, True], ids=["live", "replay"])
def test_of_two_equal_arms_none_is_promoted_in_more_than_alpha_of_the_runs(trial, replay):
    """A/A under daily peeking for 80 days; beside it, the test for one look at every look."""
    design = Design(films_per_day=100, days=80, replay=replay)
    runs = simulate(trial, ALIKE, design, runs=RUNS, seed=1)

    promoted, low, high = share(runs.promotion_day < design.days)
    peeking, *_ = share(runs.fixed_sample.any(axis=1))
    print(f"\nA/A: promoted {promoted:.2%} ({low:.2%} to {high:.2%}), one-look test {peeking:.2%}")

    assert high <= 0.05
    assert peeking > promoted


@pytest.mark.parametrize("replay", [False, True], ids=["live", "replay"])
def test_nor_is_one_that_is_as_much_worse_as_its_margin_forbids(trial, replay):
    """The hardest null: far better where it has to be better, and at the margin elsewhere."""
    truth = Truth(prevalence=0.5, sensitivity=(0.75, 0.95), specificity=(0.85, 0.80))
    design = Design(films_per_day=100, days=80, replay=replay)
    runs = simulate(trial, truth, design, runs=RUNS, seed=2)

    promoted, low, high = share(runs.promotion_day < design.days)
    peeking, *_ = share(runs.fixed_sample.any(axis=1))
    print(
        f"\nat the margin: promoted {promoted:.2%} ({low:.2%} to {high:.2%}), "
        f"one-look test {peeking:.2%}"
    )

    assert high <= 0.05
    assert peeking > 0.05


@pytest.mark.parametrize("replay", [False, True], ids=["live", "replay"])
@pytest.mark.parametrize("metric", ["sensitivity", "specificity"])
def test_nor_is_such_a_one_for_a_declared_benefit(trial_for_a_benefit, metric, replay):
    """Worse by exactly its margin in one metric, far better in the other, 80 daily looks.

    Counted is every run in which any look says PROMOTE, also after a ROLLBACK had ended it.
    """
    others = {"sensitivity": (0.75, 0.95), "specificity": (0.75, 0.95)}
    truth = Truth(prevalence=0.5, **others | {metric: (0.85, 0.80)})
    design = Design(films_per_day=100, days=80, replay=replay)
    runs = simulate(trial_for_a_benefit, truth, design, runs=RUNS, seed=7)

    promoted, low, high = share(runs.promoted.any(axis=1))
    peeking, *_ = share(runs.fixed_sample.any(axis=1))
    print(
        f"\n{metric} at the margin, for a benefit: promoted {promoted:.2%} ({low:.2%} to "
        f"{high:.2%}), one-look test {peeking:.2%}"
    )

    assert high <= 0.05
    assert peeking > 0.05


def test_an_equal_arm_is_promoted_for_a_declared_benefit(trial_for_a_benefit):
    design = Design(films_per_day=100, days=30, replay=True)
    runs = simulate(trial_for_a_benefit, ALIKE, design, runs=RUNS, seed=8)

    promoted, low, high = share(runs.promotion_day < design.days)
    stop = np.median(runs.labels_at(runs.promotion_day))
    print(
        f"\nA/A for a benefit: promoted {promoted:.1%} ({low:.1%} to {high:.1%}), median stop "
        f"{stop:.0f} labels in a replay"
    )

    assert low > 0.8


@pytest.mark.parametrize(
    ("truth", "power", "most_labels"),
    [
        ((0.85, 0.90), 0.8, 4000),
        ((0.85, 0.93), 0.95, 2400),
        ((0.85, 0.95), 0.95, 2400),
    ],
    ids=["a little better", "better", "much better"],
)
def test_a_better_arm_is_promoted(trial, truth, power, most_labels):
    """Live at 50/50, every film read, and the same films as a replay. The specificity, a little
    better, has to be shown not to be worse by .05: that takes most of the labels."""
    trial = trial.model_copy(update={"audit_share": 1.0})
    arms = Truth(prevalence=0.5, sensitivity=truth, specificity=(0.85, 0.87))
    live, replay = (
        simulate(trial, arms, Design(films_per_day=100, days=60, replay=way), runs=RUNS, seed=3)
        for way in (False, True)
    )

    promoted, low, high = share(live.promotion_day < 60)
    stop = np.median(live.labels_at(live.promotion_day))
    paired_stop = np.median(replay.labels_at(replay.promotion_day))
    once = live.fixed_sample.mean(axis=0)
    enough = np.flatnonzero(once >= 0.8)
    print(
        f"\n{truth}: promoted {promoted:.1%} ({low:.1%} to {high:.1%}), median stop "
        f"{stop:.0f} labels live, {paired_stop:.0f} in a replay; a test for one look has a power "
        f"of {once[-1]:.1%} at the end, and of 80 % from "
        f"{live.labels[0, enough[0]] if enough.size else np.inf:.0f} labels"
    )

    assert promoted >= power
    assert most_labels is None or stop <= most_labels
    assert paired_stop < stop
    assert not (live.rollback_day < 60).any()


def test_an_arm_that_misses_more_than_its_margin_allows_is_rolled_back(trial):
    arms = Truth(prevalence=0.5, sensitivity=(0.85, 0.7), specificity=(0.85, 0.85))
    runs = simulate(trial, arms, Design(films_per_day=100, days=60), runs=RUNS, seed=4)

    assert (runs.rollback_day < 60).mean() > 0.9
    assert not (runs.promotion_day < 60).any()


@pytest.mark.parametrize(
    ("declared", "sensitivity", "films_per_day"),
    [
        ("trial", (0.8, 0.95), 100),
        ("trial_for_a_benefit", (0.95, 0.95), 100),
        ("trial_for_a_benefit", (0.97, 0.95), 4000),
    ],
    ids=["better", "equal, for a benefit", "worse within its margin, for a benefit"],
)
def test_the_simulated_rule_is_the_rule(request, declared, sensitivity, films_per_day):
    """The verdict of every day of some runs, by the code that judges real rows."""
    from ml.verdict.rule import rule
    from ml.verdict.statistics.betting import Evidence
    from ml.verdict.statistics.metrics import METRICS, difference, gain

    trial = request.getfixturevalue(declared).model_copy(update={"maximum_labels": 100_000})
    arms = Truth(prevalence=0.5, sensitivity=sensitivity, specificity=(0.85, 0.85))
    films = arms.live(0.5, 1.0, trial.audit_share)
    expected = Truth.expected(trial)
    design = Design(films_per_day=films_per_day, days=25)
    runs = simulate(trial, arms, design, runs=10, seed=6)
    every = np.append(films.n, 1 - films.n.sum())
    drawn = np.random.default_rng(6).multinomial(films_per_day, every, size=(10, 25))
    counts = drawn[..., :-1].cumsum(1)

    for run in range(10):
        for day in (4, 14, 24):
            n = counts[run, day].astype(float)
            gains = {}
            for metric in METRICS:
                moments = difference(films, metric, expected, trial.smallest_sampling)
                evidence = Evidence(u=moments.u, v=moments.v, bound=moments.bound, counts=n[None])
                gains[metric] = gain(evidence, trial.alpha)
            labels = tuple(int(n[films.labelled & (films.arm == arm)].sum()) for arm in (0, 1))
            verdict = rule(trial, gains, labels=labels, total=sum(labels), gates=()).verdict
            assert (verdict == "PROMOTE") == runs.promoted[run, day]
            assert (verdict == "ROLLBACK") == runs.rolled_back[run, day]


def test_a_seed_gives_the_same_runs(trial):
    design = Design(films_per_day=50, days=10)
    first, second = (simulate(trial, ALIKE, design, runs=50, seed=9).labels for _ in range(2))

    assert (first == second).all()


@pytest.mark.parametrize("agreement", [0.0, 0.5, 1.0])
def test_replayed_films_keep_the_arms_rates(agreement):
    arms = Truth(prevalence=0.3, sensitivity=(0.85, 0.95), specificity=(0.9, 0.8))
    pairs = arms.replayed(agreement)

    assert (pairs.n >= 0).all()
    assert pairs.n.sum() == pytest.approx(1)
    sick = pairs.sick
    assert pairs.n[sick & pairs.challenger_called].sum() == pytest.approx(0.3 * 0.95)
    assert pairs.n[~sick & pairs.champion_called].sum() == pytest.approx(0.7 * 0.1)


def test_live_films_are_read_as_often_as_the_experiment_says():
    arms = Truth(prevalence=0.3, sensitivity=(0.85, 0.95), specificity=(0.9, 0.8))
    films = arms.live(0.2, 1.0, 0.25)

    called = 0.3 * (0.8 * 0.85 + 0.2 * 0.95) + 0.7 * (0.8 * 0.1 + 0.2 * 0.2)
    read = films.where(films.labelled)
    assert films.n.sum() == pytest.approx(1)
    assert read.n.sum() == pytest.approx(called + 0.25 * (1 - called))
    assert (read.n / read.sampling).sum() == pytest.approx(1)

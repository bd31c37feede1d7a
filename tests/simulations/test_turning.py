"""An effect that turns: how long until it is flagged, and how often one is that has not turned.

The figures are printed (`pytest -s --all`), with intervals of 95 % (Clopper and Pearson).
"""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pytest

from ml.verdict.rule import promotion_limits
from ml.verdict.statistics.betting import Evidence
from ml.verdict.statistics.metrics import difference
from ml.verdict.statistics.truth import Truth
from ml.verdict.turning import turns
from tests.simulations.declared import declared, share

FILMS_PER_DAY, GOOD_DAYS = 1000, 30
FIRST = datetime.date(2026, 3, 2)


def arms(gain: float) -> Truth:
    return Truth(prevalence=0.5, sensitivity=(0.87, 0.87 + gain), specificity=(0.9, 0.9))


def run(experiment, gain_by_day, random):
    """The evidence by metric of a test whose films of each day come from that day's gain."""
    kinds = [arms(gain).live(0.5, 1.0, 1.0) for gain in gain_by_day]
    drawn = [random.multinomial(FILMS_PER_DAY, films.n / films.n.sum()) for films in kinds]
    counts = np.cumsum(drawn, axis=0, dtype=float)
    belief = Truth.expected(experiment)
    return {
        metric: Evidence(**vars(difference(kinds[0], metric, belief, 1.0)), counts=counts)
        for metric in promotion_limits(experiment)
    }


def flagged_on(experiment, found, days):
    """The index of the first day at whose end an effect is said to have turned, and what is said;
    the number of days where none ever is."""
    dates = [FIRST + datetime.timedelta(days=day) for day in range(days)]
    for day in range(days):
        known = {metric: replace(it, counts=it.counts[: day + 1]) for metric, it in found.items()}
        if turned := turns(experiment, known, dates[: day + 1]):
            return day, turned[0]
    return days, None


def below_on(experiment, found, days):
    """The index of the first day on which the running mean is shown to be below its limit."""
    below = np.logical_or.reduce(
        [
            found[metric].falls_below(limit, experiment.alpha / 2)
            for metric, limit in promotion_limits(experiment).items()
        ]
    )
    return int(below.argmax()) if below.any() else days


@pytest.mark.slow("100 simulated tests of up to 150 days")
@pytest.mark.parametrize(
    ("benefit", "most"),
    [("it answers in half the time", 45), (None, 15)],
    ids=["by its margin", "superiority asked for"],
)
def test_one_that_turns_is_flagged_long_before_the_mean_shows_it(benefit, most):
    """+.03 for 30 days, then -.06; 1,000 films a day, half of them sick."""
    experiment = declared(benefit=benefit)
    days = 150
    random = np.random.default_rng(41)
    delays, means, since = [], [], []
    for _ in range(100):
        found = run(experiment, [0.03] * GOOD_DAYS + [-0.06] * (days - GOOD_DAYS), random)
        day, turn = flagged_on(experiment, found, days)
        delays.append(day + 1 - GOOD_DAYS)
        means.append(below_on(experiment, found, days) + 1 - GOOD_DAYS)
        since.append((turn.since - FIRST).days - GOOD_DAYS if turn else np.nan)
    before = share(np.array(delays) <= 0)
    quartiles = np.quantile(delays, [0.25, 0.5, 0.75])
    print(
        f"\nturned after 30 days: flagged {quartiles[1]:.0f} days later (quartiles "
        f"{quartiles[0]:.0f} and {quartiles[2]:.0f}), the running mean {np.median(means):.0f}; "
        f"before it turned {before}; the day that is named is off by {np.median(since):+.0f} "
        f"({np.quantile(since, 0.05):+.0f} to {np.quantile(since, 0.95):+.0f}) days"
    )

    assert np.median(delays) <= most
    assert np.median(means) > 2 * np.median(delays)
    assert abs(np.median(since)) <= 5
    assert before.low <= experiment.alpha


@pytest.mark.slow("300 simulated tests of 90 days")
@pytest.mark.parametrize(
    ("benefit", "gain"),
    [("it is cheaper", 0.0), ("it is cheaper", -0.03), (None, 0.0)],
    ids=["alike, for a benefit", "at the margin, for a benefit", "alike"],
)
def test_one_that_has_not_turned_is_seldom_flagged(benefit, gain):
    """A/A tests under daily looks, and the hardest null: a gain that is at its limit each day."""
    experiment = declared(benefit=benefit)
    random = np.random.default_rng(42)
    days = 90
    flagged = share(
        np.array(
            [
                flagged_on(experiment, run(experiment, [gain] * days, random), days)[0] < days
                for _ in range(300)
            ]
        )
    )
    print(f"\nno turn, gain {gain:+.2f}: flagged in {flagged} of 300 tests")

    assert flagged.low <= experiment.alpha
    assert flagged.value <= experiment.alpha

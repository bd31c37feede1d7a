"""Figures of one arm that are no shares of films: means of scores, quantiles, frequencies."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from ml.evaluation.calibration import squared_errors
from ml.evaluation.discrimination import Area, Scores, area
from ml.verdict.statistics.asymptotic import asymptotic
from ml.verdict.statistics.betting import Floats, Interval, Moments, at_one_look
from ml.verdict.statistics.metrics import gain, share, within

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

_USUAL_BRIER = 0.1
"""What both arms' scores are centred on; it matters for the width alone."""

Figures = dict[str, Interval | None]
"""Figures by name; None for one that the films cannot give."""


_LARGEST_OVERLAP: Final = 2.0
"""Of an arm's overlap weights: 2 (1 - p), or 2 p."""


@dataclass(frozen=True, kw_only=True)
class Deviations:
    """What units [i] say of an arm's mean probability minus the share of PNEUMONIA: u - x v."""

    u: Floats
    v: Floats
    n: Floats
    films: int
    """With a truth, in all of them."""


def deviation(found: Deviations, smallest_sampling: float, alpha: float) -> Interval | None:
    """Predicted minus observed, on average over the units; None without films."""
    bound = np.full(found.u.size, 2 * _LARGEST_OVERLAP / smallest_sampling)
    said = at_one_look(Moments(u=found.u, v=found.v, bound=bound), found.n)
    return within(said, -1.0, 1.0, alpha, found.films)


def brier(
    experiment: "Experiment", scores: Scores, unit: NDArray[np.intp] | None = None
) -> Interval | None:
    """The mean squared distance of probability and truth; ``unit`` [i] is a film's patient."""
    errors = squared_errors(scores.probability, scores.sick)
    return mean(experiment, errors, scores, lowest=0.0, unit=unit)


def auc(experiment: "Experiment", found: Area | None, *, lowest: float) -> Interval | None:
    """An AUC, or a difference of two, whose limit needs films of both classes: with few of one the
    interval is all that there can be."""
    if found is None:
        return None
    limited = in_the_limit(
        experiment, found.value, found.variance, int(found.fewest), lowest=lowest, highest=1.0
    )
    return replace(limited, n=found.n)


def gains_in_the_limit(experiment: "Experiment", champion: Scores, challenger: Scores) -> Figures:
    """Differences of what the arms' films say independently of each other."""
    gains: Figures = {"auc": None, "brier": None}
    areas = area(champion), area(challenger)
    if areas[0] and areas[1]:
        difference = Area(
            value=areas[1].value - areas[0].value,
            variance=areas[0].variance + areas[1].variance,
            n=min(areas[0].n, areas[1].n),
            fewest=min(areas[0].fewest, areas[1].fewest),
        )
        gains["auc"] = auc(experiment, difference, lowest=-1.0)
    gains["brier"] = _brier_gain(experiment, champion, challenger)
    return gains


def _brier_gain(experiment: "Experiment", champion: Scores, challenger: Scores) -> Interval | None:
    """Both arms' squared errors weigh alike, so that the difference has its mean, and its bound,
    from the films themselves: by betting, as sensitivity has."""
    if not champion.n.sum() or not challenger.n.sum():
        return None
    sides = np.concatenate([np.full(champion.n.size, -1.0), np.full(challenger.n.size, 1.0)])
    arms = (champion, challenger)
    errors = np.concatenate([squared_errors(it.probability, it.sick) for it in arms])
    weight = np.concatenate([it.weight for it in arms])
    n = np.concatenate([it.n for it in arms])
    found = at_one_look(
        Moments(
            u=weight * sides * (errors - _USUAL_BRIER),
            v=weight / 2,
            bound=np.full(n.size, weight.max() * 1.5),
        ),
        n,
    )
    value = float(
        np.average(errors, weights=weight * n * (sides > 0))
        - np.average(errors, weights=weight * n * (sides < 0))
    )
    interval = gain(found, experiment.alpha, int(min(champion.n.sum(), challenger.n.sum())))
    if interval and interval.low <= value <= interval.high:
        return replace(interval, value=value)
    return interval


def in_the_limit(
    experiment: "Experiment",
    value: float,
    variance: float,
    n: int,
    *,
    lowest: float,
    highest: float,
) -> Interval:
    """The confidence sequence of a mean that is one in the limit, cut to [lowest, highest]."""
    return asymptotic(
        value,
        variance,
        n,
        alpha=experiment.alpha,
        # Half of all labels are one arm's, and half-way is when most is looked at.
        narrowest_at=max(1, experiment.maximum_labels // 4),
        lowest=lowest,
        highest=highest,
    )


def mean(
    experiment: "Experiment",
    values: Floats,
    scores: Scores,
    *,
    lowest: float,
    unit: NDArray[np.intp] | None = None,
) -> Interval | None:
    """The weighted mean of values [i] in [lowest, 1] with its interval; None without films.

    Films of one unit are one observation, of as much as they weigh together.
    """
    if not scores.n.sum():
        return None
    weight = scores.weight
    u, v, n = weight * values, weight, scores.n
    if unit is not None:
        u, v = (np.bincount(unit, weights=it).astype(np.float64) for it in (u, v))
        n = np.ones(u.size)
    bound = np.full(u.size, v.max() * (1.0 - lowest))
    found = at_one_look(Moments(u=u, v=v, bound=bound), n)
    return within(found, lowest, 1.0, experiment.alpha, float(scores.n.sum()))


def quantile(values: Floats, n: NDArray[np.int64], at: float, alpha: float) -> Interval | None:
    """A quantile between the order statistics that a binomial count of smaller values allows.

    For one look: no verdict depends on it, and it is not anytime-valid.
    """
    if not n.sum():
        return None
    total, ranks = int(n.sum()), n.cumsum()
    low, high = binom.ppf([alpha / 2, 1 - alpha / 2], total, at)
    rank = np.clip([np.ceil(at * total), low, high + 1], 1, total)
    value, lowest, highest = values[np.searchsorted(ranks, rank)]
    return Interval(value=float(value), low=float(lowest), high=float(highest), n=total)


def frequency(count: int, n: int, alpha: float) -> Interval | None:
    """A share of n with its confidence sequence."""
    if not n:
        return None
    moments = Moments(u=np.array([1.0, 0.0]), v=np.ones(2), bound=np.ones(2))
    return share(at_one_look(moments, np.array([count, n - count], np.float64)), alpha)

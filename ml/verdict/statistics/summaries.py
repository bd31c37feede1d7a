"""Figures of one arm that are no shares of films: means of scores, quantiles, frequencies."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from ml.evaluation.calibration import squared_errors
from ml.evaluation.discrimination import Scores
from ml.verdict.statistics.asymptotic import asymptotic
from ml.verdict.statistics.betting import Floats, Interval, Moments, at_one_look
from ml.verdict.statistics.metrics import share

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

Figures = dict[str, Interval | None]
"""Figures by name; None for one that the films cannot give."""


def brier(experiment: "Experiment", scores: Scores) -> Interval | None:
    """The mean squared distance of probability and truth."""
    return mean(experiment, squared_errors(scores.probability, scores.sick), scores, lowest=0.0)


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


def mean_and_variance(values: Floats, scores: Scores) -> tuple[float, float]:
    """Weighted mean and its variance."""
    weights = scores.weight * scores.n
    mean = float(np.average(values, weights=weights))
    spread = scores.n * (scores.weight * (values - mean)) ** 2
    return mean, float(spread.sum() / weights.sum() ** 2)


def mean(
    experiment: "Experiment", values: Floats, scores: Scores, *, lowest: float
) -> Interval | None:
    """The weighted mean of values [i] with its interval; None without films."""
    if not scores.n.sum():
        return None
    value, variance = mean_and_variance(values, scores)
    return in_the_limit(
        experiment, value, variance, int(scores.n.sum()), lowest=lowest, highest=1.0
    )


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

"""Whether a probability of 0.8 is the positive label in 8 of 10 films."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.evaluation.calibration import BINS, bins_of, expected_error
from ml.evaluation.discrimination import Scores
from ml.verdict.statistics.betting import Interval, Moments, at_one_look
from ml.verdict.statistics.metrics import share

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The films whose probability falls into one bin."""

    predicted: float
    observed: Interval
    """The share that is positive."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The bins that have films, and the mean distance of predicted from observed."""

    bins: tuple[Bin, ...]
    error: Interval
    """Expected calibration error: between what it is if every bin lies as near to its prediction,
    and as far from it, as all bins' intervals together allow."""


def calibration(scores: Scores, experiment: "Experiment", alpha: float) -> Calibration | None:
    """The calibration of one arm; None without films."""
    index = bins_of(scores.probability)
    weights = scores.weight * scores.n
    bins, masses, reach = [], [], []
    for number in np.unique(index):
        here = index == number
        called = scores.probability[here].min() >= experiment.task.threshold
        declared = experiment.review_share if called else experiment.smallest_sampling
        # A probability just below the threshold may have been rounded to it.
        sampled = min(declared, 1 / scores.weight[here].max())
        moments = Moments(
            u=scores.weight[here] * scores.sick[here],
            v=scores.weight[here],
            bound=np.full(here.sum(), 1 / sampled),
        )
        found = at_one_look(moments, scores.n[here])
        observed, jointly = share(found, alpha), share(found, alpha / BINS)
        if observed is None or jointly is None:
            continue
        predicted = float(np.average(scores.probability[here], weights=weights[here]))
        bins.append(Bin(predicted=predicted, observed=observed))
        masses.append(weights[here].sum())
        reach.append(
            (
                abs(predicted - observed.value),
                max(jointly.low - predicted, predicted - jointly.high, 0.0),
                max(predicted - jointly.low, jointly.high - predicted),
            )
        )
    if not bins:
        return None
    value, low, high = expected_error(reach, masses)
    return Calibration(
        bins=tuple(bins),
        error=Interval(value=float(value), low=float(low), high=float(high), n=int(scores.n.sum())),
    )

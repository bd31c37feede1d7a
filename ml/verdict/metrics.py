"""Sensitivity, specificity and accuracy as what the confidence sequences estimate.

The arm of a film is drawn independently of its truth. So among the films of a class each arm sees
the same population, and for a correct answer y, the centre c and the propensity p

    (y - c) (drawn / p - (1 - drawn) / (1 - p))

has the difference of the arms as its mean, whatever p was when the film came. A reader's truth
counts with the inverse of its logged sampling probability (Horvitz and Thompson 1952), an unread
film with zero; both is exact because both probabilities are known, not estimated. The centre
matters for the width alone.
"""

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ml.verdict.betting import Evidence, Interval, evidence
from ml.verdict.cells import Cells, Pairs

Metric = Literal["sensitivity", "specificity", "accuracy"]
METRICS: Final[tuple[Metric, ...]] = ("sensitivity", "specificity", "accuracy")
CHAMPION, CHALLENGER = 0, 1


def concerned(metric: Metric, sick: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The films that the metric is about."""
    match metric:
        case "sensitivity":
            return sick
        case "specificity":
            return ~sick
        case "accuracy":
            return np.ones_like(sick)


def of_arm(
    cells: Cells, arm: int, metric: Metric, *, smallest_sampling: float, looks: int
) -> Evidence:
    """What the films of one arm say of its metric."""
    films = cells.where(concerned(metric, cells.sick) & (cells.arm == arm))
    correct = films.called == films.sick
    return evidence(
        u=films.weight * correct,
        v=films.weight,
        bound=np.full(films.n.size, 1 / smallest_sampling),
        looks=films.look,
        n=films.n,
        of=looks,
    )


def difference(
    cells: Cells,
    metric: Metric,
    *,
    expected: tuple[float, float],
    smallest_sampling: float,
    looks: int,
) -> Evidence:
    """What all films say of challenger minus champion, each film having been answered by one.

    `expected` is the metric as it is believed of champion and challenger.
    """
    films = cells.where(concerned(metric, cells.sick))
    p = films.propensity
    # The centre that makes the variance smallest, if the belief is right.
    centre = (1 - p) * expected[CHALLENGER] + p * expected[CHAMPION]
    drawn = np.where(films.arm == CHALLENGER, 1 / p, -1 / (1 - p))
    largest = np.maximum(centre, 1 - centre) * np.maximum(1 / p, 1 / (1 - p))
    return evidence(
        u=films.weight * ((films.called == films.sick) - centre) * drawn,
        v=films.weight,
        bound=(largest + 1) / smallest_sampling,
        looks=films.look,
        n=films.n,
        of=looks,
    )


def paired_difference(
    pairs: Pairs, metric: Metric, *, smallest_sampling: float, looks: int
) -> Evidence:
    """What all films say of challenger minus champion, each film having been answered by both."""
    chosen = concerned(metric, pairs.sick)
    weight = 1 / pairs.sampling[chosen]
    gained = (pairs.challenger_called == pairs.sick)[chosen].astype(float)
    lost = (pairs.champion_called == pairs.sick)[chosen].astype(float)
    return evidence(
        u=weight * (gained - lost),
        v=weight,
        bound=np.full(weight.size, 2 / smallest_sampling),
        looks=pairs.look[chosen],
        n=pairs.n[chosen],
        of=looks,
    )


def share(found: Evidence, alpha: float, highest: float = 1.0) -> Interval | None:
    """A metric of one arm at the last look; None where no film is concerned."""
    if not found.counts.size:
        return None
    low, high = found.last.limits(0.0, highest, alpha)
    return _interval(_ratio(found), found, low[-1], high[-1])


def gain(found: Evidence, estimate: float | None, alpha: float) -> Interval | None:
    """A difference of the arms at the last look; None where no film is concerned."""
    if not found.counts.size or estimate is None:
        return None
    low, high = found.last.limits(-1.0, 1.0, alpha)
    return _interval(estimate, found, low[-1], high[-1])


def expectation(metric: Metric, believed: Mapping[str, float], prevalence: float) -> float:
    """A metric as it follows from sensitivity, specificity and prevalence."""
    if metric != "accuracy":
        return believed[metric]
    return prevalence * believed["sensitivity"] + (1 - prevalence) * believed["specificity"]


def _ratio(found: Evidence) -> float:
    counts = found.counts[-1]
    return float(counts @ found.u / (counts @ found.v))


def _interval(value: float, found: Evidence, low: float, high: float) -> Interval:
    return Interval(value=value, low=float(low), high=float(high), n=int(found.counts[-1].sum()))

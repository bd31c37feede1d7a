"""Sensitivity, specificity and accuracy as what the confidence sequences estimate.

The arm of a film is drawn independently of its truth. So among the films of a class each arm sees
the same population, and for a correct answer y, the centre c and the propensity p

    (y - c) (drawn / p - (1 - drawn) / (1 - p))

has the difference of the arms as its mean, whatever p was when the film came. A reader's truth
counts with the inverse of its logged sampling probability (Horvitz and Thompson 1952), an unread
film with zero; both is exact because both probabilities are known, not estimated. The centre
matters for the width alone.
"""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ml.verdict.statistics.betting import Evidence, Interval, Moments
from ml.verdict.statistics.cells import Cells, Pairs

Metric = Literal["sensitivity", "specificity", "accuracy"]
METRICS: Final[tuple[Metric, ...]] = ("sensitivity", "specificity", "accuracy")
CHAMPION, CHALLENGER = 0, 1


def of_arm(films: Cells, arm: int, metric: Metric, smallest_sampling: float) -> Moments:
    """What films say of one arm's metric."""
    v = films.weight * (_concerned(metric, films.sick) & (films.arm == arm))
    return Moments(
        u=v * (films.called == films.sick),
        v=v,
        bound=np.full(v.size, 1 / smallest_sampling),
    )


def difference(
    films: Cells, metric: Metric, expected: tuple[float, float], smallest_sampling: float
) -> Moments:
    """What films say of challenger minus champion, each having been answered by one of them.

    `expected` is the metric as it is believed of champion and challenger.
    """
    p = films.propensity
    # The centre that makes the variance smallest, if the belief is right.
    centre = (1 - p) * expected[CHALLENGER] + p * expected[CHAMPION]
    drawn = np.where(films.arm == CHALLENGER, 1 / p, -1 / (1 - p))
    largest = np.maximum(centre, 1 - centre) * np.maximum(1 / p, 1 / (1 - p))
    v = films.weight * _concerned(metric, films.sick)
    return Moments(
        u=v * ((films.called == films.sick) - centre) * drawn,
        v=v,
        bound=(largest + 1) / smallest_sampling,
    )


def paired_difference(films: Pairs, metric: Metric, smallest_sampling: float) -> Moments:
    """What films say of challenger minus champion, each having been answered by both."""
    v = _concerned(metric, films.sick) / films.sampling
    gained = (films.challenger_called == films.sick).astype(float)
    lost = (films.champion_called == films.sick).astype(float)
    return Moments(u=v * (gained - lost), v=v, bound=np.full(v.size, 2 / smallest_sampling))


def share(found: Evidence, alpha: float, highest: float = 1.0) -> Interval | None:
    """A metric of one arm at the last look; None where no film is concerned."""
    estimate = float(found.estimates[-1]) if found.counts.size else None
    return _interval(found, estimate, 0.0, highest, alpha)


def gain(found: Evidence, estimate: float | None, alpha: float) -> Interval | None:
    """A difference of the arms at the last look; None where there is no estimate of it.

    The estimate is the difference of both arms' figures, so that what people read adds up. The
    root of the evidence differs from it by less than chance, and may lie outside of -1 to 1.
    """
    return _interval(found, estimate, -1.0, 1.0, alpha)


def _concerned(metric: Metric, sick: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The films that the metric is about."""
    match metric:
        case "sensitivity":
            return sick
        case "specificity":
            return ~sick
        case "accuracy":
            return np.ones_like(sick)


def _interval(
    found: Evidence, estimate: float | None, lowest: float, highest: float, alpha: float
) -> Interval | None:
    if not found.counts.size or estimate is None:
        return None
    low, high = found.last.limits(lowest, highest, alpha)
    return Interval(
        value=estimate,
        low=float(low[-1]),
        high=float(high[-1]),
        n=int(found.counts[-1].sum()),
    )

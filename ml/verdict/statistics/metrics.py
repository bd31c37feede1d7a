"""Sensitivity, specificity and accuracy as what the confidence sequences estimate.

The arm of a film is drawn independently of its truth. So among the films of a class each arm sees
the same population, and for a correct answer y, the centre c and the propensity p

    (y - c) (1 - p) where the challenger was drawn, -(y - c) p where the champion was

has p (1 - p) times the difference of the arms as its mean, whatever p was when the film came. An
arm's own figures weight its films alike, so that both arms' are of one population although the
split has changed (overlap weights; Li, Morgan and Zaslavsky 2018).

A reader's truth counts with the inverse of its logged sampling probability (Horvitz and Thompson
1952). Of what it says, the part that the call alone foretells is taken from all films, read or not
(augmented inverse probability weights; Robins, Rotnitzky and Zhao 1994): both is exact because the
probabilities are known, not estimated, and the foretelling is declared before the test. The centre
and the foretelling matter for the width alone.
"""

from collections.abc import Callable
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ml.verdict.statistics.betting import Evidence, Floats, Interval, Moments
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION, NOT_CHOSEN, Cells, Pairs, overlap

Metric = Literal["sensitivity", "specificity", "accuracy"]
METRICS: Final[tuple[Metric, ...]] = ("sensitivity", "specificity", "accuracy")


class Belief(Protocol):
    """What is believed before the test; it decides widths alone."""

    def of(self, metric: Metric) -> tuple[float, float]:
        """A metric of champion and challenger."""

    def sick_among(self, arm: NDArray[np.int8], called: NDArray[np.bool_]) -> Floats:
        """The share of PNEUMONIA among what the arms [i] call so [i]."""


def of_arm(
    films: Cells, arm: int, metric: Metric, smallest_sampling: float, belief: Belief | None = None
) -> Moments:
    """What films say of one arm's metric; with a belief, those that nobody read say something."""
    weight = overlap(films.propensity, arm) * (films.arm == arm)
    weight = weight / weight.max(initial=np.finfo(float).tiny)

    def says(sick: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        v = weight * _concerned(metric, sick)
        return v * (films.called == sick), v

    return _read_or_foretold(films, metric, says, np.ones(weight.size), smallest_sampling, belief)


def difference(films: Cells, metric: Metric, belief: Belief, smallest_sampling: float) -> Moments:
    """What films say of challenger minus champion, each having been answered by one of them."""
    p, expected = films.propensity, belief.of(metric)
    # The centre that makes the variance smallest, if the belief is right.
    centre = (1 - p) * expected[CHALLENGER] + p * expected[CHAMPION]
    signed = np.where(films.arm == CHALLENGER, 1 - p, -p)

    def says(sick: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        concerned = _concerned(metric, sick)
        return (
            concerned * ((films.called == sick) - centre) * signed,
            concerned * p * (1 - p),
        )

    # Of |u - x v| for -1 <= x <= 1; the same for both arms, whose films so weigh alike.
    most = np.maximum(centre, 1 - centre) * np.maximum(p, 1 - p) + p * (1 - p)
    return _read_or_foretold(films, metric, says, most, smallest_sampling, belief)


def _read_or_foretold(
    films: Cells,
    metric: Metric,
    says: Callable[[NDArray[np.bool_]], tuple[Floats, Floats]],
    most: Floats,
    smallest_sampling: float,
    belief: Belief | None,
) -> Moments:
    """`says` is what a film says of the estimand, if it is sick or not, of at most ``most`` [i]."""
    read = films.labelled / films.sampling
    u, v = (read * value for value in says(films.sick))
    if belief is None or smallest_sampling == 1:
        return Moments(u=u, v=v, bound=most / smallest_sampling)
    sick = belief.sick_among(films.arm, films.called)
    everybody = np.ones_like(films.sick)
    if_sick, if_not = says(everybody), says(~everybody)
    foretold_u, foretold_v = (
        sick * a + (1 - sick) * b for a, b in zip(if_sick, if_not, strict=True)
    )
    # A film without the truth that it was chosen for says nothing: neither is known of it.
    known = films.labelled | (films.truth == NOT_CHOSEN)
    return Moments(
        u=u + (known - read) * foretold_u,
        v=v + (known - read) * foretold_v,
        # Of accuracy both classes speak, and against each other.
        bound=most * (2 if metric == "accuracy" else 1) / smallest_sampling,
    )


def paired_difference(films: Pairs, metric: Metric, smallest_sampling: float) -> Moments:
    """What films say of challenger minus champion, each having been answered by both."""
    v = _concerned(metric, films.sick) / films.sampling
    gained = (films.challenger_called == films.sick).astype(float)
    lost = (films.champion_called == films.sick).astype(float)
    return Moments(u=v * (gained - lost), v=v, bound=np.full(v.size, 2 / smallest_sampling))


def share(
    found: Evidence, alpha: float, highest: float = 1.0, films: float | None = None
) -> Interval | None:
    """A metric of one arm at the last look; None where no film is concerned.

    `films` are those that the estimate rests on, where the units are other ones.
    """
    return within(found, 0.0, highest, alpha, films)


def gain(found: Evidence, alpha: float, films: float | None = None) -> Interval | None:
    """A difference of the arms at the last look; None where no film is concerned."""
    return within(found, -1.0, 1.0, alpha, films)


def labels(films: Cells, metric: Metric) -> float:
    """The films with a truth that a metric is about."""
    return float(films.n[films.labelled & _concerned(metric, films.sick)].sum())


def _concerned(metric: Metric, sick: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The films that the metric is about."""
    match metric:
        case "sensitivity":
            return sick
        case "specificity":
            return ~sick
        case "accuracy":
            return np.ones_like(sick)


def within(
    found: Evidence, lowest: float, highest: float, alpha: float, films: float | None = None
) -> Interval | None:
    """An estimand that lies between two values, at the last look; None where nothing is said."""
    n = films if films is not None else found.counts[-1].sum() if found.counts.size else 0
    last = found.last
    if not n or not (last.counts @ last.v > 0).all():
        return None
    low, high = last.limits(lowest, highest, alpha)
    return Interval(
        value=float(np.clip(last.estimates[-1], lowest, highest)),
        low=float(low[-1]),
        high=float(high[-1]),
        n=int(n),
    )

"""AUC, its variance, and the comparison of two, by DeLong's placements.

reference: DeLong, DeLong and Clarke-Pearson, Biometrics 44(3), 1988; in O(n log n) by Sun and Xu,
IEEE Signal Processing Letters 21(11), 2014. Films count with the inverse of their sampling
probability, and the variance is that of the weighted means; with equal weights it is DeLong's.
Films of one patient are not independent: where units are given, the variance is that between them
(Obuchowski, Biometrics 53(2), 1997).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Films [i] with a truth and a probability, those that are alike counted together."""

    probability: Floats
    sick: NDArray[np.bool_]
    weight: Floats
    n: Floats

    def of(self, sick: bool) -> "Scores":
        """The films of one class."""
        chosen = self.sick == sick
        return Scores(**{name: values[chosen] for name, values in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Area:
    """An area under a ROC curve, or the difference of two."""

    value: float
    variance: float
    n: int
    fewest: float
    """Films of the smaller class, as many as would say as much if they counted alike."""


def equally_weighted(probability: Floats, sick: NDArray[np.bool_]) -> Scores:
    """Films [i] that count alike."""
    ones = np.ones(sick.size)
    return Scores(probability=probability, sick=sick, weight=ones, n=ones)


def area(scores: Scores, unit: NDArray[np.intp] | None = None) -> Area | None:
    """The AUC of one arm; None without films of both classes. ``unit`` [i] is a film's patient."""
    cases, controls = scores.of(True), scores.of(False)
    if not cases.n.sum() or not controls.n.sum():
        return None
    above = _share_below(cases.probability, controls)
    below = 1 - _share_below(controls.probability, cases)
    value = float(np.average(above, weights=cases.weight * cases.n))
    return _area(value, (above, below), (cases, controls), scores.sick, unit)


def paired_area_difference(
    champion: Floats,
    challenger: Floats,
    sick: NDArray[np.bool_],
    weight: Floats,
    unit: NDArray[np.intp] | None = None,
) -> Area | None:
    """Challenger's AUC minus champion's on the same films [i]; None without both classes."""
    arms = [
        Scores(probability=probability, sick=sick, weight=weight, n=np.ones(sick.size))
        for probability in (champion, challenger)
    ]
    if not sick.any() or sick.all():
        return None
    cases, controls = ([arm.of(kind) for arm in arms] for kind in (True, False))
    above, below = (
        _share_below(cases[1].probability, controls[1])
        - _share_below(cases[0].probability, controls[0]),
        _share_below(controls[0].probability, cases[0])
        - _share_below(controls[1].probability, cases[1]),
    )
    value = float(np.average(above, weights=cases[0].weight))
    return _area(value, (above, below), (cases[0], controls[0]), sick, unit)


def curve(scores: Scores) -> tuple[Floats, Floats]:
    """The ROC curve: 1 - specificity and sensitivity at every probability, from (0, 0)."""
    levels, level = np.unique(-scores.probability, return_inverse=True)
    weights = scores.weight * scores.n
    rates = [
        np.bincount(level, weights=weights * (scores.sick == sick), minlength=levels.size).cumsum()
        for sick in (False, True)
    ]
    false_positive, true_positive = (np.concatenate([[0.0], rate / rate[-1]]) for rate in rates)
    return false_positive, true_positive


def _share_below(probability: Floats, others: Scores) -> Floats:
    """Of the others' weight: what lies below each probability, and half of what ties with it."""
    levels, level = np.unique(others.probability, return_inverse=True)
    at = np.bincount(level, weights=others.weight * others.n, minlength=levels.size)
    below = np.concatenate([[0.0], at.cumsum()])
    left, right = (np.searchsorted(levels, probability, side) for side in ("left", "right"))
    return np.asarray((below[left] + below[right]) / (2 * below[-1]))


def _area(
    value: float,
    placements: tuple[Floats, Floats],
    classes: tuple[Scores, Scores],
    sick: NDArray[np.bool_],
    unit: NDArray[np.intp] | None,
) -> Area:
    """The area by the placements of cases and controls."""
    deviations = [placed - value for placed in placements]
    n = int(sum(films.n.sum() for films in classes))
    if unit is None:
        variance = sum(_variance(it, films) for it, films in zip(deviations, classes, strict=True))
        return Area(value=value, variance=variance, n=n, fewest=min(map(_effective, classes)))
    units = [unit[sick], unit[~sick]]
    of_each = np.zeros(unit.max() + 1)
    for deviation, films, its in zip(deviations, classes, units, strict=True):
        weights = films.weight * films.n
        np.add.at(of_each, its, weights * deviation / weights.sum())
    k = np.unique(unit).size
    return Area(
        value=value,
        variance=float((of_each**2).sum() * k / max(1, k - 1)),
        n=n,
        fewest=min(
            _effective(_together(films, its)) for films, its in zip(classes, units, strict=True)
        ),
    )


def _together(films: Scores, unit: NDArray[np.intp]) -> Scores:
    """One film for each unit, with the weight of all its films."""
    weight = np.bincount(unit, weights=films.weight * films.n).astype(np.float64)
    there = np.unique(unit)
    ones = np.ones(there.size)
    return Scores(probability=ones, sick=ones > 0, weight=weight[there], n=ones)


def _effective(films: Scores) -> float:
    """Kish's effective sample size."""
    weights = films.weight * films.n
    return float(weights.sum() ** 2 / (films.weight * weights).sum())


def _variance(deviations: Floats, films: Scores) -> float:
    """Of the weighted mean of what the deviations deviate from. One film's is taken as 0."""
    n = films.n.sum()
    if n < 2:
        return 0.0
    weights = films.weight * films.n
    spread = films.n * (films.weight * deviations) ** 2
    return float(spread.sum() / weights.sum() ** 2 * n / (n - 1))

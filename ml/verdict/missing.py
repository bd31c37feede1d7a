"""What the verdict would be if the films without a truth were other ones than those with it.

A film that was chosen for a reader and has no truth when it is old enough is missing, whether the
reader could not tell or has not come yet. Nobody knows what it is. A promotion has to hold whatever
it is assumed to be within the declared model (pattern mixture): that the odds of a wrong answer are
`odds_ratio` times those of the resolved films for the challenger and as much less for the champion,
and, however far it goes, that the missing films of both arms are alike, because readers do not know
the arm: all wrong, all right, all sick or all healthy.

reference: National Research Council, The Prevention and Treatment of Missing Data in Clinical
Trials, 2010, chapter 5; FDA, Statistical Guidance on Reporting Results from Studies Evaluating
Diagnostic Tests, 2007. docs/statistics.md#films-without-a-truth
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from infra.declared.safeguards import Missing
from ml.verdict.gains import gains
from ml.verdict.statistics.betting import Floats, Interval
from ml.verdict.statistics.cells import (
    CHALLENGER,
    CHAMPION,
    NORMAL,
    NOT_CHOSEN,
    PNEUMONIA,
    UNREAD,
    Cells,
)
from ml.verdict.statistics.metrics import Metric

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

Wrong = Floats
"""[arm, called]: the share of the missing films that were called wrong."""

_BY_CHANCE: Final = 1.645
"""Standard deviations: how far what was chosen may be from what was promised by chance (5 %)."""

_LARGEST: Final = 1e6
"""Odds ratio beyond which it is as if all were wrong."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One way in which the missing films could be."""

    assumed: str
    gains: Mapping[Metric, Interval | None]


@dataclass(frozen=True, kw_only=True)
class MissingTruth:
    """How many films are missing, and what they could do."""

    films: float
    """Without a truth though one was to be had; partly estimated where it is not logged which
    answers were chosen."""
    at_most: float
    """The same, with those of the challenger that chance may hide where it is not logged."""
    judged: float
    """Those of the scenarios: all of `at_most` by the model `worst`, else `films`."""
    scenarios: tuple[Scenario, ...]
    tipping_point: float | None
    """The odds ratio at which the conditions of a promotion cease to hold; None where none does
    that, 1 where they do not hold at all."""


def missing_truth(
    experiment: "Experiment",
    films: Cells,
    holds: Callable[[Cells], bool],
    *,
    final: bool,
    choice_logged: bool = True,
) -> MissingTruth:
    """What the missing ones of the films could do to the gains.

    `holds` says whether films are those of a promotion, `choice_logged` whether the rows say of
    unread answers which were chosen.
    """
    model = experiment.missing or Missing()
    known = with_those_that_are_late(films)
    possible = known if choice_logged else with_those_that_are_late(films, hidden=True)
    judged = possible if model.model == "worst" else known
    n, at_most = (float(it.n[it.missing].sum()) for it in (known, possible))
    if not judged.missing.any():
        return MissingTruth(films=n, at_most=at_most, judged=0, scenarios=(), tipping_point=None)
    return MissingTruth(
        films=n,
        at_most=at_most,
        judged=float(judged.n[judged.missing].sum()),
        scenarios=tuple(
            Scenario(
                assumed=assumed,
                gains={
                    metric: gain.interval
                    for metric, gain in gains(experiment, imputed, final=final).items()
                },
            )
            for assumed, imputed in assumptions(model, judged)
        ),
        tipping_point=_tipping_point(
            lambda ratio: holds(_imputed(judged, _opposed(judged, ratio)))
        ),
    )


def assumptions(model: Missing, films: Cells) -> Iterator[tuple[str, Cells]]:
    """What the films would be, under each assumption of the model."""
    for assumed, wrong in _assumptions(model, films):
        yield assumed, _imputed(films, wrong)


def _assumptions(model: Missing, films: Cells) -> Iterator[tuple[str, Wrong]]:
    if model.model == "worst":
        yield "all of the challenger's wrong, all of the champion's right", _opposed(films, np.inf)
        return
    yield (
        f"the odds of a wrong answer {model.odds_ratio:g} times those of resolved films for the "
        "challenger, and as much less for the champion",
        _opposed(films, model.odds_ratio),
    )
    for name, on_normal, on_pneumonia in (
        ("all wrong", 1.0, 1.0),
        ("all right", 0.0, 0.0),
        ("all PNEUMONIA", 1.0, 0.0),
        ("all NORMAL", 0.0, 1.0),
    ):
        yield f"{name}, in both arms", np.array([[on_normal, on_pneumonia]] * 2)


def _opposed(films: Cells, ratio: float) -> Wrong:
    """Against the challenger and for the champion, by an odds ratio."""
    odds = np.empty((2, 2))
    for arm in (CHAMPION, CHALLENGER):
        for called in (False, True):
            here = films.labelled & (films.arm == arm) & (films.called == called)
            weight = films.n[here] / films.sampling[here]
            wrong = films.sick[here] != called
            # Half a film of each kind, so that what was never seen is not impossible.
            odds[arm, int(called)] = (weight[wrong].sum() + 0.5) / (weight[~wrong].sum() + 0.5)
    odds[CHALLENGER] *= ratio
    odds[CHAMPION] /= ratio
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(odds), 1.0, odds / (1 + odds))


def _imputed(films: Cells, wrong: Wrong) -> Cells:
    """The films, each missing one in two parts: wrong with its share, and right.

    A part of a film says a part of what it would say, which is what a supermartingale's mean over
    the unknown truth is: the evidence stays valid if the assumption is true.
    """
    films = films.in_units()
    missing = films.missing
    share = wrong[films.arm, films.called.astype(np.intp)]
    parts = []
    for is_wrong in (True, False):
        part = np.where(missing, share if is_wrong else 1 - share, 1.0 - is_wrong)
        sick = films.called != is_wrong
        truth = np.where(missing, np.where(sick, PNEUMONIA, NORMAL), films.truth)
        parts.append(_part(films, truth, part))
    return Cells.of(parts)


def with_those_that_are_late(films: Cells, *, hidden: bool = False) -> Cells:
    """The films, with as many of the unread ones taken for missing as readings are fewer than
    their probabilities promise, beyond chance. Only where a choice is logged is it known which.

    ``hidden``: with those of the challenger, too, that chance may hide: a few misses that readers
    never resolved look like a draw of few.
    """
    films = films.in_units()
    late = np.zeros(films.n.size)
    for arm in (CHAMPION, CHALLENGER):
        for called in (False, True):
            here = (films.arm == arm) & (films.called == called)
            unread = here & (films.truth == NOT_CHOSEN)
            left = films.n[unread].sum()
            if not left:
                continue
            n, p = films.n[here], films.sampling[here]
            read = films.n[here & ~unread].sum()
            promised = (n * p).sum()
            by_chance = _BY_CHANCE * (n * p * (1 - p)).sum() ** 0.5
            chosen = promised + (by_chance if hidden and arm == CHALLENGER else -by_chance)
            late[unread] = min(1.0, max(0.0, chosen - read) / left)
    if not late.any():
        return films
    return Cells.of(
        [
            _part(films, np.where(late > 0, UNREAD, films.truth), late),
            _part(films, films.truth, 1 - late),
        ]
    )


def _part(films: Cells, truth: NDArray[np.int8], part: Floats) -> Cells:
    """Of each film a part, with this truth."""
    assert films.within is not None  # noqa: S101 - they are in units
    cells = replace(
        films, truth=truth.astype(np.int8), n=films.n * part, within=films.within * part
    )
    return cells.where(part > 0)


def _tipping_point(holds: Callable[[float], bool]) -> float | None:
    """The odds ratio at which what holds ceases to hold, to a hundredth of its size."""
    if not holds(1.0):
        return 1.0
    if holds(_LARGEST):
        return None
    low, high = 0.0, float(np.log(_LARGEST))
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(float(np.exp(middle))) else (low, middle)
    return float(np.exp(low))

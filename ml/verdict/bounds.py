"""What the figures could be at the worst and at the best of what is not known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ml.verdict.counting.tally import Tally
from ml.verdict.statistics.cells import (
    CHALLENGER,
    CHAMPION,
    NORMAL,
    PNEUMONIA,
    UNREAD,
    UNRESOLVED,
    overlap,
)

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Where an estimate lies at the worst and at the best of what is not known: the truth
    of unresolved films and of those whose answer only a client's journal knows, and the arm of
    verdicts that have lost their prediction."""

    low: float
    high: float


def bounds(experiment: "Experiment", tally: Tally) -> dict[str, Bounds]:
    """Of sensitivity's and specificity's gain, as far as the films give them."""
    lost = {
        "sensitivity": tally.verdicts_without_a_prediction(PNEUMONIA),
        "specificity": tally.verdicts_without_a_prediction(NORMAL),
    }
    found = {}
    for metric, sick in (("sensitivity", True), ("specificity", False)):
        champion, challenger = (
            _extremes(experiment, tally, arm, sick=sick, lost=lost[metric])
            for arm in (CHAMPION, CHALLENGER)
        )
        if champion and challenger:
            found[metric] = Bounds(
                low=challenger.low - champion.high, high=challenger.high - champion.low
            )
    return found


def _extremes(
    experiment: "Experiment", tally: Tally, arm: int, *, sick: bool, lost: int
) -> Bounds | None:
    """Of an arm's share of right calls among the sick, or among the others."""
    truth = PNEUMONIA if sick else NORMAL
    right, wrong = (_weight(tally.mature(arm, called, truth), arm) for called in (sick, not sick))
    if not right + wrong:
        return None
    maybe_right, maybe_wrong = (
        _unknown(experiment, tally, arm, called) for called in (sick, not sick)
    )
    return Bounds(
        low=right / (right + wrong + maybe_wrong + lost),
        high=(right + maybe_right + lost) / (right + maybe_right + lost + wrong),
    )


def _unknown(experiment: "Experiment", tally: Tally, arm: int, called: bool) -> float:
    """Films that were chosen and have no truth, with those they stand for."""
    films = tally.mature(arm, called)
    unknown = (films["truth"] == UNRESOLVED) | (films["truth"] == UNREAD)
    return _weight({name: values[unknown] for name, values in films.items()}, arm) + _unlogged(
        experiment, tally, arm, called
    )


def _unlogged(experiment: "Experiment", tally: Tally, arm: int, called: bool) -> int:
    """No reader was ever given these."""
    served = (experiment.champion, experiment.challenger)[arm].served_entity_name
    return tally.journaled.lost(served, called=called) if tally.journaled else 0


def _weight(films: Mapping[str, NDArray[Any]], arm: int) -> float:
    return float((films["n"] / films["sampling"] * overlap(films["propensity"], arm)).sum())

"""Challenger minus champion: what the films say of it, and between which limits it lies."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from infra.declared.safeguards import Ramp
from ml.verdict.statistics.betting import Evidence, Floats, Interval
from ml.verdict.statistics.cells import Cells
from ml.verdict.statistics.final import wald
from ml.verdict.statistics.metrics import METRICS, Metric, difference, gain, labels
from ml.verdict.statistics.truth import Truth

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Gain:
    """One metric's."""

    evidence: Evidence
    interval: Interval | None


def level(experiment: "Experiment") -> float:
    """Alpha of the intervals that may be looked at every day."""
    final = experiment.final_test
    return experiment.alpha * (1 - final.share) if final else experiment.alpha


def spent(experiment: "Experiment", films: Cells) -> Floats:
    """Labels [i] that count towards `maximum_labels`: those of early steps do not."""
    early = (experiment.ramp or Ramp()).early_up_to / 100
    return films.n * (films.labelled & (films.propensity > early))


def last_look(experiment: "Experiment", films: Cells) -> int | None:
    """The look of the final test: the first one with `maximum_labels`. None before it, and where
    no such test was declared."""
    if not experiment.final_test or not films.n.size:
        return None
    daily = np.bincount(films.look, weights=spent(experiment, films))
    reached = np.flatnonzero(daily.cumsum() >= experiment.maximum_labels)
    return int(reached[0]) if reached.size else None


def of_the_test(experiment: "Experiment", films: Cells) -> Cells:
    """The films that a verdict rests on: after the final test no further ones."""
    last = last_look(experiment, films)
    return films if last is None else films.where(films.look <= last)


def gains(
    experiment: "Experiment", films: Cells, *, looks: int = 1, final: bool = False
) -> Mapping[Metric, Gain]:
    """By metric; `final` is whether the look of the final test has come."""
    found = {}
    for metric in METRICS:
        evidence = _evidence(experiment, films, metric, looks)
        interval = between(experiment, evidence, labels(films, metric), final=final)
        found[metric] = Gain(evidence=evidence, interval=interval)
    return found


def between(
    experiment: "Experiment", evidence: Evidence, films: float, *, final: bool
) -> Interval | None:
    """The interval at the last look; None where no film says anything."""
    interval = gain(evidence, level(experiment), films)
    if interval and (once := _once(experiment, evidence, final=final)):
        return replace(interval, low=max(interval.low, once[0]), high=min(interval.high, once[1]))
    return interval


def exceeds(
    experiment: "Experiment", films: Cells, metric: Metric, limit: float, *, final: bool
) -> bool:
    """Whether the gain's interval lies above the limit, which takes less than the interval."""
    return is_above(experiment, _evidence(experiment, films, metric), limit, final=final)


def is_above(experiment: "Experiment", evidence: Evidence, limit: float, *, final: bool) -> bool:
    """Whether the evidence of the last look excludes the limit and all below it."""
    once = _once(experiment, evidence, final=final)
    return bool(evidence.last.exceeds(limit, level(experiment) / 2).any()) or bool(
        once and once[0] > limit
    )


def _evidence(experiment: "Experiment", films: Cells, metric: Metric, looks: int = 1) -> Evidence:
    belief = Truth.expected(experiment)
    return films.evidence(difference(films, metric, belief, experiment.smallest_sampling), looks)


def _once(
    experiment: "Experiment", evidence: Evidence, *, final: bool
) -> tuple[float, float] | None:
    if not final or not experiment.final_test:
        return None
    return wald(evidence, experiment.alpha * experiment.final_test.share)

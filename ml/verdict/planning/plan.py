"""What a way of testing brings: shares, labels and days, from many simulated runs of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint

from ml.verdict.planning.simulation import Design, Runs, simulate

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment
    from ml.verdict.statistics.truth import Truth

BEYOND: Final = 4
"""Times the maximum of labels that are simulated, to see what would have been needed."""

_MOST_DAYS: Final = 2000

Curve = tuple[str, NDArray[np.float64], NDArray[np.float64]]
"""A name, labels, and the chance of a promotion by them."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a way of testing brings; shares are of the simulated runs."""

    way: str
    promoted: float
    promoted_low: float
    promoted_high: float
    """Of 95 %, for the number of runs."""
    rolled_back: float
    labels_median: float | None
    """At the promotion; None where fewer than half are promoted within what was simulated."""
    labels_for_power: float | None
    days_median: int | None
    days_for_power: int | None
    labels_fixed_sample: float | None
    """Labels at which a test that may be looked at only once has that power."""


def plans(
    experiment: "Experiment",
    truth: "Truth",
    *,
    films_per_day: int,
    agreement: float,
    power: float,
    runs: int,
    seed: int,
) -> Iterator[tuple[Plan, Runs]]:
    """The experiment live, where its split reaches both arms, and as a replay.

    ``agreement`` is of the arms' errors in a replay, ``power`` the chance to plan for.
    """
    propensity = experiment.split.propensity
    films = truth.live(propensity, experiment.review_share, experiment.audit_share)
    for replay, way, read in (
        (False, f"live, {propensity:.0%} to the challenger", float(films.n[films.labelled].sum())),
        (True, experiment.task.said("replay, both arms on every film"), 1.0),
    ):
        if not replay and not 0 < propensity < 1:
            continue
        wanted = BEYOND * experiment.maximum_labels / (films_per_day * read)
        design = Design(
            films_per_day=films_per_day,
            days=int(min(max(1, np.ceil(wanted)), _MOST_DAYS)),
            propensity=propensity,
            replay=replay,
            agreement=agreement,
        )
        simulated = simulate(experiment, truth, design, runs=runs, seed=seed, beyond=BEYOND)
        yield _plan(way, simulated, experiment, design, power), simulated


def chances(way: str, runs: Runs) -> tuple[Curve, Curve]:
    """The chance of a promotion by the median of labels: at any look, and at one look alone.

    Up to the day on which the first run ends: a run that has ended has no more looks.
    """
    days = np.arange(runs.running.all(axis=0).sum())
    labels = np.median(runs.labels[:, days], axis=0)
    promoted = np.asarray((runs.promotion_day[:, None] <= days).mean(axis=0))
    return (
        (way, labels, promoted),
        (f"{way}: one look only", labels, runs.fixed_sample[:, days].mean(axis=0)),
    )


def _plan(way: str, runs: Runs, experiment: "Experiment", design: Design, power: float) -> Plan:
    day = runs.promotion_day
    labels = runs.labels_at(day)
    within = int((labels <= experiment.maximum_labels).sum())
    low, high = proportion_confint(within, len(labels), method="wilson")
    rolled_back = runs.labels_at(runs.rollback_day) <= experiment.maximum_labels
    days = np.where(day < design.days, day + 1.0, np.inf)
    return Plan(
        way=way,
        promoted=within / len(labels),
        promoted_low=float(low),
        promoted_high=float(high),
        rolled_back=float(rolled_back.mean()),
        labels_median=_quantile(labels, 0.5),
        labels_for_power=_quantile(labels, power),
        days_median=_whole(_quantile(days, 0.5)),
        days_for_power=_whole(_quantile(days, power)),
        labels_fixed_sample=_first(runs.fixed_sample.mean(axis=0), runs, power),
    )


def _first(chance: NDArray[np.float64], runs: Runs, power: float) -> float | None:
    enough = np.flatnonzero(chance >= power)
    return float(np.median(runs.labels[:, enough[0]])) if enough.size else None


def _quantile(values: NDArray[np.float64], share: float) -> float | None:
    found = float(np.quantile(values, share, method="inverted_cdf"))
    return found if np.isfinite(found) else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)

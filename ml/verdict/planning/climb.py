"""The whole ramp on paper: on which day, and with how many labels, each step is reached."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from infra.declared.ramp import RAMP
from infra.declared.safeguards import Ramp
from ml.verdict.gains import level, spent
from ml.verdict.planning.simulation import all_exceed, differences, of_counts, wald_exceeds
from ml.verdict.rule import promotion_limits
from ml.verdict.statistics.betting import Evidence, Floats
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION, Cells
from ml.verdict.statistics.metrics import Metric
from ml.verdict.statistics.truth import Truth

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

_LOOKS: Final = 365
_MOST_DAYS: Final = 730
"""Days that are simulated."""

Counts = Mapping[Metric, Evidence]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A share of the traffic, and what it takes to get there from the first one; None where fewer
    runs than the wanted share get there within two years."""

    percent: int
    early: bool
    """Whether it asks for no harm; otherwise for a promotion."""
    reached: float
    """Share of the runs."""
    days: int | None
    """By which the wanted share of the runs has reached it."""
    labels: int | None
    """The median by then, of both arms."""


def climb(
    experiment: "Experiment",
    truth: Truth,
    *,
    films_per_day: int,
    power: float,
    runs: int,
    seed: int,
) -> tuple[Step, ...]:
    """The steps above the ramp's first share, for a chance of `power`."""
    shares, goals = RAMP[:-1], RAMP[1:]
    kinds = [
        truth.live(share / 100, experiment.review_share, experiment.audit_share) for share in shares
    ]
    all_kinds = Cells.of(kinds)
    said = differences(experiment, all_kinds)
    spends = spent(experiment, replace(all_kinds, n=np.ones(all_kinds.n.size)))
    random = np.random.default_rng(seed)
    stride = -(-_MOST_DAYS // _LOOKS)
    counts = np.zeros((runs, all_kinds.n.size))
    at = np.zeros(runs, np.intp)
    days = np.full((runs, len(goals)), np.inf)
    labels = np.full((runs, len(goals)), np.inf)
    ended = np.zeros(runs, np.bool_)
    edges = np.cumsum([0, *(cells.n.size for cells in kinds)])
    maturity = -(-experiment.label_maturity_hours // 24)
    for day in range(stride, _MOST_DAYS + 1, stride):
        for step, cells in enumerate(kinds):
            here = np.flatnonzero((at == step) & ~ended)
            drawn = random.multinomial(films_per_day * stride, cells.n, size=here.size)
            counts[here, edges[step] : edges[step + 1]] += drawn
        here = np.flatnonzero((at < len(goals)) & ~ended)
        if not here.size:
            break
        found = of_counts(said, counts[here])
        read = np.stack(
            [
                counts[here][:, all_kinds.labelled & (all_kinds.arm == arm)].sum(axis=1)
                for arm in (CHAMPION, CHALLENGER)
            ]
        )
        over = counts[here] @ spends >= experiment.maximum_labels
        goal = np.array(goals)[at[here]]
        climbs = _climbs(experiment, found, read, goal, over)
        up = here[climbs]
        days[up, at[up]] = day + maturity
        labels[up, at[up]] = read.sum(axis=0)[climbs]
        at[up] = np.minimum(at[up] + 1, len(goals))
        # With all its labels a test is over.
        ended[here[over & ~climbs]] = True
        ended |= at >= len(goals)
    early = (experiment.ramp or Ramp()).early_up_to
    return tuple(
        Step(
            percent=percent,
            early=percent <= early,
            reached=float(np.isfinite(days[:, number]).mean()),
            days=_whole(days[:, number], power),
            labels=_whole(labels[:, number], power),
        )
        for number, percent in enumerate(goals)
    )


def _climbs(
    experiment: "Experiment",
    found: Counts,
    read: Floats,
    goal: NDArray[np.intp],
    over: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Per run: whether its next step may be taken."""
    ramp, alpha = experiment.ramp or Ramp(), level(experiment) / 2
    fewest = read.min(axis=0)
    harms: Mapping[Metric, float] = {
        "sensitivity": -ramp.harm.sensitivity,
        "specificity": -ramp.harm.specificity,
    }
    unharmed = all_exceed(found, harms, alpha) & (fewest >= ramp.labels)
    limits = promotion_limits(experiment)
    better = all_exceed(found, limits, alpha)
    if experiment.final_test:
        once = experiment.alpha * experiment.final_test.share
        better |= over & wald_exceeds(found, limits, once)
    promoted = better & (fewest >= experiment.minimum_per_arm)
    return np.asarray(np.where(goal <= ramp.early_up_to, unharmed, promoted))


def _whole(values: Floats, share: float) -> int | None:
    found = float(np.quantile(values, share, method="inverted_cdf"))
    return int(np.ceil(found)) if np.isfinite(found) else None

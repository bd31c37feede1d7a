"""Experiments that are run a thousand times on paper: what a test costs, and how often it errs.

Every run draws its films day by day from a truth, and is looked at at the end of each day by the
same evidence as a real test. Only the films' kinds are drawn, so that a thousand tests of months
take a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.verdict.gains import level
from ml.verdict.rule import promotion_limits
from ml.verdict.statistics.betting import Evidence, Floats, Moments
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION, Cells
from ml.verdict.statistics.final import limits as wald_limits
from ml.verdict.statistics.metrics import (
    METRICS,
    Metric,
    difference,
    paired_difference,
)
from ml.verdict.statistics.truth import Truth

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Design:
    """How films come, and how they are judged."""

    films_per_day: int
    days: int
    propensity: float = 0.5
    """Of the challenger; of no concern to a replay."""
    replay: bool = False
    agreement: float = 0.5
    """Of the arms' errors in a replay; see Truth.replayed."""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """What became of each run [r], at the end of each day [d]."""

    promoted: NDArray[np.bool_]
    """Whether the evidence of the day says PROMOTE."""
    stopped: NDArray[np.bool_]
    """Whether it says ROLLBACK, or KEEP."""
    rolled_back: NDArray[np.bool_]
    labels: Floats
    running: NDArray[np.bool_]
    """Until the day on which the labels are spent, that day included."""
    fixed_sample: NDArray[np.bool_]
    """Whether a test for one look, at the same level, says PROMOTE on that day."""

    @property
    def promotion_day(self) -> NDArray[np.intp]:
        """The index of the day of the promotion [r]; the number of days for a run without one.

        A run ends with its first verdict: a promotion after a rollback is none.
        """
        days = self.promoted.shape[1]
        first = np.where(self.promoted.any(axis=1), self.promoted.argmax(axis=1), days)
        ended = np.where(self.stopped.any(axis=1), self.stopped.argmax(axis=1), days)
        return np.asarray(np.where(first <= ended, first, days), np.intp)

    @property
    def rollback_day(self) -> NDArray[np.intp]:
        """The index of the day of the rollback [r]; the number of days for a run without one."""
        days = self.promoted.shape[1]
        first = np.where(self.rolled_back.any(axis=1), self.rolled_back.argmax(axis=1), days)
        return np.asarray(np.where(first < self.promotion_day, first, days), np.intp)

    def labels_at(self, day: NDArray[np.intp]) -> Floats:
        """The labels of each run by a day; infinite for a day that never comes."""
        last = self.labels.shape[1] - 1
        return np.where(
            day <= last, self.labels[np.arange(day.size), np.minimum(day, last)], np.inf
        )


def simulate(
    experiment: "Experiment",
    truth: Truth,
    design: Design,
    *,
    runs: int,
    seed: int,
    beyond: int = 1,
) -> Runs:
    """Runs an experiment so many times, up to its maximum of labels, or so many times `beyond`."""
    random = np.random.default_rng(seed)
    shares, gained, labels_of = _kinds(experiment, truth, design)
    every = np.append(shares, max(0.0, 1 - shares.sum()))  # the last: films that nobody reads
    drawn = random.multinomial(design.films_per_day, every, size=(runs, design.days))
    counts = drawn[..., :-1].cumsum(axis=1).astype(np.float64)
    labels = np.stack([counts[..., kinds].sum(axis=-1) for kinds in labels_of])
    total = labels.sum(axis=0)

    flat = counts.reshape(runs * design.days, -1)
    evidence = of_counts(gained, flat)
    alpha, margins = level(experiment) / 2, experiment.margins
    rolled_back = evidence["sensitivity"].falls_below(-margins.sensitivity, alpha) | evidence[
        "specificity"
    ].falls_below(-margins.specificity, alpha)
    promoted = ~rolled_back & all_exceed(evidence, promotion_limits(experiment), alpha)
    kept = evidence[experiment.primary_metric].falls_below(0.0, alpha)
    shape = (runs, design.days)
    # The day on which the maximum is reached is the last one.
    before = np.concatenate([np.zeros((runs, 1)), total[:, :-1]], axis=1)
    running = before < beyond * experiment.maximum_labels
    enough = labels.min(axis=0) >= experiment.minimum_per_arm
    return Runs(
        promoted=(promoted.reshape(shape) | _at_the_end(experiment, evidence, total))
        & enough
        & running,
        stopped=(rolled_back | kept).reshape(shape) & running,
        rolled_back=rolled_back.reshape(shape) & running,
        labels=total,
        running=running,
        fixed_sample=wald_exceeds(evidence, promotion_limits(experiment), experiment.alpha).reshape(
            shape
        )
        & enough
        & running,
    )


def _kinds(
    experiment: "Experiment", truth: Truth, design: Design
) -> tuple[Floats, Mapping[Metric, Moments], tuple[NDArray[np.bool_], ...]]:
    """Kinds of films: the share of each, what each says of every metric, and whose label it is."""
    if design.replay:
        pairs = truth.replayed(design.agreement)
        paired = {metric: paired_difference(pairs, metric, 1.0) for metric in METRICS}
        return pairs.n, paired, (np.ones(pairs.n.size, np.bool_),)
    films = truth.live(design.propensity, experiment.review_share, experiment.audit_share)
    gained = differences(experiment, films)
    arms = (films.labelled & (films.arm == arm) for arm in (CHAMPION, CHALLENGER))
    return films.n, gained, tuple(arms)


def differences(experiment: "Experiment", kinds: Cells) -> Mapping[Metric, Moments]:
    """What kinds of live films say of each gain."""
    belief, smallest = Truth.expected(experiment), experiment.smallest_sampling
    return {metric: difference(kinds, metric, belief, smallest) for metric in METRICS}


def of_counts(said: Mapping[Metric, Moments], counts: Floats) -> Mapping[Metric, Evidence]:
    """The evidence of so many films of each kind [row, kind], a look for each row."""
    return {
        metric: Evidence(u=it.u, v=it.v, bound=it.bound, counts=counts)
        for metric, it in said.items()
    }


def all_exceed(
    evidence: Mapping[Metric, Evidence], limits: Mapping[Metric, float], alpha: float
) -> NDArray[np.bool_]:
    """Per row of counts: whether every gain is shown to be above its limit."""
    shown = [evidence[metric].exceeds(limit, alpha) for metric, limit in limits.items()]
    return np.asarray(np.logical_and.reduce(shown))


def wald_exceeds(
    evidence: Mapping[Metric, Evidence], limits: Mapping[Metric, float], alpha: float
) -> NDArray[np.bool_]:
    """Per row of counts: whether every gain exceeds its limit by the test for one look."""
    shown = [wald_limits(evidence[it], alpha)[0] > limit for it, limit in limits.items()]
    return np.asarray(np.logical_and.reduce(shown))


def _at_the_end(
    experiment: "Experiment", evidence: Mapping[Metric, Evidence], total: Floats
) -> NDArray[np.bool_]:
    """Whether the final test says PROMOTE, on the day that has all labels [r, d]."""
    if not experiment.final_test:
        return np.zeros(total.shape, np.bool_)
    reached = total >= experiment.maximum_labels
    last = reached & (reached.cumsum(axis=1) == 1)
    alpha = experiment.alpha * experiment.final_test.share
    shown = wald_exceeds(evidence, promotion_limits(experiment), alpha)
    return np.asarray(last & shown.reshape(total.shape))

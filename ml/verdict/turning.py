"""Whether an effect has turned: of late the challenger is worse than a promotion allows.

A running mean hides it: after thirty good days it takes as many bad ones until the mean is zero.
So for every day there is a gambler who begins on it, and who bets from then on that the gain is
below its limit. Their capitals count with weights that sum to 1, so that the sum is a
supermartingale while the gain never is below the limit, and is ever above 1 / level with a
probability of level at most. All metrics together share alpha.

reference: Shin, Ramdas and Rinaldo, E-detectors: a nonparametric framework for sequential change
detection, New Engl. J. Stat. Data Sci., 2023, with weights that sum to 1 in the place of the
average run length, because a test ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from ml.verdict.numbers import decimal, span
from ml.verdict.rule import Finding, promotion_limits
from ml.verdict.statistics.betting import BETS, Evidence, Floats, Interval
from ml.verdict.statistics.metrics import Metric

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A metric whose gain of the last days is shown to be below what a promotion asks for."""

    metric: Metric
    since: date
    """The day from which on the last days speak most clearly against the gain."""
    days: int
    """From then to the last look."""
    gain: Interval
    """Of these days. The upper end is one of the lowest gain that lasted; both ends hold at every
    look and for every day that they could have begun with."""
    limit: float


def turns(
    experiment: "Experiment", gained: Mapping[Metric, Evidence], days: Sequence[date]
) -> tuple[Turn, ...]:
    """The metrics that have turned, from the evidence [t, j] on each gain by day [t]."""
    limits = promotion_limits(experiment)
    level = experiment.alpha / len(limits)
    found = []
    for metric, limit in limits.items():
        by_day = np.diff(gained[metric].counts, axis=0, prepend=0.0)
        if by_day.size and log_evidence(gained[metric], limit) >= -np.log(level):
            since = int(_by_start(gained[metric], by_day, limit).argmax())
            found.append(
                Turn(
                    metric=metric,
                    since=days[since],
                    days=(days[-1] - days[since]).days + 1,
                    gain=_recent(gained[metric], by_day, since, limit, level),
                    limit=limit,
                )
            )
    return tuple(found)


def finding(found: Sequence[Turn]) -> Finding:
    """As a condition of a promotion."""
    return Finding(
        condition="no effect has turned",
        holds=not found,
        because=" ".join(
            f"The gain in {turn.metric} has turned: since {turn.since.isoformat()} it is "
            f"{decimal(turn.gain.value, signed=True)} "
            f"({span(turn.gain.low, turn.gain.high, signed=True)}), n = {turn.gain.n}, "
            f"below {decimal(turn.limit, signed=True)}."
            for turn in found
        )
        or "No last days are shown to be worse than a promotion allows.",
    )


def log_evidence(found: Evidence, limit: float) -> float:
    """That the gain was below the limit from some day on, at the last look; a false one ever
    reaches log(1 / level) with a probability of level at most."""
    by_day = np.diff(found.counts, axis=0, prepend=0.0)
    started = _by_start(found, by_day, limit)
    # Those who begin later still have what they began with.
    return float(np.logaddexp(logsumexp(started), -np.log1p(len(by_day))))


def _by_start(found: Evidence, by_day: Floats, limit: float) -> Floats:
    """Logarithm of weight and capital of who began on each day."""
    won = np.log1p(-((found.u - limit * found.v) / found.bound)[:, None] * BETS)
    since = (by_day @ won)[::-1].cumsum(axis=0)[::-1]
    start = np.arange(1, len(by_day) + 1)
    return np.asarray(
        logsumexp(since, axis=1) - np.log(BETS.size) - np.log(start) - np.log1p(start)
    )


def _recent(found: Evidence, by_day: Floats, since: int, limit: float, level: float) -> Interval:
    """The gain of the days since then; of those below the limit."""
    recent = Evidence(
        u=found.u, v=found.v, bound=found.bound, counts=by_day[since:].sum(axis=0)[None]
    )
    weight = 1 / ((since + 1) * (since + 2))
    value = float(recent.estimates[-1])
    low, _ = recent.limits(-1.0, 1.0, 2 * level * weight)

    def excess(gain: float) -> float:
        return log_evidence(found, gain) + float(np.log(level))

    high = brentq(excess, -1.0, limit) if excess(-1.0) < 0 else -1.0
    # The upper end is of the worst of the last days, which may be fewer: where the loss still
    # grows it can lie below the lower end of them all.
    lowest = min(float(low[-1]), float(high))
    return Interval(
        value=float(np.clip(value, lowest, high)),
        low=lowest,
        high=float(high),
        n=int(recent.counts[-1][recent.v != 0].sum()),
    )

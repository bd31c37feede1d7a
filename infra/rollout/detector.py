"""Whether a rate has risen above its limit, however often one looks.

A Shiryaev-Roberts e-detector: the sum, over every minute at which the rise may have begun, of the
evidence since then. While the rate is at most its limit, its mean grows by one a minute at most,
so that it reaches a threshold of m after m minutes at the earliest, in the mean. Nothing has to be
known of the traffic, and a rise after months of quiet is seen as fast as one at the beginning.
Source: Shin, Ramdas, Rinaldo, "E-detectors", 2022, arXiv 2203.03532.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

_YEAR_MINUTES: Final = 525_600
_YEARS_BETWEEN_FALSE_ALARMS: Final = 20
"""Of one measure of one arm; with two measures, an arm's are ten years apart."""
THRESHOLD: Final = float(_YEAR_MINUTES * _YEARS_BETWEEN_FALSE_ALARMS)

_TIMES: Final = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
"""The limit, so many times, is what the rate may have risen to; all are weighed alike."""
_ALMOST_ALL: Final = 0.99
_CONFIDENCE: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class Minute:
    """How many of the requests of a minute were what should be rare. Minutes of the epoch."""

    at: int
    requests: int
    events: int


@dataclass(frozen=True, kw_only=True)
class Rise:
    """A rate above its limit: the minute from which on the evidence counts, what was seen since."""

    since: int
    seen_at: int
    """The minute in which the threshold was reached."""
    requests: int
    events: int
    low: float
    high: float
    """Of the rate since then, of 95 % (Clopper and Pearson); the moment was chosen by the data."""
    evidence: float
    """How many times the threshold."""

    @property
    def rate(self) -> float:
        """Events per request since then."""
        return self.events / self.requests


def rise(minutes: Iterable[Minute], limit: float) -> Rise | None:
    """The first of the rises; None while there is none."""
    return next(rises(minutes, limit), None)


def rises(minutes: Iterable[Minute], limit: float) -> Iterator[Rise]:
    """The rises above ``limit``, a rate between 0 and 1, one after the other: each is looked for
    from where the one before was seen. Minutes ascend; those without a request say nothing and may
    be left out."""
    risen = np.array([min(limit * it, _ALMOST_ALL) for it in _TIMES if limit < _ALMOST_ALL])
    risen = risen if risen.size else np.array([(1 + limit) / 2])
    event, none = np.log(risen / limit), np.log((1 - risen) / (1 - limit))
    left = iter(minutes)
    while found := _next_rise(left, event, none):
        yield found


def interval(events: int, requests: int) -> tuple[float, float]:
    """Of the rate, of 95 % (Clopper and Pearson)."""
    tail = (1 - _CONFIDENCE) / 2
    low = float(beta.ppf(tail, events, requests - events + 1)) if events else 0.0
    high = float(beta.ppf(1 - tail, events + 1, requests - events)) if events < requests else 1.0
    return low, high


def _next_rise(
    minutes: Iterator[Minute], event: NDArray[np.float64], none: NDArray[np.float64]
) -> Rise | None:
    """``event`` and ``none``, of shape (rates that are thought of,): the log of the evidence of a
    request."""
    detector = np.full(len(event), -np.inf)
    # Beside it, for the moment at which it began: the largest sum that ends now (CUSUM).
    cumulated = np.zeros(len(event))
    since = np.zeros(len(event), int)
    seen: list[Minute] = []
    for minute in minutes:
        seen.append(minute)
        factor = minute.events * event + (minute.requests - minute.events) * none
        detector = np.logaddexp(detector, 0) + factor
        since = np.where(cumulated <= 0, len(seen) - 1, since)
        cumulated = np.maximum(cumulated, 0) + factor
        mean = float(np.logaddexp.reduce(detector)) - math.log(len(event))
        if mean >= math.log(THRESHOLD):
            begun = int(since[int(np.argmax(cumulated))])
            return _rise(seen[begun:], mean)
    return None


def _rise(minutes: list[Minute], evidence: float) -> Rise:
    requests = sum(it.requests for it in minutes)
    events = sum(it.events for it in minutes)
    low, high = interval(events, requests)
    return Rise(
        since=minutes[0].at,
        seen_at=minutes[-1].at,
        requests=requests,
        events=events,
        low=low,
        high=high,
        evidence=math.exp(min(evidence - math.log(THRESHOLD), 700.0)),
    )

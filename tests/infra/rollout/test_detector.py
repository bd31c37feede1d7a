"""The detector of a risen rate: what it is by definition, what it finds, and when it does not."""

from __future__ import annotations

import numpy as np
import pytest

from infra.rollout import detector
from infra.rollout.detector import Minute, rise


def minutes(rates: list[float], a_minute: int = 60, seed: int = 1) -> list[Minute]:
    random = np.random.default_rng(seed)
    return [
        Minute(at=place, requests=a_minute, events=int(random.binomial(a_minute, rate)))
        for place, rate in enumerate(rates)
    ]


def test_evidence_of_a_minute_is_one_at_most_in_the_mean_while_the_rate_is_at_its_limit() -> None:
    limit, requests = 0.02, 30
    for times in detector._TIMES:
        risen = limit * times
        ratios = [
            _binomial(requests, events, limit)
            * (risen / limit) ** events
            * ((1 - risen) / (1 - limit)) ** (requests - events)
            for events in range(requests + 1)
        ]
        assert sum(ratios) == pytest.approx(1)


def test_a_rise_after_a_day_of_quiet_is_seen_within_the_hour_with_its_beginning() -> None:
    quiet, broken = [0.01] * 1440, [0.05] * 60

    found = rise(minutes(quiet + broken), 0.02)

    assert found
    assert 1435 <= found.since <= 1455
    assert found.seen_at - 1440 < 60
    assert found.low < 0.05 < found.high
    assert found.low > 0.02


def test_a_rate_at_its_limit_is_no_rise() -> None:
    assert rise(minutes([0.02] * 20_000), 0.02) is None


def test_few_requests_say_little() -> None:
    assert rise([Minute(at=0, requests=2, events=2)], 0.02) is None


def test_every_request_failing_is_seen_at_once() -> None:
    found = rise([Minute(at=it, requests=10, events=10) for it in range(5)], 0.02)

    assert found
    assert found.seen_at <= 1
    assert found.high == 1


def test_no_request_at_all_is_no_rise() -> None:
    assert rise([], 0.02) is None


def _binomial(n: int, k: int, p: float) -> float:
    from scipy.stats import binom

    return float(binom.pmf(k, n, p))

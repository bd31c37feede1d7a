"""The guard beside fixed alarms: how long a broken arm keeps its traffic, how often a sound one
loses it.

One request a second, of which the challenger has a share; counted by the minute, looked at every
minute. A fixed alarm is as SageMaker's guardrails are usually set: the rate of a minute above the
limit in so many of the last minutes (CloudWatch: "M out of N"). The figures are printed
(`pytest -s --all`), with intervals of 95 %.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta, chi2

from infra.rollout import detector
from infra.rollout.detector import Minute, rise
from ml.verdict.rule import promotion_limits
from ml.verdict.statistics.betting import Evidence
from ml.verdict.statistics.metrics import difference
from ml.verdict.statistics.truth import Truth
from tests.simulations.declared import declared, share

A_MINUTE = 60
YEAR = 525_600
LIMIT, SOUND, BROKEN = 0.02, 0.01, 0.05
SLOW_LIMIT, SLOW_SOUND, SLOW_BROKEN = 0.05, 0.02, 0.3
"""Of the answers beyond a limit that is a quarter above the 95th percentile; with latencies twice
as long, about a third is."""
OUT_OF = ((1, 1), (3, 3), (5, 5))


def log_thresholds(limit: float) -> tuple[np.ndarray, np.ndarray]:
    risen = np.minimum(limit * np.array(detector._TIMES), detector._ALMOST_ALL)
    return np.log(risen / limit), np.log((1 - risen) / (1 - limit))


def false_alarms(
    random: np.random.Generator, *, rate: float, limit: float, share: float, years: int
) -> tuple[int, dict[tuple[int, int], float]]:
    """How many of `years` years, side by side, the guard steps back in; and how often a year each
    fixed alarm rings. The recursion of `rise`, for all years at once."""
    event, none = log_thresholds(limit)
    evidence = np.full((years, len(event)), -np.inf)
    ended = np.zeros(years, bool)
    above = np.zeros((years, max(n for _, n in OUT_OF)), bool)
    rings = dict.fromkeys(OUT_OF, 0)
    day = 1440
    for _ in range(YEAR // day):
        requests = random.binomial(A_MINUTE, share, (day, years))
        events = random.binomial(requests, rate)
        factors = events[..., None] * event + (requests - events)[..., None] * none
        too_many = events > limit * np.maximum(requests, 1)
        for minute in range(day):
            evidence = np.logaddexp(evidence, 0) + factors[minute]
            mean = np.logaddexp.reduce(evidence, axis=1) - math.log(len(event))
            ended |= mean >= math.log(detector.THRESHOLD)
            above = np.roll(above, 1, axis=1)
            above[:, 0] = too_many[minute]
            for m, n in OUT_OF:
                rings[m, n] += int((above[:, :n].sum(axis=1) >= m).sum())
    return int(ended.sum()), {key: count / years for key, count in rings.items()}


def minutes_to_the_brake(
    random: np.random.Generator,
    *,
    share: float,
    rates: tuple[float, float],
    limit: float,
    runs: int,
) -> list[int]:
    """After a day of soundness, by the product's own function."""
    quiet, found = 1440, []
    for _ in range(runs):
        requests = random.binomial(A_MINUTE, share, quiet + 1440)
        broken = np.arange(len(requests)) >= quiet
        events = random.binomial(requests, np.where(broken, rates[1], rates[0]))
        risen = rise(
            [
                Minute(at=at, requests=int(n), events=int(k))
                for at, (n, k) in enumerate(zip(requests, events, strict=True))
            ],
            limit,
        )
        assert risen
        found.append(risen.seen_at - quiet)
    return found


def alarm_after(
    random: np.random.Generator, *, share: float, rate: float, limit: float, m: int, runs: int
) -> float:
    """The median minute in which the last `m` minutes were all above the limit."""
    found = []
    for _ in range(runs):
        requests = random.binomial(A_MINUTE, share, 1440)
        above = random.binomial(requests, rate) > limit * np.maximum(requests, 1)
        run = 0
        for minute, is_above in enumerate(above):
            run = run + 1 if is_above else 0
            if run == m:
                found.append(minute)
                break
        else:
            found.append(1440)
    return float(np.median(found))


@pytest.mark.slow("100 simulated years of minutes")
@pytest.mark.parametrize(
    ("measure", "rate", "limit"),
    [
        ("error rate", SOUND, LIMIT),
        ("latency", SLOW_SOUND, SLOW_LIMIT),
        ("at its limit", LIMIT, LIMIT),
    ],
)
def test_a_sound_challenger_is_stopped_less_than_once_in_ten_years(
    measure: str, rate: float, limit: float
) -> None:
    years = 60
    stopped, rings = false_alarms(
        np.random.default_rng(71), rate=rate, limit=limit, share=0.2, years=years
    )
    high = chi2.ppf(0.975, 2 * (stopped + 1)) / 2 / years
    low = chi2.ppf(0.025, 2 * stopped) / 2 / years if stopped else 0.0
    print(f"\n{measure}: {stopped / years:.3f} a year ({low:.3f} to {high:.3f}) at 20 % of 1/s")
    print("  fixed alarms a year:", {f"{m} of {n}": round(it, 1) for (m, n), it in rings.items()})

    assert stopped / years <= 0.1
    assert high <= 0.1
    assert rings[1, 1] > 1000 * max(stopped / years, 0.01)


@pytest.mark.slow("300 simulated days")
@pytest.mark.parametrize(
    ("measure", "rates", "limit"),
    [
        ("error rate 1 -> 5 %", (SOUND, BROKEN), LIMIT),
        ("latency x 2", (SLOW_SOUND, SLOW_BROKEN), SLOW_LIMIT),
    ],
)
@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_a_broken_challenger_is_stopped_within_the_shift(
    measure: str, rates: tuple[float, float], limit: float, share: float
) -> None:
    random = np.random.default_rng(72)
    found = minutes_to_the_brake(random, share=share, rates=rates, limit=limit, runs=50)
    alarms = {
        m: alarm_after(random, share=share, rate=rates[1], limit=limit, m=m, runs=50)
        for m, _ in OUT_OF
    }
    low, middle, high = np.quantile(found, [0.05, 0.5, 0.95])
    print(
        f"\n{measure} at {share:.0%} of 1/s: {middle:.0f} minutes ({low:.0f} to {high:.0f}, 90 % "
        f"of runs); fixed alarms {alarms}"
    )

    assert min(found) >= 0  # never during the day of soundness
    assert high * share <= 60


def test_the_recursion_of_these_figures_is_the_products() -> None:
    random = np.random.default_rng(73)
    events = random.binomial(30, 0.05, 400)
    minutes = [Minute(at=at, requests=30, events=int(it)) for at, it in enumerate(events)]
    event, none = log_thresholds(LIMIT)
    evidence = np.full(len(event), -np.inf)
    reached = None
    for at, it in enumerate(events):
        evidence = np.logaddexp(evidence, 0) + it * event + (30 - it) * none
        mean = np.logaddexp.reduce(evidence) - math.log(len(event))
        if reached is None and mean >= math.log(detector.THRESHOLD):
            reached = at

    found = rise(minutes, LIMIT)

    assert found
    assert found.seen_at == reached
    assert found.low == pytest.approx(
        beta.ppf(0.025, found.events, found.requests - found.events + 1)
    )


READ_A_DAY = 100
"""Films with a truth, of both arms at 50/50, half of them sick."""


def rollbacks_on(gain: float, *, days: int, runs: int, seed: int) -> np.ndarray:
    """The days on whose evening the verdict is ROLLBACK first, of a challenger whose sensitivity
    differs by `gain`; `days` where it never is."""
    experiment, random = (
        declared(benefit="it answers in half the time"),
        np.random.default_rng(seed),
    )
    kinds = Truth(prevalence=0.5, sensitivity=(0.87, 0.87 + gain), specificity=(0.9, 0.9)).live(
        0.5, 1.0, 1.0
    )
    belief, found = Truth.expected(experiment), []
    for _ in range(runs):
        drawn = random.multinomial(READ_A_DAY, kinds.n / kinds.n.sum(), days)
        counts = np.cumsum(drawn, axis=0, dtype=float)
        below = np.logical_or.reduce(
            [
                Evidence(**vars(difference(kinds, metric, belief, 1.0)), counts=counts).falls_below(
                    limit, experiment.alpha / 2
                )
                for metric, limit in promotion_limits(experiment).items()
            ]
        )
        found.append(int(below.argmax()) if below.any() else days)
    return np.array(found)


@pytest.mark.slow("200 simulated tests of half a year")
def test_a_challenger_that_misses_more_is_rolled_back_by_its_readers() -> None:
    for gain in (-0.10, -0.20):
        found = rollbacks_on(gain, days=180, runs=60, seed=74) + 1
        low, middle, high = np.quantile(found, [0.05, 0.5, 0.95])
        print(f"\nsensitivity {gain:+.2f}: {middle:.0f} days ({low:.0f} to {high:.0f})")
        assert high <= (120 if gain == -0.10 else 40)

    sound = rollbacks_on(0.0, days=365, runs=100, seed=75) < 365
    stopped = share(sound)
    print(f"equal arms, looked at on 365 days: {stopped}")
    assert stopped.value <= 0.1

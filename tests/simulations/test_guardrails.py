"""Guardrails under daily looks: how often one is said to be breached that is exactly at its limit.

The figures are printed (`pytest -s --all`), with intervals of 95 % (Clopper and Pearson).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from ml.verdict.guardrails import guardrails
from ml.verdict.statistics.summaries import Deviations, deviation
from tests.simulations.declared import declared, share

RUNS, DAYS, A_DAY = 300, 20, 200
LIMITS = {"error_rate": 0.02, "latency_p95_ms": 800, "calibration": 0.05}


@dataclass(frozen=True)
class Counted:
    """What a tally says of a challenger whose every answer has the same probability."""

    n: int
    failures: int
    late: int
    sick: int
    predicted: float

    def requests(self, _arm):
        return self.n, self.failures

    def latencies(self, _arm):
        return np.array([100.0, 900.0]), np.array([self.n - self.late, self.late])

    def deviations(self, _arm):
        return Deviations(
            u=self.predicted - np.array([1.0, 0.0]),
            v=np.ones(2),
            n=np.array([self.sick, self.n - self.sick], float),
            films=self.n,
        )


def breached(random, *, failing, slow, predicted) -> tuple[bool, int]:
    """Whether any limit is ever breached, and on which day first; of a challenger with these
    rates, whose films are half PNEUMONIA."""
    experiment = declared(guardrails=LIMITS)
    daily = (random.binomial(A_DAY, rate, DAYS).cumsum().tolist() for rate in (failing, slow, 0.5))
    for day, (failures, late, sick) in enumerate(zip(*daily, strict=True)):
        counted = Counted(
            n=A_DAY * (day + 1), failures=failures, late=late, sick=sick, predicted=predicted
        )
        if any(it.breached for it in guardrails(experiment, counted)):
            return True, day
    return False, DAYS


@pytest.mark.slow("300 simulated tests with 20 looks")
def test_at_their_limits_all_together_are_seldom_breached():
    random = np.random.default_rng(51)
    found = share(
        np.array(
            [breached(random, failing=0.02, slow=0.05, predicted=0.55)[0] for _ in range(RUNS)]
        )
    )
    print(f"\nthree limits, each exactly reached: breached in {found}")

    assert found.low <= 0.025
    assert found.value <= 0.025


@pytest.mark.slow("100 simulated tests with 20 looks")
@pytest.mark.parametrize(
    "rates",
    [
        {"failing": 0.06, "slow": 0.01, "predicted": 0.5},
        {"failing": 0.0, "slow": 0.12, "predicted": 0.5},
        {"failing": 0.0, "slow": 0.01, "predicted": 0.62},
        {"failing": 0.0, "slow": 0.01, "predicted": 0.38},
    ],
    ids=["fails", "slow", "too sure", "too unsure"],
)
def test_well_beyond_one_it_is_found(rates):
    random = np.random.default_rng(52)
    runs = [breached(random, **rates) for _ in range(100)]
    found = share(np.array([shown for shown, _ in runs]))
    day = np.median([day for _, day in runs])
    print(f"\n{rates}: breached in {found}, in the median after {A_DAY * (day + 1):.0f} requests")

    assert found.low > 0.9


@pytest.mark.slow("300 simulated tests with 20 looks, twice")
def test_a_patients_ten_films_are_no_ten_proofs_that_a_limit_is_breached():
    """All films of a patient have one truth; the distance is exactly at its limit."""
    random = np.random.default_rng(53)
    limit, alpha, films, patients = LIMITS["calibration"], 0.025, 10, 40
    ways: dict[str, list[bool]] = {"patient": [], "film": []}
    for _ in range(RUNS):
        sick = random.binomial(patients, 0.5, DAYS).cumsum()
        came = patients * (np.arange(DAYS) + 1)
        for way, times in (("patient", 1), ("film", films)):
            found = (
                deviation(
                    Deviations(
                        u=0.5 + limit - np.array([1.0, 0.0]),
                        v=np.ones(2),
                        n=times * np.array([ill, n - ill], float),
                        films=films * int(n),
                    ),
                    1.0,
                    2 * alpha,
                )
                for ill, n in zip(sick, came, strict=True)
            )
            ways[way].append(any(it.low > limit or it.high < -limit for it in found))
    by_patient, by_film = (share(np.array(breaches)) for breaches in ways.values())
    print(
        f"\nten films a patient, at the limit: breached by patient {by_patient}, by film {by_film}"
    )

    assert by_patient.value <= alpha
    assert by_film.value > alpha

"""Several films of a patient are not independent; the verdict counts the patient.

The arms' errors on a patient's films are correlated: with the probability `alike` a film repeats
the patient's first answer of that arm, else it is drawn anew.
"""

from __future__ import annotations

import numpy as np
import pytest

from ml.verdict.gains import gains
from ml.verdict.rule import promotion_limits
from ml.verdict.statistics.cells import NORMAL, PNEUMONIA, Cells
from ml.verdict.statistics.sample_ratio import by_patient, sample_ratio
from tests.simulations.clinic import an_experiment, share

RUNS = 1000
DAYS = 60


def patients(
    random: np.random.Generator, *, films: int, alike: float, sticky: bool, patients: int = 2000
) -> Cells:
    """Live at the margin: sensitivity .90 and .87; a patient comes on one day with all films."""
    n = patients * films
    patient = np.repeat(np.arange(patients), films)
    sick = np.repeat(random.random(patients) < 0.3, films)
    arm = (
        np.repeat(random.random(patients) < 0.5, films) if sticky else random.random(n) < 0.5
    ).astype(int)
    right = np.where(sick, np.where(arm == 1, 0.87, 0.9), 0.9)
    own = np.repeat(random.random(patients), films)
    level = np.where(random.random(n) < alike, own, random.random(n))
    called = (level < right) == sick
    return Cells(
        look=patient * DAYS // patients,
        arm=arm.astype(np.int8),
        propensity=np.full(n, 0.5),
        called=called,
        truth=np.where(sick, PNEUMONIA, NORMAL).astype(np.int8),
        sampling=np.ones(n),
        n=np.ones(n),
        unit=patient,
        within=np.ones(n),
        size=np.full(n, float(films)),
    )


@pytest.mark.slow("1,000 tests on paper a row: a minute of one core")
@pytest.mark.parametrize(
    ("films", "alike", "sticky"),
    [
        (3, 0.6, False),
        (3, 0.9, False),
        (10, 0.9, False),
        (3, 0.9, True),
        (10, 0.9, True),
    ],
)
def test_at_the_margin_few_are_promoted_however_alike_a_patients_films_are(films, alike, sticky):
    experiment = an_experiment(maximum=10**6)
    random = np.random.default_rng(1)
    promoted, rolled_back, mismatched, alone = [], [], [], []
    for _ in range(RUNS):
        cells = patients(random, films=films, alike=alike, sticky=sticky)
        found = gains(experiment, cells, looks=DAYS)
        limits = promotion_limits(experiment)
        shown = np.logical_and.reduce(
            [found[it].evidence.exceeds(limit, 0.025) for it, limit in limits.items()]
        )
        promoted.append(bool(shown.any()))
        rolled_back.append(bool(found["sensitivity"].evidence.falls_below(-0.03, 0.025).any()))
        nothing = sample_ratio(cells.look, cells.propensity, 1.0 - cells.arm, 1.0 * cells.arm, DAYS)
        mismatched.append(by_patient(nothing, cells).p < 0.001)
        alone.append(nothing.p < 0.001)
    print(
        f"\n{films} films, {alike:.0%} alike{', one arm' if sticky else ''}: promoted "
        f"{share(promoted)}, rolled back {share(rolled_back)}, split refused by patient "
        f"{share(mismatched)}, by film {share(alone)}"
    )

    assert share(promoted).value <= 0.025
    assert share(promoted).high <= 0.04
    assert share(rolled_back).value <= 0.025
    assert share(mismatched).value <= 0.005

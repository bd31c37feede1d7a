"""Several films of a patient are not independent; the verdict counts the patient.

The arms' errors on a patient's films are correlated: with the probability `alike` a film repeats
the patient's first answer of that arm, else it is drawn anew.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from ml.verdict.gains import gains
from ml.verdict.returning import whoever_came_again
from ml.verdict.rule import promotes, promotion_limits
from ml.verdict.statistics.cells import NORMAL, PNEUMONIA, Cells
from ml.verdict.statistics.metrics import difference
from ml.verdict.statistics.sample_ratio import by_patient, sample_ratio
from ml.verdict.statistics.truth import Truth
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


def until_one_finds_them(random: np.random.Generator, came: int = 6000) -> Cells:
    """Patients who are ill come again, at most five times, until an arm has seen it."""
    sick, parts = random.random(came) < 0.3, []
    unit = np.arange(came)
    for _ in range(6):
        arm = (random.random(unit.size) < 0.5).astype(np.int8)
        right = np.where(sick[unit], np.where(arm == 1, 0.87, 0.9), 0.9)
        called = (random.random(unit.size) < right) == sick[unit]
        parts.append((unit, arm, called))
        unit = unit[sick[unit] & ~called]
    unit, arm, called = (np.concatenate(it) for it in zip(*parts, strict=True))
    ones = np.ones(unit.size)
    return Cells(
        look=unit * DAYS // came,
        arm=arm,
        propensity=0.5 * ones,
        called=called,
        truth=np.where(sick[unit], PNEUMONIA, NORMAL).astype(np.int8),
        sampling=ones,
        n=ones,
        unit=unit,
        within=ones,
        size=np.bincount(unit)[unit].astype(float),
    )


@pytest.mark.slow("600 last looks: a minute of one core")
def test_patients_who_come_again_until_they_are_found_promote_nobody():
    """Each patient's mean makes little of the misses: by that alone 24 % were promoted."""
    experiment = an_experiment(final_test={})
    random = np.random.default_rng(4)
    promoted, by_the_mean = [], []
    for _ in range(600):
        cells = until_one_finds_them(random)
        shown = promotes(experiment, cells, final=True)
        said = partial(difference, cells, belief=Truth.expected(experiment), smallest_sampling=1.0)
        again = whoever_came_again(experiment, cells, said, final=True)
        by_the_mean.append(shown)
        promoted.append(shown and all(it.holds for it in again))
    print(f"\npromoted {share(promoted)}, by the mean of each patient {share(by_the_mean)}")

    assert share(promoted).value <= 0.025
    assert share(promoted).high <= 0.04

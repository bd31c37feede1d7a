"""Gains by subgroup: how often any interval that is shown misses its truth, at one look and ever.

Four sites with other films and other true gains each. The figures are printed (`pytest -s --all`),
with intervals of 95 % (Clopper and Pearson).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from ml.verdict.statistics.cells import NORMAL, PNEUMONIA, Cells
from ml.verdict.subgroups import SHOWN, subgroups
from tests.simulations.clinic import an_experiment, share

RUNS, LOOKS = 200, 3
SITES = ("north", "south", "east", "west")
SENSITIVITY = {"north": (0.9, 0.9), "south": (0.95, 0.85), "east": (0.7, 0.8), "west": (0.85, 0.9)}
SPECIFICITY = {"north": (0.9, 0.9), "south": (0.8, 0.9), "east": (0.95, 0.9), "west": (0.7, 0.72)}


@dataclass(frozen=True)
class Counted:
    """What a tally says at a look."""

    films: dict[str, Cells]

    def subgroup(self, _column):
        return self.films

    def subgroup_sample_ratio(self, _column):
        return {}


def site(random: np.random.Generator, name: str, *, patients: int, films: int, alike: float):
    """All films of a site. A film repeats with the probability `alike` what an arm had said of the
    patient; the challenger has a quarter of the films at first, and half of them later."""
    n = patients * films
    patient = np.repeat(np.arange(patients), films)
    look = patient * LOOKS // patients
    propensity = np.where(look < LOOKS // 2, 0.25, 0.5)
    arm = (random.random(n) < propensity).astype(int)
    sick = np.repeat(random.random(patients) < 0.4, films)
    right = np.where(sick, np.take(SENSITIVITY[name], arm), np.take(SPECIFICITY[name], arm))
    own = np.repeat(random.random(patients), films)
    level = np.where(random.random(n) < alike, own, random.random(n))
    return Cells(
        look=look,
        arm=arm.astype(np.int8),
        propensity=propensity,
        called=(level < right) == sick,
        truth=np.where(sick, PNEUMONIA, NORMAL).astype(np.int8),
        sampling=np.ones(n),
        n=np.ones(n),
        unit=patient,
        within=np.ones(n),
        size=np.full(n, float(films)),
    )


def until(films: Cells, look: int, *, by_patient: bool) -> Cells:
    """What is known at a look."""
    known = films.where(films.look <= look)
    if by_patient:
        return known
    codes = np.stack([known.arm, known.called, known.truth, known.propensity > 0.3])
    _, first, n = np.unique(codes, axis=1, return_index=True, return_counts=True)
    alike = known.where(np.isin(np.arange(known.n.size), first))
    return replace(alike, n=n[np.argsort(first)].astype(float), unit=None, within=None, size=None)


def missed(experiment, sites: dict[str, Cells], looks, *, by_patient: bool = True) -> list[bool]:
    """At each of the looks, whether any interval that is shown misses its truth."""
    found = []
    for look in looks:
        tally = Counted(
            {name: until(films, look, by_patient=by_patient) for name, films in sites.items()}
        )
        shown = subgroups(experiment, tally)["site"]
        misses = []
        for name, metric in ((name, metric) for name in SITES for metric in SHOWN):
            champion, challenger = {"sensitivity": SENSITIVITY, "specificity": SPECIFICITY}[metric][
                name
            ]
            gain = shown[name].figures[metric].gain
            misses.append(gain is not None and not gain.low <= challenger - champion <= gain.high)
        found.append(any(misses))
    return found


@pytest.mark.slow("200 tests on paper with 3 looks a row: four minutes of one core")
@pytest.mark.parametrize(
    ("films", "alike"), [(1, 0.0), (3, 0.9), (10, 0.9)], ids=["1 film", "3 films", "10 films"]
)
def test_all_intervals_that_are_shown_hold_together(films, alike):
    experiment = an_experiment(subgroups=("site",))
    random = np.random.default_rng(61)
    by_patient, by_film = [], []
    for _ in range(RUNS):
        sites = {name: site(random, name, patients=300, films=films, alike=alike) for name in SITES}
        by_patient.append(missed(experiment, sites, range(LOOKS)))
        by_film += missed(experiment, sites, [LOOKS - 1], by_patient=False)
    ever = share([any(looks) for looks in by_patient])
    last = share([looks[-1] for looks in by_patient])
    print(
        f"\n{films} films a patient: any of 8 intervals missed at the last look {last}, ever {ever}"
        f"; by film at the last look {share(by_film)}"
    )

    assert last.value <= 0.05
    assert ever.value <= 0.05

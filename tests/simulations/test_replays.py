"""A replay whose patients have several films, looked at as often as a report shows.

Each arm's errors on a patient's films are correlated: with the probability `alike` a film repeats
the patient's own answer of that arm, else it is drawn anew.
"""

from __future__ import annotations

import numpy as np
import pytest

from ml.verdict.paired import Answers
from ml.verdict.rule import promotion_limits
from ml.verdict.statistics.cells import CHAMPION
from ml.verdict.statistics.metrics import paired_difference
from tests.simulations.clinic import an_experiment, share

RUNS = 2000
PATIENTS = 1500
ALPHA = 0.05


def replayed(random: np.random.Generator, *, films: int, alike: float, keyed: bool) -> Answers:
    """At the margin: sensitivity .90 and .87, specificity .90 of both."""
    n = PATIENTS * films
    sick = np.repeat(random.random(PATIENTS) < 0.4, films)

    def called(sensitivity: float) -> np.ndarray:
        own = np.repeat(random.random(PATIENTS), films)
        level = np.where(random.random(n) < alike, own, random.random(n))
        return (level < np.where(sick, sensitivity, 0.9)) == sick

    keys = np.repeat(np.arange(PATIENTS), films)
    return Answers(
        film=[f"{it:07}" for it in random.permutation(n)],
        sick=sick,
        sampling=np.ones(n),
        champion=called(0.9).astype(float),
        challenger=called(0.87).astype(float),
        patient_key=[f"{it:07}" for it in keys] if keyed else None,
    ).in_order()


def ever_promoted(answers: Answers) -> bool:
    experiment = an_experiment(maximum=10**6)
    films = answers.films(CHAMPION)
    shown = [
        films.evidence(paired_difference(answers.pairs(), metric, 1.0), answers.looks).exceeds(
            limit, ALPHA / 2
        )
        for metric, limit in promotion_limits(experiment).items()
    ]
    return bool(np.logical_and.reduce(shown).any())


@pytest.mark.slow("2,000 replays a row: some minutes of one core")
@pytest.mark.parametrize(("films", "alike"), [(1, 0.0), (3, 0.6), (3, 0.9), (10, 0.9)])
def test_at_the_margin_few_are_promoted_however_alike_a_patients_films_are(films, alike):
    random = np.random.default_rng(2)

    found = {
        keyed: share(
            [
                ever_promoted(replayed(random, films=films, alike=alike, keyed=keyed))
                for _ in range(RUNS if keyed else RUNS // 4)
            ]
        )
        for keyed in (True, False)
    }
    print(f"\n{films} films, {alike:.0%} alike: {found[True]}; without keys {found[False]}")

    assert found[True].value <= 0.025
    assert found[True].high <= 0.04

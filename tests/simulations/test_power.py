"""What a part of alpha for the last look, and unread answers, bring: a table of chances.

Equal arms, a benefit declared, 6,000 labels, margins .03 and .05, looked at every day.
"""

from __future__ import annotations

import numpy as np
import pytest

from ml.verdict.statistics.cells import NOT_CHOSEN
from ml.verdict.statistics.metrics import difference
from ml.verdict.statistics.truth import Truth
from tests.simulations.clinic import Clinic, an_experiment, promotions

RUNS = 400
EQUAL = (0.9, 0.9)


@pytest.mark.slow("800 tests on paper a row: a minute of one core")
@pytest.mark.parametrize(
    ("declared", "clinic", "gained"),
    [
        ({}, Clinic(sensitivity=EQUAL), 0.25),
        ({"audit": 0.5}, Clinic(sensitivity=EQUAL, audit=0.5, days=95), 0.12),
        ({"prevalence": 0.5}, Clinic(sensitivity=EQUAL, prevalence=0.5), 0.1),
    ],
    ids=["all read", "half of the answers NORMAL read", "half of the films sick"],
)
def test_a_test_at_the_last_look_promotes_more_equal_arms(declared, clinic, gained):
    every_look, last_look = (
        promotions(an_experiment(**declared, **final), clinic, RUNS, seed=2)
        for final in ({}, {"final_test": {}})
    )

    print(f"\npromoted by daily looks alone {every_look}, with one at the end {last_look}")
    assert last_look.low > every_look.value + gained / 2
    assert last_look.value > every_look.value + gained


@pytest.mark.slow("300 clinics a row: some seconds")
@pytest.mark.parametrize(("specificity", "attainable"), [(0.8, 2.73), (0.85, 2.31), (0.9, 1.88)])
def test_unread_answers_make_a_specificity_more_certain_where_one_in_ten_is_audited(
    specificity, attainable
):
    """What is attainable is derived in tests/ml/verdict/statistics/test_unread_answers.py."""
    random = np.random.default_rng(5)
    right = {"sensitivity": 0.9, "specificity": specificity}
    experiment = an_experiment(
        audit=0.1, expected={"prevalence": 0.1, "champion": right, "challenger": right}
    )
    belief = Truth.expected(experiment)
    clinic = Clinic(
        sensitivity=EQUAL,
        specificity=(specificity, specificity),
        prevalence=0.1,
        audit=0.1,
        films_per_day=400,
        days=30,
    )
    found = []
    for _ in range(600):
        films = clinic.run(random).known_on(100)
        # Who declares that all are read has no foretelling; the weights are the rows' own.
        ways = ((films.where(films.truth != NOT_CHOSEN), 1.0), (films, 0.1))
        found.append(
            [
                cells.evidence(difference(cells, "specificity", belief, smallest)).estimates[-1]
                for cells, smallest in ways
            ]
        )
    estimates = np.array(found)
    resampled = estimates[random.integers(0, len(estimates), (2000, len(estimates)))].var(axis=1)
    ratio = estimates[:, 0].var() / estimates[:, 1].var()
    low, high = np.quantile(resampled[:, 0] / resampled[:, 1], [0.025, 0.975])

    print(
        f"\nspecificity {specificity}: variance of its gain {ratio:.2f} times less with unread "
        f"answers ({low:.2f} to {high:.2f}); attainable {attainable}"
    )
    assert low < attainable < high
    assert abs(estimates[:, 1].mean()) < 0.005


@pytest.mark.slow("600 tests on paper: two minutes of one core")
@pytest.mark.parametrize("believed", [0.85, 0.95])
def test_unread_answers_promote_as_seldom_at_the_margin_whatever_is_believed(believed):
    right = {"sensitivity": 0.9, "specificity": believed}
    experiment = an_experiment(
        audit=0.1,
        maximum=3000,
        final_test={},
        expected={"prevalence": 0.3, "champion": right, "challenger": right},
    )
    clinic = Clinic(sensitivity=EQUAL, specificity=(0.85, 0.8), audit=0.1, days=80)

    found = promotions(experiment, clinic, 600, seed=3)

    print(f"\nspecificity .85 against .80, believed {believed}: promoted {found}")
    assert found.value <= 0.025
    assert found.high <= 0.04

"""Readers who say the opposite of the truth: what that does to false promotions.

The figures are printed (`pytest -s --all`), each with its interval of 95 % (Clopper and Pearson).
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ml.verdict.gains import level
from ml.verdict.readers import corrected, errors_up_to
from ml.verdict.rule import promotion_limits
from ml.verdict.statistics.betting import Evidence
from ml.verdict.statistics.cells import NORMAL, PNEUMONIA, Cells
from tests.simulations.declared import declared, share

RUNS, DAYS, FILMS_PER_DAY = 1500, 60, 1500
PREVALENCE, ERROR = 0.1, 0.1


def read_films(sensitivity, specificity, error) -> Cells:
    """Kinds of films as readers call them, with the share of all films that each is."""
    kinds = []
    for arm, sick, called, wrong in product((0, 1), (True, False), (True, False), (True, False)):
        right = sensitivity[arm] if sick else specificity[arm]
        kinds.append(
            (
                arm,
                called,
                PNEUMONIA if sick != wrong else NORMAL,
                0.5
                * (PREVALENCE if sick else 1 - PREVALENCE)
                * (right if called == sick else 1 - right)
                * (error if wrong else 1 - error),
            )
        )
    arms, called, truths, n = map(np.array, zip(*kinds, strict=True))
    return Cells(
        look=np.zeros(n.size, np.intp),
        arm=arms.astype(np.int8),
        propensity=np.full(n.size, 0.5),
        called=called,
        truth=truths.astype(np.int8),
        sampling=np.ones(n.size),
        n=n,
    )


def promoted(experiment, films, errors, *, seed):
    """Whether any daily look of a run promotes."""
    random = np.random.default_rng(seed)
    counts = random.multinomial(FILMS_PER_DAY, films.n, size=(RUNS, DAYS)).cumsum(axis=1)
    flat = counts.reshape(RUNS * DAYS, -1).astype(float)
    passed = np.ones(RUNS * DAYS, bool)
    for error, (metric, limit) in product(errors, promotion_limits(experiment).items()):
        moments = corrected(experiment, films, metric, error)
        found = Evidence(**vars(moments), counts=flat)
        passed &= found.exceeds(limit, level(experiment) / 2)
    return passed.reshape(RUNS, DAYS).any(axis=1)


@pytest.fixture
def experiment():
    return declared(
        maximum_labels=DAYS * FILMS_PER_DAY,
        expected={
            "prevalence": PREVALENCE,
            "champion": {"sensitivity": 0.9, "specificity": 0.9},
            "challenger": {"sensitivity": 0.9, "specificity": 0.9},
        },
        readers={"error": ERROR},
    )


@pytest.mark.slow("1,500 simulated tests with 60 looks")
@pytest.mark.parametrize(
    "specificity", [(0.9, 0.9), (0.9, 0.87)], ids=["specificity alike", "specificity lower too"]
)
def test_a_loss_at_the_margin_is_not_promoted_where_their_error_is_declared(
    experiment, specificity
):
    films = read_films((0.9, 0.87), specificity, ERROR)

    naive = share(promoted(experiment, films, [0.0], seed=31))
    found = share(promoted(experiment, films, errors_up_to(ERROR), seed=31))
    print(f"\nreaders wrong of 10 %: promoted {found}, without the declared error {naive}")

    assert found.low <= 0.025
    assert found.high <= 0.04
    assert naive.low > found.high


@pytest.mark.slow("1,500 simulated tests with 60 looks")
def test_a_good_challenger_is_promoted_all_the_same(experiment):
    films = read_films((0.9, 0.95), (0.9, 0.91), ERROR)

    found = share(promoted(experiment, films, errors_up_to(ERROR), seed=32))
    print(f"\nreaders wrong of 10 %, a gain of .05: promoted {found}")

    assert found.low > 0.5

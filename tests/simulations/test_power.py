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


@pytest.mark.slow("a second")
def test_unread_answers_make_a_specificity_more_certain_where_one_in_ten_is_audited():
    random = np.random.default_rng(5)
    experiment = an_experiment(audit=0.1, prevalence=0.1)
    belief = Truth.expected(experiment)
    estimates: dict[str, list[float]] = {"read alone": [], "unread too": []}
    clinic = Clinic(sensitivity=EQUAL, prevalence=0.1, audit=0.1, films_per_day=400, days=30)
    for _ in range(300):
        films = clinic.run(random).known_on(100)
        for name, cells in (
            ("read alone", films.where(films.truth != NOT_CHOSEN)),
            ("unread too", films),
        ):
            smallest = 1.0 if name == "read alone" else 0.1
            # Who declares that all are read has no foretelling; the weights are the rows' own.
            moments = difference(cells, "specificity", belief, smallest)
            estimates[name].append(float(cells.evidence(moments).estimates[-1]))
    ratio = np.var(estimates["read alone"]) / np.var(estimates["unread too"])

    print(f"\nvariance of the gain in specificity: {ratio:.2f} times less with unread answers")
    assert ratio > 1.5
    assert abs(np.mean(estimates["unread too"])) < 0.005

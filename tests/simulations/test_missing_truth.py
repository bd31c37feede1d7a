"""No missing truth promotes: tests at the exact margin whose readers are late, or never speak.

Sensitivity .90 and .87 with a margin of .03, specificity alike, a benefit declared; looked at every
day, with a test at the last look, which errs most. Before a promotion had to hold whatever the
missing films are, these rows were 28, 54, 8.8, 15.5 and 22 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.simulations.clinic import NEVER, Clinic, an_experiment, ever_promoted, promotions, share

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 1500


def misses_never_resolved(part: float) -> Callable[..., np.ndarray]:
    """So many of the missed films never get a truth, whichever arm missed them."""

    def read_on(random: np.random.Generator, films: dict[str, np.ndarray]) -> np.ndarray:
        missed = films["sick"] & ~films["called"]
        return np.where(missed & (random.random(missed.size) < part), NEVER, films["day"])

    return read_on


def misses_read_late(days: float) -> Callable[..., np.ndarray]:
    """Missed films are read so much later on average, the others at once."""

    def read_on(random: np.random.Generator, films: dict[str, np.ndarray]) -> np.ndarray:
        missed = films["sick"] & ~films["called"]
        late = random.exponential(days, missed.size).astype(int)
        return films["day"] + np.where(missed, late, 0)

    return read_on


def errors_of_the_challenger_withdrawn(part: float) -> Callable[..., np.ndarray]:
    """Of the challenger's errors alone so many lose their truth, as if readers took it back."""

    def read_on(random: np.random.Generator, films: dict[str, np.ndarray]) -> np.ndarray:
        wrong = (films["sick"] != films["called"]) & (films["arm"] == 1)
        return np.where(wrong & (random.random(wrong.size) < part), NEVER, films["day"])

    return read_on


RARE = {"prevalence": 0.1, "audit": 0.1}


@pytest.mark.slow("1,500 tests on paper a row: a minute or two of one core")
@pytest.mark.parametrize(
    ("declared", "clinic"),
    [
        ({}, Clinic()),
        ({}, Clinic(read_on=misses_never_resolved(0.4))),
        ({}, Clinic(read_on=misses_read_late(30))),
        ({}, Clinic(read_on=misses_read_late(10))),
        (RARE, Clinic(**RARE, films_per_day=400, read_on=misses_never_resolved(0.8))),
        ({}, Clinic(read_on=errors_of_the_challenger_withdrawn(0.4))),
    ],
    ids=[
        "all resolved",
        "40 % of the misses never resolved",
        "misses read 30 days late",
        "misses read 10 days late",
        "rare, few audits, 80 % of the misses never resolved",
        "40 % of one arm's errors withdrawn",
    ],
)
def test_at_the_margin_at_most_as_many_are_promoted_as_alpha_says(declared, clinic):
    promoted = promotions(an_experiment(final_test={}, **declared), clinic, RUNS, seed=1)

    print(f"\npromoted {promoted}")
    assert promoted.value <= 0.025
    assert promoted.high <= 0.04


def misses_of_the_challenger_withdrawn(part: float) -> Callable[..., np.ndarray]:
    """Of the challenger's misses alone so many lose their truth."""

    def read_on(random: np.random.Generator, films: dict[str, np.ndarray]) -> np.ndarray:
        missed = films["sick"] & ~films["called"] & (films["arm"] == 1)
        return np.where(missed & (random.random(missed.size) < part), NEVER, films["day"])

    return read_on


@pytest.mark.slow("600 tests on paper, each looked at on every eighth day: a minute of one core")
@pytest.mark.parametrize(
    ("choice_logged", "missing"), [(True, {}), (False, {"missing": {"model": "worst"}})]
)
def test_misses_hidden_among_what_was_not_chosen_promote_nobody(choice_logged, missing):
    """Of the answers NORMAL 30 % are audited. Where the rows do not say which, and misses that are
    as few as chance explains are taken for none, 62 % of these tests end in a promotion."""
    random = np.random.default_rng(8)
    experiment = an_experiment(audit=0.3, final_test={}, **missing)
    clinic = Clinic(
        audit=0.3, films_per_day=150, days=80, read_on=misses_of_the_challenger_withdrawn(0.4)
    )

    found = share(
        [
            ever_promoted(experiment, clinic.run(random), 8, choice_logged=choice_logged)
            for _ in range(600)
        ]
    )

    print(f"\nthe choice {'' if choice_logged else 'not '}logged: promoted {found}")
    assert found.value <= 0.025
    assert found.high <= 0.04

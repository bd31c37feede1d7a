"""The test at the last look, against statsmodels and against group-sequential bounds."""

import numpy as np
import pytest
from scipy.stats import norm

from ml.verdict.statistics.betting import Moments, at_one_look
from ml.verdict.statistics.cells import PNEUMONIA, Cells
from ml.verdict.statistics.final import wald
from ml.verdict.statistics.metrics import difference
from ml.verdict.statistics.truth import Truth

GROUP_SEQUENTIAL = [(0.25, 2.0282), (0.5, 2.0027), (0.75, 1.9747), (0.9, 1.9616)]
"""Of spotify-confidence 4.1.0, `sequential_bound_solver.bounds`, one-sided alpha .025 of which .005
is spent at the first look: how much of the information that has, and the bound of the last look."""


def test_two_equal_groups_have_the_interval_of_statsmodels():
    from statsmodels.stats.proportion import confint_proportions_2indep

    right, n = (430, 450), 500
    films = Cells(
        look=np.zeros(4, np.intp),
        arm=np.array([0, 0, 1, 1], np.int8),
        propensity=np.full(4, 0.5),
        called=np.array([True, False, True, False]),
        truth=np.full(4, PNEUMONIA, np.int8),
        sampling=np.ones(4),
        n=np.array([right[0], n - right[0], right[1], n - right[1]], float),
    )
    belief = Truth(prevalence=0.5, sensitivity=(0.86, 0.9), specificity=(0.5, 0.5))
    theirs = confint_proportions_2indep(right[1], n, right[0], n, method="wald", alpha=0.04)

    ours = wald(at_one_look(difference(films, "sensitivity", belief, 1.0), films.n), 0.04)

    assert ours == pytest.approx(theirs, abs=0.001)


@pytest.mark.parametrize(("information", "bound"), GROUP_SEQUENTIAL)
def test_the_union_bound_asks_for_a_little_more_than_a_group_sequential_design(information, bound):
    """Whatever information the looks before it had: a little power is what it costs."""
    ours = norm.ppf(1 - 0.020)

    assert bound < ours < bound + 0.1


def test_one_arm_that_never_erred_on_ten_films_has_not_shown_that_it_does_not():
    """By the films' own spread alone the interval would be half a point wide."""
    films = Cells(
        look=np.zeros(2, np.intp),
        arm=np.array([0, 1], np.int8),
        propensity=np.full(2, 0.5),
        called=np.ones(2, np.bool_),
        truth=np.full(2, PNEUMONIA, np.int8),
        sampling=np.ones(2),
        n=np.full(2, 10.0),
    )
    belief = Truth(prevalence=0.1, sensitivity=(0.99, 0.99), specificity=(0.9, 0.9))

    low, high = wald(at_one_look(difference(films, "sensitivity", belief, 1.0), films.n), 0.04)

    assert (low, high) == pytest.approx((-0.41, 0.41), abs=0.01)


def test_an_end_moves_outwards_by_the_skewness_and_the_other_one_stays():
    """One film in a hundred is lost and none won: beside the spread, losses that were not seen."""
    moments = Moments(u=np.array([0.0, -1.0]), v=np.ones(2), bound=np.full(2, 2.0))

    low, high = wald(at_one_look(moments, np.array([990.0, 10.0])), 0.04)

    radius = high + 0.01
    assert -0.01 - low > radius + 0.0005


def test_where_nothing_is_said_there_is_no_interval():
    moments = Moments(u=np.ones(1), v=np.zeros(1), bound=np.ones(1))

    assert wald(at_one_look(moments, np.array([50.0])), 0.04) is None

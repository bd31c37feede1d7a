"""What the calls of unread films add to the read ones, against what any estimator could.

Answers NORMAL are audited by a share q, all others read. Of one arm, a read film says
u - x v = healthy (right - specificity); its variance is (1 - prevalence) times
    specificity (1 - specificity) (1 + (1/q - 1) (1 - specificity))     by the read ones alone,
    specificity (1 - specificity) (1 + (1/q - 1) (1 - specificity) (1 - npv))     at best
with npv the share of healthy films among answers NORMAL. The second is the efficiency bound where
the probability of a reading and the call are known (Robins, Rotnitzky and Zhao 1994). A covariate
that knew the truth would have npv = 1: no score can bring more than the first bracket.
"""

from __future__ import annotations

import itertools

import pytest

from ml.verdict.statistics.cells import CHAMPION, NOT_CHOSEN
from ml.verdict.statistics.metrics import difference, of_arm
from ml.verdict.statistics.truth import Truth

AUDIT = 0.1


def alike(*, prevalence, sensitivity=0.9, specificity):
    """Two equal arms."""
    return Truth(
        prevalence=prevalence,
        sensitivity=(sensitivity, sensitivity),
        specificity=(specificity, specificity),
    )


def variance(films, said, value):
    """Of the estimate by one film, in the limit."""
    spread = (films.n * (said.u - value * said.v) ** 2).sum()
    return float(spread / (films.n * said.v).sum() ** 2)


def of_a_gain(truth, belief=None):
    """Of the gain in specificity, by all answers, or by the read ones alone."""
    films = truth.live(0.5, 1.0, AUDIT)
    if belief is None:
        films = films.where(films.truth != NOT_CHOSEN)
    smallest = AUDIT if belief else 1.0
    return variance(films, difference(films, "specificity", belief or truth, smallest), 0.0)


def of_an_arm(truth, belief=None):
    """Of the champion's specificity."""
    films = truth.live(0.5, 1.0, AUDIT)
    films = films.where(films.arm == CHAMPION)
    if belief is None:
        films = films.where(films.truth != NOT_CHOSEN)
    said = of_arm(films, CHAMPION, "specificity", AUDIT if belief else 1.0, belief)
    return variance(films, said, truth.specificity[CHAMPION])


def attainable(truth, *, sensitivity=0.9):
    """How many times less than the read ones' variance the best is."""
    right = truth.specificity[CHAMPION]
    healthy = (1 - truth.prevalence) * right
    npv = healthy / (healthy + truth.prevalence * (1 - sensitivity))
    weight = (1 / AUDIT - 1) * (1 - right)
    return (1 + weight) / (1 + weight * (1 - npv))


@pytest.mark.parametrize(
    ("prevalence", "specificity", "times"),
    [
        (0.1, 0.80, 2.73),
        (0.1, 0.85, 2.31),
        (0.3, 0.80, 2.57),
        (0.3, 0.85, 2.21),
        (0.5, 0.80, 2.33),
        (0.1, 0.90, 1.88),
        (0.3, 0.90, 1.83),
        (0.3, 0.95, 1.42),
    ],
)
def test_a_variance_is_as_many_times_less_as_is_attainable(prevalence, specificity, times):
    truth = alike(prevalence=prevalence, specificity=specificity)
    best = attainable(truth)

    assert best == pytest.approx(times, abs=5e-3)
    assert of_a_gain(truth) / of_a_gain(truth, truth) == pytest.approx(best)
    assert of_an_arm(truth) / of_an_arm(truth, truth) == pytest.approx(best)


@pytest.mark.parametrize(("off", "at_most"), [(0.0, 1.07), (0.05, 1.15), (0.1, 1.35)])
def test_a_wrong_belief_costs_what_its_specificity_is_wrong_by(off, at_most):
    """The foretelling matters little, because answers NORMAL are nearly all right whatever is
    believed; the centre of the gain matters with the square of its distance."""
    costs = []
    for prevalence, specificity, sign in itertools.product((0.1, 0.3), (0.8, 0.85, 0.9), (-1, 1)):
        truth = alike(prevalence=prevalence, specificity=specificity)
        for believed, sensitivity in itertools.product((0.1, 0.3, 0.5), (0.8, 0.95)):
            belief = alike(
                prevalence=believed,
                sensitivity=sensitivity,
                specificity=min(0.95, specificity + sign * off),
            )
            costs += [
                of_a_gain(truth, belief) / of_a_gain(truth, truth),
                of_an_arm(truth, belief) / of_an_arm(truth, truth),
            ]

    print(f"\nspecificity wrong by {off}: variance up to {max(costs):.3f} times the least")
    assert 1 <= max(costs) < at_most

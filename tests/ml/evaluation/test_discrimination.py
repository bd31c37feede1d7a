"""AUC and its comparison, against other implementations and published numbers."""

import numpy as np
import pytest

from ml.evaluation.discrimination import Scores, area, curve, paired_area_difference


def films(n, seed=0, ties=False):
    random = np.random.default_rng(seed)
    sick = random.random(n) < 0.4
    champion = 1 / (1 + np.exp(-random.normal(1.2 * sick, 1)))
    challenger = 1 / (1 + np.exp(-random.normal(1.8 * sick, 1) - champion))
    if ties:
        champion, challenger = champion.round(1), challenger.round(1)
    return champion, challenger, sick


def scores(probability, sick, weight=1.0):
    ones = np.ones(sick.size)
    return Scores(probability=probability, sick=sick, weight=weight * ones, n=ones)


def test_the_ct_images_of_hanley_and_mcneil():
    """Radiology 143 (1982), table I: 58 normal and 51 abnormal images on five levels, AUC .893."""
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    found = area(
        Scores(
            probability=np.tile(np.arange(1, 6) / 5, 2),
            sick=np.repeat([False, True], 5),
            weight=np.ones(10),
            n=np.array(normal + abnormal, float),
        )
    )

    assert found.value == pytest.approx(0.893, abs=5e-4)
    assert found.n == 109


@pytest.mark.parametrize("ties", [False, True])
def test_an_area_is_that_of_the_evaluation_of_one_model(ties):
    from ml.evaluation.measures import auc as auc_of

    champion, _, sick = films(400, ties=ties)
    one = auc_of(champion, sick)
    found = area(scores(champion, sick))

    assert found.value == pytest.approx(one.value)
    assert found.value - 1.959964 * found.variance**0.5 == pytest.approx(one.low)


@pytest.mark.parametrize("ties", [False, True])
def test_a_paired_difference_is_that_of_mlstatkit(ties):
    from MLstatkit import Delong_test

    champion, challenger, sick = films(500, seed=3, ties=ties)
    statistic, *_ = Delong_test(sick.astype(int), champion, challenger)

    found = paired_area_difference(champion, challenger, sick, np.ones(sick.size))

    assert found.value / found.variance**0.5 == pytest.approx(statistic, rel=1e-6)


def test_films_that_stand_for_others_count_as_often():
    champion, _, sick = films(300, seed=5)
    twice = np.arange(300) % 3 == 0
    weighted = area(scores(champion, sick, np.where(twice, 2.0, 1.0)))
    repeated = area(scores(np.r_[champion, champion[twice]], np.r_[sick, sick[twice]]))

    assert weighted.value == pytest.approx(repeated.value)


def test_films_that_are_alike_may_be_counted_together():
    champion, _, sick = films(300, seed=6, ties=True)
    kinds, n = np.unique(np.c_[champion, sick], axis=0, return_counts=True)
    together = area(
        Scores(
            probability=kinds[:, 0],
            sick=kinds[:, 1] == 1,
            weight=np.ones(n.size),
            n=n.astype(float),
        )
    )
    one_by_one = area(scores(champion, sick))

    assert (together.value, together.variance) == pytest.approx(
        (one_by_one.value, one_by_one.variance)
    )


def test_the_curve_is_that_of_scikit_learn():
    from sklearn.metrics import roc_curve

    champion, _, sick = films(200, seed=7, ties=True)
    expected = roc_curve(sick, champion, drop_intermediate=False)

    assert np.array(curve(scores(champion, sick))) == pytest.approx(np.array(expected[:2]))


def test_one_class_alone_has_no_area():
    assert area(scores(np.array([0.2, 0.9]), np.array([True, True]))) is None

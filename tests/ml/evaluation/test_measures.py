"""The figures, against other implementations and against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contract.errors import InvalidData
from ml.evaluation.measures import auc as auc_of
from ml.evaluation.measures import evaluate


def scores(n, separation, ties, seed):
    """Labels and probabilities of so many films."""
    random = np.random.default_rng(seed)
    labels = (random.random(n) < 0.6).astype(np.uint8)
    probabilities = 1 / (1 + np.exp(-random.normal(separation * (labels - 0.5), 1)))
    return labels, np.round(probabilities, 1) if ties else probabilities


def delong_by_definition(cases, controls):
    """AUC and its variance by comparing every case with every control."""
    wins = (cases[:, None] > controls) + 0.5 * (cases[:, None] == controls)
    variance = wins.mean(axis=1).var(ddof=1) / len(cases)
    variance += wins.mean(axis=0).var(ddof=1) / len(controls)
    return wins.mean(), variance


@pytest.mark.parametrize("ties", [False, True])
def test_delong_is_that_of_mlstatkit(ties):
    from MLstatkit import Delong_test

    labels, probabilities = scores(500, separation=1.5, ties=ties, seed=3)
    sick = labels == 1
    auc = auc_of(probabilities, sick)
    other = np.random.default_rng(0).random(500)

    _, _, (low, high), _, value, _, how = Delong_test(labels, probabilities, other)

    assert how["method"] == "delong"
    assert (auc.value, auc.low, auc.high) == pytest.approx((value, low, high), abs=1e-9)


@settings(max_examples=60)
@given(
    cases=st.lists(st.integers(0, 8), min_size=2, max_size=30),
    controls=st.lists(st.integers(0, 8), min_size=2, max_size=30),
)
def test_delong_is_the_comparison_of_all_pairs(cases, controls):
    cases, controls = np.array(cases) / 8, np.array(controls) / 8
    expected, variance = delong_by_definition(cases, controls)

    auc = auc_of(
        np.concatenate([cases, controls]), np.arange(len(cases) + len(controls)) < len(cases)
    )

    assert auc.value == pytest.approx(expected)
    assert auc.low == pytest.approx(max(0, expected - 1.959964 * variance**0.5), abs=1e-6)
    assert auc.high == pytest.approx(min(1, expected + 1.959964 * variance**0.5), abs=1e-6)


def test_delong_of_a_hundred_thousand_films_is_quick():
    import time

    labels, probabilities = scores(100_000, separation=1, ties=False, seed=5)
    started = time.process_time()

    auc_of(probabilities, labels == 1)

    assert time.process_time() - started < 1


@pytest.mark.parametrize("ties", [False, True])
def test_figures_are_those_of_scikit_learn(ties):
    from sklearn import metrics

    labels, probabilities = scores(400, separation=2, ties=ties, seed=1)
    called = probabilities >= 0.5

    evaluation = evaluate(probabilities, labels)

    assert evaluation.figures() == pytest.approx(
        {
            "auc": metrics.roc_auc_score(labels, probabilities),
            "sensitivity": metrics.recall_score(labels, called),
            "specificity": metrics.recall_score(labels, called, pos_label=0),
            "accuracy": metrics.accuracy_score(labels, called),
            "brier": metrics.brier_score_loss(labels, probabilities),
            "calibration_error": evaluation.calibration_error,
        }
    )


def test_intervals_of_proportions_are_wilsons():
    """Expected values: E. B. Wilson's formula, evaluated by hand for 8 of 10 and 5 of 5."""
    labels = np.array([1] * 10 + [0] * 5, np.uint8)
    probabilities = np.array([0.9] * 8 + [0.1] * 2 + [0.2] * 5)

    evaluation = evaluate(probabilities, labels)

    sensitivity, specificity = evaluation.sensitivity, evaluation.specificity
    assert (sensitivity.count, sensitivity.n) == (8, 10)
    assert (sensitivity.low, sensitivity.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert (specificity.low, specificity.high) == pytest.approx((0.5655, 1.0), abs=1e-4)


def test_calibration_error_is_the_gap_between_predicted_and_observed():
    """Four films at .25 of which two are sick, and six at .95 that all are."""
    labels = np.array([1, 1, 0, 0] + [1] * 6, np.uint8)
    probabilities = np.array([0.25] * 4 + [0.95] * 6)

    evaluation = evaluate(probabilities, labels)

    assert evaluation.calibration_error == pytest.approx(0.4 * 0.25 + 0.6 * 0.05)
    assert [bin_.n for bin_ in evaluation.calibration] == [4, 6]
    assert [(bin_.low, bin_.high) for bin_ in evaluation.calibration] == [
        pytest.approx((0.1500, 0.8500), abs=1e-4),  # Wilson's, of two of four
        pytest.approx((0.6097, 1.0), abs=1e-4),
    ]


def test_the_threshold_itself_calls_pneumonia():
    assert evaluate(np.array([0.5, 0.49]), np.array([1, 1], np.uint8)).sensitivity.count == 1


def test_probabilities_of_0_and_1_have_a_bin():
    assert [bin_.n for bin_ in evaluate(np.array([0.0, 1.0]), np.array([0, 1])).calibration] == [
        1,
        1,
    ]


@pytest.mark.parametrize(("label", "missing"), [(0, "sensitivity"), (1, "specificity")])
def test_with_one_class_the_other_figure_is_not_defined_and_says_so(label, missing):
    evaluation = evaluate(np.array([0.2, 0.7]), np.array([label, label], np.uint8))

    assert missing not in evaluation.figures()
    assert "auc" not in evaluation.figures()
    assert evaluation.accuracy.n == 2
    assert missing in evaluation.undefined[0]


def test_without_a_film_nothing_is_defined():
    evaluation = evaluate(np.empty((0, 1)), np.empty(0, np.uint8))

    assert evaluation.figures() == {}
    assert evaluation.undefined == ("There is no film: no figure is defined.",)


@pytest.mark.parametrize("wrong", [np.nan, 1.5, -0.1])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(InvalidData, match=r"prediction 1 is .*, which is no probability"):
        evaluate(np.array([[0.5], [wrong]]), np.array([0, 1], np.uint8))


def test_a_probability_too_few_is_refused():
    with pytest.raises(InvalidData, match="1 probabilities for 2 films"):
        evaluate(np.array([0.5]), np.array([0, 1], np.uint8))

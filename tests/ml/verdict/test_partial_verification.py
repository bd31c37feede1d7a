"""Readers see all answers PNEUMONIA and few of the others: the figures must not show it."""

import numpy as np
import pytest

from ml.verdict.statistics.betting import at_one_look
from ml.verdict.statistics.cells import NORMAL, PNEUMONIA, Cells
from ml.verdict.statistics.metrics import of_arm, share


def films(tp, fn, tn, fp, review, audit):
    return Cells(
        look=np.zeros(4, np.intp),
        arm=np.zeros(4, np.int8),
        propensity=np.full(4, 0.5),
        called=np.array([True, False, False, True]),
        truth=np.array([PNEUMONIA, PNEUMONIA, NORMAL, NORMAL], np.int8),
        sampling=np.array([review, audit, audit, review]),
        n=np.array([tp, fn, tn, fp], float),
    )


def metric(cells, name, smallest):
    return share(at_one_look(of_arm(cells, 0, name, smallest), cells.n), 0.05)


def test_hepatic_scintigraphy():
    """The worked example of Begg and Greenes, Biometrics 39 (1983), with the data of Drum and
    Christacopoulos (1972): 429 scans abnormal, of which 263 were verified, and 221 normal, of
    which 81 were. Read as they are, sensitivity is .90 and specificity .63; corrected, .84 and
    .74."""
    naive = films(231, 27, 54, 32, 1.0, 1.0)
    corrected = films(231, 27, 54, 32, 263 / 429, 81 / 221)

    assert metric(naive, "sensitivity", 1.0).value == pytest.approx(0.895, abs=5e-4)
    assert metric(naive, "specificity", 1.0).value == pytest.approx(0.628, abs=5e-4)
    assert metric(corrected, "sensitivity", 81 / 221).value == pytest.approx(0.836, abs=5e-4)
    assert metric(corrected, "specificity", 81 / 221).value == pytest.approx(0.738, abs=5e-4)


def test_the_numbers_of_the_reference():
    """docs/reference/statistics.md#readings-that-are-a-sample: sensitivity .80, specificity .90,
    prevalence .30, all positives read and 20 % of the negatives; naive .952 and .643."""
    read = films(24_000, 6_000 * 0.2, 63_000 * 0.2, 7_000, 1.0, 0.2)
    naive = films(24_000, 6_000 * 0.2, 63_000 * 0.2, 7_000, 1.0, 1.0)

    assert metric(naive, "sensitivity", 1.0).value == pytest.approx(0.952, abs=5e-4)
    assert metric(naive, "specificity", 1.0).value == pytest.approx(0.643, abs=5e-4)
    assert metric(read, "sensitivity", 0.2).value == pytest.approx(0.80)
    assert metric(read, "specificity", 0.2).value == pytest.approx(0.90)


def test_what_is_read_less_is_known_less():
    few, all_ = films(90, 2, 16, 20, 1.0, 0.2), films(90, 10, 80, 20, 1.0, 1.0)

    few, all_ = metric(few, "sensitivity", 0.2), metric(all_, "sensitivity", 1.0)

    assert few.value == pytest.approx(all_.value)
    assert few.low < all_.low
    assert few.high > all_.high

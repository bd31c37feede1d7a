"""Patients who come again because an arm has missed them make losses look small."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from ml.verdict.returning import whoever_came_again
from ml.verdict.rule import promotes
from ml.verdict.statistics.cells import Cells
from ml.verdict.statistics.metrics import difference
from ml.verdict.statistics.truth import Truth
from tests.simulations.clinic import an_experiment
from tests.simulations.test_patients import patients, until_one_finds_them


def found(cells: Cells):
    experiment = an_experiment()
    said = partial(difference, cells, belief=Truth.expected(experiment), smallest_sampling=1.0)
    return (
        promotes(experiment, cells, final=False),
        whoever_came_again(experiment, cells, said, final=False),
    )


def test_a_loss_that_the_patients_mean_hides_is_seen_film_by_film():
    by_the_mean, (finding,) = found(until_one_finds_them(np.random.default_rng(0), 40_000))

    assert by_the_mean
    assert not finding.holds
    assert "Film by film the gain in sensitivity is -0.0" in finding.because


def test_where_it_makes_no_difference_who_came_again_it_holds():
    cells = patients(np.random.default_rng(0), films=3, alike=0.5, sticky=False, patients=20_000)
    # The challenger's loss of .03 is one of its margin's: of equal arms it is none.
    equal = Cells(**{**vars(cells), "called": cells.sick})

    by_the_mean, (finding,) = found(equal)

    assert by_the_mean
    assert finding.holds


@pytest.mark.parametrize("films", [1, None])
def test_where_nobody_came_again_there_is_no_such_condition(films):
    cells = patients(np.random.default_rng(0), films=1, alike=0.0, sticky=False)
    alone = Cells(**{**vars(cells), **dict.fromkeys(("unit", "within", "size"))})

    assert found(cells if films else alone)[1] == ()


def test_one_patient_with_five_hundred_films_outweighs_nobody():
    others = until_one_finds_them(np.random.default_rng(0), 20_000)
    right = Cells(**{**vars(others), "called": others.sick})
    one = patients(np.random.default_rng(1), films=500, alike=1.0, sticky=False, patients=1)

    assert found(right.and_(one))[1][0].holds

"""Readers who disagree, and readers who are wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml.verdict.paired import Answers, judge_pairs
from ml.verdict.readers import agree, reader_errors, reader_errors_of_pairs
from ml.verdict.statistics.betting import Interval
from ml.verdict.statistics.cells import NORMAL, PNEUMONIA, Cells
from ml.verdict.statistics.truth import Truth
from tests.simulations.declared import declared

TRUTH = Truth(prevalence=0.3, sensitivity=(0.9, 0.93), specificity=(0.85, 0.86))


def read(truth, error, *, films, review=1.0, audit=1.0):
    """The films as readers call them who are wrong so often; as many as are expected of each."""
    cells = truth.live(0.5, review, audit)
    wrong = replace(cells, truth=np.where(cells.labelled, 1 - cells.truth, cells.truth))
    both = {
        name: np.concatenate([values, vars(wrong)[name]])
        for name, values in vars(cells).items()
        if values is not None
    }
    size = cells.n.size
    shares = np.repeat([1 - error, error], size)
    return replace(type(cells)(**both), n=both["n"] * shares * films)


@pytest.mark.parametrize("audit", [1.0, 0.4])
@pytest.mark.parametrize("error", [0.02, 0.05, 0.1])
def test_with_their_error_the_gains_are_those_of_the_true_films(error, audit):
    experiment = declared(audit_share=audit)
    films = read(TRUTH, error, films=40_000, audit=audit)

    found = reader_errors(experiment, films).gains[error]

    assert found["sensitivity"].value == pytest.approx(0.03, abs=1e-9)
    assert found["specificity"].value == pytest.approx(0.01, abs=1e-9)
    assert found["accuracy"].value == pytest.approx(0.3 * 0.03 + 0.7 * 0.01, abs=1e-9)
    for gain in found.values():
        assert gain.low < gain.value < gain.high


def test_a_larger_error_leaves_less_certainty():
    films = read(TRUTH, 0.0, films=40_000)

    small, large = (
        reader_errors(declared(), films).gains[error]["sensitivity"] for error in (0.02, 0.1)
    )

    assert large.high - large.low > small.high - small.low


def test_the_tipping_point_is_where_a_promotion_ceases_to_hold():
    films = read(TRUTH, 0.0, films=9_000)

    tipping = reader_errors(declared(), films).tipping_point

    assert 0 < tipping < 0.4
    assert reader_errors(declared(readers={"error": tipping}), films).hold
    assert not reader_errors(declared(readers={"error": tipping + 0.01}), films).hold


def test_what_is_no_promotion_without_errors_has_no_tipping_point():
    films = read(TRUTH, 0.0, films=100)

    found = reader_errors(declared(readers={"error": 0.01}), films)

    assert found.tipping_point is None
    assert not found.hold
    (finding,) = found.findings
    assert not finding.holds


def test_an_error_that_is_not_declared_is_no_condition():
    found = reader_errors(declared(), read(TRUTH, 0.0, films=9_000))

    assert found.findings == ()
    assert list(found.gains) == [0.02, 0.05, 0.1]


def test_a_declared_error_is_shown_beside_the_others():
    experiment = declared(readers={"error": 0.03})

    assert list(reader_errors(experiment, read(TRUTH, 0.0, films=9_000)).gains) == [
        0.02,
        0.03,
        0.05,
        0.1,
    ]


def test_where_readers_hide_a_loss_their_declared_error_finds_it():
    """At a prevalence of .1, half of what they call PNEUMONIA is none, and a loss of .04 looks like
    one of .02."""
    loses = Truth(prevalence=0.1, sensitivity=(0.9, 0.86), specificity=(0.9, 0.9))
    films = read(loses, 0.1, films=2_000_000)

    naive, declared_error = (
        reader_errors(declared(readers={"error": error}), films) for error in (0.0, 0.1)
    )

    assert naive.hold
    assert not declared_error.hold


def test_patients_with_several_films_count_as_one_unit_here_too():
    films = read(TRUTH, 0.0, films=9_000)
    unit = np.arange(films.n.size)
    in_units = replace(
        films, unit=unit, within=np.full(unit.size, 3.0), size=np.full(unit.size, 3.0)
    )

    alone, together = (
        reader_errors(declared(), cells).gains[0.05]["sensitivity"] for cells in (films, in_units)
    )

    assert together.value == pytest.approx(alone.value)
    assert together.high - together.low > alone.high - alone.low


@pytest.mark.parametrize(
    ("high", "holds"), [(0.65, False), (0.75, True)], ids=["shown below", "not shown below"]
)
def test_agreement_below_its_floor_is_a_gate(high, holds):
    agreement = Interval(value=0.6, low=0.5, high=high, n=80)

    (finding,) = agree(declared(readers={"agreement": 0.7}), agreement)

    assert finding.holds == holds
    assert "60% (50% to" in finding.because
    assert "at least 70%" in finding.because


def test_without_films_of_several_readers_nothing_is_shown():
    (finding,) = agree(declared(readers={"agreement": 0.7}), None)

    assert finding.holds
    assert "No film has several readers" in finding.because


def test_without_a_floor_there_is_no_such_gate():
    assert agree(declared(readers={"error": 0.02}), None) == ()


class TestAReplay:
    """Both arms on every film."""

    @pytest.mark.parametrize("error", [0.02, 0.1])
    def test_has_the_gains_of_the_true_films_too(self, error):
        pairs = TRUTH.replayed(0.5)
        wrong = replace(pairs, sick=~pairs.sick)
        both = {
            name: np.concatenate([values, vars(wrong)[name]])
            for name, values in vars(pairs).items()
        }
        shares = np.repeat([1 - error, error], pairs.n.size)
        said = replace(type(pairs)(**both), n=both["n"] * shares * 20_000)

        films = Cells(
            look=np.zeros(said.n.size, np.intp),
            arm=np.zeros(said.n.size, np.int8),
            propensity=np.full(said.n.size, 0.5),
            called=said.champion_called,
            truth=np.where(said.sick, PNEUMONIA, NORMAL).astype(np.int8),
            sampling=said.sampling,
            n=said.n,
        )

        found = reader_errors_of_pairs(declared(), said, films, 1.0, final=False).gains[error]

        assert found["sensitivity"].value == pytest.approx(0.03, abs=1e-9)
        assert found["specificity"].value == pytest.approx(0.01, abs=1e-9)

    def test_is_promoted_with_the_declared_error_alone(self):
        random = np.random.default_rng(3)
        n = 6000
        sick = random.random(n) < 0.5
        calls = np.where(random.random((2, n)) < 0.97, sick, ~sick).astype(float)
        answers = Answers(
            film=[f"{number:05}" for number in range(n)],
            sick=sick,
            sampling=np.ones(n),
            champion=calls[0],
            challenger=calls[1],
        )

        tipping = judge_pairs(declared(), answers).reader_errors.tipping_point
        within, beyond = (
            judge_pairs(declared(readers={"error": error}), answers).ruling
            for error in (tipping, tipping + 0.02)
        )

        assert within.verdict == "PROMOTE"
        assert beyond.verdict != "PROMOTE"
        assert not beyond.findings[-1].holds

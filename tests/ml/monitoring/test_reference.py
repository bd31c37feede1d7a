"""What a version carries, and what is measured of an input."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.monitoring import inputs, reference

if TYPE_CHECKING:
    from pathlib import Path


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_every_film_is_in_one_bin(values: list[float]) -> None:
    bins = reference.distribution(np.asarray(values))

    assert sum(it.share for it in bins) == pytest.approx(1)
    assert bins[0].lower_bound is None
    assert bins[-1].upper_bound is None
    for before, after in itertools.pairwise(bins):
        assert before.upper_bound == after.lower_bound
    for it in bins:
        inside = [
            value
            for value in values
            if (it.lower_bound is None or value >= it.lower_bound)
            and (it.upper_bound is None or value < it.upper_bound)
        ]
        assert it.share == pytest.approx(len(inside) / len(values))


def test_the_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 101)

    reference.write(tmp_path, {"probability": values})

    assert reference.read(tmp_path / reference.FILE) == {
        "probability": reference.distribution(values)
    }


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reference.json").write_text("[1]")

    with pytest.raises(ValueError, match="no reference"):
        reference.read(tmp_path / "reference.json")


def test_a_film_is_measured_without_its_picture() -> None:
    film = [[[0.0], [1.0]], [[0.5], [0.5]]]

    (measured,) = inputs.of_request(json.dumps({"inputs": [film]}))

    assert measured == pytest.approx(
        {"mean": 0.5, "spread": 0.5**0.5 / 2, "dark": 0.25, "bright": 0.25}
    )


def test_a_row_is_measured_by_its_numbers() -> None:
    rows = {"dataframe_records": [{"age": 61, "sex": "F", "smokes": True, "size": 1.5}]}
    split = {"dataframe_split": {"columns": ["age", "sex"], "data": [[61, "F"]]}}

    assert inputs.of_request(json.dumps(rows)) == [{"age": 61.0, "size": 1.5}]
    assert inputs.of_request(json.dumps(split)) == [{"age": 61.0}]


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '{"inputs": "x"}', '{"inputs": [[1], [2, 3]]}']
)
def test_what_holds_no_inputs_has_no_measures(body: str) -> None:
    assert inputs.of_request(body) == []

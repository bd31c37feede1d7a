"""The steps by which a challenger gets all requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.declared.ramp import RAMP, next_step


@pytest.mark.parametrize(
    ("percent", "after"),
    [(0, 1), (1, 5), (5, 20), (20, 50), (50, 100), (10, 20), (51, 100), (99, 100)],
)
def test_the_next_step_is_the_first_one_above(percent: int, after: int) -> None:
    assert next_step(percent) == after


def test_nothing_is_above_all_requests() -> None:
    assert next_step(100) is None


@given(st.integers(0, 99))
def test_whatever_the_share_the_ramp_ends_at_all_requests(percent: int) -> None:
    steps = [percent]
    while (after := next_step(steps[-1])) is not None:
        steps.append(after)

    assert steps[-1] == 100
    assert len(steps) <= len(RAMP) + 1

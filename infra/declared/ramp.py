"""The ramp: by which steps a challenger gets all requests."""

from typing import Final

from infra.declared.traffic import ALL_TRAFFIC

RAMP: Final = (1, 5, 20, 50, ALL_TRAFFIC)
"""Percent of all requests. Each step multiplies what a bad version could harm by 2 to 5."""


def next_step(percent: int) -> int | None:
    """The first step of the ramp above a share; None at the top."""
    return next((step for step in RAMP if step > percent), None)

"""Which arm answers: one draw a request, by the traffic percentages, not sticky."""

from __future__ import annotations

import bisect
import itertools
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.local.serving.config import Route


class Draws(Protocol):
    """`random.Random`, or anything that draws uniformly from [0, 1)."""

    def random(self) -> float:
        """A number from 0, below 1."""


def draw(routes: Sequence[Route], randomness: Draws) -> str:
    """Name of the served entity that answers; an arm with 0 per cent is never drawn."""
    bounds = list(itertools.accumulate(route.traffic_percentage for route in routes))
    return routes[bisect.bisect_right(bounds, randomness.random() * bounds[-1])].served_entity_name

import random

import pytest
from scipy.stats import binom

from infra.local.serving.config import Route
from infra.local.serving.traffic import draw

DRAWS = 10_000


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a split, not a secret


def routes(**percentages: int) -> list[Route]:
    return [
        Route(served_entity_name=name, traffic_percentage=percentage)
        for name, percentage in percentages.items()
    ]


@pytest.mark.parametrize("percentage", [1, 10, 50, 90, 99])
def test_the_share_of_an_arm_is_within_binomial_bounds(percentage: int) -> None:
    randomness = seeded(2026)
    split = routes(champion=100 - percentage, challenger=percentage)
    drawn = [draw(split, randomness) for _ in range(DRAWS)]
    low, high = binom.interval(0.999, DRAWS, percentage / 100)
    assert low <= drawn.count("challenger") <= high


def test_three_arms_each_get_their_share() -> None:
    randomness = seeded(7)
    drawn = [draw(routes(a=20, b=30, c=50), randomness) for _ in range(DRAWS)]
    for name, percentage in (("a", 20), ("b", 30), ("c", 50)):
        low, high = binom.interval(0.999, DRAWS, percentage / 100)
        assert low <= drawn.count(name) <= high


def test_an_arm_with_no_traffic_is_never_drawn() -> None:
    randomness = seeded(1)
    split = routes(first=0, all=100, last=0)
    assert {draw(split, randomness) for _ in range(DRAWS)} == {"all"}


def test_the_same_seed_draws_the_same_arms() -> None:
    split = routes(a=50, b=50)
    first, second = seeded(3), seeded(3)
    assert [draw(split, first) for _ in range(50)] == [draw(split, second) for _ in range(50)]


class Edge:
    """Draws a number at the border of two arms."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


@pytest.mark.parametrize(
    ("number", "arm"), [(0.0, "a"), (0.2499999, "a"), (0.25, "b"), (0.9999999, "b")]
)
def test_the_border_belongs_to_the_next_arm(number: float, arm: str) -> None:
    assert draw(routes(a=25, b=75), Edge(number)) == arm

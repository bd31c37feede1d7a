import doctest

import pytest

from infra.declared import traffic
from infra.declared.traffic import Challenge, Route, TrafficSplit


def split(*percents: int) -> TrafficSplit:
    challengers = tuple(
        Challenge(served_entity=f"challenger-{index}", percent=percent)
        for index, percent in enumerate(percents, start=1)
    )
    return TrafficSplit(champion="champion-1", challengers=challengers)


def test_the_champion_gets_what_the_challengers_leave() -> None:
    assert split(10, 5).champion_percent == 85


def test_without_a_challenger_the_champion_gets_everything() -> None:
    assert split().routes == (Route(served_entity="champion-1", percent=100),)


def test_routes_are_champion_first_then_challengers_in_their_order() -> None:
    assert [route.served_entity for route in split(10, 5).routes] == [
        "champion-1",
        "challenger-1",
        "challenger-2",
    ]


@pytest.mark.parametrize("percents", [(), (0,), (100,), (50, 50), (33, 33, 33), (1,) * 9])
def test_routes_always_add_up_to_100(percents: tuple[int, ...]) -> None:
    assert sum(route.percent for route in split(*percents).routes) == 100


def test_a_challenger_may_be_deployed_without_traffic() -> None:
    assert split(0).routes[1] == Route(served_entity="challenger-1", percent=0)


def test_challengers_may_leave_the_champion_nothing() -> None:
    assert split(60, 40).champion_percent == 0


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_percentage_outside_0_to_100_is_refused_with_its_value(percent: int) -> None:
    with pytest.raises(ValueError, match=rf"0 to 100 percent, got: {percent}$"):
        split(percent)


@pytest.mark.parametrize("percent", [True, 50.0, "50", None])
def test_what_is_not_a_whole_number_is_refused_with_its_value(percent: object) -> None:
    with pytest.raises(TypeError, match=r"whole number of percent, got: "):
        Challenge(served_entity="challenger-1", percent=percent)  # type: ignore[arg-type]


def test_more_than_all_traffic_is_refused_with_the_sum() -> None:
    with pytest.raises(ValueError, match=r"100 percent together, got: 130$"):
        split(60, 70)


def test_two_arms_of_one_name_are_refused_by_that_name() -> None:
    with pytest.raises(ValueError, match=r"got: torch-1 twice$"):
        TrafficSplit(
            champion="keras-1",
            challengers=(
                Challenge(served_entity="torch-1", percent=10),
                Challenge(served_entity="torch-1", percent=20),
            ),
        )


def test_the_worked_example_of_the_docstring_is_true() -> None:
    assert doctest.testmod(traffic).failed == 0
    assert doctest.testmod(traffic).attempted > 0

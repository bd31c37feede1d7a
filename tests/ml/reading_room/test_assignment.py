"""Who may read a film."""

import pytest

from ml.reading_room.assignment import open_to, readers_wanted, waits

AGREE = {"ada": "NORMAL", "bo": "NORMAL"}
DISAGREE = {"ada": "NORMAL", "bo": "PNEUMONIA"}


def test_one_reader_is_enough_where_the_environment_says_one() -> None:
    assert waits({}, readers=1)
    assert not waits({"ada": "NORMAL"}, readers=1)


def test_two_readers_read_a_film_where_the_environment_says_two() -> None:
    assert waits({"ada": "NORMAL"}, readers=2)
    assert not waits(AGREE, readers=2)


@pytest.mark.parametrize("other", ["PNEUMONIA", "INDETERMINATE"])
def test_a_third_reader_reads_where_two_disagree(other: str) -> None:
    verdicts = {"ada": "NORMAL", "bo": other}

    assert readers_wanted(verdicts, readers=2) == 3
    assert open_to("cy", verdicts, (), readers=2)


def test_nobody_reads_after_the_third() -> None:
    assert not waits({**DISAGREE, "cy": "INDETERMINATE"}, readers=2)
    assert not open_to("di", {**DISAGREE, "cy": "NORMAL"}, (), readers=2)


def test_a_single_reader_is_never_in_disagreement() -> None:
    """Readings of another source may be there already."""
    assert not waits(DISAGREE, readers=1)


@pytest.mark.parametrize("verdicts", [{"ada": "NORMAL"}, DISAGREE])
def test_nobody_reads_a_film_twice(verdicts: dict[str, str]) -> None:
    assert not open_to("ada", verdicts, (), readers=2)


def test_a_film_that_one_reader_has_is_not_for_another() -> None:
    assert not open_to("bo", {}, {"ada"}, readers=1)


def test_two_readers_may_have_a_film_at_once_where_two_are_wanted() -> None:
    assert open_to("bo", {}, {"ada"}, readers=2)
    assert not open_to("cy", {}, {"ada", "bo"}, readers=2)
    assert not open_to("cy", {"ada": "NORMAL"}, {"bo"}, readers=2)


def test_one_third_reader_at_a_time() -> None:
    assert not open_to("di", DISAGREE, {"cy"}, readers=2)

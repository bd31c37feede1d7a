"""Which predictions are drawn, and how that is known afterwards."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from ml.reading_room.sampler import Sampler

REPOSITORY = Path(__file__).parents[3]
SAMPLER = Sampler(audit_share=0.2, seed=1)
IDS = [f"request-{number}" for number in range(20_000)]


def test_every_film_called_pneumonia_is_read() -> None:
    drawn = [SAMPLER.draw(it, called_positive=True) for it in IDS]

    assert {it.sampling_probability for it in drawn if it} == {1.0}
    assert None not in drawn


def test_of_the_others_the_audit_share_is_read() -> None:
    drawn = [it for it in IDS if SAMPLER.draw(it, called_positive=False)]

    # Five standard deviations of a binomial: a sound draw fails once in two million seeds.
    assert abs(len(drawn) - 4_000) < 5 * math.sqrt(20_000 * 0.2 * 0.8)


def test_a_drawn_film_carries_the_probability_with_which_it_was_drawn() -> None:
    drawn = [SAMPLER.draw(it, called_positive=False) for it in IDS]

    assert {it.sampling_probability for it in drawn if it} == {0.2}


def test_an_audit_share_of_one_draws_all() -> None:
    everybody = Sampler(audit_share=1.0, seed=1)

    assert all(everybody.draw(it, called_positive=False) for it in IDS)


def test_a_larger_share_draws_the_films_of_a_smaller_one_too() -> None:
    """So that raising the share in the middle of a study loses no reading."""
    larger = Sampler(audit_share=0.5, seed=1)

    for it in IDS[:2_000]:
        if SAMPLER.draw(it, called_positive=False):
            assert larger.draw(it, called_positive=False)


def test_another_process_draws_the_same_films() -> None:
    program = (
        "from ml.reading_room.sampler import Sampler\n"
        "sampler = Sampler(audit_share=0.2, seed=1)\n"
        "ids = [f'request-{n}' for n in range(300)]\n"
        "print(*(it for it in ids if sampler.draw(it, called_positive=False)))"
    )
    there = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(REPOSITORY)},
    ).stdout.split()

    assert there == [it for it in IDS[:300] if SAMPLER.draw(it, called_positive=False)]


def test_another_seed_draws_other_films() -> None:
    other = Sampler(audit_share=0.2, seed=2)
    ours = {it for it in IDS if SAMPLER.draw(it, called_positive=False)}
    theirs = {it for it in IDS if other.draw(it, called_positive=False)}

    # Two independent draws of a fifth share a fifth of each other.
    assert len(ours & theirs) / len(ours) == pytest.approx(0.2, abs=0.04)


def test_the_place_in_the_queue_says_nothing_about_the_draw() -> None:
    """An audited film stands on average where any other stands: in the middle."""
    places = [SAMPLER.place(it) for it in IDS if SAMPLER.draw(it, called_positive=False)]

    # The mean of n uniform numbers has a standard deviation of 0.289 / sqrt(n).
    assert sum(places) / len(places) == pytest.approx(0.5, abs=5 * 0.289 / math.sqrt(len(places)))


def test_a_stratum_has_a_share_of_its_own_which_the_film_carries() -> None:
    strata = Sampler(audit_share=0.1, seed=1, strata=((0.2, 0.5), (0.4, 1.0)))

    shares = {
        probability: {
            it.sampling_probability
            for name in IDS[:2_000]
            if (it := strata.draw(name, called_positive=False, probability=probability))
        }
        for probability in (0.1, 0.2, 0.39, 0.45)
    }

    assert shares == {0.1: {0.1}, 0.2: {0.5}, 0.39: {0.5}, 0.45: {1.0}}

"""A part of alpha for one test on the day that has all labels."""

from __future__ import annotations

import pytest

from tests.ml.verdict.log import CHALLENGER, CHAMPION

BENEFIT = "it answers in half the time"
ALIKE = {"TP": 450, "FN": 50, "TN": 450, "FP": 50}


@pytest.fixture
def final(experiment):
    def write(maximum, table="[final_test]\n"):
        file = experiment(benefit=BENEFIT, maximum=maximum)
        file.write_text(file.read_text() + table)
        return file

    return write


def films(log):
    for arm in (CHAMPION, CHALLENGER):
        log.films(arm, ALIKE, hours=1)
    log.end()


def test_promotes_what_the_daily_looks_leave_open(compare, experiment, final, log):
    films(log)

    assert compare(experiment(benefit=BENEFIT, maximum=2000)).verdict == "KEEP"
    assert compare(final(2000)).verdict == "PROMOTE"


def test_waits_for_the_last_label(compare, final, log):
    films(log)

    assert compare(final(2001)).verdict == "INCONCLUSIVE"


def test_counts_no_film_of_a_later_day(compare, final, log):
    films(log)
    before = compare(final(2000)).numbers["gains"]["sensitivity"]
    log.films(CHALLENGER, {"FN": 300}, hours=48)
    log.films(CHAMPION, {"TP": 300}, hours=48)

    decision = compare(final(2000))

    assert decision.verdict == "PROMOTE"
    assert decision.numbers["gains"]["sensitivity"] == before


def test_widens_the_intervals_of_the_days_before_it(compare, experiment, final, log):
    films(log)
    usual = compare(experiment(benefit=BENEFIT)).numbers["gains"]["sensitivity"]
    with_final = compare(final(100_000)).numbers["gains"]["sensitivity"]

    assert with_final["low"] < usual["low"]


def test_is_shown_in_the_decision(compare, final, log):
    films(log)

    assert "80% for Wald's test" in compare(final(2000)).method["looks"]

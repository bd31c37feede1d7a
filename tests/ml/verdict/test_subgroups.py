"""Gains by subgroup, from a file of rows to decision.json."""

from __future__ import annotations

import pytest

from tests.ml.verdict.log import CHALLENGER, CHAMPION

ALIKE = {"TP": 90, "FN": 10, "TN": 80, "FP": 20}


def times(outcomes, n):
    return {outcome: n * count for outcome, count in outcomes.items()}


@pytest.fixture
def by_site(compare, experiment):
    def found(**declared):
        decision = compare(experiment(maturity=0, subgroups='["site"]', **declared))
        return decision.numbers["subgroups"]["site"]

    return found


def test_a_subgroup_has_gains_and_both_arms_figures(by_site, log):
    for site in ("north", "south"):
        log.films(CHAMPION, ALIKE, site=site)
        log.films(CHALLENGER, ALIKE | {"TP": 96, "FN": 4}, site=site)

    north = by_site()["north"]

    assert north["sensitivity"]["gain"]["value"] == pytest.approx(0.06)
    assert north["sensitivity"]["gain"]["n"] == 200
    assert north["sensitivity"]["champion"]["value"] == pytest.approx(0.9)
    assert north["specificity"]["challenger"]["value"] == pytest.approx(0.8)


def test_intervals_are_wider_the_more_are_shown_together(by_site, log):
    for arm in (CHAMPION, CHALLENGER):
        log.films(arm, ALIKE, site="north")
    alone = by_site()["north"]["sensitivity"]["gain"]
    for site in ("south", "east", "west"):
        for arm in (CHAMPION, CHALLENGER):
            log.films(arm, ALIKE, site=site)

    among_four = by_site()["north"]["sensitivity"]["gain"]

    assert among_four["low"] < alone["low"] < alone["value"] < alone["high"] < among_four["high"]


def test_one_with_too_few_films_has_no_figure_but_says_how_many_it_needs(by_site, log):
    for arm in (CHAMPION, CHALLENGER):
        log.films(arm, ALIKE, site="north")
        log.films(arm, {"TP": 9, "FN": 1, "TN": 80, "FP": 20}, site="south")

    south = by_site()["south"]

    assert south["sensitivity"]["gain"] is None
    assert south["sensitivity"]["champion"] is None
    assert south["sensitivity"]["films"] == {"champion": 10, "challenger": 10}
    assert south["sensitivity"]["films of each arm that a gain takes"] == 30
    assert south["specificity"]["gain"] is not None


def test_so_few_films_cost_the_others_no_width(by_site, log):
    for arm in (CHAMPION, CHALLENGER):
        log.films(arm, ALIKE, site="north")
    alone = by_site()["north"]["sensitivity"]["gain"]
    for arm in (CHAMPION, CHALLENGER):
        log.films(arm, {"TP": 2, "TN": 2}, site="south")

    assert by_site()["north"]["sensitivity"]["gain"] == alone


def test_a_gain_is_that_of_the_films_of_each_split(compare, experiment, log, tmp_path):
    """Identical arms; the films got harder when the challenger got more of them."""
    easy, hard = {"TP": 98, "FN": 2}, {"TP": 80, "FN": 20}
    log.films(CHAMPION, times(easy, 9), hours=1, site="north")
    log.films(CHALLENGER, easy, hours=1, site="north")
    log.films(CHAMPION, times(hard, 5), hours=30, site="north")
    log.films(CHALLENGER, times(hard, 5), hours=30, site="north")
    splits = tmp_path / "splits.toml"
    splits.write_text("[[split]]\nsince = 2026-03-03T00:00:00Z\nchampion = 50\nchallenger = 50\n")
    trial = experiment(maturity=0, champion=90, challenger=10, subgroups='["site"]')

    north = compare(trial, splits=splits).numbers["subgroups"]["site"]["north"]["sensitivity"]

    assert north["gain"]["low"] < 0 < north["gain"]["high"]
    assert north["gain"]["value"] == pytest.approx(0.0, abs=1e-6)
    assert north["champion"]["value"] == pytest.approx(north["challenger"]["value"])


def test_a_split_that_is_broken_in_one_subgroup_is_seen_there(by_site, log):
    for arm, n in ((CHAMPION, 2), (CHALLENGER, 1)):
        log.films(arm, times(ALIKE, n), site="north")
    for arm, n in ((CHAMPION, 1), (CHALLENGER, 2)):
        log.films(arm, times(ALIKE, n), site="south")
    for arm in (CHAMPION, CHALLENGER):
        log.films(arm, ALIKE, site="east")

    found = by_site()

    name = "anytime-valid p, of all subgroups together"
    assert found["north"]["sample ratio"][name] < 0.001
    assert found["south"]["sample ratio"][name] < 0.001
    assert found["east"]["sample ratio"][name] == 1
    assert found["north"]["sample ratio"]["promised to the challenger"] == 300


def test_films_without_a_value_are_a_group_of_their_own(by_site, log):
    for arm in (CHAMPION, CHALLENGER):
        log.films(arm, ALIKE, site=None)
        log.films(arm, ALIKE, site="north")

    assert list(by_site()) == ["", "north"]


def test_requests_without_an_answer_are_no_subgroup(by_site, log):
    for arm in (CHAMPION, CHALLENGER):
        log.films(arm, ALIKE, site="north")
    log.end(hours=1000)

    assert list(by_site()) == ["north"]


def test_people_read_what_is_missing(command, experiment, log, capsys):
    for arm in (CHAMPION, CHALLENGER):
        log.films(arm, {"TP": 9, "FN": 1, "TN": 80, "FP": 20}, site="north")

    page = (command(experiment(maturity=0, subgroups='["site"]')) / "report.html").read_text()

    assert "too few films: 10 and 10; 30 of each arm are needed" in page


def test_a_column_that_no_row_has_is_refused_with_those_that_there_are(compare, experiment, log):
    from ml.contract.errors import UserError

    log.film(CHAMPION, 0.9, site="north")

    with pytest.raises(UserError) as refusal:
        compare(experiment(subgroups='["sight"]'))

    assert "no column sight; it has" in str(refusal.value)
    assert "site" in str(refusal.value)
    assert "The experiment names sight in subgroups" in str(refusal.value)

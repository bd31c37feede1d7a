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


OUTCOMES = {
    "TP": (0.9, "PNEUMONIA"),
    "FN": (0.1, "PNEUMONIA"),
    "TN": (0.1, "NORMAL"),
    "FP": (0.9, "NORMAL"),
}


def patients(log, arm, outcomes, *, films, **columns):
    """Patients of each outcome, in the course of ten days, each with so many films alike."""
    kinds = [OUTCOMES[outcome] for outcome, n in outcomes.items() for _ in range(n)]
    for number, kind in enumerate(kinds):
        key = f"{arm}-{columns.get('site')}-{number}"
        for _ in range(films):
            hours = 240 * number / len(kinds)
            log.film(arm, *kind, hours=hours, patient_key=key, **columns)


class TestPatients:
    def test_what_a_patients_films_repeat_says_no_more_than_one_of_them(self, by_site, log):
        for arm, outcomes in ((CHAMPION, ALIKE), (CHALLENGER, ALIKE | {"TP": 96, "FN": 4})):
            patients(log, arm, outcomes, films=1, site="one")
            patients(log, arm, outcomes, films=4, site="four")

        found = by_site()
        one, four = found["one"], found["four"]

        for metric in ("sensitivity", "specificity"):
            for figure in ("gain", "champion", "challenger"):
                alone, repeated = one[metric][figure], four[metric][figure]
                assert repeated.pop("n") == 4 * alone.pop("n")
                assert repeated == pytest.approx(alone)

    def test_of_a_broken_split_neither(self, by_site, log):
        for arm, n in ((CHAMPION, 1), (CHALLENGER, 2)):
            patients(log, arm, times(ALIKE, n), films=1, site="one")
            patients(log, arm, times(ALIKE, n), films=4, site="four")

        found = by_site()
        one, four = (found[site]["sample ratio"] for site in ("one", "four"))

        name = "anytime-valid p, of all subgroups together"
        assert one[name] == pytest.approx(four[name])
        assert one[name] < 0.001

    def test_with_films_of_several_values_count_in_each_with_those(self, by_site, log):
        for arm in (CHAMPION, CHALLENGER):
            patients(log, arm, ALIKE, films=2, site="north")
            patients(log, arm, ALIKE, films=1, site="south")
        alone = by_site()
        for number, row in enumerate(log.rows):
            row["patient_key"] = f"{row['arm']}-{number % 200}"

        found = by_site()

        counted = found["north"]["sensitivity"]["films"]
        assert counted == alone["north"]["sensitivity"]["films"]
        assert set(found) == {"north", "south"}

    def test_beside_films_of_which_none_is_known_are_all_counted(self, by_site, log):
        for arm in (CHAMPION, CHALLENGER):
            patients(log, arm, ALIKE, films=2, site="north")
            log.films(arm, ALIKE, site="north")

        north = by_site()["north"]

        assert north["sensitivity"]["gain"]["n"] == 2 * (200 + 100)
        assert north["sensitivity"]["champion"]["value"] == pytest.approx(0.9)


@pytest.mark.parametrize("name", ["side", "day", "truth", "mature", "films", "known", "order"])
def test_a_column_may_be_called_as_the_counting_calls_its_own(compare, experiment, log, name):
    for value in ("left", "right"):
        for arm in (CHAMPION, CHALLENGER):
            log.films(arm, {"TP": 2, "FN": 1, "TN": 2, "FP": 1}, patient_key=value)
    for row in log.rows:
        row[name] = row.pop("patient_key")

    found = compare(experiment(maturity=0, subgroups=f'["{name}"]')).numbers["subgroups"][name]

    assert list(found) == ["left", "right"]
    assert found["left"]["sensitivity"]["films"] == {"champion": 3, "challenger": 3}


@pytest.mark.parametrize("name", ["arm", "ground_truth", "probability", "prediction_id"])
def test_what_was_answered_or_read_of_a_film_is_no_subgroup(compare, experiment, log, name):
    from ml.contract.errors import UserError

    log.film(CHAMPION, 0.9)

    with pytest.raises(UserError, match=f"names {name} in subgroups.*Name columns of what"):
        compare(experiment(subgroups=f'["{name}"]'))

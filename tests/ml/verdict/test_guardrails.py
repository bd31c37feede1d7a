"""Limits of the challenger that no gain makes up for, from a file of rows to decision.json."""

from __future__ import annotations

import pytest

from tests.ml.verdict.log import CHALLENGER, CHAMPION

FAIR = {"TP": 150, "FN": 50, "TN": 690, "FP": 110}
BETTER = {"TP": 190, "FN": 10, "TN": 700, "FP": 100}


@pytest.fixture
def judged(compare, experiment, log):
    """The decision on a better challenger, with these guardrails."""

    def decision(guardrails="", **declared):
        file = experiment(maturity=0, **declared)
        if guardrails:
            file.write_text(file.read_text() + f"[guardrails]\n{guardrails}\n")
        return compare(file)

    return decision


def failures(log, arm, n):
    for number in range(n):
        log.film(arm, None, status_code=500, hours=number / 10)


def the(decision, name):
    (found,) = [it for it in decision.numbers["guardrails"] if name in it["name"]]
    return found


def test_without_limits_nothing_is_said_of_them(judged, log):
    log.films(CHAMPION, FAIR)
    log.films(CHALLENGER, BETTER)

    assert judged().numbers["guardrails"] == []


class TestTheErrorRate:
    def test_beyond_its_limit_rolls_back_whatever_is_gained(self, judged, log):
        log.films(CHAMPION, FAIR)
        log.films(CHALLENGER, BETTER)
        failures(log, CHAMPION, 80)
        failures(log, CHALLENGER, 80)

        assert judged().verdict == "PROMOTE"
        decision = judged("error_rate = 0.02")

        assert decision.verdict == "ROLLBACK"
        assert "challenger's requests that fail: 0.074" in decision.reason
        assert "beyond the limit of 0.02" in decision.reason
        assert the(decision, "fail")["breached"]

    def test_is_that_of_the_challenger_alone(self, judged, log):
        log.films(CHAMPION, FAIR)
        log.films(CHALLENGER, BETTER | {"TN": 770, "FP": 110})
        failures(log, CHAMPION, 80)

        assert judged("error_rate = 0.02").verdict == "PROMOTE"

    def test_that_is_not_shown_to_be_beyond_it_holds(self, judged, log):
        log.films(CHAMPION, FAIR)
        log.films(CHALLENGER, BETTER)
        for arm in (CHAMPION, CHALLENGER):
            failures(log, arm, 25)

        decision = judged("error_rate = 0.02")

        assert the(decision, "fail")["figure"]["value"] > 0.02
        assert decision.verdict == "PROMOTE"

    def test_rolls_back_though_a_gate_does_not_hold(self, judged, log):
        """That the split is broken may be its very doing: a fallback after failures."""
        log.films(CHAMPION, {name: 3 * n for name, n in FAIR.items()})
        log.films(CHALLENGER, BETTER)
        failures(log, CHALLENGER, 300)

        assert "sample-ratio mismatch" in judged().reason
        assert judged("error_rate = 0.02").verdict == "ROLLBACK"


class TestLatency:
    @pytest.mark.parametrize(("slow", "verdict"), [(200, "ROLLBACK"), (50, "PROMOTE")])
    def test_at_most_five_percent_of_the_answers_may_be_slower(self, judged, log, slow, verdict):
        log.films(CHAMPION, FAIR, execution_duration_ms=2000)
        log.films(CHALLENGER, BETTER, execution_duration_ms=100)
        for row in [row for row in log.rows if row["arm"] == CHALLENGER][:slow]:
            row["execution_duration_ms"] = 801

        decision = judged("latency_p95_ms = 800")

        assert decision.verdict == verdict
        assert the(decision, "800 ms")["figure"]["value"] == pytest.approx(slow / 1000)
        assert the(decision, "800 ms")["limit"] == 0.05

    def test_exactly_as_long_as_the_limit_is_not_longer(self, judged, log):
        log.films(CHAMPION, FAIR, execution_duration_ms=800)
        log.films(CHALLENGER, BETTER, execution_duration_ms=800)

        assert the(judged("latency_p95_ms = 800"), "800 ms")["figure"]["value"] == 0

    def test_of_answers_whose_time_is_not_logged_nothing_is_known(self, judged, log):
        log.films(CHAMPION, FAIR)
        log.films(CHALLENGER, BETTER)

        decision = judged("latency_p95_ms = 800")

        assert the(decision, "800 ms")["figure"] is None
        assert decision.verdict == "PROMOTE"


class TestCalibration:
    """The log's challenger gives .9 and .1."""

    def test_within_its_limit_holds(self, judged, log):
        log.films(CHAMPION, FAIR)
        log.films(CHALLENGER, BETTER)

        decision = judged("calibration = 0.2")

        assert decision.verdict == "PROMOTE"
        predicted = (290 * 0.9 + 710 * 0.1) / 1000
        assert the(decision, "mean probability")["figure"]["value"] == pytest.approx(
            predicted - 0.2, abs=1e-6
        )

    @pytest.mark.parametrize(
        ("called", "other", "sign"), [(0.99, 0.49, +1), (0.51, 0.01, -1)], ids=["high", "low"]
    )
    def test_beyond_it_on_either_side_rolls_back(self, judged, log, called, other, sign):
        log.films(CHAMPION, FAIR | {"TP": 350, "FN": 50})
        log.films(CHALLENGER, BETTER | {"TP": 395, "FN": 5})
        for row in log.rows:
            if row["arm"] == CHALLENGER:
                row["probability"] = called if row["probability"] == 0.9 else other

        decision = judged("calibration = 0.05")

        assert sign * the(decision, "mean probability")["figure"]["value"] > 0.05
        assert decision.verdict == "ROLLBACK"

    def test_counts_a_patient_once_however_many_films_say_the_same(self, judged, log):
        log.films(CHAMPION, FAIR)
        log.films(CHALLENGER, BETTER)
        for number, row in enumerate(log.rows):
            row["patient_key"] = f"p{number}"
        once = the(judged("calibration = 0.05"), "mean probability")["figure"]
        rows = list(log.rows)
        for again in range(3):
            log.rows += [row | {"prediction_id": f"{row['prediction_id']}-{again}"} for row in rows]

        repeated = the(judged("calibration = 0.05"), "mean probability")["figure"]

        assert repeated.pop("n") == 4 * once.pop("n")
        assert repeated == pytest.approx(once, abs=1e-4)

    def test_of_patients_is_that_of_films_where_each_has_one(self, judged, log):
        log.films(CHAMPION, FAIR)
        log.films(CHALLENGER, BETTER)
        films = the(judged("calibration = 0.05"), "mean probability")["figure"]
        for number, row in enumerate(log.rows):
            row["patient_key"] = f"p{number}" if number % 3 else None

        patients = the(judged("calibration = 0.05"), "mean probability")["figure"]

        assert patients == pytest.approx(films, abs=1e-4)

    def test_is_judged_at_an_early_step_too_whatever_the_share_of_the_traffic(self, judged, log):
        """A film of a small arm weighs nearly twice as much as one of an even split."""
        log.films(CHAMPION, {name: 5 * n for name, n in FAIR.items()})
        log.films(CHALLENGER, {"TP": 10, "FN": 0, "TN": 40, "FP": 150})
        for row in log.rows:
            if row["arm"] == CHALLENGER:
                row["probability"] = 0.99 if row["probability"] == 0.9 else 0.5

        decision = judged("calibration = 0.05", champion=95, challenger=5)

        assert the(decision, "mean probability")["figure"]["low"] > 0.3
        assert the(decision, "mean probability")["breached"]

    def test_says_nothing_where_readers_did_not_see_what_was_chosen(self, judged, log):
        log.films(CHAMPION, FAIR)
        log.films(CHALLENGER, BETTER)
        log.unread(CHALLENGER, 0.9, 300)
        log.unread(CHAMPION, 0.9, 300)

        decision = judged("calibration = 0.001")

        assert the(decision, "mean probability")["breached"]
        assert decision.verdict == "INCONCLUSIVE"


def test_the_more_limits_are_declared_the_wider_is_each_interval(judged, log):
    """So that all of them together are wrongly breached as seldom as one."""
    log.films(CHAMPION, FAIR, execution_duration_ms=100)
    log.films(CHALLENGER, BETTER, execution_duration_ms=100)

    alone = the(judged("error_rate = 0.02"), "fail")["figure"]
    among = the(judged("error_rate = 0.02\nlatency_p95_ms = 800\ncalibration = 0.2"), "fail")

    assert among["figure"]["high"] > alone["high"]


def test_people_read_figure_interval_and_limit(command, experiment, log):
    log.films(CHAMPION, FAIR)
    log.films(CHALLENGER, BETTER)
    failures(log, CHALLENGER, 80)
    failures(log, CHAMPION, 80)
    file = experiment(maturity=0)
    file.write_text(file.read_text() + "[guardrails]\nerror_rate = 0.02\n")

    page = (command(file) / "report.html").read_text()

    assert "Limits that no gain makes up for" in page
    assert "BREACHED" in page

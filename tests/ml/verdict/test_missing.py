"""Films without a truth: what a promotion has to hold against."""

from __future__ import annotations

import pytest

from tests.ml.verdict.log import CHALLENGER, CHAMPION

BENEFIT = "it answers in half the time"
CONDITION = "a promotion holds whatever the films without a truth are"


@pytest.fixture
def declared(experiment):
    """Writes an experiment for a benefit, with margins .03 and .05 and more tables behind it."""

    def write(more: str = "", **values):
        file = experiment(benefit=BENEFIT, **values)
        text = file.read_text(encoding="utf-8").replace("sensitivity = 0.05", "sensitivity = 0.03")
        text = text.replace("0.85", "0.95")
        file.write_text(text + more, encoding="utf-8")
        return file

    return write


def finding(decision):
    (found,) = [it for it in decision.findings if it.condition == CONDITION]
    return found


def resolved(log, missing=(0, 0)):
    """Equal arms with 1,500 films each, of which so many misses are read and not resolved."""
    for arm, unknown in zip((CHAMPION, CHALLENGER), missing, strict=True):
        log.films(arm, {"TP": 427, "FN": 45 - unknown, "TN": 945, "FP": 105}, hours=1)
        for _ in range(unknown):
            log.film(arm, 0.1, "INDETERMINATE", hours=1)
    log.end()


def test_a_challenger_whose_misses_readers_could_not_resolve_is_not_promoted(
    compare, declared, log
):
    """The truth of 68 of its films would make it worse by .10."""
    for arm, found, unknown in ((CHAMPION, 427, 23), (CHALLENGER, 382, 68)):
        log.films(arm, {"TP": found, "TN": 945, "FP": 105}, hours=1)
        for _ in range(unknown):
            log.film(arm, 0.1, "INDETERMINATE", hours=1)
    log.end()

    decision = compare(declared())

    assert decision.verdict == "INCONCLUSIVE"
    assert not finding(decision).holds
    assert "91 films lack the truth" in decision.reason


def test_a_film_that_nobody_has_read_in_time_is_missing_like_one_that_nobody_could_tell(
    compare, declared, log
):
    for arm, found, unread in ((CHAMPION, 427, 23), (CHALLENGER, 382, 68)):
        log.films(arm, {"TP": found, "TN": 945, "FP": 105}, hours=1)
        log.unread(arm, 0.1, unread)
    log.end()

    decision = compare(declared())

    assert decision.verdict == "INCONCLUSIVE"
    assert decision.numbers["films without a truth"]["films"] == 91


def test_where_every_film_has_its_truth_nothing_is_assumed(compare, declared, log):
    resolved(log)

    decision = compare(declared())

    assert finding(decision).holds
    assert decision.numbers["films without a truth"] == {
        "films": 0,
        "tipping point, odds ratio": None,
        "scenarios": [],
    }


def test_a_few_that_are_alike_in_both_arms_do_not_stop_a_promotion(compare, declared, log):
    for _ in range(8):
        resolved(log, missing=(4, 4))

    decision = compare(declared())

    assert decision.verdict == "PROMOTE"
    assert decision.numbers["films without a truth"]["tipping point, odds ratio"] > 5


class TestTheModel:
    def test_of_the_worst_asks_for_more(self, compare, declared, log):
        for _ in range(8):
            resolved(log, missing=(12, 12))

        usual = compare(declared())
        worst = compare(declared('[missing]\nmodel = "worst"\n'))

        assert usual.verdict == "PROMOTE"
        assert worst.verdict == "INCONCLUSIVE"
        assert len(worst.numbers["films without a truth"]["scenarios"]) == 1

    def test_has_a_tipping_point_beyond_its_odds_ratio_where_a_promotion_holds(
        self, compare, declared, log
    ):
        for _ in range(8):
            resolved(log, missing=(12, 12))

        point = compare(declared()).numbers["films without a truth"]["tipping point, odds ratio"]

        assert compare(declared(f"[missing]\nodds_ratio = {point * 0.95}\n")).verdict == "PROMOTE"
        assert (
            compare(declared(f"[missing]\nodds_ratio = {point * 1.05}\n")).verdict == "INCONCLUSIVE"
        )

    def test_needs_no_odds_ratio_for_the_worst(self, declared):
        from infra.declared.experiment import InvalidExperiment, load

        with pytest.raises(InvalidExperiment, match=r"missing\.odds_ratio = 3"):
            load(declared('[missing]\nmodel = "worst"\nodds_ratio = 3\n'))


class TestAShareThatIsRead:
    def test_leaves_unread_what_was_not_chosen(self, compare, declared, log):
        for arm in (CHAMPION, CHALLENGER):
            log.films(arm, {"TP": 427, "FN": 23, "TN": 472, "FP": 105}, hours=1)
            log.unread(arm, 0.1, 495)
        log.end()

        decision = compare(declared(audit=0.5))

        assert decision.numbers["films without a truth"]["films"] == 0

    def test_is_short_by_more_than_chance_where_readings_are_too_few(self, compare, declared, log):
        for arm in (CHAMPION, CHALLENGER):
            log.films(arm, {"TP": 427, "FN": 23, "TN": 400, "FP": 105}, hours=1)
            log.unread(arm, 0.1, 567)
        log.end()

        decision = compare(declared(audit=0.5))

        assert decision.numbers["films without a truth"]["films"] == pytest.approx(92, abs=5)

    def test_what_chance_may_hide_is_told_and_counted_by_the_worst(self, compare, declared, log):
        """Readers seem to have resolved all; which answers were chosen, one file says."""
        for arm, missed, read in ((CHAMPION, 230, 4720), (CHALLENGER, 180, 4770)):
            log.films(arm, {"TP": 4270, "FN": missed, "TN": read, "FP": 1050}, hours=1)
        rows = [dict(it) for it in log.rows]
        for arm in (CHAMPION, CHALLENGER):
            log.unread(arm, 0.1, 4950)
        log.end()
        hidden = compare(declared(audit=0.5))
        worst = compare(declared('\n[missing]\nmodel = "worst"\n', audit=0.5))
        log.rows[:] = rows
        for arm in (CHAMPION, CHALLENGER):
            for _ in range(4950):
                log.film(arm, 0.1, hours=1, chosen=False)
        log.end()
        logged = compare(declared(audit=0.5))

        for decision, scenarios in ((logged, 0), (hidden, 0), (worst, 1)):
            without_truth = decision.numbers["films without a truth"]
            assert (without_truth["films"], len(without_truth["scenarios"])) == (0, scenarios)
        unsaid = "the rows do not say which unread answers were chosen"
        assert [unsaid in finding(it).because for it in (logged, hidden, worst)] == [0, 1, 1]
        assert [finding(it).holds for it in (hidden, worst)] == [True, False]


def test_what_is_missing_is_named_when_the_labels_are_spent(compare, declared, log):
    """The gains are those of a promotion; that they were not shown would be untrue."""
    for arm, found, unknown in ((CHAMPION, 427, 23), (CHALLENGER, 382, 68)):
        log.films(arm, {"TP": found, "TN": 945, "FP": 105}, hours=1)
        for _ in range(unknown):
            log.film(arm, 0.1, "INDETERMINATE", hours=1)
    log.end()

    decision = compare(declared(maximum=2900))

    assert decision.verdict == "KEEP"
    assert "over with 2909 labels. 91 films lack the truth" in decision.reason

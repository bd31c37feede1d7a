"""The verdict, from a file of rows to decision.json."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from tests.ml.verdict.log import CHALLENGER, CHAMPION, START

GOOD = {"TP": 190, "FN": 10, "TN": 170, "FP": 30}
FAIR = {"TP": 150, "FN": 50, "TN": 170, "FP": 30}


def finding(decision, condition):
    (found,) = [it for it in decision.findings if it.condition == condition]
    return found


def test_a_better_challenger_is_promoted(compare, experiment, log):
    log.films(CHAMPION, FAIR | {"TN": 690, "FP": 110})
    log.films(CHALLENGER, GOOD | {"TN": 700, "FP": 100})
    log.end()

    decision = compare(experiment())

    assert decision.verdict == "PROMOTE"
    assert all(it.holds for it in decision.findings)
    assert decision.numbers["gains"]["sensitivity"]["value"] == pytest.approx(0.2)
    assert decision.numbers["gains"]["sensitivity"]["n"] == 400


def test_a_challenger_that_misses_more_is_rolled_back(compare, experiment, log):
    log.films(CHAMPION, GOOD)
    log.films(CHALLENGER, FAIR)
    log.end()

    decision = compare(experiment())

    assert decision.verdict == "ROLLBACK"
    assert "sensitivity" in decision.reason


def test_a_challenger_with_too_many_false_alarms_is_rolled_back(compare, experiment, log):
    log.films(CHAMPION, {"TP": 180, "FN": 20, "TN": 190, "FP": 10})
    log.films(CHALLENGER, {"TP": 180, "FN": 20, "TN": 120, "FP": 80})
    log.end()

    decision = compare(experiment())

    assert decision.verdict == "ROLLBACK"
    assert "specificity" in decision.reason


def test_when_the_labels_are_spent_the_champion_stays(compare, experiment, log):
    log.films(CHAMPION, GOOD)
    log.films(CHALLENGER, GOOD)
    log.end()

    decision = compare(experiment(maximum=800))

    assert decision.verdict == "KEEP"
    assert "800 labels" in decision.reason


def test_a_primary_metric_that_is_worse_keeps_the_champion(compare, experiment, log):
    """Specificity within its margin, but shown to be below the champion's."""
    log.films(CHAMPION, {"TP": 190, "FN": 10, "TN": 19_000, "FP": 1_000})
    log.films(CHALLENGER, {"TP": 190, "FN": 10, "TN": 18_400, "FP": 1_600})
    log.end()

    decision = compare(experiment(primary="specificity"))

    assert decision.verdict == "KEEP"


def test_equal_arms_are_inconclusive_and_need_more_labels(compare, experiment, log):
    log.films(CHAMPION, {"TP": 90, "FN": 10, "TN": 80, "FP": 20})
    log.films(CHALLENGER, {"TP": 95, "FN": 5, "TN": 80, "FP": 20})
    log.end()

    decision = compare(experiment())

    assert decision.verdict == "INCONCLUSIVE"
    needed = decision.numbers["labels needed"]
    assert needed["as_observed"] > 400
    assert needed["as_expected"] > 400


def test_so_many_labels_as_were_said_to_be_needed_suffice(compare, experiment, log):
    few = {CHAMPION: {"TP": 90, "FN": 10, "TN": 80, "FP": 20}}
    few[CHALLENGER] = {"TP": 95, "FN": 5, "TN": 80, "FP": 20}
    for arm, outcomes in few.items():
        log.films(arm, outcomes)
    log.end()
    needed = compare(experiment()).numbers["labels needed"]["as_observed"]
    times = int(np.ceil(needed / 400))
    log.rows.clear()
    for arm, outcomes in few.items():
        log.films(arm, {outcome: n * times for outcome, n in outcomes.items()}, hours=1)
    log.end()

    assert compare(experiment()).verdict == "PROMOTE"


def test_an_arm_with_few_labels_is_not_promoted(compare, experiment, log):
    log.films(CHAMPION, FAIR | {"TN": 690, "FP": 110})
    log.films(CHALLENGER, GOOD | {"TN": 700, "FP": 100})
    log.end()

    decision = compare(experiment(minimum=2000))

    assert decision.verdict == "INCONCLUSIVE"
    assert "2000" in decision.reason


class TestADeclaredBenefit:
    """What makes it enough not to be worse."""

    BENEFIT = "it answers in half the time"
    ALIKE = {"TP": 950, "FN": 50, "TN": 950, "FP": 50}  # noqa: RUF012

    def test_without_one_an_equal_challenger_is_not_promoted(self, compare, experiment, log):
        log.films(CHAMPION, self.ALIKE)
        log.films(CHALLENGER, self.ALIKE)
        log.end()

        assert compare(experiment()).verdict == "INCONCLUSIVE"

    def test_with_one_it_is_and_the_decision_says_what_it_rests_on(self, compare, experiment, log):
        log.films(CHAMPION, self.ALIKE)
        log.films(CHALLENGER, self.ALIKE)
        log.end()

        decision = compare(experiment(benefit=self.BENEFIT))

        assert decision.verdict == "PROMOTE"
        assert "rests on non-inferiority" in decision.reason
        assert self.BENEFIT in decision.reason
        declared = finding(decision, "a benefit was declared before the test")
        assert declared.because == self.BENEFIT
        assert "a benefit that was declared before the test" in decision.method["verdict"]
        assert "sensitivity superior" not in [it.condition for it in decision.findings]

    @pytest.mark.parametrize(
        ("metric", "worse"),
        [
            ("sensitivity", ALIKE | {"TP": 930, "FN": 70}),
            ("specificity", ALIKE | {"TN": 930, "FP": 70}),
        ],
    )
    def test_each_metric_has_to_be_shown_not_to_be_worse(
        self, compare, experiment, log, metric, worse
    ):
        log.films(CHAMPION, self.ALIKE)
        log.films(CHALLENGER, worse)
        log.end()

        decision = compare(experiment(benefit=self.BENEFIT))

        assert decision.verdict == "INCONCLUSIVE"
        assert not finding(decision, f"{metric} not inferior").holds

    def test_a_challenger_that_misses_more_within_its_margin_is_not_rolled_back(
        self, compare, experiment, log
    ):
        log.films(CHAMPION, {"TP": 38_000, "FN": 2_000, "TN": 950, "FP": 50}, hours=1)
        log.films(CHALLENGER, {"TP": 37_000, "FN": 3_000, "TN": 950, "FP": 50}, hours=1)
        log.end()

        decision = compare(experiment(benefit=self.BENEFIT))

        assert decision.numbers["gains"]["sensitivity"]["high"] < 0
        assert all(it.holds for it in decision.findings)
        assert decision.verdict == "PROMOTE"

    def test_few_labels_are_too_few_with_it_as_well(self, compare, experiment, log):
        log.films(CHAMPION, self.ALIKE)
        log.films(CHALLENGER, self.ALIKE)
        log.end()

        decision = compare(experiment(benefit=self.BENEFIT, minimum=2001))

        assert decision.verdict == "INCONCLUSIVE"
        assert "2001" in decision.reason

    def test_a_broken_split_stops_the_test_with_it_as_well(self, compare, experiment, log):
        log.films(CHAMPION, {outcome: 2 * n for outcome, n in self.ALIKE.items()})
        log.films(CHALLENGER, self.ALIKE)
        log.end()

        decision = compare(experiment(benefit=self.BENEFIT))

        assert decision.verdict == "INCONCLUSIVE"
        assert "sample-ratio mismatch" in decision.reason

    def test_when_the_labels_are_spent_the_champion_stays(self, compare, experiment, log):
        log.films(CHAMPION, {"TP": 190, "FN": 10, "TN": 190, "FP": 10})
        log.films(CHALLENGER, {"TP": 190, "FN": 10, "TN": 190, "FP": 10})
        log.end()

        decision = compare(experiment(benefit=self.BENEFIT, maximum=800))

        assert decision.verdict == "KEEP"
        assert "not been shown not to be worse by a margin" in decision.reason

    def test_it_takes_fewer_labels_by_what_is_needed(self, compare, experiment, log):
        log.films(CHAMPION, {"TP": 90, "FN": 10, "TN": 80, "FP": 20})
        log.films(CHALLENGER, {"TP": 91, "FN": 9, "TN": 80, "FP": 20})
        log.end()

        needed, with_it = (
            compare(experiment(**declared)).numbers["labels needed"]["as_observed"]
            for declared in ({}, {"benefit": self.BENEFIT})
        )

        assert with_it < needed / 4


class TestSampleRatio:
    def test_a_mismatch_stops_everything_and_says_so(self, compare, experiment, log):
        log.films(CHAMPION, {name: 2 * n for name, n in FAIR.items()})
        log.films(CHALLENGER, GOOD)
        log.end()

        decision = compare(experiment())

        assert decision.verdict == "INCONCLUSIVE"
        assert "sample-ratio mismatch" in decision.reason
        assert "had got 400 of 1200 requests" in decision.reason
        assert decision.numbers["sample ratio"]["anytime-valid p"] < 0.001

    def test_a_split_that_was_meant_to_be_uneven_is_none(self, compare, experiment, log):
        log.films(CHAMPION, {name: 2 * n for name, n in FAIR.items()})
        log.films(CHALLENGER, GOOD)
        log.end()

        decision = compare(experiment(champion=67, challenger=33))

        assert finding(decision, "the arms got the requests that the split promised").holds

    def test_a_recorded_change_of_the_split_is_none(self, compare, experiment, log, tmp_path):
        log.films(CHAMPION, {"TP": 400, "TN": 400}, hours=1)
        log.films(CHALLENGER, {"TP": 100, "TN": 100}, hours=1)
        log.films(CHAMPION, {"TP": 100, "TN": 100}, hours=30)
        log.films(CHALLENGER, {"TP": 400, "TN": 400}, hours=30)
        splits = tmp_path / "splits.toml"
        splits.write_text(
            "[[split]]\nsince = 2026-03-03T00:00:00Z\nchampion = 20\nchallenger = 80\n"
        )
        trial = experiment(champion=80, challenger=20, maturity=0)

        with_changes = compare(trial, splits=splits)
        without = compare(trial)

        condition = "the arms got the requests that the split promised"
        assert finding(with_changes, condition).holds
        assert not finding(without, condition).holds

    def test_a_propensity_that_the_rows_have_wins(self, compare, experiment, log):
        log.films(CHAMPION, {"TP": 400, "TN": 400}, propensity=0.2)
        log.films(CHALLENGER, {"TP": 100, "TN": 100}, propensity=0.2)

        decision = compare(experiment(maturity=0))

        assert finding(decision, "the arms got the requests that the split promised").holds


class TestMaturity:
    def test_a_film_counts_when_it_is_mature(self, compare, experiment, log):
        log.films(CHAMPION, {"TP": 10, "TN": 10}, hours=0)
        log.films(CHALLENGER, {"TP": 10, "TN": 10}, hours=0)
        log.films(CHALLENGER, {"TP": 5}, hours=30)
        log.end(hours=48)

        decision = compare(experiment(maturity=24))

        assert decision.numbers["challenger"]["labels"] == 20
        assert decision.numbers["challenger"]["films too young"] == 5

    def test_the_day_decides_what_is_looked_at(self, compare, experiment, log):
        log.films(CHAMPION, {"TP": 10}, hours=0)
        log.films(CHALLENGER, {"TP": 10}, hours=0)
        log.films(CHALLENGER, {"TP": 5}, hours=24)
        trial = experiment(maturity=0)
        noon = START + datetime.timedelta(hours=12)

        assert compare(trial, as_of=noon).numbers["challenger"]["labels"] == 10
        assert compare(trial).numbers["challenger"]["labels"] == 15

    def test_a_verdict_of_a_later_day_is_not_known_yet(self, compare, experiment, log):
        log.film(CHAMPION, 0.9, "PNEUMONIA")
        log.film(CHALLENGER, 0.9, "PNEUMONIA", decided_at=START + datetime.timedelta(days=9))
        day = START + datetime.timedelta(days=2)

        decision = compare(experiment(), as_of=day)

        assert decision.numbers["champion"]["labels"] == 1
        assert decision.numbers["challenger"]["labels"] == 0


class TestReaders:
    def read_by(self, log, arm, probability, *truths, **columns):
        first = log.film(arm, probability, truths[0], hours=1, **columns)
        for number, truth in enumerate(truths[1:], start=2):
            log.rows.append(
                log.rows[-1]
                | {
                    "prediction_id": first,
                    "ground_truth": truth,
                    "radiologist_id": f"reader-{number}",
                }
            )

    def test_a_film_counts_once_however_many_readers_agree(self, compare, experiment, log):
        self.read_by(log, CHAMPION, 0.9, "PNEUMONIA", "PNEUMONIA")
        log.film(CHALLENGER, 0.9, "PNEUMONIA", hours=1)

        decision = compare(experiment(maturity=0))

        assert decision.numbers["champion"]["labels"] == 1
        assert decision.numbers["champion"]["requests"] == 1

    def test_a_third_reader_decides(self, compare, experiment, log):
        self.read_by(log, CHAMPION, 0.9, "PNEUMONIA", "NORMAL", "NORMAL")
        log.film(CHALLENGER, 0.9, "PNEUMONIA", hours=1)

        decision = compare(experiment(maturity=0))

        assert decision.numbers["champion"]["figures"]["specificity"]["value"] == 0
        assert decision.numbers["champion"]["positives"] == 0

    @pytest.mark.parametrize("truths", [("PNEUMONIA", "NORMAL"), ("INDETERMINATE",)])
    def test_without_a_majority_a_film_has_no_truth(self, compare, experiment, log, truths):
        self.read_by(log, CHAMPION, 0.9, *truths)
        log.film(CHALLENGER, 0.9, "PNEUMONIA", hours=1)

        decision = compare(experiment(maturity=0))

        assert decision.numbers["champion"]["labels"] == 0
        (cover,) = [it for it in decision.numbers["verification"] if it["arm"] == "champion"]
        assert (cover["films"], cover["resolved"], cover["unresolved"]) == (1, 0, 1)

    def test_their_agreement_is_that_of_statsmodels(self, compare, experiment, log):
        from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

        random = np.random.default_rng(0)
        names = np.array(["NORMAL", "PNEUMONIA"])
        truth = random.integers(0, 2, 60)
        votes = np.where(random.random((60, 2)) < 0.85, truth[:, None], 1 - truth[:, None])
        for first, second in names[votes]:
            self.read_by(log, CHAMPION, 0.9, first, second)
        log.film(CHALLENGER, 0.9, "PNEUMONIA", hours=1)

        found = compare(experiment(maturity=0)).numbers["readers"]["films with several readers"]

        assert found["kappa"] == pytest.approx(fleiss_kappa(aggregate_raters(votes)[0]), abs=1e-6)
        assert found["share"]["n"] == 60
        assert found["share"]["value"] == pytest.approx(
            (votes[:, 0] == votes[:, 1]).mean(), abs=1e-6
        )

    def test_who_had_seen_the_answer_does_not_count(self, compare, experiment, log):
        log.film(CHAMPION, 0.9, "PNEUMONIA", blind=False)
        log.film(CHALLENGER, 0.9, "PNEUMONIA", blind=True)

        decision = compare(experiment(maturity=0))

        assert decision.numbers["champion"]["labels"] == 0
        assert decision.numbers["challenger"]["labels"] == 1
        assert decision.numbers["readers"]["verdicts that were not blind"] == 1


class TestVerification:
    def test_the_audit_is_weighed_by_its_logged_probability(self, compare, experiment, log):
        """200 sick films of each arm; all answers PNEUMONIA are read, a fifth of the others."""
        for arm in (CHAMPION, CHALLENGER):
            log.films(arm, {"TP": 160, "FP": 20}, sampling_probability=1.0)
            log.films(arm, {"FN": 8, "TN": 36}, sampling_probability=0.2)
            log.unread(arm, 0.1, 176)
        log.end()

        decision = compare(experiment(audit=0.2))

        figures = decision.numbers["champion"]["figures"]
        assert figures["sensitivity"]["value"] == pytest.approx(0.8)
        assert figures["specificity"]["value"] == pytest.approx(0.9)
        assert finding(decision, "readers resolved what was chosen for them").holds

    def test_where_it_is_not_logged_the_experiments_shares_count(self, compare, experiment, log):
        for arm in (CHAMPION, CHALLENGER):
            log.films(arm, {"TP": 160, "FP": 20, "FN": 8, "TN": 36})
            log.unread(arm, 0.1, 176)
        log.end()

        decision = compare(experiment(audit=0.2))

        assert decision.numbers["champion"]["figures"]["sensitivity"]["value"] == pytest.approx(0.8)
        assert "sampling_probability" in decision.data.assumed

    def test_readers_who_are_behind_stop_the_verdict(self, compare, experiment, log):
        for arm in (CHAMPION, CHALLENGER):
            log.films(arm, GOOD)
            log.unread(arm, 0.9, 400)
        log.end()

        decision = compare(experiment())

        assert decision.verdict == "INCONCLUSIVE"
        assert "readers have resolved" in decision.reason

    def test_readers_who_prefer_an_arm_stop_the_verdict(self, compare, experiment, log):
        log.films(CHAMPION, {"TP": 400, "TN": 400})
        log.films(CHALLENGER, {"TP": 280, "TN": 400})
        log.unread(CHALLENGER, 0.9, 120)
        log.end()
        trial = experiment()
        trial.write_text(trial.read_text() + "[tolerances]\nunresolved = 0.9\n")

        decision = compare(trial)

        assert decision.verdict == "INCONCLUSIVE"
        assert "verification differs between the arms" in decision.reason

    def test_what_is_not_resolved_bounds_the_estimates(self, compare, experiment, log):
        log.films(CHAMPION, {"TP": 90, "FN": 10, "TN": 100})
        log.films(CHALLENGER, {"TP": 90, "FN": 10, "TN": 100})
        for _ in range(5):
            log.film(CHALLENGER, 0.1, "INDETERMINATE")
        log.end()

        bounds = compare(experiment()).numbers["bounds of the estimates"]["sensitivity"]

        # At the worst they all had pneumonia, at the best none had.
        assert bounds["low"] == pytest.approx(90 / 105 - 0.9, abs=1e-6)
        assert bounds["high"] == pytest.approx(0.0, abs=1e-6)


class TestOrphans:
    def test_a_verdict_without_a_prediction_is_counted_and_bounds(self, compare, experiment, log):
        log.films(CHAMPION, {"TP": 90, "FN": 10})
        log.films(CHALLENGER, {"TP": 90, "FN": 10})
        for number in range(2):
            log.rows.append(
                {
                    "prediction_id": f"lost-{number}",
                    "ground_truth": "PNEUMONIA",
                    "decided_at": START + datetime.timedelta(hours=3),
                }
            )
        log.end()

        decision = compare(experiment())

        assert finding(decision, "verdicts have their prediction").holds
        assert decision.numbers["rows"]["verdicts whose prediction is not in the log"] == 2
        bounds = decision.numbers["bounds of the estimates"]["sensitivity"]
        assert bounds["low"] == pytest.approx(90 / 102 - 92 / 102, abs=1e-6)

    def test_many_of_them_stop_the_verdict(self, compare, experiment, log):
        log.films(CHAMPION, {"TP": 90})
        log.films(CHALLENGER, {"TP": 90})
        for _ in range(10):
            log.film(None, 0.9, "PNEUMONIA")
        log.end()

        decision = compare(experiment())

        assert decision.verdict == "INCONCLUSIVE"
        assert "10 answers whose arm is not known" in decision.reason


class TestWhatIsCompared:
    def test_the_first_image_of_a_request_and_the_last_answer_to_an_id(
        self, compare, experiment, log
    ):
        log.film(CHAMPION, 0.9, "PNEUMONIA", image_index=0, answer_number=1)
        log.film(CHAMPION, 0.9, "PNEUMONIA", image_index=1, answer_number=1)
        log.film(CHAMPION, 0.9, "PNEUMONIA", image_index=0, answer_number=2)
        log.film(CHALLENGER, 0.9, "PNEUMONIA", image_index=0, answer_number=1)

        decision = compare(experiment(maturity=0))

        assert decision.numbers["champion"]["labels"] == 1
        assert decision.numbers["champion"]["requests"] == 2
        assert decision.numbers["rows"]["further images of one request"] == 1
        assert decision.numbers["rows"]["second answers to one request id"] == 1

    def test_other_versions_are_not_of_the_experiment(self, compare, experiment, log):
        log.film(CHAMPION, 0.9, "PNEUMONIA")
        log.film(CHALLENGER, 0.9, "PNEUMONIA")
        log.film("torch-3", 0.9, "PNEUMONIA")

        decision = compare(experiment(maturity=0))

        assert decision.numbers["challenger"]["labels"] == 1
        assert decision.numbers["rows"]["answers of other arms"] == 1

    def test_nor_is_what_came_before_its_start(self, compare, experiment, log):
        log.film(CHAMPION, 0.9, "PNEUMONIA", hours=-1)
        log.film(CHAMPION, 0.9, "PNEUMONIA", hours=1)
        log.film(CHALLENGER, 0.9, "PNEUMONIA", hours=1)

        assert compare(experiment(maturity=0)).numbers["champion"]["labels"] == 1

    def test_the_figures_are_those_of_scikit_learn(self, compare, experiment, log):
        from sklearn.metrics import brier_score_loss, roc_auc_score

        random = np.random.default_rng(1)
        sick = random.random(300) < 0.5
        probability = np.clip(random.normal(0.35 + 0.3 * sick, 0.2), 0, 1).round(6)
        for is_sick, p in zip(sick, probability, strict=True):
            log.film(CHAMPION, float(p), "PNEUMONIA" if is_sick else "NORMAL")
        log.film(CHALLENGER, 0.9, "PNEUMONIA")

        figures = compare(experiment(maturity=0)).numbers["champion"]["figures"]

        assert figures["auc"]["value"] == pytest.approx(roc_auc_score(sick, probability), abs=1e-6)
        assert figures["brier"]["value"] == pytest.approx(
            brier_score_loss(sick, probability), abs=1e-6
        )
        assert figures["sensitivity"]["value"] == pytest.approx(
            (probability[sick] >= 0.5).mean(), abs=1e-6
        )

    def test_latency_and_failures_are_of_each_arm(self, compare, experiment, log):
        for milliseconds in range(1, 101):
            log.film(CHAMPION, 0.1, "NORMAL", execution_duration_ms=milliseconds)
        log.film(CHALLENGER, None, status_code=500)
        log.film(CHALLENGER, 0.1, "NORMAL", execution_duration_ms=7)

        decision = compare(experiment(maturity=0))

        assert decision.numbers["champion"]["figures"]["latency p50 ms"]["value"] == 50
        assert decision.numbers["champion"]["figures"]["latency p95 ms"]["value"] == 95
        assert decision.numbers["challenger"]["figures"]["error rate"]["value"] == 0.5


@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize("benefit", [None, "it answers in half the time"])
def test_a_loss_within_its_margin_beside_a_large_gain_is_no_harm(
    compare, experiment, log, times, benefit
):
    """A loss of .011 of sensitivity with a margin of .05, however surely it is one."""
    for arm, outcomes in (
        (CHAMPION, {"TP": 900, "FN": 100, "TN": 800, "FP": 200}),
        (CHALLENGER, {"TP": 889, "FN": 111, "TN": 900, "FP": 100}),
    ):
        log.films(arm, {name: times * n for name, n in outcomes.items()})
    log.end()

    decision = compare(experiment(maximum=1_000_000, **({"benefit": benefit} if benefit else {})))

    assert decision.verdict != "ROLLBACK"
    if benefit and times > 1:
        assert decision.verdict == "PROMOTE"

"""What the views say of rows that serving and readers have written."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from tests.plugin.ab_test import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from tests.plugin.ab_test import ABTestBed

pytestmark = pytest.mark.programs  # real statements on a real workspace


class TestPredictions:
    def test_a_prediction_says_which_arm_and_version_gave_it(self, ab_test: ABTestBed) -> None:
        champion = ab_test.answer(CHAMPION, 0.9, id="film-1", minutes=1, milliseconds=31)
        challenger = ab_test.answer(CHALLENGER, 0.2, id="film-2", minutes=2)
        ab_test.create_views()

        first, second = ab_test.read("predictions", "prediction_id")

        assert (first["prediction_id"], first["databricks_request_id"]) == ("film-1", champion)
        assert (first["arm"], first["model_version"]) == ("keras-1", 1)
        assert first["model_name"] == f"{ab_test.analysis.catalog}.models.keras"
        assert (first["probability"], first["execution_duration_ms"]) == (0.9, 31)
        assert (second["prediction_id"], second["databricks_request_id"]) == ("film-2", challenger)
        assert (second["arm"], second["model_version"]) == ("torch-2", 2)

    def test_a_request_of_several_images_is_a_prediction_each(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.1, 0.2, 0.3, id="study")
        ab_test.create_views()

        predictions = ab_test.read("predictions", "image_index")

        assert [(it["prediction_id"], it["probability"]) for it in predictions] == [
            ("study", 0.1),
            ("study#1", 0.2),
            ("study#2", 0.3),
        ]

    def test_without_a_clients_id_databricks_id_is_the_predictions(
        self, ab_test: ABTestBed
    ) -> None:
        request_id = ab_test.answer(CHAMPION, 0.1)
        ab_test.create_views()

        (prediction,) = ab_test.read("predictions")

        assert prediction["prediction_id"] == request_id
        assert prediction["client_request_id"] is None

    @pytest.mark.parametrize(
        ("probability", "label"), [(0.5, "PNEUMONIA"), (0.4999, "NORMAL"), (1.0, "PNEUMONIA")]
    )
    def test_the_contracts_threshold_calls_pneumonia(
        self, ab_test: ABTestBed, probability: float, label: str
    ) -> None:
        ab_test.answer(CHAMPION, probability)
        ab_test.create_views()

        assert [it["predicted_label"] for it in ab_test.read("predictions")] == [label]

    @pytest.mark.parametrize(
        ("status", "response"),
        [
            (400, '{"error_code": "BAD_REQUEST"}'),
            (200, None),  # larger than what serving logs
            (200, "not JSON"),
            (200, '{"answers": [[0.5]]}'),
            (200, '{"predictions": []}'),
            (200, '{"predictions": [[]]}'),
        ],
        ids=["failed", "too large", "no JSON", "another form", "no image", "no probability"],
    )
    def test_what_is_no_answer_is_no_prediction_and_hides_no_other(
        self, ab_test: ABTestBed, status: int, response: str | None
    ) -> None:
        ab_test.answer(CHAMPION, status=status, response=response, id="bad")
        ab_test.answer(CHAMPION, 0.7, id="good")
        ab_test.create_views()

        assert [it["prediction_id"] for it in ab_test.read("predictions")] == ["good"]

    def test_a_new_configuration_does_not_count_a_request_twice(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, minutes=0)
        ab_test.serve(CHAMPION, config_version=2, minutes=10)
        ab_test.answer(CHAMPION, 0.8, minutes=20)
        ab_test.create_views()

        assert len(ab_test.read("predictions")) == 2

    def test_a_request_belongs_to_the_version_of_its_time(self, ab_test: ABTestBed) -> None:
        before = ab_test.answer(CHAMPION, 0.9, minutes=0)
        ab_test.serve(CHAMPION, config_version=2, entity_version=7, minutes=10)
        after = ab_test.answer(CHAMPION, 0.8, minutes=20)
        ab_test.create_views()

        versions = {
            it["databricks_request_id"]: it["model_version"] for it in ab_test.read("predictions")
        }
        assert versions == {before: 1, after: 7}

    def test_a_clock_that_is_a_little_ahead_loses_no_request(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, minutes=-61)  # a minute before the arm was served
        ab_test.create_views()

        assert [it["arm"] for it in ab_test.read("predictions")] == ["keras-1"]

    def test_of_an_id_that_is_sent_twice_the_last_answer_counts_which_its_client_has(
        self, ab_test: ABTestBed
    ) -> None:
        ab_test.answer(CHALLENGER, 0.2, id="film-1", minutes=5)
        ab_test.answer(CHAMPION, 0.9, id="film-1", minutes=1)
        ab_test.create_views()

        answers = ab_test.read("predictions", "answer_number")

        assert [(it["answer_number"], it["arm"]) for it in answers] == [
            (1, "torch-2"),
            (2, "keras-1"),
        ]


class TestAnswers:
    def test_a_request_without_an_answer_has_a_row_without_a_probability(
        self, ab_test: ABTestBed
    ) -> None:
        failed = ab_test.answer(CHAMPION, status=500, response="{}", id="film-1", minutes=1)
        ab_test.answer(CHALLENGER, 0.1, 0.9, id="film-1", minutes=2)
        ab_test.create_views()

        answers = ab_test.read("answers", "request_time", "image_index")

        assert [
            (it["prediction_id"], it["answer_number"], it["probability"]) for it in answers
        ] == [
            (failed, 1, None),
            ("film-1", 1, 0.1),
            ("film-1#1", 1, 0.9),
        ]


class TestLabelled:
    @pytest.mark.parametrize(
        ("probability", "truth", "outcome"),
        [
            (0.9, "PNEUMONIA", "TP"),
            (0.9, "NORMAL", "FP"),
            (0.1, "NORMAL", "TN"),
            (0.1, "PNEUMONIA", "FN"),
        ],
    )
    def test_prediction_and_verdict_give_the_outcome(
        self, ab_test: ABTestBed, probability: float, truth: str, outcome: str
    ) -> None:
        ab_test.answer(CHALLENGER, probability, id="film-1")
        ab_test.judge("film-1", truth)
        ab_test.create_views()

        (row,) = ab_test.read("labelled")

        assert (row["arm"], row["model_version"]) == ("torch-2", 2)
        assert (row["ground_truth"], row["outcome"]) == (truth, outcome)

    @pytest.mark.parametrize("image", ["", "#1"])
    def test_a_reading_by_databricks_id_that_came_before_its_request_counts_by_the_clients_id(
        self, ab_test: ABTestBed, image: str
    ) -> None:
        request = ab_test.answer(CHAMPION, 0.9, 0.8, id="film-1")
        ab_test.judge(f"{request}{image}", "PNEUMONIA", pending="true")
        ab_test.create_views()

        assert [(it["prediction_id"], it["outcome"]) for it in ab_test.read("labelled")] == [
            (f"film-1{image}", "TP")
        ]

    def test_readings_by_either_id_are_of_one_prediction(self, ab_test: ABTestBed) -> None:
        request = ab_test.answer(CHAMPION, 0.9, id="film-1")
        ab_test.judge(request, "NORMAL", minutes=60, pending="true")
        ab_test.judge("film-1", "PNEUMONIA", minutes=61, pending="false")
        ab_test.create_views()

        assert [it["ground_truth"] for it in ab_test.read("labelled")] == ["PNEUMONIA"]

    def test_a_readers_later_verdict_supersedes_the_earlier(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        ab_test.judge("film-1", "NORMAL", minutes=70)
        ab_test.judge("film-1", "PNEUMONIA", minutes=60)
        ab_test.create_views()

        assert [it["ground_truth"] for it in ab_test.read("labelled")] == ["NORMAL"]

    def test_a_superseded_verdict_does_not_count_even_if_its_clock_was_ahead(
        self, ab_test: ABTestBed
    ) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        wrong = ab_test.judge("film-1", "NORMAL", minutes=70)
        ab_test.judge("film-1", "PNEUMONIA", minutes=60, supersedes=wrong)
        ab_test.create_views()

        assert [it["ground_truth"] for it in ab_test.read("labelled")] == ["PNEUMONIA"]

    def test_a_correction_of_a_correction_counts(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        first = ab_test.judge("film-1", "NORMAL")
        second = ab_test.judge("film-1", "PNEUMONIA", supersedes=first)
        ab_test.judge("film-1", "NORMAL", supersedes=second)
        ab_test.create_views()

        assert [it["ground_truth"] for it in ab_test.read("labelled")] == ["NORMAL"]

    def test_nobody_supersedes_the_verdict_of_another_reader(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        verdict = ab_test.judge("film-1", "PNEUMONIA", reader="reader-1")
        ab_test.judge("film-1", "NORMAL", reader="reader-2", supersedes=verdict)
        ab_test.create_views()

        readers = [it["radiologist_id"] for it in ab_test.read("labelled", "radiologist_id")]
        assert readers == ["reader-1", "reader-2"]

    def test_indeterminate_is_a_reading_but_no_label(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        ab_test.judge("film-1", "INDETERMINATE")
        ab_test.create_views()

        (row,) = ab_test.read("labelled")

        assert (row["ground_truth"], row["outcome"]) == ("INDETERMINATE", None)

    def test_an_indeterminate_verdict_takes_the_place_of_an_earlier_label(
        self, ab_test: ABTestBed
    ) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        ab_test.judge("film-1", "PNEUMONIA", minutes=60)
        ab_test.judge("film-1", "INDETERMINATE", minutes=70)
        ab_test.create_views()

        assert [it["outcome"] for it in ab_test.read("labelled")] == [None]

    def test_what_a_reader_said_blind_stays_said(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        blind = ab_test.judge("film-1", "PNEUMONIA", blind="true")
        after = ab_test.judge("film-1", "NORMAL", minutes=70, blind="false", supersedes=blind)
        ab_test.judge("film-1", "INDETERMINATE", minutes=80, blind="false", supersedes=after)
        ab_test.create_views()

        rows = ab_test.read("labelled", "blind DESC")

        assert [(it["blind"], it["ground_truth"]) for it in rows] == [
            ("true", "PNEUMONIA"),
            ("false", "INDETERMINATE"),
        ]

    def test_a_blind_correction_counts_and_is_not_undone_by_a_later_one(
        self, ab_test: ABTestBed
    ) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        first = ab_test.judge("film-1", "PNEUMONIA", minutes=60, blind="true")
        second = ab_test.judge("film-1", "NORMAL", minutes=61, blind="true", supersedes=first)
        ab_test.judge("film-1", "PNEUMONIA", minutes=62, blind="false", supersedes=second)
        ab_test.create_views()

        rows = [it for it in ab_test.read("labelled") if it["blind"] == "true"]

        assert [it["ground_truth"] for it in rows] == ["NORMAL"]

    def test_a_simulated_reading_is_a_label_only_where_nobody_reads(
        self, ab_test: ABTestBed
    ) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        ab_test.judge("film-1", "PNEUMONIA", feedback_source="simulation")
        ab_test.create_views()
        local = dataclasses.replace(ab_test.analysis, simulations_count=True)

        assert ab_test.read("labelled") == []
        assert len(ab_test.query(local.query("labelled"))) == 1

    def test_a_verdict_that_was_pending_joins_when_its_prediction_is_logged(
        self, ab_test: ABTestBed
    ) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        ab_test.judge("film-2", "PNEUMONIA", pending="true")
        ab_test.create_views()
        assert ab_test.read("labelled") == []

        ab_test.answer(CHALLENGER, 0.8, id="film-2")

        assert [it["arm"] for it in ab_test.read("labelled")] == ["torch-2"]

    def test_it_says_how_the_film_came_to_be_read(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.1, id="film-1")
        ab_test.judge("film-1", "NORMAL", blind="true", sampling_probability="0.1")
        ab_test.create_views()

        (verdict,) = ab_test.read("labelled")

        assert (verdict["blind"], verdict["sampling_probability"]) == ("true", 0.1)

    def test_every_reader_has_a_verdict_of_his_own(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        ab_test.judge("film-1", "NORMAL", reader="reader-1")
        ab_test.judge("film-1", "PNEUMONIA", reader="reader-2")
        ab_test.create_views()

        rows = ab_test.read("labelled", "radiologist_id")

        assert [(it["radiologist_id"], it["outcome"]) for it in rows] == [
            ("reader-1", "FP"),
            ("reader-2", "TP"),
        ]

    def test_a_verdict_is_on_the_image_and_not_on_its_request(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.1, 0.9, id="study")
        ab_test.judge("study#1", "PNEUMONIA")
        ab_test.create_views()

        assert [(it["prediction_id"], it["outcome"]) for it in ab_test.read("labelled")] == [
            ("study#1", "TP")
        ]

    def test_only_the_last_answer_to_an_id_is_judged(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1", minutes=1)
        ab_test.answer(CHALLENGER, 0.1, id="film-1", minutes=2)
        ab_test.judge("film-1", "PNEUMONIA")
        ab_test.create_views()

        assert [it["arm"] for it in ab_test.read("labelled")] == ["torch-2"]

    def test_a_verdict_on_nothing_is_not_counted(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        ab_test.judge("film-2", "PNEUMONIA")
        ab_test.create_views()

        assert ab_test.read("labelled") == []


class TestTraffic:
    def test_shares_and_latencies_are_by_arm_and_hour(self, ab_test: ABTestBed) -> None:
        for milliseconds in (10, 20, 30):
            ab_test.answer(CHAMPION, 0.1, minutes=1, milliseconds=milliseconds)
        ab_test.answer(CHALLENGER, 0.1, minutes=59, milliseconds=50)
        ab_test.answer(CHALLENGER, 0.1, minutes=60, milliseconds=70)
        ab_test.create_views()

        first, second, third = ab_test.read("traffic", "hour", "arm")

        assert first["hour"].startswith("2026-03-02T12:00:00")
        assert (first["arm"], first["requests"], first["share"]) == ("keras-1", 3, 0.75)
        assert first["latency_p50_ms"] == 20
        assert first["latency_p95_ms"] == pytest.approx(29)
        assert (second["arm"], second["requests"], second["share"]) == ("torch-2", 1, 0.25)
        assert third["hour"].startswith("2026-03-02T13:00:00")
        assert (third["arm"], third["share"]) == ("torch-2", 1.0)

    def test_failures_count_for_the_arm_that_failed(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.1)
        ab_test.answer(CHAMPION, status=400, response="{}")
        ab_test.create_views()

        (row,) = ab_test.read("traffic")

        assert (row["requests"], row["failures"]) == (2, 1)

    def test_a_request_counts_once_whatever_number_of_images_it_has(
        self, ab_test: ABTestBed
    ) -> None:
        ab_test.answer(CHAMPION, 0.1, 0.2, 0.3)
        ab_test.create_views()

        assert [it["requests"] for it in ab_test.read("traffic")] == [1]


class TestOutcomes:
    def test_every_arm_has_its_four_counts(self, ab_test: ABTestBed) -> None:
        judged = [
            (CHAMPION, 0.9, "PNEUMONIA"),
            (CHAMPION, 0.8, "PNEUMONIA"),
            (CHAMPION, 0.7, "NORMAL"),
            (CHAMPION, 0.1, "NORMAL"),
            (CHALLENGER, 0.2, "PNEUMONIA"),
            (CHALLENGER, 0.3, "NORMAL"),
        ]
        for number, (arm, probability, truth) in enumerate(judged):
            ab_test.answer(arm, probability, id=f"film-{number}")
            ab_test.judge(f"film-{number}", truth)
        ab_test.create_views()

        counts = ("true_positives", "false_positives", "true_negatives", "false_negatives")
        assert {
            it["arm"]: tuple(it[count] for count in counts) for it in ab_test.read("outcomes")
        } == {"keras-1": (2, 1, 1, 0), "torch-2": (0, 0, 1, 1)}

    def test_coverage_says_how_much_was_judged(self, ab_test: ABTestBed) -> None:
        for number in range(4):
            ab_test.answer(CHAMPION, 0.9, id=f"film-{number}")
        ab_test.judge("film-0", "PNEUMONIA")
        ab_test.create_views()

        (row,) = ab_test.read("outcomes")

        assert (row["predictions"], row["labelled"], row["coverage"]) == (4, 1, 0.25)

    def test_an_arm_that_nobody_judged_is_there_with_zeros(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHALLENGER, 0.9)
        ab_test.create_views()

        (row,) = ab_test.read("outcomes")

        assert (row["arm"], row["predictions"], row["labelled"]) == ("torch-2", 1, 0)
        assert (row["true_positives"], row["coverage"]) == (0, 0.0)

    def test_a_prediction_counts_once_however_many_readers_agree(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        ab_test.judge("film-1", "PNEUMONIA", reader="reader-1")
        ab_test.judge("film-1", "PNEUMONIA", reader="reader-2")
        ab_test.create_views()

        (row,) = ab_test.read("outcomes")

        assert (row["labelled"], row["disputed"], row["true_positives"]) == (1, 0, 1)

    def test_a_disputed_prediction_counts_for_neither_side(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film-1")
        ab_test.judge("film-1", "PNEUMONIA", reader="reader-1")
        ab_test.judge("film-1", "NORMAL", reader="reader-2")
        ab_test.create_views()

        (row,) = ab_test.read("outcomes")

        assert (row["labelled"], row["disputed"]) == (1, 1)
        assert (row["true_positives"], row["false_positives"]) == (0, 0)


class TestContexts:
    def test_a_prediction_has_its_context_or_none(self, ab_test: ABTestBed) -> None:
        known = {"patient_key": "a" * 64, "site": "north", "view": "PA", "sex": "F"}
        for name in ("known", "unknown"):
            ab_test.answer(CHAMPION, 0.9, id=name)
            ab_test.judge(name, "PNEUMONIA")
        ab_test.describe("known", **known)
        ab_test.create_views()

        first, second = ab_test.read("labelled", "prediction_id")

        assert {name: first[name] for name in known} == known
        assert first["device_maker"] is None
        assert {second[name] for name in (*known, "device_maker")} == {None}

    def test_two_contexts_of_one_prediction_do_not_double_it(self, ab_test: ABTestBed) -> None:
        ab_test.answer(CHAMPION, 0.9, id="film")
        ab_test.judge("film", "PNEUMONIA")
        for site in ("south", "north"):
            ab_test.describe("film", site=site)
        ab_test.create_views()

        (row,) = ab_test.read("labelled")

        assert row["site"] == "north"


@pytest.mark.parametrize(
    ("name", "host", "counts"),
    [
        ("local", "http://127.0.0.1:8180", True),
        ("demo", "http://127.0.0.1:8181", True),
        ("demo", "https://demo.cloud.databricks.com", False),
        ("dev", "http://127.0.0.1:8180", False),
    ],
)
def test_readings_of_a_simulation_are_labels_on_this_machine_alone(name, host, counts):
    from infra.declared.analysis import may_simulate
    from infra.declared.environment import load

    environment = load("local")
    workspace = environment.workspace.model_copy(update={"host": host})

    assert (
        may_simulate(environment.model_copy(update={"name": name, "workspace": workspace}))
        is counts
    )

"""What becomes of readings: written, refused, failed, each row for itself."""

from __future__ import annotations

import datetime
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.readings import row

if TYPE_CHECKING:
    from ml.feedback.book import Outcome
    from tests.plugin.readings import Readings


def statuses(outcomes: list[Outcome]) -> list[str]:
    return [it.status for it in outcomes]


class TestWriting:
    def test_a_reading_is_a_row_with_all_that_was_said(self, readings: Readings) -> None:
        readings.log("request-1", 0.7)
        said = row(
            feedback_id="f-1",
            confidence="LOW",
            notes="lower left lobe",
            feedback_source="reading-room",
            sampling_probability=0.25,
            output_shown_at="2026-03-02T13:00:05.250+01:00",
        )

        assert statuses(readings.book().write([said])) == ["written"]

        assert readings.written(
            "feedback_id, prediction_id, timestamp, ground_truth, radiologist_id, confidence, "
            "feedback_source, notes, blind, supersedes, sampling_probability, output_shown_at, "
            "pending"
        ) == [
            [
                *("f-1", "request-1", "2026-03-02T12:00:00.000Z", "PNEUMONIA", "reader-1", "LOW"),
                *("reading-room", "lower left lobe", "true", None, "0.25"),
                *("2026-03-02T12:00:05.250Z", "false"),
            ]
        ]

    def test_the_warehouse_says_when_it_was_written(self, readings: Readings) -> None:
        readings.book().write([row()])

        [[written_at]] = readings.written("written_at")
        age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(str(written_at))
        assert abs(age) < datetime.timedelta(minutes=1)

    def test_a_batch_is_answered_row_by_row_in_order(self, readings: Readings) -> None:
        batch = [
            row(feedback_id="a"),
            row(feedback_id="b", ground_truth="sick"),
            row(feedback_id="c", blind=None),
            {},
            row(feedback_id="e"),
        ]

        outcomes = readings.book().write(batch)

        assert statuses(outcomes) == ["written", "refused", "refused", "refused", "written"]
        assert [it.feedback_id for it in outcomes] == ["a", "b", "c", None, "e"]
        assert "ground_truth = 'sick': one of NORMAL" in str(outcomes[1].reason)
        assert "blind: is required" in str(outcomes[2].reason)
        assert readings.written("feedback_id") == [["a"], ["e"]]

    def test_more_rows_than_a_statement_takes_are_all_written(
        self, readings: Readings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ml.feedback.book.ROWS_A_STATEMENT", 3)

        outcomes = readings.book().write([row() for _ in range(10)])

        assert statuses(outcomes) == ["written"] * 10
        assert len(readings.written()) == 10

    @pytest.mark.parametrize(
        "text",
        [
            "'; DROP TABLE prediction_feedback; --",
            "\\'; DELETE FROM prediction_feedback; --",
            "' OR '1'='1",
            '"); SELECT 1 --',
            ":table :readings ${x} {{secrets/a/b}} %s ? $1",
            "back\\slash \\u0041 \\n",
            "naïve – 日本語 🫁",
            "`backtick` /* comment */ <script>",
        ],
    )
    def test_text_is_stored_as_text(self, readings: Readings, text: str) -> None:
        readings.log("request-1", 0.7)
        said = row(feedback_id=text, radiologist_id=text, notes=f"{text}\n{text}")
        other = row(prediction_id=text)

        assert statuses(readings.book().write([said, other])) == ["written", "written"]

        assert [text, "request-1", text, f"{text}\n{text}"] in readings.written(
            "feedback_id, prediction_id, radiologist_id, notes"
        )
        assert [text] in readings.written("prediction_id")

    def test_a_reading_of_the_future_is_refused(self, readings: Readings) -> None:
        """It would be the latest of its reader for ever."""
        tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)

        (outcome,) = readings.book().write([row(timestamp=tomorrow.isoformat())])

        assert outcome.status == "refused"
        assert "lies in the future" in str(outcome.reason)


class TestSentAgain:
    def test_the_same_reading_is_written_once_and_answered_alike(self, readings: Readings) -> None:
        book, said = readings.book(), row(sampling_probability=0.1, notes="as before")

        assert book.write([said]) == book.write([said])

        assert len(readings.written()) == 1

    def test_the_same_reading_twice_in_a_batch_is_one_row(self, readings: Readings) -> None:
        said = row()

        assert statuses(readings.book().write([said, said])) == ["written", "written"]

        assert len(readings.written()) == 1

    def test_another_reading_under_the_same_id_is_refused(self, readings: Readings) -> None:
        book, said = readings.book(), row(ground_truth="NORMAL")
        book.write([said])

        outcomes = book.write([{**said, "ground_truth": "PNEUMONIA"}, row()])

        assert statuses(outcomes) == ["refused", "written"]
        assert "another reading has this id" in str(outcomes[0].reason)
        assert ["NORMAL"] in readings.written("ground_truth")

    def test_another_reading_under_the_same_id_in_a_batch_is_refused(
        self, readings: Readings
    ) -> None:
        said = row()

        outcomes = readings.book().write([said, {**said, "ground_truth": "NORMAL"}])

        assert statuses(outcomes) == ["written", "refused"]

    def test_of_two_writers_of_one_id_one_is_told_that_it_came_too_late(
        self, readings: Readings
    ) -> None:
        """Whoever looks before the other has written must find out when writing."""
        first, second = readings.book(), readings.book()
        said = row(ground_truth="NORMAL")
        look = second._known_readings
        looked = iter([lambda: first.write([{**said, "ground_truth": "PNEUMONIA"}])])

        def look_and_be_overtaken(*arguments: Any) -> Any:
            found = look(*arguments)
            next(looked, list)()
            return found

        second._known_readings = look_and_be_overtaken  # type: ignore[method-assign]

        (outcome,) = second.write([said])

        assert outcome.status == "refused"
        assert readings.written("ground_truth") == [["PNEUMONIA"]]

    def test_many_writers_of_the_same_readings_write_each_once(self, readings: Readings) -> None:
        batch = [row() for _ in range(20)]
        outcomes: list[list[Outcome]] = []
        threads = [
            threading.Thread(target=lambda: outcomes.append(readings.book().write(batch)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        ids = [feedback_id for [feedback_id] in readings.written("feedback_id")]
        assert sorted(ids) == sorted(it["feedback_id"] for it in batch)
        assert {it.status for outcome in outcomes for it in outcome} <= {"written", "failed"}


class TestCorrections:
    def test_a_correction_is_a_row_more(self, readings: Readings) -> None:
        book, first = readings.book(), row(feedback_id="a", ground_truth="NORMAL")
        correction = row(feedback_id="b", ground_truth="PNEUMONIA", supersedes="a")
        book.write([first])

        assert statuses(book.write([correction])) == ["written"]

        assert readings.written("feedback_id, ground_truth, supersedes") == [
            ["a", "NORMAL", None],
            ["b", "PNEUMONIA", "a"],
        ]

    def test_a_reading_and_its_correction_come_in_one_batch(self, readings: Readings) -> None:
        batch = [row(feedback_id="a"), row(feedback_id="b", supersedes="a")]

        assert statuses(readings.book().write(batch)) == ["written", "written"]

    def test_a_correction_of_nothing_is_refused(self, readings: Readings) -> None:
        (outcome,) = readings.book().write([row(supersedes="never written")])

        assert outcome.status == "refused"
        assert "there is no such reading" in str(outcome.reason)

    @pytest.mark.parametrize(
        "other", [{"radiologist_id": "reader-2"}, {"prediction_id": "request-2"}]
    )
    def test_a_reader_corrects_only_an_own_reading_of_the_same_prediction(
        self, readings: Readings, other: dict[str, str]
    ) -> None:
        book = readings.book()
        book.write([row(feedback_id="a")])

        (outcome,) = book.write([row(supersedes="a", **other)])

        assert outcome.status == "refused"
        assert "corrects an own reading" in str(outcome.reason)


class TestUnknownRequests:
    def test_a_known_request_is_not_pending(self, readings: Readings) -> None:
        databricks_id = readings.log("request-1", 0.7)
        by_client, by_databricks = row(), row(prediction_id=databricks_id)

        outcomes = readings.book("refuse").write([by_client, by_databricks])

        assert [(it.status, it.pending) for it in outcomes] == [("written", False)] * 2

    def test_a_prediction_may_be_in_the_inference_table_of_any_test(
        self, readings: Readings
    ) -> None:
        readings.log("request-1", 0.7)
        both = f"{readings.schema}.second_test_payload,{readings.payload_table}"

        known, unknown = readings.book("refuse", payload_table=both).write(
            [row(), row(prediction_id="request-2")]
        )

        assert (known.status, known.pending) == ("written", False)
        assert unknown.status == "refused"
        assert f"{readings.schema}.second_test_payload or " in str(unknown.reason)

    def test_a_reading_by_databricks_id_is_written_by_the_predictions(
        self, readings: Readings
    ) -> None:
        databricks_id = readings.log("request-1", 0.7, 0.2)
        said = [row(prediction_id=databricks_id), row(prediction_id=f"{databricks_id}#1")]

        outcomes = [readings.book("refuse").write(said) for _ in range(2)]

        assert [(it.status, it.pending) for it in outcomes[0]] == [("written", False)] * 2
        assert outcomes[1] == outcomes[0]
        assert sorted(readings.written("prediction_id")) == [["request-1"], ["request-1#1"]]

    def test_what_waited_by_databricks_id_is_sent_again_and_corrected_when_it_is_logged(
        self, readings: Readings
    ) -> None:
        databricks_id = readings.log("request-1", 0.7)
        early = row(prediction_id=databricks_id)
        correction = row(prediction_id=databricks_id, supersedes=early["feedback_id"])
        readings.book(payload_table=None).write([early])

        outcomes = readings.book().write([early, correction])

        assert statuses(outcomes) == ["written", "written"]

    def test_an_unknown_request_waits_where_the_environment_lets_it(
        self, readings: Readings
    ) -> None:
        readings.log("request-1", 0.7)

        (outcome,) = readings.book("pending").write([row(prediction_id="request-2")])

        assert (outcome.status, outcome.pending) == ("written", True)
        assert "'request-2': no such prediction is in" in str(outcome.reason)
        assert readings.written("pending") == [["true"]]

    def test_an_unknown_request_is_refused_where_the_environment_wants_it(
        self, readings: Readings
    ) -> None:
        readings.log("request-1", 0.7)

        outcomes = readings.book("refuse").write([row(prediction_id="request-2"), row()])

        assert statuses(outcomes) == ["refused", "written"]
        assert "prediction_id = 'request-2': no such prediction" in str(outcomes[0].reason)

    @pytest.mark.parametrize(
        ("prediction", "known"),
        [
            ("study", True),
            ("study#1", True),
            ("study#2", False),
            ("study#0", False),
            ("study#01", False),
            ("study#", False),
            ("study%", False),
            ("stud_", False),
            ("Study", False),
        ],
    )
    def test_a_further_image_is_known_by_its_position_and_nothing_is_known_by_half(
        self, readings: Readings, prediction: str, known: bool
    ) -> None:
        readings.log("study", 0.1, 0.9)

        (outcome,) = readings.book().write([row(prediction_id=prediction)])

        assert outcome.pending is not known

    def test_an_image_that_its_request_has_not_is_refused(self, readings: Readings) -> None:
        databricks_id = readings.log("study", 0.1, 0.9)

        outcomes = readings.book().write(
            [row(prediction_id="study#2"), row(prediction_id=f"{databricks_id}#7")]
        )

        assert statuses(outcomes) == ["refused", "refused"]
        assert "its request has 2, counted from 0" in str(outcomes[0].reason)

    @pytest.mark.parametrize("mark", ["shadow-", "replay-"])
    def test_what_was_asked_to_compare_arms_takes_no_reading(
        self, readings: Readings, mark: str
    ) -> None:
        """No view has it, so that a reading of it would be confirmed and never count."""
        databricks_id = readings.log(f"{mark}request-1", 0.7, 0.1)
        names = (f"{mark}request-1", databricks_id, f"{mark}request-1#1")

        outcomes = readings.book().write([row(prediction_id=it) for it in names])

        assert statuses(outcomes) == ["refused"] * 3
        assert "to compare arms" in str(outcomes[0].reason)

    def test_a_verdict_of_another_test_is_refused(self, readings: Readings) -> None:
        readings.log("request-1", 0.7)
        both = f"{readings.schema}.second_test_payload,{readings.payload_table}"
        labels = ("benign", "malignant", "NORMAL", "PNEUMONIA")
        book = readings.book(payload_table=both, labels=labels)
        said = ("malignant", "PNEUMONIA", "INDETERMINATE")

        outcomes = book.write([row(ground_truth=it) for it in said])

        assert statuses(outcomes) == ["refused", "written", "written"]
        assert "'malignant': on this prediction readers say one of INDETERMINATE, NORMAL" in str(
            outcomes[0].reason
        )

    def test_a_request_that_failed_has_no_prediction(self, readings: Readings) -> None:
        readings.log("request-1", status=400)

        (outcome,) = readings.book().write([row()])

        assert outcome.pending
        assert "none of a request that failed" in str(outcome.reason)

    def test_before_the_first_logged_request_all_are_unknown(self, readings: Readings) -> None:
        outcomes = [
            *readings.book("pending").write([row()]),
            *readings.book("refuse").write([row()]),
        ]

        assert statuses(outcomes) == ["written", "refused"]


class TestFailures:
    def test_a_statement_that_fails_fails_every_row_of_it(self, readings: Readings) -> None:
        book = readings.book(table=f"{readings.schema}.no_such_table")

        outcomes = book.write([row(feedback_id="a"), row(feedback_id="b", ground_truth="?")])

        assert statuses(outcomes) == ["failed", "refused"]
        assert "TABLE_OR_VIEW_NOT_FOUND" in str(outcomes[0].reason)

    def test_a_write_that_the_table_refuses_is_a_failed_row(self, readings: Readings) -> None:
        readings.workspace.rows(f"DROP TABLE {readings.table}")
        readings.workspace.rows(f"CREATE TABLE {readings.table} (feedback_id STRING NOT NULL)")

        assert statuses(readings.book().write([row()])) == ["failed"]
        assert readings.written() == []

    def test_a_workspace_that_is_not_there_is_a_failed_row(self, readings: Readings) -> None:
        book = readings.book(warehouse_id="no-such-warehouse")

        (outcome,) = book.write([row()])

        assert outcome.status == "failed"
        assert "no-such-warehouse" in str(outcome.reason)

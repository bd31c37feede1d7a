"""What a reading is, and what is none."""

from __future__ import annotations

import contextlib
import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.contract.tables import PREDICTION_FEEDBACK
from ml.feedback.reading import CONFIDENCES, GROUND_TRUTHS, InvalidReading, Reading

ROW: dict[str, Any] = {
    "feedback_id": "feedback-1",
    "prediction_id": "request-1",
    "radiologist_id": "reader@clinic.example",
    "ground_truth": "PNEUMONIA",
    "timestamp": "2026-03-02T12:00:00+00:00",
    "blind": True,
}


def test_its_fields_are_columns_of_the_table() -> None:
    columns = {column.name for column in PREDICTION_FEEDBACK.columns}

    assert set(Reading.from_row(ROW).as_row()) == columns - {"pending", "written_at"}


def test_what_must_be_said_is_not_null_in_the_table_since_its_beginning() -> None:
    required = {column.name for column in PREDICTION_FEEDBACK.columns if not column.nullable}

    assert required == set(ROW) - {"blind"}


@given(
    verdict=st.sampled_from(GROUND_TRUTHS),
    confidence=st.none() | st.sampled_from(CONFIDENCES),
    probability=st.none() | st.floats(min_value=0, max_value=1, exclude_min=True),
    time=st.datetimes(
        min_value=datetime.datetime(2000, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime.datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.timezones(),
    ),
    notes=st.none() | st.text(min_size=1).filter(lambda text: text.isprintable() and text.strip()),
)
def test_it_is_the_same_after_the_road_through_json(
    verdict: str,
    confidence: str | None,
    probability: float | None,
    time: datetime.datetime,
    notes: str | None,
) -> None:
    reading = Reading(
        feedback_id="feedback-1",
        prediction_id="request-1",
        radiologist_id="reader",
        ground_truth=verdict,
        timestamp=time,
        blind=False,
        confidence=confidence,
        notes=notes,
        sampling_probability=probability,
        output_shown_at=time + datetime.timedelta(seconds=3),
    )

    assert Reading.from_row(json.loads(json.dumps(reading.as_row()))) == reading


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("feedback_id", "", "a text of 1 to 256 characters"),
        ("feedback_id", 7, "a text of 1 to 256 characters"),
        ("prediction_id", "x" * 257, "a text of 1 to 256 characters"),
        ("radiologist_id", "a\x00b", "no control characters"),
        ("radiologist_id", "a\nb", "no control characters"),
        ("notes", "\ud800", "no control characters"),
        ("notes", "x" * 4001, "a text of 1 to 4000 characters"),
        ("ground_truth", "pneumonia", "one of NORMAL, PNEUMONIA, INDETERMINATE"),
        ("ground_truth", ["NORMAL"], "one of NORMAL, PNEUMONIA, INDETERMINATE"),
        ("confidence", "confirmed", "one of LOW, MEDIUM, HIGH"),
        ("timestamp", "2026-03-02T12:00:00", "ISO 8601 with its offset"),
        ("timestamp", "yesterday", "ISO 8601 with its offset"),
        ("timestamp", 1772452800, "ISO 8601 with its offset"),
        ("timestamp", "1970-01-01T00:00:00+00:00", "a time since 2000"),
        ("timestamp", "9999-12-31T23:59:59-12:00", "a time since 2000"),
        ("blind", "true", "true or false"),
        ("blind", 1, "true or false"),
        ("sampling_probability", 0.0, "above 0, at most 1"),
        ("sampling_probability", 1.5, "above 0, at most 1"),
        ("sampling_probability", float("nan"), "above 0, at most 1"),
        ("sampling_probability", True, "above 0, at most 1"),
        ("supersedes", "feedback-1", "does not supersede itself"),
        ("output_shown_at", "2026-03-02T11:59:59+00:00", "shown after the decision"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_field_value_and_rule(
    field: str, value: object, rule: str
) -> None:
    with pytest.raises(InvalidReading) as refused:
        Reading.from_row({**ROW, field: value})

    (problem,) = refused.value.problems
    assert problem.field == field
    assert rule in problem.rule
    assert problem.way_out


@pytest.mark.parametrize("field", sorted(ROW))
def test_what_is_required_is_asked_for(field: str) -> None:
    row = {name: value for name, value in ROW.items() if name != field}

    with pytest.raises(InvalidReading, match=f"{field}: is required"):
        Reading.from_row(row)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(InvalidReading) as refused:
        Reading.from_row({**ROW, "blind": None, "ground_truth": "sick", "reader": "x"})

    assert {it.field for it in refused.value.problems} == {"blind", "ground_truth", "reader"}


def test_a_misspelt_field_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(InvalidReading, match="did you mean radiologist_id"):
        Reading.from_row({**ROW, "radiologistid": "x"})


def test_a_row_of_text_is_a_reading() -> None:
    text = {**ROW, "blind": "true", "sampling_probability": "0.25", "notes": ""}

    reading = Reading.from_text(text)

    assert (reading.blind, reading.sampling_probability, reading.notes) == (True, 0.25, None)


def test_text_that_is_no_number_is_refused_as_it_was_written() -> None:
    with pytest.raises(InvalidReading, match="sampling_probability = 'a half'"):
        Reading.from_text({**ROW, "blind": "true", "sampling_probability": "a half"})


@given(
    st.dictionaries(
        st.sampled_from([*ROW, "notes", "supersedes", "confidence", "output_shown_at"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_whatever_json_comes_is_a_reading_or_refused(row: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidReading):
        assert Reading.from_row({**ROW, **row}).as_row()

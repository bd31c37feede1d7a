"""The book of readings: rows are added to it, and none is ever changed.

Every value goes to the warehouse inside named parameters; the statements are constants.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Self

from ml.contract.tables import PREDICTION_FEEDBACK
from ml.feedback.logged import LoggedPredictions, Prediction, name_of
from ml.feedback.reading import InvalidReading, Reading
from ml.feedback.setting import Setting
from ml.workspace.connection import WorkspaceError
from ml.workspace.warehouse import Row, Warehouse

Status = Literal["written", "refused", "failed"]

ROWS_A_STATEMENT: Final = 2_000
"""A statement with its parameters may have 16 MiB; a reading of the longest notes has 6 kB."""

_CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)

_BY_THE_WAREHOUSE: Final = "written_at"
_COLUMNS: Final = tuple(it for it in PREDICTION_FEEDBACK.columns if it.name != _BY_THE_WAREHOUSE)
_OF_THE_READING: Final = tuple(it.name for it in _COLUMNS if it.name != "pending")


def _write_statement() -> str:
    # Times travel as text: a cast reads every form of ISO 8601, from_json's TIMESTAMP does not.
    types = {it.name: "STRING" if it.type == "TIMESTAMP" else it.type for it in _COLUMNS}
    fields = ", ".join(f"{name}: {type_}" for name, type_ in types.items())
    values = ", ".join(
        f"CAST(reading.{it.name} AS TIMESTAMP) AS {it.name}"
        if it.type == "TIMESTAMP"
        else f"reading.{it.name}"
        for it in _COLUMNS
    )
    names = ", ".join(types)
    inserted = ", ".join(f"arriving.{name}" for name in types)
    return f"""
MERGE INTO IDENTIFIER(:table) AS known
USING (
  SELECT {values}
  FROM (SELECT explode(from_json(:readings, 'ARRAY<STRUCT<{fields}>>')) AS reading)
) AS arriving
ON known.feedback_id = arriving.feedback_id
WHEN NOT MATCHED THEN INSERT ({names}, {_BY_THE_WAREHOUSE})
VALUES ({inserted}, current_timestamp())
"""  # noqa: S608 - the columns are constants, the values parameters


_WRITE: Final = _write_statement()

_KNOWN_READINGS: Final = f"""
SELECT {", ".join(f"known.{name}" for name in _OF_THE_READING)}
FROM IDENTIFIER(:table) AS known
JOIN (SELECT explode(from_json(:feedback_ids, 'ARRAY<STRING>')) AS feedback_id) AS asked
ON known.feedback_id = asked.feedback_id
"""  # noqa: S608 - the columns are constants


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What a feedback id stands for, in the table or earlier in the batch."""

    radiologist_id: str
    prediction_id: str
    reading: Reading | None
    """None for a row that is older than the rules."""

    @classmethod
    def of(cls, reading: Reading) -> Self:
        return cls(
            radiologist_id=reading.radiologist_id,
            prediction_id=reading.prediction_id,
            reading=reading,
        )

    def under(self, recorded: Mapping[str, Prediction]) -> "_Known":
        """The same by the id that its prediction has: it may have been written before the request
        was logged, by Databricks' id of it."""
        prediction_id = name_of(self.prediction_id, recorded)
        reading = self.reading and replace(self.reading, prediction_id=prediction_id)
        return replace(self, prediction_id=prediction_id, reading=reading)

    @classmethod
    def of_row(cls, row: Row) -> Self:
        try:
            reading = Reading.from_text(row, verdicts=None)
        except InvalidReading:
            reading = None
        return cls(
            radiologist_id=str(row["radiologist_id"]),
            prediction_id=str(row["prediction_id"]),
            reading=reading,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one row."""

    feedback_id: str | None
    status: Status
    pending: bool | None = None
    """Of a written one: whether its prediction is not in the inference table yet."""
    reason: str | None = None
    """Why it was not written, or does not count yet."""

    def as_row(self) -> dict[str, str | bool | None]:
        """A row of the endpoint's answer."""
        return {
            "feedback_id": self.feedback_id,
            "status": self.status,
            "pending": self.pending,
            "reason": self.reason,
        }


class ReadingBook:
    """The table of one environment. Thread-safe."""

    def __init__(self, warehouse: Warehouse, setting: Setting) -> None:
        self._warehouse = warehouse
        self._setting = setting
        self._logged = LoggedPredictions(warehouse, setting.payloads)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> list[Outcome]:
        """One outcome for each row, in order; nothing is raised for a row.

        A row that is in the table already, word for word, counts as written: a retry changes
        nothing. A statement that fails fails every row that it was to write.
        """
        given = list(rows)
        outcomes: list[Outcome] = []
        for start in range(0, len(given), ROWS_A_STATEMENT):
            outcomes += self._write_some(given[start : start + ROWS_A_STATEMENT])
        return outcomes

    def _write_some(self, rows: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        readings: dict[int, Reading] = {}
        for index, row in enumerate(rows):
            try:
                readings[index] = _checked(row, self._setting.verdicts)
            except InvalidReading as invalid:
                outcomes[index] = _refused(row.get("feedback_id"), str(invalid))
        if readings:
            try:
                outcomes |= self._settle(readings)
            except WorkspaceError as error:
                # What was written nevertheless is found by the retry, under the same ids.
                for index, reading in readings.items():
                    outcomes[index] = Outcome(
                        feedback_id=reading.feedback_id, status="failed", reason=str(error)
                    )
        return [outcomes[index] for index in range(len(rows))]

    def _settle(self, readings: Mapping[int, Reading]) -> dict[int, Outcome]:
        known = self._known_readings(readings.values())
        recorded = self._logged.predictions({it.prediction_id for it in readings.values()})
        outcomes: dict[int, Outcome] = {}
        arriving: dict[str, Reading] = {}
        given, readings = (
            readings,
            {
                index: replace(it, prediction_id=name_of(it.prediction_id, recorded))
                for index, it in readings.items()
            },
        )
        for index, reading in readings.items():
            prediction = recorded.get(given[index].prediction_id)
            is_recorded = prediction is not None
            if is_recorded and (before := known.get(reading.feedback_id)):
                known[reading.feedback_id] = before.under(recorded)
            if is_recorded and reading.supersedes and (before := known.get(reading.supersedes)):
                known[reading.supersedes] = before.under(recorded)
            if prediction and prediction.problem:
                named = f"prediction_id = {given[index].prediction_id!r}"
                outcomes[index] = _refused(reading.feedback_id, f"{named}: {prediction.problem}")
                continue
            if reason := self._objection(reading, known, prediction):
                outcomes[index] = _refused(reading.feedback_id, reason)
                continue
            if reading.feedback_id not in known:
                known[reading.feedback_id] = _Known.of(reading)
                arriving[reading.feedback_id] = reading
            outcomes[index] = Outcome(
                feedback_id=reading.feedback_id,
                status="written",
                pending=not is_recorded,
                reason=None if is_recorded else self._lacking(reading),
            )
        names = {it.name for it in recorded.values()}
        if arriving and self._insert(arriving.values(), names) != len(arriving):
            # Somebody else has written some of these ids meanwhile: with the same readings?
            there = self._known_readings(arriving.values())
            for index, reading in readings.items():
                if outcomes[index].status != "written" or reading.feedback_id not in arriving:
                    continue
                found = there.get(reading.feedback_id)
                if found is None or found.reading != reading:
                    outcomes[index] = _refused(reading.feedback_id, _OTHER_READING)
        return outcomes

    def _objection(
        self,
        reading: Reading,
        known: Mapping[str, _Known],
        prediction: Prediction | None,
    ) -> str | None:
        """Why a valid reading is not written."""
        if (before := known.get(reading.feedback_id)) is not None:
            return None if before.reading == reading else _OTHER_READING
        if reading.supersedes is not None:
            corrected = known.get(reading.supersedes)
            if corrected is None:
                return (
                    f"supersedes = {reading.supersedes!r}: there is no such reading; send it "
                    "before its correction"
                )
            if (corrected.radiologist_id, corrected.prediction_id) != (
                reading.radiologist_id,
                reading.prediction_id,
            ):
                return (
                    f"supersedes = {reading.supersedes!r}: a reader corrects an own reading of the "
                    "same prediction; leave supersedes out"
                )
        if prediction is None:
            refused = self._setting.unknown_request == "refuse"
            return (
                f"{self._lacking(reading)}. Send it later, or correct the id" if refused else None
            )
        if reading.ground_truth not in prediction.verdicts:
            return (
                f"ground_truth = {reading.ground_truth!r}: on this prediction readers say one of "
                f"{', '.join(sorted(prediction.verdicts))}; correct one of the two"
            )
        return None

    def _lacking(self, reading: Reading) -> str:
        """What is said of a reading whose prediction is not there, or not yet."""
        tables = " or ".join(it.table for it in self._setting.payloads) or "any inference table"
        return (
            f"prediction_id = {reading.prediction_id!r}: no such prediction is in {tables}; rows "
            "arrive there up to an hour after the answer, and none of a request that failed"
        )

    def _known_readings(self, readings: Iterable[Reading]) -> dict[str, _Known]:
        """What the table has under these ids and under those that they supersede."""
        ids = {
            feedback_id
            for reading in readings
            for feedback_id in (reading.feedback_id, reading.supersedes)
            if feedback_id is not None
        }
        rows = self._warehouse.execute(
            _KNOWN_READINGS, table=self._setting.table, feedback_ids=json.dumps(sorted(ids))
        )
        return {str(row["feedback_id"]): _Known.of_row(row) for row in rows}

    def _insert(self, readings: Iterable[Reading], recorded: set[str]) -> int:
        rows = [
            {**reading.as_row(), "pending": reading.prediction_id not in recorded}
            for reading in readings
        ]
        (counts,) = self._warehouse.execute(
            _WRITE, table=self._setting.table, readings=json.dumps(rows)
        )
        return int(counts["num_inserted_rows"] or 0)


_OTHER_READING: Final = (
    "feedback_id: another reading has this id, and readings are never changed; give a correction "
    "an id of its own and name this one in supersedes"
)


def _checked(row: Mapping[str, Any], verdicts: Sequence[str]) -> Reading:
    reading = Reading.from_row(row, verdicts)
    if reading.timestamp > datetime.now(UTC) + _CLOCKS_DIFFER_BY:
        raise InvalidReading.of(
            "timestamp",
            reading.timestamp,
            rule="lies in the future",
            way_out="set the clock that it comes from",
        )
    return reading


def _refused(feedback_id: object, reason: str) -> Outcome:
    named = feedback_id if isinstance(feedback_id, str) else None
    return Outcome(feedback_id=named, status="refused", reason=reason)

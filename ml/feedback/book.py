"""The book of readings: rows are added to it, and none is ever changed.

Every value goes to the warehouse inside named parameters; the statements are constants.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Self

from ml.contract.tables import PREDICTION_FEEDBACK
from ml.contract.task import PNEUMONIA
from ml.feedback.reading import InvalidReading, Reading
from ml.feedback.setting import Setting
from ml.workspace.connection import WorkspaceError
from ml.workspace.warehouse import Row, StatementError, Warehouse

Status = Literal["written", "refused", "failed"]

ROWS_A_STATEMENT: Final = 2_000
"""A statement with its parameters may have 16 MiB; a reading of the longest notes has 6 kB."""

_CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)

_FURTHER_IMAGE: Final = re.compile(r"(?P<request>.+)#(?P<image>[1-9]\d{0,6})", re.DOTALL)
"""A prediction that is not the first of its request, as the view of the predictions names it."""

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

_ANSWER: Final = PNEUMONIA.answer_type

# By either id, each with a join of its own: one over both would compare every row with every row.
_KNOWN_REQUESTS: Final = "\nUNION ALL\n".join(
    f"""
SELECT
  asked.request_id,
  COALESCE(logged.client_request_id, logged.databricks_request_id) AS named,
  size(from_json(logged.response, 'predictions ARRAY<{_ANSWER}>').predictions) AS images
FROM IDENTIFIER(:payload_table) AS logged
JOIN (SELECT explode(from_json(:request_ids, 'ARRAY<STRING>')) AS request_id) AS asked
ON logged.{column} = asked.request_id
WHERE logged.status_code = 200
"""  # noqa: S608 - the columns are constants
    for column in ("client_request_id", "databricks_request_id")
)

_NO_SUCH_TABLE: Final = "TABLE_OR_VIEW_NOT_FOUND"


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

    def under(self, names: Mapping[str, str]) -> "_Known":
        """The same by the id that its prediction has: it may have been written before the request
        was logged, by Databricks' id of it."""
        prediction_id = names.get(self.prediction_id, self.prediction_id)
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
        recorded = self._recorded(readings.values())
        outcomes: dict[int, Outcome] = {}
        arriving: dict[str, Reading] = {}
        given, readings = (
            readings,
            {
                index: replace(it, prediction_id=recorded.get(it.prediction_id, it.prediction_id))
                for index, it in readings.items()
            },
        )
        for index, reading in readings.items():
            is_recorded = given[index].prediction_id in recorded
            if is_recorded and (before := known.get(reading.feedback_id)):
                known[reading.feedback_id] = before.under(recorded)
            if is_recorded and reading.supersedes and (before := known.get(reading.supersedes)):
                known[reading.supersedes] = before.under(recorded)
            if reason := self._objection(reading, known, recorded=is_recorded):
                outcomes[index] = _refused(reading.feedback_id, reason)
                continue
            if reading.feedback_id not in known:
                known[reading.feedback_id] = _Known.of(reading)
                arriving[reading.feedback_id] = reading
            outcomes[index] = Outcome(
                feedback_id=reading.feedback_id, status="written", pending=not is_recorded
            )
        names = {*recorded.values()}
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
        *,
        recorded: bool,
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
        if not recorded and self._setting.unknown_request == "refuse":
            return (
                f"prediction_id = {reading.prediction_id!r}: no such prediction is in "
                f"{' or '.join(table for table, _ in self._setting.payloads)}; rows arrive "
                "there up to an hour after the answer. Send it later, or correct the id"
            )
        return None

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

    def _recorded(self, readings: Iterable[Reading]) -> dict[str, str]:
        """Those of their predictions that the inference table has, under the id that was given,
        and by what the view of the predictions names them: the client's id where there is one."""
        predictions = {reading.prediction_id for reading in readings}
        if not self._setting.payloads:
            return {}
        further = {it: found for it in predictions if (found := _FURTHER_IMAGE.fullmatch(it))}
        requests = predictions | {found["request"] for found in further.values()}
        rows = [
            row
            for payload_table, answer_type in self._setting.payloads
            for row in self._logged(payload_table, answer_type, requests)
        ]
        images: dict[str, int] = {}
        names: dict[str, str] = {}
        for row in rows:
            request = str(row["request_id"])
            images[request] = max(images.get(request, 0), int(row["images"] or 0))
            names.setdefault(request, str(row["named"]))
        known = {it: names[it] for it in predictions if images.get(it, 0) > 0}
        for it, found in further.items():
            if images.get(found["request"], 0) > int(found["image"]):
                known.setdefault(it, f"{names[found['request']]}#{found['image']}")
        return known

    def _logged(
        self, payload_table: str, answer_type: str, requests: Iterable[str]
    ) -> Sequence[Row]:
        """What an inference table has of requests."""
        try:
            return self._warehouse.execute(
                _KNOWN_REQUESTS.replace(_ANSWER, answer_type),
                payload_table=payload_table,
                request_ids=json.dumps(sorted(requests)),
            )
        except StatementError as error:
            if _NO_SUCH_TABLE not in str(error):
                raise
            return []  # serving creates the table with the first request that it logs

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

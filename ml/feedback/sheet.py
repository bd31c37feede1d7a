"""A sheet of readings: a CSV file, a reading a line, with the fields of a reading as its head."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from ml.contract.errors import UserError
from ml.data.text_file import NotText, sheet_in
from ml.feedback.reading import GROUND_TRUTHS, InvalidReading, Reading

FIELDS: Final = tuple(field.name for field in fields(Reading))
_WITHOUT_ID: Final = tuple(name for name in FIELDS if name != "feedback_id")


class InvalidSheet(UserError):
    """The file is no sheet of readings."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the file, and the reading or what is wrong with it."""

    number: int
    """In the file, the head being line 1."""
    reading: Reading | None
    problem: str | None


def read(file: Path, verdicts: Sequence[str] = GROUND_TRUTHS) -> list[Line]:
    """Every line of a sheet.

    A column `feedback_id` may be left out: a line has an id of what it says then, so that the same
    line has the same id, and a changed one another. Raises InvalidSheet.
    """
    try:
        rows = sheet_in(file, FIELDS)
        _require_head(file, list(rows.fieldnames or ()))
        return list(_lines(rows, verdicts))
    except NotText as error:
        raise InvalidSheet(str(error)) from error
    except csv.Error as error:
        raise InvalidSheet(f"{file} is no CSV file: {error}. Save it as 'CSV UTF-8'.") from error


def _require_head(file: Path, head: list[str]) -> None:
    required = [it.name for it in fields(Reading) if it.default is not None]
    unknown = [name for name in head if name not in FIELDS]
    missing = [name for name in required if name not in head and name != "feedback_id"]
    if unknown or missing or len(set(head)) != len(head):
        problems = [
            *(f"no column {name}" for name in missing),
            *(f"an unknown column {name!r}" for name in unknown),
            *(["a column twice"] if len(set(head)) != len(head) else []),
        ]
        raise InvalidSheet(
            f"{file}: line 1 is not the head of a sheet of readings: {'; '.join(problems)}. The "
            f"columns are {', '.join(FIELDS)}; {', '.join(required[1:])} must be there."
        )


def _lines(rows: "csv.DictReader[str]", verdicts: Sequence[str]) -> Iterator[Line]:
    for row in rows:
        number = rows.line_num
        if None in row or None in row.values():
            yield Line(number=number, reading=None, problem="has not the columns of line 1")
            continue
        said = {name: value.strip() or None for name, value in row.items()}
        said["feedback_id"] = said.get("feedback_id") or _id_of(said)
        try:
            yield Line(number=number, reading=Reading.from_text(said, verdicts), problem=None)
        except InvalidReading as invalid:
            yield Line(number=number, reading=None, problem="; ".join(map(str, invalid.problems)))


def _id_of(said: dict[str, str | None]) -> str:
    text = "\x1f".join(f"{name}={said.get(name) or ''}" for name in _WITHOUT_ID)
    return str(uuid5(NAMESPACE_URL, f"reading:{text}"))

"""Rows that are to be asked about: a CSV or a Parquet file with the columns of a task.

Columns that the task does not name are left where they are: a label among them is not sent.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ml.contract.errors import InvalidData, UserError
from ml.contract.task import TableInput
from ml.data.by_duckdb import exactly, offline
from ml.data.text_file import NotText, sheet_in
from ml.prediction.asking import OfRows

_PARQUET: Final = (".parquet", ".pq")


@dataclass(frozen=True, kw_only=True)
class RowOfFile:
    """One row of a file."""

    name: str
    """The row's own id where the task names a column for it, else the file and the line."""
    row: Mapping[str, Any]
    identity: str
    asking: OfRows
    truth: str | None = None
    """What a column of truths says of it, where one was named; None where that is empty."""

    def read(self) -> bytes:
        """The row as JSON. Raises InvalidData."""
        return self.asking.content(self.row, self.identity)


def rows_in(file: Path, columns: TableInput, truth: str | None = None) -> list[RowOfFile]:
    """The rows of a file, in its order, each with its `truth`, a further column.

    Raises UserError.
    """
    asking, found = OfRows(input=columns), []
    seen: dict[str, int] = {}
    wanted = [*columns.columns, *([columns.id] if columns.id else []), *([truth] if truth else [])]
    for line, row in _rows(file, wanted, truth):
        identity = str(row[columns.id]).strip() if columns.id else ""
        if columns.id and (not identity or seen.setdefault(identity, line) != line):
            raise UserError(
                f"{file}, row {line}: {columns.id} = {identity!r} is empty, or that of row "
                f"{seen.get(identity, line)} too. It tells rows apart: give each its own."
            )
        values = {name: row[name] for name in columns.columns}
        try:
            asking.checked(values)
        except InvalidData as error:
            raise UserError(f"{file}, row {line}: {error}") from error
        name = identity or f"{file.name}:{line}"
        said = str(row[truth]).strip() if truth and row[truth] is not None else ""
        found.append(
            RowOfFile(name=name, row=values, identity=identity, asking=asking, truth=said or None)
        )
    if not found:
        raise UserError(f"{file}: there is no row. Name a file with rows under its head.")
    return found


def _rows(
    file: Path, wanted: list[str], truth: str | None
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if not file.is_file():
        raise UserError(
            f"{str(file)[:200]}: there is no such file. Name a CSV or a Parquet file of rows."
        )
    is_parquet = file.suffix.lower() in _PARQUET
    names, rows = _of_parquet(file) if is_parquet else _of_csv(file, wanted)
    lacking = [name for name in wanted if name not in names]
    if lacking:
        raise UserError(
            f"{file}: no column {', '.join(lacking[:5])}; it has {', '.join(names[:20])}. The "
            "task of the environment's test says which columns there are"
            + (", and --truth which one holds the label." if truth else ".")
        )
    try:
        yield from enumerate(rows, start=1)
    except csv.Error as error:
        raise UserError(f"{file} is no CSV file: {error}. Save it as 'CSV UTF-8'.") from error


def _of_csv(file: Path, wanted: list[str]) -> tuple[list[str], Iterator[Mapping[str, Any]]]:
    try:
        sheet = sheet_in(file, wanted)
        return list(sheet.fieldnames or ()), sheet
    except NotText as error:
        raise UserError(str(error)) from error


def _of_parquet(file: Path) -> tuple[list[str], Iterator[Mapping[str, Any]]]:
    import duckdb

    try:
        read = offline().from_parquet(exactly(file))
        names, rows = list(read.columns), read.fetchall()
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise UserError(f"{file}: cannot be read as Parquet: {first}") from error
    return names, (dict(zip(names, row, strict=True)) for row in rows)

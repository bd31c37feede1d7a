"""Labelled rows in a file: Parquet, in parts too, or a DuckDB database. Read only, and counted by
DuckDB, into whose SQL sqlglot translates the statements."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml.contract.errors import UserError
from ml.contract.task import PNEUMONIA, Task
from ml.data.by_duckdb import exactly, offline, text_of
from ml.data.file_name import files_below
from ml.verdict.counting.counts import Counted, by_name, texts
from ml.verdict.counting.queries import Queries, of_a_file, used
from ml.verdict.counting.rows import assumed, missing, projection, refuse_subgroups

if TYPE_CHECKING:
    import duckdb

LABELLED: Final = "labelled"
"""The table or view of a database that has the rows; with a prefix and '_', as a workspace's."""

_MEMORY: Final = "1GB"
"""What DuckDB may hold before it writes to disk; the rest of the process needs its share too."""

_UNKNOWN: Final = """
SELECT CAST(ground_truth AS VARCHAR) AS said, count(*) AS rows FROM logged_rows
WHERE NOT list_contains($verdicts, said) GROUP BY said ORDER BY rows DESC, said
"""
_NOT_SAID: Final = """
SELECT 1 FROM ($rows) AS logged
WHERE chosen IS NULL AND ground_truth IS NULL AND probability IS NOT NULL AND answer_number = 1
LIMIT 1
"""
_KEYS: Final = "* REPLACE (NULLIF(TRIM(CAST(patient_key AS VARCHAR)), '') AS patient_key)"
"""A key of spaces alone is none: else all films without one would be one patient's."""
_IDENTITY: Final = "HASH(prediction_id)"
"""Equal where the ids are, and much smaller."""
_NAMED: Final = 5

_OTHERS: Final = (
    (
        b"SQLite format 3\x00",
        "is an SQLite database, as a journal of python -m ml.predict is: --journal takes that, "
        "beside --data or the workspace's rows",
    ),
    (
        b"request_id,target,",
        "is a journal's answers, as python -m ml.compare keeps them: --journal takes that",
    ),
    (
        b"film,ground_truth,",
        "is the answers of a replay: python -m ml.replay --answers takes that",
    ),
)
"""How files begin that are given by mistake, and what to say of them."""

_DATABASES: Final = (".duckdb", ".ddb", ".db")
_NOT_PARQUET: Final = ("No magic bytes", "too small to be a Parquet file")
_UNFINISHED: Final = {
    "_temporary": "Spark has not finished writing it",
    "_delta_log": "it is a Delta table, whose files may hold rows that were deleted",
    "metadata": "it may be an Iceberg table, whose files may hold rows that were deleted",
}
_PARQUET: Final = b"PAR1"
_MAGIC: Final = slice(8, 12), b"DUCK"
"""Where a database says that it is one."""


def labelled_file(file: Path, subgroups: Sequence[str], task: Task = PNEUMONIA) -> "LabelledFile":
    """The rows of a file, whichever kind it is. Raises UserError."""
    try:
        if file.is_dir():
            return ParquetParts(file, subgroups, task)
        with file.open("rb") as stream:
            head = stream.read(64)
    except FileNotFoundError as error:
        raise UserError(
            f"{file}: there is no such file. --data takes a Parquet or a DuckDB file, or a folder "
            "of Parquet parts."
        ) from error
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}.") from error
    for beginning, what in _OTHERS:
        if head.startswith(beginning):
            raise UserError(f"{file}: {what}.")
    place, magic = _MAGIC
    is_database = head[place] == magic or file.suffix.lower() in _DATABASES
    return (DuckDBFile if is_database else ParquetFile)(file, subgroups, task)


class LabelledFile(ABC):
    """Labelled rows in a file. Raises UserError."""

    def __init__(self, file: Path, subgroups: Sequence[str], task: Task = PNEUMONIA) -> None:
        refuse_subgroups(subgroups)
        self._file = file
        self._connection = offline()
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute(f"SET memory_limit = '{_MEMORY}'")
        self._place = ""
        with self._explained():
            logged = self._opened(self._connection)
        lacking = missing(logged.columns, subgroups)
        if lacking:
            named = [name for name in lacking if name in subgroups]
            raise UserError(
                f"{file}: {self._place}no column {', '.join(lacking)}; it has "
                f"{', '.join(logged.columns)}. "
                + (f"The experiment names {', '.join(named)} in subgroups. " if named else "")
                + "infra/experiments/README.md says what a row holds."
            )
        with self._explained():
            if any(name.lower() == "patient_key" for name in logged.columns):
                logged = logged.project(_KEYS)
            logged.create_view("logged_rows")
            unknown = self._connection.execute(
                _UNKNOWN, {"verdicts": list(task.verdicts)}
            ).fetchall()
        if unknown:
            told = ", ".join(f"{said!r} ({rows} rows)" for said, rows in unknown[:_NAMED])
            more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
            raise UserError(
                f"{file}: ground_truth has unknown values: {told}{more}. Known are "
                f"{', '.join(task.verdicts)}, and NULL for an answer that is unread. Write those."
            )
        columns = projection(logged.columns, subgroups)
        rows = f"SELECT {columns} FROM logged_rows"  # noqa: S608 - declared names
        a_patient = f"SELECT 1 FROM ({rows}) AS logged WHERE patient_key IS NOT NULL LIMIT 1"  # noqa: S608
        self._patients_are_known = self._execute(a_patient, {}).fetchone() is not None
        self.relations = of_a_file(rows, subgroups, task, _IDENTITY)
        self.assumed = assumed(logged.columns)
        # A column that is empty where it matters says nothing.
        if (
            "chosen" not in self.assumed
            and self._execute(_NOT_SAID.replace("$rows", rows), {}).fetchone()
        ):
            self.assumed = (*self.assumed, "chosen")

    @abstractmethod
    def _opened(self, connection: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyRelation":
        """The rows as they are."""

    @property
    def origin(self) -> Mapping[str, str]:
        """The file's name and its SHA-256."""
        with self._file.open("rb") as stream:
            return {
                "file": self._file.name,
                "sha256": hashlib.file_digest(stream, "sha256").hexdigest(),
            }

    def extent(self, queries: Queries, as_of: datetime | None) -> Counted:
        """How much there is, and until when. Raises UserError."""
        return self._run(queries.extent, queries.of_the_extent(as_of))

    def counts(self, queries: Queries, parameters: Mapping[str, str]) -> dict[str, Counted]:
        """The counts of the cases, by name. Raises UserError."""
        # Counted twice as they are read: to write them all once takes longer, and more memory.
        nobody = "" if self._patients_are_known else "\nLIMIT 0"
        counts = self._run(f"WITH cases AS ({queries.cases}) {queries.counts}", parameters)
        units = self._run(f"WITH cases AS ({queries.cases}{nobody}) {queries.units}", parameters)
        return by_name(queries, counts, units)

    def logged(self, queries: Queries, ids: Sequence[str]) -> set[str]:
        """Those of the ids that the rows have. Raises UserError."""
        return {
            prediction_id
            for text in texts(ids)
            for (prediction_id,) in self._execute(queries.logged, {"ids": text}).fetchall()
        }

    def _run(self, statement: str, parameters: Mapping[str, str]) -> Counted:
        return self._execute(statement, parameters).fetchnumpy()

    def _execute(
        self, statement: str, parameters: Mapping[str, str]
    ) -> "duckdb.DuckDBPyConnection":
        with self._explained():
            return self._connection.execute(_in_duckdb(statement), used(statement, parameters))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            raise UserError(f"{self._file}: {self._explanation(_first_line(error))}") from error

    def _explanation(self, reason: str) -> str:
        """What DuckDB's words mean for whoever gave the file."""
        return f"cannot be read as labelled rows: {reason}"


class ParquetFile(LabelledFile):
    """Labelled rows in a Parquet file."""

    def _opened(self, connection: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyRelation":
        return connection.read_parquet(exactly(self._file))

    def _explanation(self, reason: str) -> str:
        if any(it in reason for it in _NOT_PARQUET):
            return (
                "is no Parquet file, or not all of one. --data takes a Parquet or a DuckDB file, "
                "or a folder of Parquet parts."
            )
        return super()._explanation(reason)


class ParquetParts(LabelledFile):
    """Labelled rows in a folder of Parquet files, as Spark writes them; `a=b/` is a column."""

    def _opened(self, connection: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyRelation":
        for name, what in _UNFINISHED.items():
            if (self._file / name).exists():
                raise UserError(
                    f"{self._file}: {what} ({name}). Name the folder of a finished "
                    "DataFrame.write.parquet(...)."
                )
        self._parts = [
            part
            for part in files_below(self._file)
            # What begins so is hidden, to Spark too.
            if not any(it.startswith("_") for it in part.relative_to(self._file).parts)
            and _is_parquet(part)
        ]
        if not self._parts:
            raise UserError(
                f"{self._file}: no Parquet file is in this folder. --data takes a Parquet or a "
                "DuckDB file, or a folder of Parquet parts."
            )
        return connection.read_parquet(
            [exactly(part) for part in self._parts],
            union_by_name=True,
            hive_partitioning=any("=" in it.parent.name for it in self._parts),
        )

    @property
    def origin(self) -> Mapping[str, str]:
        """The folder's name, and a SHA-256 over the names and contents of its parts."""
        digest = hashlib.sha256()
        for part in self._parts:
            with part.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{content}  {part.relative_to(self._file).as_posix()}\n".encode())
        return {
            "file": self._file.resolve().name,
            "parts": str(len(self._parts)),
            "sha256": digest.hexdigest(),
        }


class DuckDBFile(LabelledFile):
    """Labelled rows in a DuckDB database: its one table or view `labelled` or `..._labelled`."""

    def _opened(self, connection: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyRelation":
        # The digest of the origin is the file's; rows beside it would escape that.
        changes = self._file.with_name(f"{self._file.name}.wal")
        if changes.exists():
            raise UserError(
                f"{self._file}: {changes.name} beside it has changes that the file itself has not, "
                "because a process still writes to it, or has crashed. Let it end, or open the "
                "file once more for writing and run CHECKPOINT; then compare."
            )
        connection.execute(f"ATTACH {_text(text_of(self._file))} AS given (READ_ONLY)")
        connection.execute("SET enable_external_access = false")
        schema, name = self._found(connection)
        self._place = f"{schema}.{name} has "
        self._table = f"{schema}.{name}"
        return connection.sql(f"SELECT * FROM given.{_name(schema)}.{_name(name)}")  # noqa: S608 - quoted

    @property
    def origin(self) -> Mapping[str, str]:
        """The file's name and SHA-256, and the table in it."""
        return {**super().origin, "table": self._table}

    def _found(self, connection: "duckdb.DuckDBPyConnection") -> tuple[str, str]:
        there: list[tuple[str, str]] = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_catalog = 'given' ORDER BY ALL"
        ).fetchall()
        exact = [it for it in there if it[1].lower() == LABELLED]
        found = exact or [it for it in there if it[1].lower().endswith(f"_{LABELLED}")]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(".".join(it) for it in there) or "nothing"
        raise UserError(
            f"{self._file}: {len(found) or 'no'} tables or views are named {LABELLED} or "
            f"..._{LABELLED}; it has {listed}. Make one of them, with a row for each answer and "
            f"each reader's verdict: CREATE VIEW {LABELLED} AS SELECT ..."
        )

    def _explanation(self, reason: str) -> str:
        if "not a valid DuckDB database" in reason:
            return "is no DuckDB database, whatever its name says. --data takes a Parquet file too."
        if "lock on file" in reason:
            return (
                f"another process has it open for writing: {reason}. Let it end, or copy the file "
                "when it is closed, and compare the copy."
            )
        if "disabled by configuration" in reason:
            return (
                f"{self._table} reads from outside of the file, which its digest would not cover: "
                f"{reason}. Store the rows in it: CREATE TABLE {LABELLED} AS SELECT ..."
            )
        return super()._explanation(reason)


def _is_parquet(file: Path) -> bool:
    """By its name or its first bytes: no part is left out in silence."""
    if not file.is_file():
        return False
    if file.suffix.lower() == ".parquet":
        return True
    try:
        with file.open("rb") as stream:
            return stream.read(len(_PARQUET)) == _PARQUET
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}.") from error


@lru_cache(maxsize=64)
def _in_duckdb(statement: str) -> str:
    """The statement in DuckDB's SQL. Those of one experiment are translated once."""
    import sqlglot

    (translated,) = sqlglot.transpile(statement, read="databricks", write="duckdb")
    return translated


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

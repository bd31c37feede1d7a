"""Executes one Databricks SQL statement: parse, translate, run, collect the result."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import duckdb
from sqlglot import exp

from infra.local.catalog.tables import TableName
from infra.local.sql import errors
from infra.local.sql.alterations import Alterations
from infra.local.sql.bounds import STATEMENT_SECONDS, bounded
from infra.local.sql.ddl import Definitions
from infra.local.sql.dialect import (
    Parameter,
    Session,
    Translator,
    resolve_identifier_clauses,
)
from infra.local.sql.dml import Changes, Counts
from infra.local.sql.errors import StatementCanceled, StatementError, not_emulated
from infra.local.sql.inspection import Inspection, Listing
from infra.local.sql.parsing import parse, query_text
from infra.local.storage import datatypes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.catalog.namespaces import Namespaces
    from infra.local.catalog.tables import Tables
    from infra.local.storage.database import Database

DEFAULT_CATALOG: Final = "main"
DEFAULT_SCHEMA: Final = "default"

_FETCHED_AT_ONCE: Final = 1000
_STRING = datatypes.from_duckdb("VARCHAR")
_LONG = datatypes.from_duckdb("BIGINT")
_BOOLEAN = datatypes.from_duckdb("BOOLEAN")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a client asks for."""

    text: str
    parameters: Sequence[Parameter] = ()
    catalog: str | None = None
    schema: str | None = None
    row_limit: int | None = None
    byte_limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class ResultColumn:
    """A column's name and type."""

    name: str
    type: datatypes.ColumnType


@dataclass(frozen=True, kw_only=True)
class Result:
    """Rows as they go over the wire: every value a string or null."""

    columns: Sequence[ResultColumn] = ()
    rows: Sequence[Sequence[str | None]] = ()
    truncated: bool = False


@dataclass
class Cancellation:
    """Stops a statement from another thread."""

    _connection: duckdb.DuckDBPyConnection | None = None
    _requested: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Name the connection to interrupt; StatementCanceled if it is too late."""
        with self._lock:
            if self._requested:
                raise StatementCanceled
            self._connection = connection

    def check(self) -> None:
        """StatementCanceled if a cancel came between two steps of the statement."""
        if self._requested:
            raise StatementCanceled

    def request(self) -> None:
        """Interrupt the statement, running or not yet begun."""
        with self._lock:
            self._requested = True
            if self._connection is not None:
                self._connection.interrupt()


class Engine:
    """Databricks SQL for one workspace. Thread-safe: a connection per statement."""

    def __init__(
        self,
        database: Database,
        tables: Tables,
        namespaces: Namespaces,
        user: str,
        *,
        forms: frozenset[str] | None = None,
    ) -> None:
        """`forms` are those that are let through; None lets everything through."""
        self.seconds = STATEMENT_SECONDS
        """How long a statement may take; tests have less time."""
        self._forms = forms
        self._database = database
        self._tables = tables
        self._namespaces = namespaces
        self._user = user

    def execute(self, statement: Statement, cancellation: Cancellation | None = None) -> Result:
        """Run a statement to its end. Raises StatementError or StatementCanceled."""
        try:
            return self._execute(statement, cancellation or Cancellation())
        except RecursionError as error:
            raise errors.too_complex() from error

    def _execute(self, statement: Statement, cancellation: Cancellation) -> Result:
        session = self._session(statement)
        text = resolve_identifier_clauses(statement.text, session.parameters)
        expression = parse(text)
        if isinstance(expression, exp.Create | exp.Alter) and expression.args["kind"] == "VIEW":
            expression.meta["query"] = query_text(text)
        connection = self._database.cursor()
        try:
            with bounded(cancellation.request, self.seconds):
                cancellation.watch(connection)
                return self._run(expression, statement, session, connection, cancellation)
        finally:
            connection.close()

    def _run(
        self,
        expression: exp.Expr,
        statement: Statement,
        session: Session,
        connection: duckdb.DuckDBPyConnection,
        cancellation: Cancellation,
    ) -> Result:
        try:
            return self._dispatch(expression, statement, session, connection, cancellation)
        except duckdb.Error as error:
            failure = errors.from_duckdb(error)
            # Of a table that is being created, the reason is another.
            missing = isinstance(error, duckdb.CatalogException | duckdb.BinderException)
            raise (self._missing_table(expression) if missing else None) or failure from error
        except MemoryError as error:
            raise errors.out_of_memory() from error

    def _missing_table(self, expression: exp.Expr) -> StatementError | None:
        """The first table of a failed statement that does not exist, by its full name.

        DuckDB's own message leaves the catalog and schema out.
        """
        connection = self._database.cursor()
        created = expression.this if isinstance(expression, exp.Create) else None
        created = created.this if isinstance(created, exp.Schema) else created
        for table in expression.find_all(exp.Table):
            if table is created:
                continue
            if table.catalog and isinstance(table.this, exp.Identifier):
                name = TableName.of(table.catalog, table.db, table.name)
                if self._tables.find(connection, name) is None:
                    return errors.table_not_found(name.full_name)
        return None

    def _dispatch(
        self,
        expression: exp.Expr,
        statement: Statement,
        session: Session,
        connection: duckdb.DuckDBPyConnection,
        cancellation: Cancellation,
    ) -> Result:
        translator = Translator(
            session, lambda name: self._column_types(connection, name), self._forms
        )
        place = (connection, translator, self._tables, self._namespaces)
        definitions, alterations = Definitions(*place), Alterations(*place)
        if isinstance(expression, exp.Query):
            return self._query(expression, statement, connection, translator, cancellation)
        inspection = Inspection(connection, translator, definitions, self._tables, self._namespaces)
        match expression:
            case exp.Describe():
                return _listing(inspection.describe(expression))
            case exp.Command(this="SHOW"):
                return _listing(inspection.show(expression.text("expression")))
            case exp.Use():
                return self._use(expression)
            case exp.Command(this="ALTER"):
                with self._database.writing(connection):
                    alterations.alter_command(expression.text("expression"))
                return Result()
            case exp.Command():
                raise not_emulated(f"The statement {expression.name.upper()}")
        prepared = translator.prepare(expression)
        with self._database.writing(connection):
            cancellation.check()
            changes = Changes(connection, translator, definitions)
            return self._write(prepared, definitions, alterations, changes)

    def _column_types(
        self, connection: duckdb.DuckDBPyConnection, name: TableName
    ) -> dict[str, str]:
        table = self._tables.find(connection, name)
        return {column.name: column.type.text for column in table.columns} if table else {}

    def _write(
        self, node: exp.Expr, definitions: Definitions, alterations: Alterations, changes: Changes
    ) -> Result:
        match node:
            case exp.Create():
                definitions.create(node)
            case exp.Alter():
                alterations.alter(node)
            case exp.Drop():
                definitions.drop(node)
            case exp.Comment():
                alterations.comment(node)
            case exp.Insert():
                return _counts(changes.insert(node))
            case exp.Update():
                return _counts(changes.update(node))
            case exp.Delete():
                return _counts(changes.delete(node))
            case exp.Merge():
                return _counts(changes.merge(node))
            case exp.TruncateTable():
                return _counts(changes.truncate(node))
            case _:
                raise not_emulated(f"The statement {node.key.upper()}")
        return Result()

    def _session(self, statement: Statement) -> Session:
        parameters: Mapping[str, Parameter] = {p.name: p for p in statement.parameters}
        return Session(
            catalog=(statement.catalog or DEFAULT_CATALOG).lower(),
            schema=(statement.schema or DEFAULT_SCHEMA).lower(),
            user=self._user,
            parameters=parameters,
        )

    def _use(self, node: exp.Use) -> Result:
        """USE ends with its statement, as in the Statement Execution API: it only checks."""
        kind, table = node.text("kind").upper(), node.this
        if kind == "CATALOG":
            if not self._namespaces.has_catalog(table.name.lower()):
                raise StatementError(
                    errors.CATALOG_NOT_FOUND, f"Catalog '{table.name}' was not found."
                )
            return Result()
        catalog = (table.db or DEFAULT_CATALOG).lower()
        if not self._namespaces.has_schema(catalog, table.name.lower()):
            raise StatementError(
                errors.SCHEMA_NOT_FOUND, f"The schema `{catalog}`.`{table.name}` cannot be found."
            )
        return Result()

    def _query(
        self,
        expression: exp.Expr,
        statement: Statement,
        connection: duckdb.DuckDBPyConnection,
        translator: Translator,
        cancellation: Cancellation,
    ) -> Result:
        translation = translator.translate(expression)
        values = dict(translation.values)
        described = connection.execute(f"DESCRIBE {translation.sql}", values).fetchall()
        columns = [
            ResultColumn(name=name, type=datatypes.from_duckdb(data_type))
            for name, data_type, *_ in described
        ]
        # Instants leave DuckDB as UTC wall clock: its Python values would need a time zone library.
        selected = ", ".join(
            f"CAST(#{position} AS {_without_time_zone(column.type.duckdb)})"
            if "TIME ZONE" in column.type.duckdb
            else f"#{position}"
            for position, column in enumerate(columns, start=1)
        )
        connection.execute(f"SELECT {selected} FROM ({translation.sql})", values)  # noqa: S608 - names are quoted
        formats = [datatypes.wire_format(column.type) for column in columns]
        rows: list[list[str | None]] = []
        size = 0
        while batch := connection.fetchmany(_FETCHED_AT_ONCE):
            cancellation.check()
            for raw in batch:
                row = [write(value) for write, value in zip(formats, raw, strict=True)]
                size += sum(len(value) for value in row if value is not None)
                over = statement.byte_limit is not None and size > statement.byte_limit
                if over or (statement.row_limit is not None and len(rows) >= statement.row_limit):
                    return Result(columns=columns, rows=rows, truncated=True)
                rows.append(row)
        return Result(columns=columns, rows=rows)


def _without_time_zone(duckdb_type: str) -> str:
    return duckdb_type.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMP")


def _listing(listing: Listing) -> Result:
    names, rows = listing
    types = {"isTemporary": _BOOLEAN}
    columns = [ResultColumn(name=name, type=types.get(name, _STRING)) for name in names]
    return Result(columns=columns, rows=rows)


def _counts(counts: Counts) -> Result:
    if not counts:
        return Result()
    return Result(
        columns=[ResultColumn(name=name, type=_LONG) for name in counts],
        rows=[[str(count) for count in counts.values()]],
    )

"""What is written into a column becomes of its type, as an ANSI cast in Databricks makes it so.

DuckDB would round where Databricks cuts the fraction, read more texts than it and write instants in
its own way. Source: https://docs.databricks.com/aws/en/sql/language-manual/sql-ref-ansi-compliance,
"Store assignment"; Delta casts a text too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from infra.local.sql import errors
from infra.local.sql.dialect import Translation
from infra.local.sql.errors import not_emulated
from infra.local.storage import datatypes
from infra.local.storage.database import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from infra.local.catalog.tables import Column
    from infra.local.sql.dialect import Translator

_TEXTS: Final = tuple(exp.DataType.TEXT_TYPES)
_TIMES: Final = (
    *(exp.DType.DATE, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ, exp.DType.TIMESTAMP),
    exp.DType.TIMESTAMPNTZ,
)
_LENGTH: Final = re.compile(r"(var|)char\((\d+)\)", re.IGNORECASE)
_OF_NULL: Final = exp.DType.INT
"""What DuckDB takes a bare NULL for."""
_FROM_TEXT: Final = (*exp.DataType.NUMERIC_TYPES, *_TIMES, exp.DType.BOOLEAN)
_LIKE_EACH_OTHER: Final = (tuple(exp.DataType.NUMERIC_TYPES), _TIMES)


class Assignments:
    """Casts into the types of columns, told by the transaction of ``connection``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, translator: Translator) -> None:
        self._connection = connection
        self._translator = translator

    def query(
        self, source: exp.Expr, columns: Sequence[Column], *, by_name: bool = False
    ) -> Translation:
        """DuckDB's text of a prepared query, or VALUES, whose columns are of these types.

        By name, `columns` are all of the table's, and the query's say which.
        """
        if isinstance(source, exp.Values) and all(
            _is_of(value, column)
            for row in source.expressions
            for value, column in zip(row.expressions, columns, strict=False)
        ):
            return self._translator.render(source)
        plain = self._translator.render(source)
        described = self._described(plain)
        if by_name:
            named = {column.name.lower(): column for column in columns}
            columns = [named[name.lower()] for name, _ in described if name.lower() in named]
        if len(described) != len(columns):
            return plain  # which the engine refuses
        types = [kind for _, kind in described]
        names = [f"_new_{position}" for position in range(len(columns))]
        values = [
            _cast(_typed(exp.column(name, quoted=True), kind), column)
            for name, kind, column in zip(names, types, columns, strict=True)
        ]
        if all(isinstance(value, exp.Column) for value in values):
            return plain
        selected = ", ".join(
            f"{self._translator.render(value).sql} AS {quoted(column.name)}"
            for value, column in zip(values, columns, strict=True)
        )
        new = ", ".join(quoted(name) for name in names)
        text = f"SELECT {selected} FROM ({plain.sql}) AS _new({new})"  # noqa: S608 - a translation
        return Translation(sql=text, values=plain.values)

    def values(
        self, values: Sequence[exp.Expr], columns: Sequence[Column], source: exp.Select
    ) -> list[exp.Expr]:
        """Prepared values as they are written; `source` is a query from what they name."""
        if all(_is_of(value, column) for value, column in zip(values, columns, strict=True)):
            return [*values]
        selected = source.select(*(value.copy() for value in values), append=False)
        described = self._described(self._translator.render(selected))
        return [
            _cast(_typed(value.copy(), kind), column)
            for value, (_, kind), column in zip(values, described, columns, strict=True)
        ]

    def _described(self, query: Translation) -> list[tuple[str, str]]:
        """The names and DuckDB's types of a query's columns."""
        described = self._connection.execute(
            f"SELECT * FROM ({query.sql}) LIMIT 0",  # noqa: S608 - a translation
            dict(query.values),
        ).description
        return [(str(name), str(kind)) for name, kind, *_ in described or ()]


def _typed(value: exp.Expr, duckdb_type: str) -> exp.Expr:
    value.type = exp.DataType.build(
        datatypes.from_duckdb(duckdb_type).text, dialect="databricks", udt=True
    )
    return value


def _is_of(value: exp.Expr, column: Column) -> bool:
    return isinstance(value, exp.Null) or (
        not _LENGTH.match(column.type_text)
        and isinstance(value, exp.Cast)
        and value.to == _target(column)
    )


def _target(column: Column) -> exp.DataType:
    return exp.DataType.build(column.type.text, dialect="databricks")


def _cast(value: exp.Expr, column: Column) -> exp.Expr:
    source, target = value.type, _target(column)
    if source is None or isinstance(value, exp.Null):
        return value
    if source == target:
        return _of_length(value, column)
    alike = any(source.is_type(*kinds) and target.is_type(*kinds) for kinds in _LIKE_EACH_OTHER)
    from_text = source.is_type(*_TEXTS) and target.is_type(*_FROM_TEXT)
    to_text = target.is_type(*_TEXTS) and not source.is_type(*exp.DataType.NESTED_TYPES)
    if source.is_type(*_TEXTS) and target.is_type(*_TEXTS):
        return _of_length(value, column)
    cast = exp.Cast(this=value, to=target)
    if alike or from_text or to_text:
        return _of_length(cast, column)
    if source.this is not _OF_NULL:
        raise not_emulated(
            f"Writing {source.sql('databricks')} into the column `{column.name}` of the type "
            f"{column.type_text}"
        )
    message = (
        f"[{errors.UNSUPPORTED.name}] Writing {source.sql('databricks')} into the column "
        f"`{column.name}` of the type {column.type_text} is {errors.NOT_EMULATED}."
    )
    return exp.Case(
        ifs=[
            exp.If(
                this=exp.Is(this=value.copy(), expression=exp.Null()),
                true=exp.Cast(this=exp.Null(), to=target.copy()),
            )
        ],
        default=exp.Anonymous(this="ERROR", expressions=[exp.Literal.string(message)]),
    )


def _of_length(value: exp.Expr, column: Column) -> exp.Expr:
    """The value, no longer than its column: DuckDB knows no lengths. Raises StatementError."""
    declared = _LENGTH.match(column.type_text)
    if declared is None:
        return value
    if declared[1].upper() != "VAR":
        raise not_emulated(f"Writing into the column `{column.name}` of the type CHAR")
    message = (
        f"[{errors.EXCEED_LIMIT_LENGTH.name}] Exceeds char/varchar type length limitation: "
        f"{declared[2]}."
    )
    return exp.Case(
        ifs=[
            exp.If(
                this=exp.GT(
                    this=exp.Length(this=value.copy()), expression=exp.Literal.number(declared[2])
                ),
                true=exp.Anonymous(this="ERROR", expressions=[exp.Literal.string(message)]),
            )
        ],
        default=value,
    )

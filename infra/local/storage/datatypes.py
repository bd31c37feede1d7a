"""Column types: what DuckDB calls them, what Databricks calls them, and values on the wire."""

import base64
import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from minilake.uc_types import column_type_json, normalize_column_type
from sqlglot import exp

# DuckDB types without a Databricks namesake, and what holds their values there.
_STAND_INS = {
    exp.DType.INT128: exp.DType.BIGINT,
    exp.DType.UINT128: exp.DType.BIGINT,
    exp.DType.UBIGINT: exp.DType.BIGINT,
    exp.DType.UINT: exp.DType.BIGINT,
    exp.DType.USMALLINT: exp.DType.INT,
    exp.DType.UTINYINT: exp.DType.SMALLINT,
    exp.DType.UUID: exp.DType.TEXT,
    exp.DType.JSON: exp.DType.TEXT,
    exp.DType.TIME: exp.DType.TEXT,
    exp.DType.UNKNOWN: exp.DType.TEXT,
    exp.DType.TIMESTAMP_NS: exp.DType.TIMESTAMP,
    exp.DType.TIMESTAMP_MS: exp.DType.TIMESTAMP,
    exp.DType.TIMESTAMP_S: exp.DType.TIMESTAMP,
}


@dataclass(frozen=True, kw_only=True)
class ColumnType:
    """One type in the spellings that Databricks' APIs use.

    ``name`` is the enumeration of the APIs (``LONG``), ``text`` the SQL spelling in lower case
    (``bigint``), ``duckdb`` what the column is in the database.
    """

    name: str
    text: str
    duckdb: str
    precision: int | None = None
    scale: int | None = None

    def type_json(self, column: str, *, nullable: bool) -> str:
        """The Spark StructField of a column of this type, as JSON."""
        field: str = column_type_json(column, normalize_column_type(self.text), nullable)
        return field


@lru_cache(maxsize=1024)
def from_duckdb(type_text: str) -> ColumnType:
    """The Databricks type of a DuckDB column."""
    if type_text.upper().startswith("INTERVAL"):
        return ColumnType(name="INTERVAL", text="interval", duckdb=type_text)
    if type_text == '"NULL"':
        return ColumnType(name="NULL", text="void", duckdb=type_text)
    parsed = exp.DataType.build(type_text, dialect="duckdb", udt=True)
    for node in parsed.find_all(exp.DataType):
        if (stand_in := _STAND_INS.get(node.this)) is not None:
            node.set("this", stand_in)
    spec = normalize_column_type(parsed.sql("databricks"))
    return ColumnType(
        name=spec.type_name,
        text=spec.type_text,
        duckdb=type_text,
        precision=spec.type_precision,
        scale=spec.type_scale,
    )


def to_duckdb(databricks_type: str) -> str:
    """The DuckDB spelling of a Databricks type; sqlglot's ParseError if it is none."""
    duckdb_type: str = exp.DataType.build(databricks_type, dialect="databricks").sql("duckdb")
    return duckdb_type


def wire_format(column_type: ColumnType) -> Callable[[Any], str | None]:
    """How a value of the column is written in a JSON_ARRAY result: always as a string or null.

    Source: https://docs.databricks.com/api/workspace/statementexecution.
    """
    if column_type.name == "TIMESTAMP":
        return lambda value: None if value is None else _timestamp(value) + "Z"
    return _text


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, default=_text, separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return _timestamp(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return str(value)


def _timestamp(value: datetime.datetime) -> str:
    # Milliseconds, or all six digits where a value has them.
    precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
    return value.replace(tzinfo=None).isoformat(timespec=precision)


def _double(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    mantissa, exponent_mark, exponent = repr(value).partition("e")
    if not exponent_mark:
        return mantissa
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{mantissa}E{int(exponent)}"

"""DuckDB's text of Databricks' casts.

Databricks reads texts more strictly than DuckDB, cuts fractions where DuckDB rounds, and writes
numbers and times in Java's way. A value that the two might read or write differently is refused
when it comes: the statement fails with UNSUPPORTED_FEATURE.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from infra.local.sql import errors

if TYPE_CHECKING:
    from sqlglot.generator import Generator

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MOMENT = _DAY + r"[ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?"
_NUMBER = r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)"

_DATES = (exp.DType.DATE,)
_MOMENTS = (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ)
_WALL_CLOCKS = (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ)
_FRACTIONS = (*exp.DataType.FLOAT_TYPES, exp.DType.DECIMAL)

_READ_ALIKE: Final = {
    **dict.fromkeys(exp.DataType.INTEGER_TYPES, r"[+-]?[0-9]+"),
    **dict.fromkeys(exp.DataType.FLOAT_TYPES, _NUMBER + r"([eE][+-]?[0-9]+)?"),
    exp.DType.DECIMAL: _NUMBER,
    exp.DType.DATE: _DAY,
    **dict.fromkeys(_MOMENTS, f"({_DAY}|{_MOMENT}(Z|[+-][0-9]{{2}}:[0-9]{{2}})?)"),
    **dict.fromkeys(_WALL_CLOCKS, f"({_DAY}|{_MOMENT})"),
}
"""The texts that both read as the same value, or both refuse, by type."""

_WRONG_ALIKE: Final = {
    **dict.fromkeys(exp.DataType.INTEGER_TYPES, r".*"),
    **dict.fromkeys((*exp.DataType.FLOAT_TYPES, exp.DType.DECIMAL), r"[^0-9nN]*"),
    **dict.fromkeys((*_DATES, *_MOMENTS, *_WALL_CLOCKS), r"[^0-9]*"),
}
"""The other texts of which neither makes a value."""


def cast(generator: Generator, node: exp.Cast, plain: str, *, strict: bool) -> str:
    """`plain` is sqlglot's text of it; `strict` that a text without a value is an error."""
    source = node.this.type
    if isinstance(node.this, exp.Placeholder) or (source and source.is_type(*_TEXTS)):
        return _from_text(generator, node, plain, strict=strict)
    if node.to.is_type(*_TEXTS) and source is not None:
        return _to_text(generator, node, plain)
    if node.to.is_type(*exp.DataType.INTEGER_TYPES) and not node.this.is_int:
        return _cut_fraction(generator, node, plain, strict=strict)
    return plain


_TEXTS = (exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.CHAR)


def _from_text(generator: Generator, node: exp.Cast, plain: str, *, strict: bool) -> str:
    alike = _READ_ALIKE.get(node.to.this)
    text = generator.sql(node, "this")
    if node.to.is_type(exp.DType.BOOLEAN):
        known = f"LOWER(TRIM({text}))"
        value = (
            f"CASE WHEN {known} IN ('t', 'true', 'y', 'yes', '1') THEN TRUE "
            f"WHEN {known} IN ('f', 'false', 'n', 'no', '0') THEN FALSE END"
        )
        return _or_error(text, value, "TRUE", node, strict=strict)
    if alike is None:
        return plain
    if node.this.is_string and re.fullmatch(alike, node.this.name):
        return plain
    trimmed = f"TRIM({text}, E' \\t\\n\\r')"
    value = f"TRY_CAST({trimmed} AS {generator.sql(node, 'to')})"
    known = f"REGEXP_FULL_MATCH({trimmed}, '{alike}')"
    value = f"CASE WHEN {known} THEN {value} END"
    either = f"({known} OR REGEXP_FULL_MATCH({trimmed}, '{_WRONG_ALIKE[node.to.this]}', 's'))"
    return _or_error(text, value, either, node, strict=strict)


def _or_error(text: str, value: str, known: str, node: exp.Cast, *, strict: bool) -> str:
    """`value`; where it is NULL, an error if `strict`; where it is not known, unsupported."""
    kind = node.to.sql("databricks").replace("'", "")
    wrong = "NULL"
    if strict:
        wrong = _error(
            errors.CAST_INVALID_INPUT,
            f'The value of the type "STRING" cannot be cast to "{kind}" because it is malformed.',
        )
    unknown = _error(
        errors.UNSUPPORTED,
        f"A text in this form as {kind} is {errors.NOT_EMULATED}.",
    )
    return (
        f"CASE WHEN ({text}) IS NULL THEN NULL WHEN NOT {known} THEN {unknown} "
        f"WHEN ({value}) IS NULL THEN {wrong} ELSE {value} END"
    )


def _to_text(generator: Generator, node: exp.Cast, plain: str) -> str:
    source, value = node.this.type, generator.sql(node, "this")
    assert source is not None  # noqa: S101 - the caller has asked
    if source.is_type(*exp.DataType.FLOAT_TYPES):
        # Java writes others with an exponent.
        unknown = _error(
            errors.UNSUPPORTED, f"A text of so large or small a number is {errors.NOT_EMULATED}."
        )
        return (
            f"CASE WHEN ({value}) IS NULL OR ({value}) = 0 "
            f"OR (ABS({value}) >= 0.001 AND ABS({value}) < 10000000) "
            f"THEN {plain} ELSE {unknown} END"
        )
    if source.is_type(exp.DType.DECIMAL):
        # DuckDB leaves the zero before the point out where there is no place for it.
        return f"REGEXP_REPLACE({plain}, '^(-?)[.]', '\\10.')"
    if source.is_type(*_MOMENTS, *_WALL_CLOCKS):
        return f"CAST(CAST({value} AS TIMESTAMP) AS TEXT)"
    return plain


def _cut_fraction(generator: Generator, node: exp.Cast, plain: str, *, strict: bool) -> str:
    operand, to = generator.sql(node, "this"), generator.sql(node, "to")
    function = "CAST" if strict else "TRY_CAST"
    source = node.this.type
    cut = f"{function}(TRUNC({operand}) AS {to})"
    if source is not None and source.is_type(*_FRACTIONS):
        return cut
    if source is not None and not source.is_type(exp.DType.UNKNOWN, exp.DType.NULL):
        return plain
    fractional = f"TYPEOF({operand}) IN ('DOUBLE', 'FLOAT') OR TYPEOF({operand}) LIKE 'DECIMAL%'"
    cut = f"{function}(TRUNC(TRY_CAST({operand} AS DOUBLE)) AS {to})"
    return f"CASE WHEN {fractional} THEN {cut} ELSE {plain} END"


def _error(error: errors.ErrorClass, message: str) -> str:
    return f"ERROR('[{error.name}] {message}')"

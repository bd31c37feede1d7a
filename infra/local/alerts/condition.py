"""What an alert finds in the rows of its statement: a value, and whether it is beyond the limit.

Source: `databricks.sdk.service.sql.AlertV2Evaluation`; docs/databricks.md#alerts says what of it is
inferred.
"""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Callable, Sequence
from typing import Any, Final

OK: Final = "OK"
TRIGGERED: Final = "TRIGGERED"
ERROR: Final = "ERROR"
UNKNOWN: Final = "UNKNOWN"
EMPTY_STATES: Final = (OK, TRIGGERED, ERROR, UNKNOWN)

Cell = str | None
Value = float | str | None

_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "EQUAL": operator.eq,
    "NOT_EQUAL": operator.ne,
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_OR_EQUAL": operator.ge,
    "LESS_THAN": operator.lt,
    "LESS_THAN_OR_EQUAL": operator.le,
}
_OF_ONE: Final = ("IS_NULL", "IS_NOT_NULL")
OPERATORS: Final = (*_COMPARISONS, *_OF_ONE)

_OF_NUMBERS: Final[dict[str, Callable[[list[float]], float]]] = {
    "SUM": math.fsum,
    "AVG": statistics.fmean,
    "MEDIAN": statistics.median,
    "STDDEV": lambda values: statistics.stdev(values) if len(values) > 1 else math.nan,
}
AGGREGATIONS: Final = ("COUNT", "COUNT_DISTINCT", "MAX", "MIN", *_OF_NUMBERS)


class NotComparable(Exception):
    """The rows do not have what the alert asks for. `str()` says what is missing."""


def state_of(
    evaluation: dict[str, Any], names: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> tuple[str, Value]:
    """The state by the rows, and the value that was compared. Raises NotComparable."""
    if not rows:
        return evaluation.get("empty_result_state") or OK, None
    value = _operand(evaluation["source"], names, rows)
    comparison = evaluation["comparison_operator"]
    if comparison in _OF_ONE:
        return _state((value is None) == (comparison == "IS_NULL")), value
    threshold = _threshold(evaluation.get("threshold") or {}, names, rows)
    if value is None or threshold is None:
        return evaluation.get("empty_result_state") or OK, value
    if isinstance(threshold, str) != isinstance(value, str):
        raise NotComparable(f"{value!r} and {threshold!r} are not of one type")
    return _state(_COMPARISONS[comparison](value, threshold)), value


def _state(beyond: bool) -> str:
    return TRIGGERED if beyond else OK


def _threshold(
    threshold: dict[str, Any], names: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> Value:
    if "column" in threshold:
        return _operand(threshold["column"], names, rows)
    value = threshold.get("value") or {}
    if "string_value" in value:
        return str(value["string_value"])
    given = value.get("double_value", value.get("bool_value"))
    return None if given is None else float(given)


def _operand(column: dict[str, Any], names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Value:
    name, aggregation = column["name"], column.get("aggregation")
    if name not in names:
        raise NotComparable(f"the statement has no column {name}; it has {', '.join(names)}")
    place = list(names).index(name)
    if aggregation is None:
        return _number_or_text(rows[0][place])
    cells = [row[place] for row in rows if row[place] is not None]
    if aggregation == "COUNT":
        return float(len(cells))
    if aggregation == "COUNT_DISTINCT":
        return float(len(set(cells)))
    if not cells:
        return None
    values = [_number_or_text(cell) for cell in cells]
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) < len(values):
        raise NotComparable(f"{aggregation}({name}): not a number: {cells[0]!r}")
    if aggregation == "MAX":
        return max(numbers)
    if aggregation == "MIN":
        return min(numbers)
    return _OF_NUMBERS[aggregation](numbers)


def _number_or_text(cell: Cell) -> Value:
    if cell is None:
        return None
    if cell in ("true", "false"):
        return float(cell == "true")
    try:
        return float(cell)
    except ValueError:
        return cell

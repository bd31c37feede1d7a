"""DuckDB's text of what Databricks does with arrays and maps: NULLs and positions differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from infra.local.sql import errors
from infra.local.sql.errors import not_emulated

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlglot.generator import Generator


def _is_map(node: exp.Expr) -> bool:
    return node.type is not None and node.type.is_type(exp.DType.MAP)


def bracket(generator: Generator, node: exp.Bracket) -> str:
    """`array[0]`, `element_at(array, 1)` and `map[key]`; a position outside is an error."""
    if len(node.expressions) != 1:
        raise not_emulated("A slice in brackets")
    collection, key = generator.sql(node, "this"), generator.sql(node.expressions[0])
    if _is_map(node.this):
        return f"MAP_EXTRACT_VALUE({collection}, {key})"
    if node.this.type is not None and node.this.type.is_type(exp.DType.STRUCT):
        return f"STRUCT_EXTRACT({collection}, {key})"
    counted_from_one = bool(node.args.get("offset"))
    error = (errors.INVALID_ARRAY_INDEX, errors.INVALID_ARRAY_INDEX_IN_ELEMENT_AT)[counted_from_one]
    message = f"'[{error.name}] The index is out of bounds.'"
    length = f"LEN({collection})"
    if node.args.get("safe"):
        return f"LIST_EXTRACT({collection}, {key})"
    if counted_from_one:
        inside = f"ABS({key}) BETWEEN 1 AND {length}"
        position = f"{key}"
    else:
        inside = f"({key}) BETWEEN 0 AND {length} - 1"
        position = f"({key}) + 1"
    return (
        f"CASE WHEN {length} IS NULL OR ({key}) IS NULL THEN NULL "
        f"WHEN {inside} THEN LIST_EXTRACT({collection}, {position}) ELSE ERROR({message}) END"
    )


def contains(generator: Generator, node: exp.ArrayContains) -> str:
    """NULL where the element is not there and a NULL is: it might have been."""
    array, element = generator.sql(node, "this"), generator.sql(node, "expression")
    return (
        f"CASE WHEN ({array}) IS NULL OR ({element}) IS NULL THEN NULL "
        f"WHEN LIST_CONTAINS({array}, {element}) THEN TRUE "
        f"WHEN LEN(LIST_FILTER({array}, lambda _e: _e IS NULL)) > 0 THEN NULL ELSE FALSE END"
    )


def exists(generator: Generator, node: exp.Exists) -> str:
    """A subquery's rows, or an element of which the condition is true: three-valued."""
    if node.expression is None:
        return f"EXISTS({generator.sql(node, 'this')})"
    return _three_valued(generator, node.this, node.expression, decisive="TRUE", otherwise="FALSE")


def forall(generator: Generator, node: exp.Anonymous) -> str:
    """Whether the condition is true of every element: three-valued."""
    array, condition = node.expressions
    return _three_valued(generator, array, condition, decisive="FALSE", otherwise="TRUE")


def _three_valued(
    generator: Generator, array: exp.Expr, condition: exp.Expr, *, decisive: str, otherwise: str
) -> str:
    found = f"LIST_TRANSFORM({generator.sql(array)}, {generator.sql(condition)})"
    unknown = f"LEN(LIST_FILTER({found}, lambda _e: _e IS NULL)) > 0"
    return (
        f"CASE WHEN ({generator.sql(array)}) IS NULL THEN NULL "
        f"WHEN LIST_CONTAINS({found}, {decisive}) THEN {decisive} "
        f"WHEN {unknown} THEN NULL ELSE {otherwise} END"
    )


def _with_positions(function: str) -> Callable[[Generator, Any], str]:
    """Positions in a lambda are counted from 0; DuckDB counts from 1."""

    def render(generator: Generator, node: exp.Func) -> str:
        array, condition = node.this, node.expression
        if isinstance(condition, exp.Lambda) and len(condition.expressions) == 2:
            position = condition.expressions[1].name
            for part in list(condition.this.find_all(exp.Identifier)):
                if part.name == position and not isinstance(part.parent, exp.Dot):
                    whole = part.parent if isinstance(part.parent, exp.Column) else part
                    counted = exp.Paren(
                        this=exp.Cast(
                            this=exp.Sub(this=whole.copy(), expression=exp.Literal.number(1)),
                            to=exp.DataType.build("INT"),
                        )
                    )
                    if whole is condition.this:
                        condition.set("this", counted)
                    else:
                        whole.replace(counted)
        return f"{function}({generator.sql(array)}, {generator.sql(condition)})"

    return render


def collected(function: str) -> Callable[[Generator, Any], str]:
    """An aggregate of no value is an empty array; NULLs are no values."""

    def render(generator: Generator, node: exp.AggFunc) -> str:
        operand = node.this
        if isinstance(operand, exp.Order | exp.Distinct | exp.Limit):
            raise not_emulated(f"{function} with DISTINCT, ORDER BY or LIMIT")
        text = generator.sql(operand)
        listed = f"LIST({function}{text}) FILTER (WHERE ({text}) IS NOT NULL)"
        if isinstance(node.parent, exp.Filter | exp.WithinGroup):
            raise not_emulated("collect_list or collect_set with FILTER")
        # Of a window it is a part, and the window is what has no value.
        return listed if isinstance(node.parent, exp.Window) else _or_empty(listed)

    return render


def window(node: exp.Window, text: str) -> str:
    """The text of a window: what was collected over no value is an empty array there, too."""
    if not isinstance(node.this, exp.ArrayAgg | exp.ArrayUniqueAgg):
        return text
    if node.args.get("order") or node.args.get("spec"):
        raise not_emulated("collect_list or collect_set over an ordered window")
    return _or_empty(text)


def _or_empty(listed: str) -> str:
    return f"COALESCE({listed}, [])"


def grouping(generator: Generator, node: exp.Grouping) -> str:
    """Whether a column is left out of a row's group."""
    if len(node.expressions) != 1:
        raise not_emulated("grouping of anything but one column")
    return f"CAST(GROUPING({generator.sql(node.expressions[0])}) AS TINYINT)"


def sequence(generator: Generator, node: exp.GenerateSeries) -> str:
    """From start to end in either direction, at most so many elements as memory has place for."""
    start, end = node.args["start"], node.args["end"]
    step = node.args.get("step")
    first, last = generator.sql(start), generator.sql(end)
    if start.type is None or not start.type.is_type(*exp.DataType.INTEGER_TYPES):
        raise not_emulated("sequence of anything but integers")
    kind = "INT" if start.type.is_type(exp.DType.INT) else "BIGINT"
    by = (
        f"CASE WHEN ({first}) <= ({last}) THEN 1 ELSE -1 END"
        if step is None
        else generator.sql(step)
    )
    wrong = f"'[{errors.ILLEGAL_SEQUENCE.name}] Illegal sequence boundaries.'"
    size = (
        f"'[{errors.COLLECTION_SIZE_LIMIT_EXCEEDED.name}] Cannot create an array of more than "
        f"{MOST_ELEMENTS} elements here.'"
    )
    backwards = f"{by} = 0 OR SIGN({by}) <> SIGN(({last}) - ({first}))"
    steps = f"ABS(CAST({last} AS HUGEINT) - CAST({first} AS HUGEINT)) // ABS({by})"
    return (
        f"CASE WHEN ({first}) <> ({last}) AND ({backwards}) THEN ERROR({wrong}) "
        f"WHEN {steps} >= {MOST_ELEMENTS} THEN ERROR({size}) "
        f"ELSE CAST(GENERATE_SERIES({first}, {last}, {by}) AS {kind}[]) END"
    )


def flatten(generator: Generator, node: exp.Flatten) -> str:
    """With a NULL among the arrays there is no array of all."""
    arrays = generator.sql(node, "this")
    return (
        f"CASE WHEN LEN(LIST_FILTER({arrays}, lambda _e: _e IS NULL)) = 0 "
        f"THEN FLATTEN({arrays}) END"
    )


MOST_ELEMENTS: Final = 1_000_000

TRANSFORMS: Final[dict[type[exp.Expr], Callable[..., str]]] = {
    exp.ArrayContains: contains,
    exp.ArrayFilter: _with_positions("LIST_FILTER"),
    exp.ArrayAgg: collected(""),
    exp.ArrayUniqueAgg: collected("DISTINCT "),
    exp.Bracket: bracket,
    exp.Exists: exists,
    exp.Flatten: flatten,
    exp.GenerateSeries: sequence,
    exp.Grouping: grouping,
    exp.Transform: _with_positions("LIST_TRANSFORM"),
}

"""Decimals as Databricks sizes them: DuckDB gives literals, sums and products other types.

The sizes: https://docs.databricks.com/aws/en/sql/language-manual/data-types/decimal-type and
`DecimalPrecision` of Apache Spark. Of a part whose size cannot be told nothing is reckoned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlglot import exp

from infra.local.sql import errors
from infra.local.sql.errors import not_emulated

if TYPE_CHECKING:
    from sqlglot.generator import Generator

Size = tuple[int, int]
"""Digits in all, and those behind the point."""

MOST_DIGITS: Final = 38
_LEAST_SCALE: Final = 6
_DEFAULT: Final = (10, 0)
_WHOLE: Final = {
    exp.DType.TINYINT: 3,
    exp.DType.SMALLINT: 5,
    exp.DType.INT: 10,
    exp.DType.BIGINT: 20,
}


def literal_size(text: str) -> Size:
    """The size of a number as it is written."""
    whole, _, fraction = text.partition(".")
    digits = len((whole + fraction).lstrip("0"))
    return max(digits, len(fraction), 1), len(fraction)


def decimal(size: Size) -> exp.DataType:
    """The type of this size."""
    return exp.DataType.build(f"DECIMAL({size[0]}, {size[1]})")


def state_default_sizes(statement: exp.Expr) -> None:
    """`DECIMAL` alone has ten digits; DuckDB's has eighteen, three behind the point."""
    for data_type in statement.find_all(exp.DataType):
        if data_type.is_type(exp.DType.DECIMAL) and not data_type.expressions:
            data_type.set("expressions", decimal(_DEFAULT).expressions)


def size_of(node: exp.Expr) -> Size | None:
    """The size of a whole number or a decimal; None where it cannot be told."""
    match node:
        case exp.Paren() | exp.Neg():
            return size_of(node.this)
        case exp.Literal() if not node.is_string and "e" not in node.name.lower():
            return literal_size(node.name)
        case exp.Case():
            branches = [branch.args["true"] for branch in node.args["ifs"]]
            if (default := node.args.get("default")) is not None:
                branches.append(default)
            return _widest([size_of(it) for it in branches if not isinstance(it, exp.Null)])
        case exp.Cast() | exp.Column():
            kind = node.to if isinstance(node, exp.Cast) else node.type
            if kind is not None and kind.is_type(exp.DType.DECIMAL) and len(kind.expressions) == 2:
                digits, scale = (int(it.name) for it in kind.expressions)
                return digits, scale
    kind = node.type
    if kind is not None and kind.this in _WHOLE:
        return _WHOLE[kind.this], 0
    return None


def _widest(sizes: list[Size | None]) -> Size | None:
    known = [size for size in sizes if size is not None]
    if not known or len(known) < len(sizes):
        return None
    scale = max(s for _, s in known)
    return max(p - s for p, s in known) + scale, scale


def sized(node: exp.Expr) -> exp.Expr | None:
    """What stands in the place of a part that DuckDB would give another size; None if it stays."""
    match node:
        case exp.Literal() if not node.is_string and node.type and is_decimal(node):
            return exp.Cast(this=node.copy(), to=decimal(literal_size(node.name)))
        case exp.Add() | exp.Sub() | exp.Mul() | exp.Mod() | exp.Div() if _reckons(node):
            size = _result(node)
            if isinstance(node, exp.Mul):
                # DuckDB multiplies within the digits of the operands.
                wide = decimal((size[0], _known(node.left)[1]))
                node.left.replace(exp.Cast(this=node.left.copy(), to=wide))
            return exp.Cast(this=node.copy(), to=decimal(size))
        case exp.Round() if is_decimal(node.this):
            digits, scale = _known(node.this)
            kept = node.args.get("decimals") or exp.Literal.number(0)
            if not kept.is_int or int(kept.name) > scale:
                raise not_emulated("Rounding a decimal to so many digits")
            size = min(digits - scale + 1 + int(kept.name), MOST_DIGITS), int(kept.name)
            return exp.Cast(this=node.copy(), to=decimal(size))
        case exp.Avg() if is_decimal(node.this):
            if isinstance(node.parent, exp.Window | exp.Filter):
                raise not_emulated("The average of decimals with OVER or FILTER")
            digits, scale = _known(node.this)
            size = min(digits + 4, MOST_DIGITS), min(scale + 4, MOST_DIGITS)
            return exp.Cast(this=node.copy(), to=decimal(size))
        case exp.Sum() | exp.Filter() | exp.Window() if not isinstance(
            node.parent, exp.Window | exp.Filter
        ):
            total = node
            while isinstance(total, exp.Filter | exp.Window):
                total = total.this
            if isinstance(total, exp.Sum) and is_decimal(total.this):
                digits, scale = _known(total.this)
                size = min(digits + 10, MOST_DIGITS), scale
                return exp.Cast(this=node.copy(), to=decimal(size))
    return None


def is_decimal(node: exp.Expr) -> bool:
    """Whether a part of a typed statement is a DECIMAL."""
    return node.type is not None and node.type.is_type(exp.DType.DECIMAL)


def _reckons(node: exp.Binary) -> bool:
    """Whether both are decimals, or one and a whole number."""
    parts = (node.left, node.right)
    return any(is_decimal(it) for it in parts) and all(
        is_decimal(it) or (it.type is not None and it.type.this in _WHOLE) for it in parts
    )


def _known(node: exp.Expr) -> Size:
    size = size_of(node)
    if size is None:
        raise not_emulated("A decimal whose size cannot be told")
    return size


def _result(node: exp.Binary) -> Size:
    (p1, s1), (p2, s2) = _known(node.left), _known(node.right)
    scale = max(s1, s2)
    match node:
        case exp.Add() | exp.Sub():
            size = max(p1 - s1, p2 - s2) + scale + 1, scale
        case exp.Mul():
            size = p1 + p2 + 1, s1 + s2
        case exp.Mod():
            size = min(p1 - s1, p2 - s2) + scale, scale
        case _:
            return _quotient_size((p1, s1), (p2, s2))
    if size[0] > MOST_DIGITS:
        raise not_emulated("Reckoning with decimals of so many digits")
    return size


def _quotient_size(one: Size, other: Size) -> Size:
    (p1, s1), (p2, s2) = one, other
    scale = max(_LEAST_SCALE, s1 + p2 + 1)
    digits = p1 - s1 + s2 + scale
    if digits > MOST_DIGITS:
        whole = digits - scale
        return MOST_DIGITS, max(MOST_DIGITS - whole, min(scale, _LEAST_SCALE))
    return digits, scale


def quotient(generator: Generator, node: exp.Div) -> str | None:
    """DuckDB's text of an exact quotient, whose cast says its size; None of other numbers."""
    if not _reckons(node):
        return None
    texts = generator.sql(node, "this"), generator.sql(node, "expression")
    return _exact(texts, (_known(node.left), _known(node.right)), _result(node))


def average(generator: Generator, node: exp.Avg) -> str:
    """DuckDB's text of an average, exact of decimals."""
    if not is_decimal(node.this):
        return generator.func("AVG", node.this)
    digits, scale = _known(node.this)
    texts = generator.func("SUM", node.this), generator.func("COUNT", node.this)
    size = min(digits + 4, MOST_DIGITS), min(scale + 4, MOST_DIGITS)
    exact = _exact(texts, ((MOST_DIGITS, scale), (20, 0)), size)
    return f"CASE WHEN {texts[1]} > 0 THEN {exact} END"


def _exact(texts: tuple[str, str], sizes: tuple[Size, Size], result: Size) -> str:
    """A quotient of whole numbers, half of the last digit rounded up, with a point put in."""
    shift = result[1] - sizes[0][1] + sizes[1][1]
    if shift < 0:
        raise not_emulated("A quotient of decimals of so many digits")
    one, other = (
        f"CAST(REPLACE(CAST(CAST({text} AS DECIMAL({size[0]}, {size[1]})) AS TEXT), '.', '') "
        "AS HUGEINT)"
        for text, size in zip(texts, sizes, strict=True)
    )
    above = f"ABS({one}) * CAST('1{'0' * shift}' AS HUGEINT)"
    whole = f"(2 * {above} + ABS({other})) // (2 * ABS({other}))"
    digits = (
        f"LPAD(CAST({whole} AS TEXT), "
        f"CAST(GREATEST({result[1] + 1}, LENGTH(CAST({whole} AS TEXT))) AS INT), '0')"
    )
    value = (
        f"CAST(CASE WHEN SIGN({one}) * SIGN({other}) < 0 THEN '-' ELSE '' END || "
        f"LEFT({digits}, -{result[1]}) || '.' || RIGHT({digits}, {result[1]}) "
        f"AS DECIMAL({result[0]}, {result[1]}))"
    )
    zero = f"'[{errors.DIVIDE_BY_ZERO.name}] Division by zero. Use `try_divide` to tolerate the divisor being 0 and return NULL instead.'"  # noqa: E501
    large = (
        f"'[{errors.UNSUPPORTED.name}] A quotient of numbers so large is {errors.NOT_EMULATED}.'"
    )
    return (
        f"CASE WHEN ({texts[1]}) = 0 AND ({texts[0]}) IS NOT NULL THEN ERROR({zero}) "
        f"WHEN LENGTH(CAST(ABS({one}) AS TEXT)) + {shift} > 37 THEN ERROR({large}) "
        f"ELSE {value} END"
    )

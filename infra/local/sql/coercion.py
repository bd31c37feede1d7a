"""Texts beside numbers, times and truth values: the casts that Spark makes without being asked.

A text that is compared or reckoned with a whole number is a BIGINT, with a fraction a DOUBLE, and
otherwise what stands beside it; it fails where it is none. So is what `doc:path` and
get_json_object find, which are texts:
https://docs.databricks.com/aws/en/sql/language-manual/sql-ref-ansi-compliance,
https://docs.databricks.com/aws/en/sql/language-manual/functions/colonsign.
"""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from infra.local.sql.errors import not_emulated

_COMPARED: Final = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ)
_RECKONED: Final = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod)
_OF_NUMBERS: Final = (
    *(exp.Abs, exp.Avg, exp.Ceil, exp.Exp, exp.Floor, exp.Ln, exp.Round, exp.Sign, exp.Sqrt),
    *(exp.Sum, exp.Neg),
)
"""Functions for which a text is a DOUBLE."""
_FRACTIONS: Final = (*exp.DataType.FLOAT_TYPES, exp.DType.DECIMAL)
_OTHERS: Final = (
    *(exp.DType.BOOLEAN, exp.DType.DATE, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ),
    exp.DType.TIMESTAMPNTZ,
)


def cast_texts(statement: exp.Expr) -> bool:
    """Write those casts into a typed statement; whether there were any, so that types changed."""
    changed = False
    # Children first: what they become decides about what holds them.
    for node in reversed(list(statement.walk())):
        if isinstance(node, _COMPARED):
            parts = [node.this, node.expression]
        elif isinstance(node, exp.Between):
            parts = [node.this, node.args["low"], node.args["high"]]
            # Each end is compared for itself.
            if len({_target([node.this, it]) for it in parts[1:]}) > 1:
                raise not_emulated("BETWEEN of a text and ends of different types")
        elif isinstance(node, _OF_NUMBERS) and _is(node.this, *exp.DataType.TEXT_TYPES):
            node.this.replace(exp.Cast(this=node.this.copy(), to=exp.DataType.build("DOUBLE")))
            changed = True
            continue
        elif isinstance(node, exp.Concat | exp.DPipe):
            if isinstance(node.parent, exp.JSONExtract | exp.JSONExtractScalar):
                continue  # a path, of which a number is a position
            changed |= _cast_joined(node)
            continue
        elif isinstance(node, exp.In) and node.expressions:
            parts = [node.this, *node.expressions]
        elif isinstance(node, _RECKONED):
            parts = [node.this, node.expression]
            if not any(_is(part, *exp.DataType.NUMERIC_TYPES) for part in parts):
                continue
        else:
            continue
        target = _target(parts)
        if target is None:
            continue
        for part in parts:
            if _is(part, *exp.DataType.TEXT_TYPES):
                part.replace(exp.Cast(this=part.copy(), to=exp.DataType.build(target)))
                changed = True
    return changed


def _cast_joined(node: exp.Expr) -> bool:
    """Numbers, times and truth values that are joined are texts; arrays stay arrays."""
    changed = False
    for part in list(node.iter_expressions()):
        if _is(part, *exp.DataType.NUMERIC_TYPES, *_OTHERS):
            part.replace(exp.Cast(this=part.copy(), to=exp.DataType.build("STRING")))
            changed = True
    return changed


def _target(parts: list[exp.Expr]) -> str | None:
    """The type that texts among the parts are cast to; None if they stay what they are."""
    others = [it for it in parts if not _is(it, *exp.DataType.TEXT_TYPES, exp.DType.NULL)]
    if not others or len(others) == len(parts):
        return None
    if all(_is(it, *exp.DataType.INTEGER_TYPES) for it in others):
        return "BIGINT"
    if all(_is(it, *exp.DataType.INTEGER_TYPES, *_FRACTIONS) for it in others):
        return "DOUBLE"
    first = others[0].type
    if first is not None and all(_is(it, first.this) for it in others) and first.is_type(*_OTHERS):
        return first.sql("databricks")
    return None


def _is(node: exp.Expr, *types: exp.DType) -> bool:
    return node.type is not None and node.type.is_type(*types)

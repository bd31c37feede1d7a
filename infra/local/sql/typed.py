"""Which type each part of a statement has, as far as sqlglot can tell from the tables' columns."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from infra.local.sql.decimals import decimal, literal_size
from infra.local.sql.duckdb_text import READ
from infra.local.sql.errors import StatementError
from infra.local.sql.json_text import json_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# It warns of what it cannot resolve; the engine answers for those.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

UNKNOWN: Final = "?"

_FAMILIES: Final = {
    exp.DType.TEXT: "string",
    exp.DType.VARCHAR: "string",
    exp.DType.CHAR: "string",
    exp.DType.TIMESTAMPTZ: "timestamp",
    exp.DType.TIMESTAMPLTZ: "timestamp",
    exp.DType.TIMESTAMP: "timestamp",
    exp.DType.TIMESTAMPNTZ: "timestamp_ntz",
    exp.DType.DATETIME: "timestamp_ntz",
    exp.DType.UNKNOWN: UNKNOWN,
    exp.DType.NULL: "null",
}

Columns = dict[tuple[str, str, str], "Mapping[str, str]"]
"""Databricks' types of the columns of tables, by catalog, schema and name."""


def infer_types(statement: exp.Expr, columns: Columns) -> None:
    """Set the `type` of every part of `statement` whose type can be told; changes nothing else."""
    for node in statement.walk():
        node.type = None
    schema = _schema(columns)
    for query in _queries(statement):
        _infer(query, schema)
    by_name = _types_by_name(columns)
    for column in statement.find_all(exp.Column):
        found = by_name.get(column.name.lower())
        if found is not None and (column.type is None or column.type.is_type(exp.DType.UNKNOWN)):
            column.type = found
    if isinstance(statement, exp.Update | exp.Delete | exp.Merge):
        _infer_change(statement, schema)
    if not isinstance(statement, exp.Query):
        # The parts that are in no query, such as those of VALUES.
        for node in statement.find_all(exp.Condition):
            if node.type is None and node.parent_select is None:
                annotate_types(
                    node, dialect=READ, overwrite_types=False, expression_metadata=_METADATA
                )


def family(node: exp.Expr) -> str:
    """The type of a part of a statement, without lengths and deeper types."""
    return type_family(node.type) if node.type is not None else UNKNOWN


def type_family(data_type: exp.DataType, depth: int = 0) -> str:
    """A type without precision; of what is inside, one level."""
    kind = data_type.this
    if kind in (exp.DType.ARRAY, exp.DType.MAP) and depth < 2:
        inner = ",".join(
            type_family(part, depth + 1)
            for part in data_type.expressions
            if isinstance(part, exp.DataType)
        )
        return f"{kind.value.lower()}<{inner or UNKNOWN}>"
    return _FAMILIES.get(kind) or str(getattr(kind, "value", kind)).lower()


def _queries(statement: exp.Expr) -> list[exp.Query]:
    """The outermost queries."""
    if isinstance(statement, exp.Query):
        return [statement]
    walked = statement.walk(prune=lambda node: isinstance(node, exp.Query))
    return [node for node in walked if isinstance(node, exp.Query)]


def _literal(annotator: Any, node: exp.Literal) -> exp.Expr:
    """`2.5` is a DECIMAL in Databricks, and `2.5e0` a DOUBLE."""
    if node.is_string:
        kind = exp.DType.TEXT
    elif node.name.isdigit():
        kind = exp.DType.INT if abs(int(node.name)) < _INT_END else exp.DType.BIGINT
    else:
        fraction = "e" not in node.name.lower()
        return _set(
            annotator, node, decimal(literal_size(node.name)) if fraction else exp.DType.DOUBLE
        )
    annotator._set_type(node, kind)
    return node


def _set(annotator: Any, node: exp.Expr, kind: exp.DType | exp.DataType) -> exp.Expr:
    annotator._set_type(node, kind)
    return node


def _string(annotator: Any, node: exp.Expr) -> exp.Expr:
    return _set(annotator, node, exp.DType.TEXT)


def _from_json(annotator: Any, node: exp.FromJson) -> exp.Expr:
    schema = node.expression
    known = isinstance(schema, exp.Literal) and schema.is_string
    return _set(annotator, node, json_type(schema.name) if known else exp.DType.UNKNOWN)


def _bracket(annotator: Any, node: exp.Bracket) -> exp.Expr:
    held = node.this.type
    if held is not None and held.is_type(exp.DType.ARRAY, exp.DType.MAP) and held.expressions:
        return _set(annotator, node, held.expressions[-1])
    return _set(annotator, node, exp.DType.UNKNOWN)


_INT_END: Final = 2**31
_METADATA: Final = {
    **Databricks().EXPRESSION_METADATA,
    exp.Literal: {"annotator": _literal},
    exp.FromJson: {"annotator": _from_json},
    exp.JSONExtract: {"annotator": _string},
    exp.JSONExtractScalar: {"annotator": _string},
    exp.TimestampTrunc: {"annotator": lambda self, node: _set(self, node, exp.DType.TIMESTAMPTZ)},
    exp.DateTrunc: {"annotator": lambda self, node: _set(self, node, exp.DType.DATE)},
    exp.Bracket: {"annotator": _bracket},
}


def _infer(query: exp.Query, schema: MappingSchema) -> None:
    copied = query.copy()
    # Copied nodes are in the same order; what qualification puts in their place has no original.
    originals = {id(copy): node for copy, node in zip(copied.walk(), query.walk(), strict=True)}
    try:
        qualified = qualify(
            copied,
            dialect=READ,
            schema=schema,
            validate_qualify_columns=False,
            quote_identifiers=False,
            identify=False,
        )
        annotated = annotate_types(
            qualified, dialect=READ, schema=schema, expression_metadata=_METADATA
        )
    except (
        StatementError,
        SqlglotError,
        KeyError,
        ValueError,
        AttributeError,
        TypeError,
        IndexError,
    ):
        return  # what it has no type for, no form covers
    for node in annotated.walk():
        original = originals.get(id(node))
        if original is not None:
            original.type = node.type
        if isinstance(node, exp.Dot):
            # `given.name` is written like a column of a table, and is a field of a struct.
            field = originals.get(id(node.expression))
            if field is not None and isinstance(field.parent, exp.Column):
                field.parent.type = node.type


def _infer_change(change: exp.Update | exp.Delete | exp.Merge, schema: MappingSchema) -> None:
    """The values and conditions of a change have the types that a query of its tables gives."""
    parts = list(_parts_of(change))
    query = exp.select(*(part.copy() for part in parts)).from_(change.this.copy())
    if using := change.args.get("using"):
        query = query.join(using.copy(), on="TRUE")
    _infer(query, schema)
    for part, selected in zip(parts, query.expressions, strict=True):
        for node, typed in zip(part.walk(), selected.walk(), strict=True):
            if not isinstance(node, exp.Query) and typed.type is not None:
                node.type = typed.type


def _parts_of(change: exp.Expr) -> Iterator[exp.Expr]:
    """The values and the conditions of UPDATE, DELETE and MERGE."""
    if (where := change.args.get("where")) is not None:
        yield where.this
    match change:
        case exp.Update():
            yield from (it.expression for it in change.expressions if isinstance(it, exp.EQ))
        case exp.Insert(expression=exp.Tuple() as values):
            yield from values.expressions
        case exp.Merge():
            yield change.args["on"]
            for when in change.args["whens"].expressions:
                if (condition := when.args.get("condition")) is not None:
                    yield condition
                yield from _parts_of(when.args["then"])


def _schema(columns: Columns) -> MappingSchema:
    nested: dict[str, Any] = {}
    for (catalog, schema, table), types in columns.items():
        nested.setdefault(catalog, {}).setdefault(schema, {})[table] = dict(types)
    return MappingSchema(nested, dialect=READ)


def _types_by_name(columns: Columns) -> dict[str, exp.DataType]:
    """The type of each name that has one type in all the tables."""
    texts: dict[str, set[str]] = {}
    for types in columns.values():
        for name, text in types.items():
            texts.setdefault(name.lower(), set()).add(text)
    return {
        name: exp.DataType.build(next(iter(found)), dialect=READ)
        for name, found in texts.items()
        if len(found) == 1
    }

"""DuckDB's text of `from_json` and of paths into documents, which DuckDB reads as Databricks
does."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import ParseError
from sqlglot.parsers.databricks import DatabricksParser

from infra.local.sql import errors
from infra.local.sql.errors import StatementError, not_emulated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot.generator import Generator

_UNLIKE = (
    f"ERROR('[{errors.UNSUPPORTED.name}] from_json of a document that does not fit its schema is "
    f"{errors.NOT_EMULATED}.')"
)


def from_json(generator: Generator, node: exp.FromJson) -> str:
    """A document that is no JSON is a struct of NULLs; one that does not fit is refused."""
    document, schema = generator.sql(node, "this"), node.expression
    if node.args.get("options") or not (isinstance(schema, exp.Literal) and schema.is_string):
        raise not_emulated("from_json with options or a schema that is not a literal")
    data_type = json_type(schema.name)
    to = data_type.sql("duckdb")
    structure = exp.Literal.string(json.dumps(_structure(data_type))).sql("duckdb")
    read = f"CAST(FROM_JSON({document}, {structure}) AS {to})"
    # Databricks reads single quotes, too.
    quoted = f"CONTAINS({document}, CHR(39))"
    return (
        f"CASE WHEN ({document}) IS NULL OR TRIM({document}) = '' THEN CAST(NULL AS {to}) "
        f"WHEN NOT JSON_VALID({document}) THEN CASE WHEN {quoted} THEN {_UNLIKE} "
        f"ELSE {_of_nothing(data_type)} END "
        f"WHEN {_fits(f'CAST({document} AS JSON)', data_type, 0)} THEN {read} ELSE {_UNLIKE} END"
    )


def json_type(schema: str) -> exp.DataType:
    """The type of a schema such as ``a INT, b ARRAY<DOUBLE>``."""
    # Databricks reads a bare column list as the fields of a struct.
    for text in (schema, f"STRUCT<{schema}>"):
        try:
            return exp.DataType.build(text, dialect=Databricks)
        except (ParseError, ValueError):
            continue
    raise StatementError(
        errors.PARSE_SYNTAX_ERROR, f"from_json: {schema!r} is not a schema in DDL form."
    )


def _structure(data_type: exp.DataType) -> Any:
    if data_type.is_type(exp.DType.ARRAY):
        return [_structure(data_type.expressions[0])]
    if data_type.is_type(exp.DType.STRUCT):
        return {field.name: _structure(field.args["kind"]) for field in data_type.expressions}
    return data_type.sql("duckdb")


def _of_nothing(data_type: exp.DataType) -> str:
    to = data_type.sql("duckdb")
    if not data_type.is_type(exp.DType.STRUCT):
        return f"CAST(NULL AS {to})"
    fields = ", ".join(
        f"{exp.to_identifier(field.name, quoted=True).sql('duckdb')} := NULL"
        for field in data_type.expressions
    )
    return f"CAST(STRUCT_PACK({fields}) AS {to})"


def _fits(value: str, data_type: exp.DataType, depth: int) -> str:
    """Whether a JSON value is what the type says, all the way down; null and nothing fit."""
    kind = f"JSON_TYPE({value})"
    if data_type.is_type(exp.DType.ARRAY):
        element = f"_v{depth}"
        others = _fits(element, data_type.expressions[0], depth + 1)
        whole = (
            f"{kind} = 'ARRAY' AND LEN(LIST_FILTER(TRY_CAST({value} AS JSON[]), "
            f"lambda {element}: NOT {others})) = 0"
        )
    elif data_type.is_type(exp.DType.STRUCT):
        fields = [
            _fits(_field(value, field.name), field.args["kind"], depth + 1)
            for field in data_type.expressions
        ]
        whole = " AND ".join([f"{kind} = 'OBJECT'", *fields])
    elif data_type.is_type(*exp.DataType.FLOAT_TYPES):
        whole = f"{kind} IN ('DOUBLE', 'BIGINT', 'UBIGINT')"
    elif data_type.is_type(exp.DType.INT, exp.DType.BIGINT):
        whole = f"{kind} IN ('BIGINT', 'UBIGINT')"
    elif data_type.is_type(exp.DType.TEXT):
        whole = f"{kind} = 'VARCHAR'"
    elif data_type.is_type(exp.DType.BOOLEAN):
        whole = f"{kind} = 'BOOLEAN'"
    else:
        raise not_emulated(f"from_json with the type {data_type.sql('databricks')}")
    # A document that is null itself is no row of nulls.
    empty = f"({value}) IS NULL OR {kind} = 'NULL' OR " if depth else ""
    return f"({empty}{whole})"


def _field(value: str, name: str) -> str:
    path = exp.Literal.string('$."' + name.replace('"', '\\"') + '"').sql("duckdb")
    return f"JSON_EXTRACT({value}, {path})"


def get_json_object(operands: list[exp.Expr], dialect: Any) -> exp.Expr:
    """The parsed function; its path begins with `$`, where sqlglot would put one."""
    path = operands[1] if len(operands) == 2 else None
    parts = path.expressions if isinstance(path, exp.Concat) else [path]
    # What is no literal is the position in an array, which `path` looks at.
    text = "".join(part.name if isinstance(part, exp.Literal) else "\0" for part in parts)
    if not re.fullmatch(r"\$([^*\0]|(?<=\[)\0(?=\]))*", text):
        raise not_emulated(
            "get_json_object with a path that is no literal from $ without *, nor one with "
            "positions between [ and ]"
        )
    parsed: exp.Expr = DatabricksParser.FUNCTIONS["GET_JSON_OBJECT"](operands, dialect=dialect)
    return parsed


def path(generator: Generator, node: exp.JSONExtract | exp.JSONExtractScalar) -> str:
    """``col:path`` and ``get_json_object``: text, NULL where the document is no JSON."""
    document, where = generator.sql(node, "this"), generator.sql(node, "expression")
    if isinstance(node.expression, exp.JSONPath) and node.expression.find(exp.JSONPathWildcard):
        value = f"CAST(TO_JSON(JSON_EXTRACT({document}, {where})) AS TEXT)"
    else:
        value = f"JSON_EXTRACT_STRING({document}, {where})"
    conditions = [f"JSON_VALID({document})", *_positions(generator, node.expression)]
    return f"CASE WHEN {' AND '.join(conditions)} THEN {value} END"


def _positions(generator: Generator, path: exp.Expr) -> Iterator[str]:
    """That the positions in a path of parts are some; DuckDB would count others from the end."""
    for part in path.expressions if isinstance(path, exp.Concat) else ():
        if isinstance(part, exp.Literal):
            continue
        if part.type is None or not part.type.is_type(*exp.DataType.INTEGER_TYPES):
            raise not_emulated("get_json_object with a position that is no integer")
        yield f"({generator.sql(part)}) >= 0"

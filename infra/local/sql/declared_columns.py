"""What a definition declares: columns and their types, options and properties of a table."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sqlglot import exp

from infra.local.catalog.tables import Column
from infra.local.sql import errors
from infra.local.sql.duckdb_text import READ
from infra.local.sql.errors import StatementError, not_emulated
from infra.local.storage import datatypes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def options(node: exp.Create) -> dict[str, object]:
    """Comment, properties, partitioning and clustering of a CREATE."""
    options: dict[str, object] = {}
    properties: dict[str, str] = {}
    for item in node.args["properties"].expressions if node.args.get("properties") else ():
        match item:
            case exp.SchemaCommentProperty():
                options["comment"] = item.name
            case exp.FileFormatProperty():
                if item.name.upper() != "DELTA":
                    raise not_emulated(f"USING {item.name}")
            case exp.PartitionedByProperty():
                options["partitioned_by"] = tuple(c.name for c in item.this.expressions)
            case exp.ClusterProperty() | exp.Cluster():
                options["clustered_by"] = tuple(c.name for c in item.expressions)
            case exp.Property() if type(item) is exp.Property:
                properties.update(_property(item))
            case _:
                raise not_emulated(f"The clause {item.sql(READ)}")
    return {**options, "properties": properties}


def _property(item: exp.Property) -> dict[str, str]:
    value = item.args["value"]
    return {item.this.sql(READ).replace("`", "").strip("'"): value.name or value.sql(READ)}


def properties(action: exp.Expr) -> dict[str, str]:
    """The key-value pairs of SET TBLPROPERTIES. Raises StatementError."""
    found: dict[str, str] = {}
    for item in action.find_all(exp.Property):
        if type(item) is exp.Property:
            found.update(_property(item))
    return found


def declared_columns(schema: exp.Schema) -> list[Column]:
    """The columns of a CREATE TABLE, no name twice. Raises StatementError."""
    columns: list[Column] = []
    required: set[str] = set()
    for item in schema.expressions:
        match item:
            case exp.ColumnDef():
                columns.append(declared_column(item))
            case exp.PrimaryKey() | exp.Constraint() if item.find(exp.PrimaryKey):
                # Informational in Databricks: not enforced, but its columns are NOT NULL.
                key = item.find(exp.PrimaryKey)
                required |= {column.name.lower() for column in key.expressions} if key else set()
            case exp.ForeignKey():
                continue
            case _:
                raise not_emulated(f"The table constraint {item.sql(READ)}")
    seen: set[str] = set()
    for column in columns:
        if column.name.lower() in seen:
            raise StatementError(
                errors.COLUMN_ALREADY_EXISTS, f"The column `{column.name}` already exists."
            )
        seen.add(column.name.lower())
    return [
        dataclasses.replace(column, nullable=False) if column.name.lower() in required else column
        for column in columns
    ]


def declared_column(definition: exp.ColumnDef) -> Column:
    """A column with type, nullability, default and comment. Raises StatementError."""
    if definition.args.get("kind") is None:
        raise StatementError(
            errors.PARSE_SYNTAX_ERROR, f"The column `{definition.name}` has no type."
        )
    kind = data_type(definition.args["kind"])
    nullable, default = True, None
    for constraint in definition.args.get("constraints") or ():
        match constraint.kind:
            case exp.NotNullColumnConstraint():
                nullable = bool(constraint.kind.args.get("allow_null"))
            case exp.PrimaryKeyColumnConstraint():
                nullable = False
            case exp.DefaultColumnConstraint():
                default = constraint.kind.this.sql("duckdb")
            case exp.CommentColumnConstraint():
                pass
            case _:
                raise not_emulated(f"The column constraint {constraint.sql(READ)}")
    return Column(
        name=definition.name,
        type=kind,
        nullable=nullable,
        default=default,
        comment=comment_of(definition),
        declared_type=spelling(definition.args["kind"], kind),
    )


def data_type(node: exp.DataType) -> datatypes.ColumnType:
    """The type that a declaration names. Raises StatementError for one that is not emulated."""
    if not isinstance(node, exp.DataType) or node.is_type(exp.DType.USERDEFINED, exp.DType.VARIANT):
        raise not_emulated(f"The type {node.sql(READ)}")
    return datatypes.from_duckdb(node.sql("duckdb"))


def spelling(node: exp.DataType, data_type: datatypes.ColumnType) -> str | None:
    """What was declared where it says more than DuckDB keeps: `varchar(10)`."""
    spelled = node.sql(READ).lower()
    return spelled if data_type.name == "STRING" and "(" in spelled else None


def comment_of(definition: exp.Expr) -> str | None:
    """The text of COMMENT in a column's definition; None where there is none."""
    found = definition.find(exp.CommentColumnConstraint)
    return found.name if found else None


def require_columns(columns: Iterable[Column], *groups: Sequence[str]) -> None:
    """Raises StatementError for the first name in `groups` that is no column."""
    known = {column.name.lower() for column in columns}
    for name in (name for group in groups for name in group):
        if name.lower() not in known:
            raise StatementError(
                errors.UNRESOLVED_COLUMN, f"A column with name `{name}` cannot be resolved."
            )

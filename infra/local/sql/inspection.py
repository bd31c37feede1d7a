"""SHOW and DESCRIBE: what exists, in the columns that Databricks answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from infra.local.sql import errors
from infra.local.sql.duckdb_text import READ
from infra.local.sql.errors import StatementError, not_emulated

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from infra.local.catalog.namespaces import Namespaces
    from infra.local.catalog.tables import Table, Tables
    from infra.local.sql.definition import Definition
    from infra.local.sql.dialect import Translator

Listing = tuple[tuple[str, ...], list[tuple[str | None, ...]]]
"""Column names, all of them strings, and rows."""

_SHOW: Final = re.compile(
    r"^\s*(?P<what>CATALOGS|SCHEMAS|DATABASES|TABLES|VIEWS|COLUMNS|TBLPROPERTIES|CREATE\s+TABLE)"
    r"(?:\s+(?:IN|FROM))?(?:\s+(?P<name>(?:`[^`]*`|[\w.]+)+))??"
    r"(?:\s+(?:LIKE\s+)?'(?P<pattern>[^']*)')?\s*$",
    re.IGNORECASE,
)


class Inspection:
    """Answers from the catalog, in the transaction of ``connection``."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        translator: Translator,
        definition: Definition,
        tables: Tables,
        namespaces: Namespaces,
    ) -> None:
        self._connection = connection
        self._translator = translator
        self._definition = definition
        self._tables = tables
        self._namespaces = namespaces

    def show(self, text: str) -> Listing:
        """SHOW of catalogs, schemas, tables, columns, properties. Raises StatementError."""
        match = _SHOW.match(text.rstrip().rstrip(";"))
        if match is None:
            raise not_emulated(f"SHOW {text.strip()}")
        name, matches = match["name"], _pattern(match["pattern"])
        match " ".join(match["what"].upper().split()):
            case "CATALOGS":
                rows = [(catalog,) for catalog in self._namespaces.catalogs() if matches(catalog)]
                return ("catalog",), list(rows)
            case "SCHEMAS" | "DATABASES":
                catalog = (name or self._translator.session.catalog).strip("`").lower()
                if not self._namespaces.has_catalog(catalog):
                    raise StatementError(
                        errors.CATALOG_NOT_FOUND, f"Catalog '{catalog}' was not found."
                    )
                schemas = self._namespaces.schemas(catalog)
                return ("databaseName",), [(schema,) for schema in schemas if matches(schema)]
            case "TABLES":
                return ("database", "tableName", "isTemporary"), [
                    (table.name.schema, table.name.table, "false")
                    for table in self._in_schema(name)
                    if matches(table.name.table)
                ]
            case "VIEWS":
                return ("namespace", "viewName", "isTemporary"), [
                    (table.name.schema, table.name.table, "false")
                    for table in self._in_schema(name)
                    if table.is_view and matches(table.name.table)
                ]
            case "COLUMNS":
                return ("col_name",), [(column.name,) for column in self._table(name).columns]
            case "TBLPROPERTIES":
                properties = self._table(name).metadata.properties
                return ("key", "value"), sorted(properties.items())
            case _:
                return ("createtab_stmt",), [(_create_statement(self._table(name)),)]

    def describe(self, node: exp.Describe) -> Listing:
        """DESCRIBE of a table or view. Raises StatementError."""
        if not isinstance(node.this, exp.Table):
            raise not_emulated(f"DESCRIBE {node.this.sql(READ)}")
        table = self._definition.described(node.this)
        rows: list[tuple[str | None, ...]] = [
            (column.name, column.type_text, column.comment) for column in table.columns
        ]
        if table.metadata.partitioned_by:
            rows += [("# Partition Information", "", ""), ("# col_name", "data_type", "comment")]
            rows += [
                (column.name, column.type_text, column.comment)
                for name in table.metadata.partitioned_by
                if (column := table.column(name))
            ]
        if str(node.args.get("style") or "").upper() == "EXTENDED":
            meta = table.metadata
            rows += [
                ("", "", ""),
                ("# Detailed Table Information", "", ""),
                ("Catalog", table.name.catalog, ""),
                ("Database", table.name.schema, ""),
                ("Table", table.name.table, ""),
                ("Owner", meta.owner, ""),
                ("Type", meta.table_type, ""),
                ("Comment", meta.comment or "", ""),
                ("Table Properties", str(sorted(meta.properties.items())), ""),
            ]
            if meta.view_definition:
                rows.append(("View Text", meta.view_definition, ""))
        return ("col_name", "data_type", "comment"), rows

    def _table(self, name: str | None) -> Table:
        if name is None:
            raise StatementError(errors.PARSE_SYNTAX_ERROR, "SHOW needs the name of a table here.")
        return self._definition.described(exp.to_table(name, dialect=READ))

    def _in_schema(self, name: str | None) -> list[Table]:
        session = self._translator.session
        parts = [part.strip("`").lower() for part in (name or session.schema).split(".")]
        catalog, schema = parts if len(parts) == 2 else (session.catalog, parts[0])
        if not self._namespaces.has_schema(catalog, schema):
            raise StatementError(
                errors.SCHEMA_NOT_FOUND, f"The schema `{catalog}`.`{schema}` cannot be found."
            )
        return self._tables.list(self._connection, catalog, schema)


def _pattern(pattern: str | None) -> Callable[[str], object]:
    if pattern is None:
        return bool
    # In SHOW, `*` stands for any characters and `|` separates alternatives.
    alternatives = (re.escape(part).replace(r"\*", ".*") for part in pattern.split("|"))
    return re.compile("|".join(f"(?:{part})" for part in alternatives), re.IGNORECASE).fullmatch


def _create_statement(table: Table) -> str:
    meta = table.metadata
    if table.is_view:
        return f"CREATE VIEW {table.name.full_name} AS {meta.view_definition}"
    columns = ",\n  ".join(
        f"{column.name} {column.type_text}"
        + ("" if column.nullable else " NOT NULL")
        + (f" COMMENT {exp.Literal.string(column.comment).sql(READ)}" if column.comment else "")
        for column in table.columns
    )
    statement = f"CREATE TABLE {table.name.full_name} (\n  {columns})\nUSING delta"
    if meta.partitioned_by:
        statement += f"\nPARTITIONED BY ({', '.join(meta.partitioned_by)})"
    if meta.clustered_by:
        statement += f"\nCLUSTER BY ({', '.join(meta.clustered_by)})"
    if meta.comment:
        statement += f"\nCOMMENT {exp.Literal.string(meta.comment).sql(READ)}"
    return statement

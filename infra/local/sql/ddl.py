"""CREATE and DROP: DuckDB's table and Unity Catalog's metadata in one transaction.

Statements: https://docs.databricks.com/aws/en/sql/language-manual/sql-ref-syntax-ddl-create-table-using.
"""

from __future__ import annotations

import dataclasses

from sqlglot import exp

from infra.local.catalog.tables import Column, Table, TableName
from infra.local.sql import errors
from infra.local.sql.declared_columns import comment_of, declared_columns, options, require_columns
from infra.local.sql.definition import (
    Definition,
    check_name,
    expected_table,
    refuse_system,
    system_is_read_only,
)
from infra.local.sql.errors import StatementError, not_emulated
from infra.local.storage.database import SYSTEM_CATALOG
from infra.local.storage.metadata import TableMetadata


class Definitions(Definition):
    """Executes the statements that define things, in the transaction of ``connection``."""

    # CREATE ----------------------------------------------------------------------------------

    def create(self, node: exp.Create) -> None:
        """CREATE TABLE, VIEW or SCHEMA. Raises StatementError."""
        match node.kind:
            case "TABLE":
                self._create_table(node)
            case "VIEW":
                self._create_view(node)
            case "SCHEMA" | "DATABASE":
                self._create_schema(node)
            case kind:
                raise not_emulated(f"CREATE {kind}")

    def _create_table(self, node: exp.Create) -> None:
        schema = node.this
        target = schema.this if isinstance(schema, exp.Schema) else schema
        name = self._new(target)
        declared = options(node)
        existing = self._tables.find(self._connection, name)
        if existing is not None:
            if node.args.get("exists"):
                return
            if not node.args.get("replace"):
                raise StatementError(
                    errors.TABLE_OR_VIEW_ALREADY_EXISTS,
                    f"Cannot create table or view `{name.schema}`.`{name.table}` because it "
                    "already exists. Choose a different name, drop or replace the existing "
                    "object, or add the IF NOT EXISTS clause to tolerate pre-existing objects.",
                )
            if existing.is_view:
                raise expected_table(existing)
        if query := node.expression:
            columns = self._fill(name, query, schema)
        elif isinstance(schema, exp.Schema):
            columns = declared_columns(schema)
            self._tables.create_physical(self._connection, name, columns)
        else:
            raise not_emulated("CREATE TABLE without columns and without a query")
        if existing is not None:
            declared = {**declared, "holder_id": existing.metadata.holder}
        metadata = TableMetadata.new(self._tables.user, **declared)
        require_columns(columns, metadata.partitioned_by, metadata.clustered_by)
        self._tables.put(
            self._connection, Table(name=name, columns=tuple(columns), metadata=metadata)
        )

    def _fill(self, name: TableName, query: exp.Expr, schema: exp.Expr) -> list[Column]:
        if isinstance(schema, exp.Schema) and schema.expressions:
            raise not_emulated("CREATE TABLE with a column list and a query")
        translation = self._translator.render(query)
        self._connection.execute(
            f"CREATE OR REPLACE TABLE {name.sql} AS {translation.sql}", dict(translation.values)
        )
        created = self._tables.find(self._connection, name)
        assert created is not None  # noqa: S101 - the statement above created it
        return [dataclasses.replace(c, comment=None, declared_type=None) for c in created.columns]

    def _create_view(self, node: exp.Create) -> None:
        schema = node.this
        target = schema.this if isinstance(schema, exp.Schema) else schema
        name = self._new(target)
        existing = self._tables.find(self._connection, name)
        if existing is not None:
            if node.args.get("exists"):
                return
            if not existing.is_view:
                raise StatementError(
                    errors.EXPECT_VIEW_NOT_TABLE, f"`{name.full_name}` is a table, not a view."
                )
            if not node.args.get("replace"):
                raise StatementError(
                    errors.TABLE_OR_VIEW_ALREADY_EXISTS,
                    f"Cannot create view `{name.schema}`.`{name.table}` because it already exists.",
                )
        aliases = schema.expressions if isinstance(schema, exp.Schema) else []
        comments = {
            alias.name.lower(): comment for alias in aliases if (comment := comment_of(alias))
        }
        metadata = TableMetadata.new(
            self._tables.user,
            **{
                **options(node),
                "table_type": "VIEW",
                "view_definition": node.meta["query"],
            },
        )
        self._define_view(name, node.expression, [alias.name for alias in aliases], metadata)
        created = self._tables.find(self._connection, name)
        assert created is not None  # noqa: S101 - the statement above created it
        if aliases and len(aliases) != len(created.columns):
            raise StatementError(
                errors.CREATE_VIEW_COLUMN_ARITY_MISMATCH,
                f"Cannot create view `{name.full_name}`: it has {len(aliases)} column(s), and its "
                f"query {len(created.columns)}.",
            )
        columns = (
            dataclasses.replace(column, comment=comments.get(column.name.lower()))
            for column in created.columns
        )
        self._tables.put(self._connection, dataclasses.replace(created, columns=tuple(columns)))

    def _create_schema(self, node: exp.Create) -> None:
        catalog, schema = self._schema_name(node.this)
        if not self._namespaces.has_catalog(catalog):
            raise StatementError(errors.CATALOG_NOT_FOUND, f"Catalog '{catalog}' was not found.")
        if catalog == SYSTEM_CATALOG:
            raise system_is_read_only()
        check_name(schema)
        if self._namespaces.has_schema(catalog, schema):
            if node.args.get("exists"):
                return
            raise StatementError(
                errors.SCHEMA_ALREADY_EXISTS, f"The schema `{catalog}`.`{schema}` already exists."
            )
        comment = options(node).get("comment")
        self._namespaces.create_schema(
            self._connection, catalog, schema, str(comment) if comment is not None else None
        )

    def _schema_name(self, table: exp.Expr) -> tuple[str, str]:
        session = self._translator.session
        catalog = (table.text("catalog") or session.catalog).lower()
        return catalog, table.text("db").lower()

    # DROP ------------------------------------------------------------------------------------

    def drop(self, node: exp.Drop) -> None:
        """DROP TABLE, VIEW or SCHEMA. Raises StatementError."""
        match node.kind:
            case "TABLE" | "VIEW":
                self._drop_table(node)
            case "SCHEMA" | "DATABASE":
                self._drop_schema(node)
            case kind:
                raise not_emulated(f"DROP {kind}")

    def _drop_table(self, node: exp.Drop) -> None:
        for target in node.args["tables"]:
            name = self.name(target)
            table = self._tables.find(self._connection, name)
            if table is None:
                if node.args.get("exists"):
                    continue
                raise errors.table_not_found(name.full_name)
            refuse_system(name)
            if table.is_view and node.kind == "TABLE":
                raise expected_table(table)
            if not table.is_view and node.kind == "VIEW":
                raise StatementError(
                    errors.EXPECT_VIEW_NOT_TABLE,
                    f"`{name.full_name}` is a table, not a view. Please use DROP TABLE instead.",
                )
            self._tables.drop(self._connection, table)

    def _drop_schema(self, node: exp.Drop) -> None:
        catalog, schema = self._schema_name(node.args["tables"][0])
        if catalog == SYSTEM_CATALOG:
            raise system_is_read_only()
        if not self._namespaces.has_schema(catalog, schema):
            if node.args.get("exists"):
                return
            raise StatementError(
                errors.SCHEMA_NOT_FOUND, f"The schema `{catalog}`.`{schema}` cannot be found."
            )
        if not node.args.get("cascade") and self._tables.list(self._connection, catalog, schema):
            raise StatementError(
                errors.SCHEMA_NOT_EMPTY,
                f"Cannot drop the schema `{catalog}`.`{schema}` because it contains objects. "
                "Use DROP SCHEMA ... CASCADE to drop the schema and all its objects.",
            )
        self._namespaces.drop_schema(self._connection, catalog, schema)

    # COMMENT ON ------------------------------------------------------------------------------

"""What every statement that defines or changes something begins with: what is meant by a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from infra.local.catalog.names import rule_broken_by
from infra.local.catalog.tables import Table, TableName
from infra.local.sql import errors
from infra.local.sql.errors import StatementError, not_emulated
from infra.local.storage.database import SYSTEM_CATALOG, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from infra.local.catalog.namespaces import Namespaces
    from infra.local.catalog.tables import Tables
    from infra.local.sql.dialect import Translator
    from infra.local.storage.metadata import TableMetadata


class Definition:
    """Names and what they name, in the transaction of ``connection``."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        translator: Translator,
        tables: Tables,
        namespaces: Namespaces,
    ) -> None:
        self._connection = connection
        self._translator = translator
        self._tables = tables
        self._namespaces = namespaces

    def name(self, table: exp.Expr) -> TableName:
        """The three-level name of a table that a statement defines or changes."""
        if not isinstance(table, exp.Table):
            raise not_emulated("A name that is not written as a name")
        complete = self._translator.qualify(table.copy())
        return TableName.of(complete.catalog, complete.db, complete.name)

    def described(self, table: exp.Expr) -> Table:
        """The table or view; TABLE_OR_VIEW_NOT_FOUND if there is none."""
        name = self.name(table)
        found = self._tables.find(self._connection, name)
        if found is None:
            raise errors.table_not_found(name.full_name)
        return found

    def existing(self, table: exp.Expr) -> Table:
        """The table or view to change; the platform's own are refused."""
        found = self.described(table)
        refuse_system(found.name)
        return found

    def _new(self, table: exp.Expr) -> TableName:
        name = self.name(table)
        refuse_system(name)
        self._require_schema(name.catalog, name.schema)
        check_name(name.table)
        return name

    def _require_schema(self, catalog: str, schema: str) -> None:
        if not self._namespaces.has_catalog(catalog):
            raise StatementError(errors.CATALOG_NOT_FOUND, f"Catalog '{catalog}' was not found.")
        if not self._namespaces.has_schema(catalog, schema):
            raise StatementError(
                errors.SCHEMA_NOT_FOUND,
                f"The schema `{catalog}`.`{schema}` cannot be found. Verify the spelling and "
                "correctness of the schema and catalog.",
            )

    def _define_view(
        self,
        name: TableName,
        query: exp.Expr,
        aliases: Sequence[str],
        metadata: TableMetadata,
    ) -> None:
        translation = self._translator.render(query)
        if translation.values:
            raise not_emulated("A parameter marker in the query of a view")
        renamed = f" ({', '.join(quoted(alias) for alias in aliases)})" if aliases else ""
        self._connection.execute(f"CREATE OR REPLACE VIEW {name.sql}{renamed} AS {translation.sql}")
        self._tables.metadata.put(
            self._connection, name.database, name.schema, name.table, metadata
        )


def refuse_system(name: TableName) -> None:
    """System tables are written by the platform alone."""
    if name.catalog == SYSTEM_CATALOG:
        raise system_is_read_only()


def system_is_read_only() -> StatementError:
    """What a statement fails with that would change the catalog `system`."""
    return StatementError(
        errors.INSUFFICIENT_PERMISSIONS,
        "Insufficient privileges: the catalog `system` is read-only.",
    )


def check_name(name: str) -> None:
    """Raises StatementError for what cannot be a name."""
    if broken := rule_broken_by(name):
        raise StatementError(errors.INVALID_NAME, broken)


def expected_table(table: Table) -> StatementError:
    """What a statement fails with that names a view where a table belongs."""
    return StatementError(
        errors.EXPECT_TABLE_NOT_VIEW,
        f"`{table.name.full_name}` is a view, not a table. Please use DROP VIEW instead.",
    )

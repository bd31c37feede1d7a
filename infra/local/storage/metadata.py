"""What Unity Catalog knows about a table and DuckDB has no place for.

Each catalog's own DuckDB file holds it, so that a statement and its metadata commit together.
"""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from typing import Literal

import duckdb
from pydantic import BaseModel, ConfigDict

from infra.local.storage.database import INTERNAL_SCHEMA_PREFIX, literal, quoted

_SCHEMA = f"{INTERNAL_SCHEMA_PREFIX}unity_catalog"
_TABLE = "table_metadata"


class TableMetadata(BaseModel):
    """One table or view. Columns are known by their lower-case names."""

    model_config = ConfigDict(frozen=True)

    table_id: str
    table_type: Literal["MANAGED", "VIEW"] = "MANAGED"
    owner: str
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str
    comment: str | None = None
    properties: dict[str, str] = {}
    column_comments: dict[str, str] = {}
    column_types: dict[str, str] = {}
    """The declared spelling where DuckDB's type does not tell it (`varchar(10)`)."""
    partitioned_by: tuple[str, ...] = ()
    clustered_by: tuple[str, ...] = ()
    view_definition: str | None = None
    holder_id: str | None = None
    """The first of the tables that this one has replaced, whose grants it has."""

    @property
    def holder(self) -> str:
        """Whose grants are the table's."""
        return self.holder_id or self.table_id

    @classmethod
    def new(cls, user: str, **values: object) -> TableMetadata:
        """Metadata of a table that ``user`` creates now."""
        now = _now()
        return cls.model_validate(
            {
                "table_id": str(uuid.uuid4()),
                "owner": user,
                "created_at": now,
                "created_by": user,
                "updated_at": now,
                "updated_by": user,
                **values,
            }
        )

    def changed(self, user: str, **values: object) -> TableMetadata:
        """This metadata after a change by ``user``."""
        return self.model_copy(update={**values, "updated_at": _now(), "updated_by": user})


class MetadataStore:
    """Reads and writes ``TableMetadata`` through the transaction of a connection."""

    def get(
        self, connection: duckdb.DuckDBPyConnection, database: str, schema: str, table: str
    ) -> TableMetadata | None:
        """What is known about a table; None for a table that no statement of ours created."""
        rows = self._select(connection, database, schema, f"AND table_name = {literal(table)}")
        return rows[0][1] if rows else None

    def all(
        self, connection: duckdb.DuckDBPyConnection, database: str, schema: str
    ) -> dict[str, TableMetadata]:
        """Of every table of a schema, by name."""
        return dict(self._select(connection, database, schema, ""))

    def put(
        self,
        connection: duckdb.DuckDBPyConnection,
        database: str,
        schema: str,
        table: str,
        metadata: TableMetadata,
    ) -> None:
        """Insert or replace."""
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(database)}.{quoted(_SCHEMA)}")
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._name(database)} "
            "(schema_name VARCHAR, table_name VARCHAR, document VARCHAR)"
        )
        self.delete(connection, database, schema, table)
        values = ", ".join(literal(value) for value in (schema, table, metadata.model_dump_json()))
        connection.execute(f"INSERT INTO {self._name(database)} VALUES ({values})")  # noqa: S608 - names are quoted

    def delete(
        self, connection: duckdb.DuckDBPyConnection, database: str, schema: str, table: str
    ) -> None:
        """Forget a table; nothing happens if it is not known."""
        self._delete(connection, database, schema, f"AND table_name = {literal(table)}")

    def delete_schema(
        self, connection: duckdb.DuckDBPyConnection, database: str, schema: str
    ) -> None:
        """Forget every table of a schema."""
        self._delete(connection, database, schema, "")

    def _delete(
        self, connection: duckdb.DuckDBPyConnection, database: str, schema: str, condition: str
    ) -> None:
        with suppress(duckdb.CatalogException):  # nothing was ever stored
            connection.execute(
                f"DELETE FROM {self._name(database)} "  # noqa: S608 - names are quoted
                f"WHERE schema_name = {literal(schema)} {condition}"
            )

    def _select(
        self, connection: duckdb.DuckDBPyConnection, database: str, schema: str, condition: str
    ) -> list[tuple[str, TableMetadata]]:
        try:
            rows = connection.execute(
                f"SELECT table_name, document FROM {self._name(database)} "  # noqa: S608 - names are quoted
                f"WHERE schema_name = {literal(schema)} {condition} ORDER BY table_name"
            ).fetchall()
        except (duckdb.BinderException, duckdb.CatalogException):  # nothing was ever stored
            return []
        return [(name, TableMetadata.model_validate_json(document)) for name, document in rows]

    def _name(self, database: str) -> str:
        return f"{quoted(database)}.{quoted(_SCHEMA)}.{quoted(_TABLE)}"


def _now() -> int:
    return int(time.time() * 1000)

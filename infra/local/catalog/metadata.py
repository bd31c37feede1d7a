"""What Unity Catalog knows about a table and DuckDB has no place for.

Each catalog's own DuckDB file holds it, so that a statement and its metadata commit together.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from infra.local.sql.database import quoted
from infra.local.sql.dialect import INTERNAL_SCHEMA_PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

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
        rows = self._select(connection, database, "AND table_name = ?", [schema, table])
        return rows[0][1] if rows else None

    def all(
        self, connection: duckdb.DuckDBPyConnection, database: str, schema: str
    ) -> dict[str, TableMetadata]:
        """Of every table of a schema, by name."""
        return dict(self._select(connection, database, "", [schema]))

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
        connection.execute(
            f"INSERT INTO {self._name(database)} VALUES (?, ?, ?)",  # noqa: S608 - names are quoted
            [schema, table, metadata.model_dump_json()],
        )

    def delete(
        self, connection: duckdb.DuckDBPyConnection, database: str, schema: str, table: str
    ) -> None:
        """Forget a table; nothing happens if it is not known."""
        if self._exists(connection, database):
            connection.execute(
                f"DELETE FROM {self._name(database)} WHERE schema_name = ? AND table_name = ?",  # noqa: S608 - names are quoted
                [schema, table],
            )

    def delete_schema(
        self, connection: duckdb.DuckDBPyConnection, database: str, schema: str
    ) -> None:
        """Forget every table of a schema."""
        if self._exists(connection, database):
            table = self._name(database)
            statement = f"DELETE FROM {table} WHERE schema_name = ?"  # noqa: S608 - names are quoted
            connection.execute(statement, [schema])

    def _select(
        self,
        connection: duckdb.DuckDBPyConnection,
        database: str,
        condition: str,
        values: Sequence[str],
    ) -> list[tuple[str, TableMetadata]]:
        if not self._exists(connection, database):
            return []
        rows = connection.execute(
            f"SELECT table_name, document FROM {self._name(database)} "  # noqa: S608 - names are quoted
            f"WHERE schema_name = ? {condition} ORDER BY table_name",
            values,
        ).fetchall()
        return [(name, TableMetadata.model_validate_json(document)) for name, document in rows]

    def _exists(self, connection: duckdb.DuckDBPyConnection, database: str) -> bool:
        found = connection.execute(
            "SELECT 1 FROM duckdb_tables() "
            "WHERE database_name = ? AND schema_name = ? AND table_name = ?",
            [database, _SCHEMA, _TABLE],
        ).fetchone()
        return found is not None

    def _name(self, database: str) -> str:
        return f"{quoted(database)}.{quoted(_SCHEMA)}.{quoted(_TABLE)}"


def _now() -> int:
    return int(time.time() * 1000)

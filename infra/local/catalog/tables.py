"""Tables and views as Unity Catalog describes them: DuckDB's columns with our metadata."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from infra.local.storage import datatypes
from infra.local.storage.database import SYSTEM_CATALOG, SYSTEM_DATABASE, Database, literal, quoted
from infra.local.storage.metadata import MetadataStore, TableMetadata

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class TableName:
    """A three-level name, lower case."""

    catalog: str
    schema: str
    table: str

    @classmethod
    def parse(cls, full_name: str) -> TableName:
        """From `catalog.schema.table`; ValueError for anything else."""
        catalog, schema, table = full_name.lower().split(".")
        return cls(catalog=catalog, schema=schema, table=table)

    @classmethod
    def of(cls, database: str, schema: str, table: str) -> TableName:
        """From the parts of a DuckDB name."""
        catalog = SYSTEM_CATALOG if database == SYSTEM_DATABASE else database
        return cls(catalog=catalog, schema=schema, table=table)

    @property
    def database(self) -> str:
        """The DuckDB database of the catalog."""
        return SYSTEM_DATABASE if self.catalog == SYSTEM_CATALOG else self.catalog

    @property
    def full_name(self) -> str:
        return f"{self.catalog}.{self.schema}.{self.table}"

    @property
    def sql(self) -> str:
        """The name in a DuckDB statement."""
        return ".".join(quoted(part) for part in (self.database, self.schema, self.table))

    def renamed(self, table: str) -> TableName:
        """Another name in the same schema."""
        return TableName(catalog=self.catalog, schema=self.schema, table=table.lower())


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as it is in DuckDB, with what was declared about it."""

    name: str
    type: datatypes.ColumnType
    nullable: bool
    default: str | None = None
    comment: str | None = None
    declared_type: str | None = None

    @property
    def type_text(self) -> str:
        return self.declared_type or self.type.text

    @property
    def definition(self) -> str:
        """The column in a CREATE TABLE of DuckDB."""
        constraint = "" if self.nullable else " NOT NULL"
        default = f" DEFAULT {self.default}" if self.default else ""
        return f"{quoted(self.name)} {self.type.duckdb}{default}{constraint}"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table or view."""

    name: TableName
    columns: tuple[Column, ...]
    metadata: TableMetadata

    @property
    def is_view(self) -> bool:
        return self.metadata.table_type == "VIEW"

    def column(self, name: str) -> Column | None:
        """The column of that name in any case."""
        return next((c for c in self.columns if c.name.lower() == name.lower()), None)

    def describe(self, metastore_id: str) -> dict[str, Any]:
        """TableInfo (https://docs.databricks.com/api/workspace/tables/get)."""
        meta = self.metadata
        info: dict[str, Any] = {
            "name": self.name.table,
            "catalog_name": self.name.catalog,
            "schema_name": self.name.schema,
            "full_name": self.name.full_name,
            "table_id": meta.table_id,
            "table_type": meta.table_type,
            "columns": [self._describe(position) for position in range(len(self.columns))],
            "properties": meta.properties,
            "owner": meta.owner,
            "metastore_id": metastore_id,
            "created_at": meta.created_at,
            "created_by": meta.created_by,
            "updated_at": meta.updated_at,
            "updated_by": meta.updated_by,
        }
        if meta.comment is not None:
            info["comment"] = meta.comment
        if self.is_view:
            info["view_definition"] = meta.view_definition
        else:
            info["data_source_format"] = "DELTA"
        if meta.clustered_by:
            info["properties"] = {
                **meta.properties,
                "clusteringColumns": "[" + ",".join(f'["{c}"]' for c in meta.clustered_by) + "]",
            }
        return info

    def _describe(self, position: int) -> dict[str, Any]:
        column = self.columns[position]
        described: dict[str, Any] = {
            "name": column.name,
            "type_text": column.type_text,
            "type_name": column.type.name,
            "type_precision": column.type.precision or 0,
            "type_scale": column.type.scale or 0,
            "type_json": column.type.type_json(column.name, nullable=column.nullable),
            "position": position,
            "nullable": column.nullable,
        }
        if column.comment is not None:
            described["comment"] = column.comment
        partitions = [name.lower() for name in self.metadata.partitioned_by]
        if column.name.lower() in partitions:
            described["partition_index"] = partitions.index(column.name.lower())
        return described


class Tables:
    """Finds tables and changes their metadata. Every method works in the caller's transaction."""

    def __init__(self, database: Database, user: str) -> None:
        self.database = database
        self.user = user
        self.metadata = MetadataStore()

    def find(self, connection: duckdb.DuckDBPyConnection, name: TableName) -> Table | None:
        """The table or view, None if there is none."""
        known = self.metadata.get(connection, name.database, name.schema, name.table)
        try:
            rows = connection.execute(f"DESCRIBE {name.sql}").fetchall()
        except (duckdb.BinderException, duckdb.CatalogException):
            if known is None:
                return None
            rows = []  # a view whose tables are gone
        return self._table(name, rows, known or self._adopted(connection, name))

    def list(self, connection: duckdb.DuckDBPyConnection, catalog: str, schema: str) -> list[Table]:
        """The tables and views of a schema, by name."""
        of_schema = TableName(catalog=catalog.lower(), schema=schema.lower(), table="")
        tables = connection.execute(
            "SELECT table_name FROM duckdb_tables() "  # noqa: S608 - names are quoted
            f"WHERE database_name = {literal(of_schema.database)} "
            f"AND schema_name = {literal(of_schema.schema)}"
        ).fetchall()
        known = self.metadata.all(connection, of_schema.database, of_schema.schema)
        names = sorted({name for (name,) in tables} | known.keys())
        found = (self.find(connection, of_schema.renamed(name)) for name in names)
        return [table for table in found if table is not None]

    def create(self, connection: duckdb.DuckDBPyConnection, table: Table) -> None:
        """Create or replace a table, empty, with its metadata."""
        self.create_physical(connection, table.name, table.columns)
        self.put(connection, table)

    def create_physical(
        self, connection: duckdb.DuckDBPyConnection, name: TableName, columns: Sequence[Column]
    ) -> None:
        """Create or replace the DuckDB table alone."""
        definitions = ", ".join(column.definition for column in columns)
        connection.execute(f"CREATE OR REPLACE TABLE {name.sql} ({definitions})")

    def drop(self, connection: duckdb.DuckDBPyConnection, table: Table) -> None:
        """Drop a table or view with its metadata."""
        kind = "VIEW" if table.is_view else "TABLE"
        connection.execute(f"DROP {kind} {table.name.sql}")
        self.forget(connection, table.name)

    def put(self, connection: duckdb.DuckDBPyConnection, table: Table) -> None:
        """Store the metadata of a table, its columns' comments among it."""
        metadata = table.metadata.model_copy(
            update={
                "column_comments": {
                    column.name.lower(): column.comment
                    for column in table.columns
                    if column.comment is not None
                },
                "column_types": {
                    column.name.lower(): column.declared_type
                    for column in table.columns
                    if column.declared_type is not None
                },
            }
        )
        name = table.name
        self.metadata.put(connection, name.database, name.schema, name.table, metadata)

    def forget(self, connection: duckdb.DuckDBPyConnection, name: TableName) -> None:
        """Remove the metadata of a table."""
        self.metadata.delete(connection, name.database, name.schema, name.table)

    def _table(
        self, name: TableName, rows: Sequence[tuple[Any, ...]], metadata: TableMetadata
    ) -> Table:
        columns = tuple(
            Column(
                name=column,
                type=datatypes.from_duckdb(data_type),
                nullable=nullable == "YES",
                default=default,
                comment=metadata.column_comments.get(column.lower()),
                declared_type=metadata.column_types.get(column.lower()),
            )
            for column, data_type, nullable, _, default, *_ in rows
        )
        return Table(name=name, columns=columns, metadata=metadata)

    def _adopted(self, connection: duckdb.DuckDBPyConnection, name: TableName) -> TableMetadata:
        """Metadata of a table that was not made by a statement of ours (minilake's jobs)."""
        view = connection.execute(
            f"SELECT sql FROM duckdb_views() WHERE database_name = {literal(name.database)} "  # noqa: S608 - names are quoted
            f"AND schema_name = {literal(name.schema)} AND view_name = {literal(name.table)}"
        ).fetchone()
        metadata = TableMetadata.new(
            self.user,
            # The same at every read.
            table_id=str(uuid.uuid5(uuid.NAMESPACE_URL, name.full_name)),
            created_at=0,
            updated_at=0,
        )
        if view is None:
            return metadata
        return metadata.model_copy(update={"table_type": "VIEW", "view_definition": view[0]})

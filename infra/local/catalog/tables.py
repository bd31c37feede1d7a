"""Tables and views as Unity Catalog describes them: DuckDB's columns with our metadata."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import duckdb
from minilake.services.unity_catalog import METASTORE_ID
from sqlglot.errors import ParseError
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.body import json_object, text
from infra.local.catalog.metadata import MetadataStore, TableMetadata
from infra.local.catalog.names import rule_broken_by
from infra.local.refusal import Refusal, invalid, missing, not_emulated
from infra.local.sql import datatypes
from infra.local.sql.database import SYSTEM_CATALOG, SYSTEM_DATABASE, Database, literal, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from infra.local.lake import Lake

PATH: Final = "/api/2.1/unity-catalog/tables"


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


class TablesApi:
    """`/api/2.1/unity-catalog/tables` (https://docs.databricks.com/api/workspace/tables)."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._tables = lake.tables

    def routes(self) -> list[BaseRoute]:
        one = f"{PATH}/{{name}}"
        return [
            Route(PATH, self._create, methods=["POST"]),
            Route(PATH, self._list, methods=["GET"]),
            Route(one, self._get, methods=["GET"]),
            Route(one, self._update, methods=["PATCH"]),
            Route(one, self._delete, methods=["DELETE"]),
            Route(f"{one}/exists", self._exists, methods=["GET"]),
        ]

    async def _create(self, request: Request) -> Response:
        body = await json_object(request)
        if body.get("table_type", "MANAGED") != "MANAGED" or body.get("storage_location"):
            raise not_emulated("An external table")
        name = TableName(
            catalog=text(body, "catalog_name").lower(),
            schema=text(body, "schema_name").lower(),
            table=text(body, "name").lower(),
        )
        if not self._lake.namespaces.has_schema(name.catalog, name.schema):
            raise Refusal(
                404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{name.catalog}.{name.schema}' is missing."
            )
        if broken := rule_broken_by(name.table):
            raise invalid(f"name: {broken}")
        columns = tuple(_requested_column(column) for column in body.get("columns") or ())
        if not columns:
            raise invalid("columns: a table needs at least one column.")
        metadata = TableMetadata.new(
            self._tables.user, comment=body.get("comment"), properties=body.get("properties") or {}
        )
        table = Table(name=name, columns=columns, metadata=metadata)

        def create() -> dict[str, Any]:
            with self._lake.database.writing() as connection:
                if self._tables.find(connection, name) is not None:
                    raise Refusal(
                        409, "RESOURCE_ALREADY_EXISTS", f"Table '{name.full_name}' already exists."
                    )
                self._tables.create(connection, table)
            return table.describe(METASTORE_ID)

        return JSONResponse(await asyncio.to_thread(create))

    async def _list(self, request: Request) -> Response:
        catalog, schema = (
            request.query_params.get(field, "").lower() for field in ("catalog_name", "schema_name")
        )
        if not self._lake.namespaces.has_schema(catalog, schema):
            raise Refusal(
                404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{catalog}.{schema}' does not exist."
            )

        def listing() -> list[dict[str, Any]]:
            found = self._tables.list(self._lake.database.cursor(), catalog, schema)
            return [table.describe(METASTORE_ID) for table in found]

        return JSONResponse({"tables": await asyncio.to_thread(listing)})

    async def _get(self, request: Request) -> Response:
        table = await asyncio.to_thread(self._find, _requested_name(request))
        return JSONResponse(table.describe(METASTORE_ID))

    async def _exists(self, request: Request) -> Response:
        name = _requested_name(request)

        def exists() -> bool:
            return self._tables.find(self._lake.database.cursor(), name) is not None

        return JSONResponse({"table_exists": await asyncio.to_thread(exists)})

    async def _update(self, request: Request) -> Response:
        body, name = await json_object(request), _requested_name(request)
        values = {key: body[key] for key in ("owner", "comment", "properties") if key in body}

        def update() -> None:
            with self._lake.database.writing() as connection:
                table = self._find(name)
                metadata = table.metadata.changed(self._tables.user, **values)
                self._tables.put(connection, replace(table, metadata=metadata))

        await asyncio.to_thread(update)
        return JSONResponse({})

    async def _delete(self, request: Request) -> Response:
        name = _requested_name(request)

        def delete() -> None:
            with self._lake.database.writing() as connection:
                self._tables.drop(connection, self._find(name))

        await asyncio.to_thread(delete)
        return JSONResponse({})

    def _find(self, name: TableName) -> Table:
        table = self._tables.find(self._lake.database.cursor(), name)
        if table is None:
            raise missing(f"Table '{name.full_name}' does not exist.")
        return table


def routes(lake: Lake) -> list[BaseRoute]:
    return TablesApi(lake).routes()


def _requested_name(request: Request) -> TableName:
    full_name = request.path_params["name"]
    try:
        return TableName.parse(full_name)
    except ValueError:
        raise invalid(f"{full_name!r} is not of the form catalog.schema.table.") from None


def _requested_column(column: dict[str, Any]) -> Column:
    name, data_type = text(column, "name"), column.get("type_text") or column.get("type_name")
    try:
        duckdb_type = datatypes.to_duckdb(str(data_type))
    except (ParseError, ValueError):
        raise invalid(
            f"columns: {name} has the type {data_type!r}, which does not exist."
        ) from None
    return Column(
        name=name,
        type=datatypes.from_duckdb(duckdb_type),
        nullable=bool(column.get("nullable", True)),
        comment=column.get("comment"),
    )

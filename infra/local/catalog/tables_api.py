"""The tables of Unity Catalog over HTTP.

API: https://docs.databricks.com/api/workspace/tables.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from minilake.services.unity_catalog import METASTORE_ID
from sqlglot.errors import ParseError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.catalog.names import rule_broken_by
from infra.local.catalog.pages import paged
from infra.local.catalog.tables import Column, Table, TableName
from infra.local.http import json_object, only, text
from infra.local.refusal import Refusal, invalid, missing, not_emulated
from infra.local.storage import datatypes
from infra.local.storage.metadata import TableMetadata

if TYPE_CHECKING:
    from starlette.requests import Request

    from infra.local.catalog.namespaces import Namespaces
    from infra.local.catalog.tables import Tables

PATH: Final = "/api/2.1/unity-catalog/tables"
_CHANGED: Final = ("owner", "comment", "properties")
_OF_A_NEW_ONE: Final = (
    *("catalog_name", "schema_name", "name", "table_type", "data_source_format"),
    *("columns", "comment", "properties"),
)


class TablesApi:
    """REST calls to and from `Tables`; each runs on a thread of its own."""

    def __init__(self, tables: Tables, namespaces: Namespaces) -> None:
        self._tables = tables
        self._database = tables.database
        self._namespaces = namespaces

    def routes(self) -> list[Route]:
        """Tables and views: create, list, get, exists, update, delete."""
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
        only(body, _OF_A_NEW_ONE, "a table")
        name = TableName(
            catalog=text(body, "catalog_name").lower(),
            schema=text(body, "schema_name").lower(),
            table=text(body, "name").lower(),
        )
        if not self._namespaces.has_schema(name.catalog, name.schema):
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
            with self._database.writing() as connection:
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
        if not self._namespaces.has_schema(catalog, schema):
            raise Refusal(
                404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{catalog}.{schema}' does not exist."
            )

        def listing() -> list[dict[str, Any]]:
            found = self._tables.list(self._database.cursor(), catalog, schema)
            return [table.describe(METASTORE_ID) for table in found]

        return JSONResponse(paged("tables", await asyncio.to_thread(listing), request))

    async def _get(self, request: Request) -> Response:
        table = await asyncio.to_thread(self._find, _requested_name(request))
        return JSONResponse(table.describe(METASTORE_ID))

    async def _exists(self, request: Request) -> Response:
        name = _requested_name(request)

        def exists() -> bool:
            return self._tables.find(self._database.cursor(), name) is not None

        return JSONResponse({"table_exists": await asyncio.to_thread(exists)})

    async def _update(self, request: Request) -> Response:
        body, name = await json_object(request), _requested_name(request)
        only(body, _CHANGED, "a table")
        if body.get("owner") is not None:
            text(body, "owner")
        values = {key: body[key] for key in _CHANGED if key in body}

        def update() -> None:
            with self._database.writing() as connection:
                table = self._find(name)
                metadata = table.metadata.changed(self._tables.user, **values)
                self._tables.put(connection, replace(table, metadata=metadata))

        await asyncio.to_thread(update)
        return JSONResponse({})

    async def _delete(self, request: Request) -> Response:
        name = _requested_name(request)

        def delete() -> None:
            with self._database.writing() as connection:
                self._tables.drop(connection, self._find(name))

        await asyncio.to_thread(delete)
        return JSONResponse({})

    def _find(self, name: TableName) -> Table:
        table = self._tables.find(self._database.cursor(), name)
        if table is None:
            raise missing(f"Table '{name.full_name}' does not exist.")
        return table


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

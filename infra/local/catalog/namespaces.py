"""Catalogs and schemas: minilake's registry, with the rule that only empty ones are dropped."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

from minilake.config import settings
from minilake.models.unity_catalog import UpdateCatalogRequest, UpdateSchemaRequest
from minilake.services import unity_catalog
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.body import json_object, text
from infra.local.catalog.names import inside, rule_broken_by
from infra.local.emulator import call, parsed, state_of
from infra.local.refusal import Refusal, invalid, missing
from infra.local.sql.database import SYSTEM_CATALOG, Database, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb
    from starlette.requests import Request

    from infra.local.catalog.tables import Tables
    from infra.local.lake import Lake

PATH: Final = "/api/2.1/unity-catalog"
SYSTEM_SCHEMAS: Final = ("serving",)


class Namespaces:
    """What exists above tables. ``save`` is called after every change."""

    def __init__(
        self, database: Database, tables: Tables, user: str, save: Callable[[], None]
    ) -> None:
        self._database = database
        self._tables = tables
        self._user = user
        self._save = save

    def catalogs(self) -> list[str]:
        return sorted([*state_of("unity_catalog", "catalogs"), SYSTEM_CATALOG])

    def schemas(self, catalog: str) -> list[str]:
        if catalog == SYSTEM_CATALOG:
            return list(SYSTEM_SCHEMAS)
        return sorted(
            schema["name"]
            for schema in state_of("unity_catalog", "schemas").values()
            if schema["catalog_name"] == catalog
        )

    def has_catalog(self, catalog: str) -> bool:
        return catalog == SYSTEM_CATALOG or catalog in state_of("unity_catalog", "catalogs")

    def has_schema(self, catalog: str, schema: str) -> bool:
        if catalog == SYSTEM_CATALOG:
            return schema in SYSTEM_SCHEMAS
        return f"{catalog}.{schema}" in state_of("unity_catalog", "schemas")

    def create_schema(
        self,
        connection: duckdb.DuckDBPyConnection,
        catalog: str,
        schema: str,
        comment: str | None = None,
    ) -> None:
        """Create a schema in an existing catalog."""
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(catalog)}.{quoted(schema)}")
        now = int(time.time() * 1000)
        state_of("unity_catalog", "schemas")[f"{catalog}.{schema}"] = {
            "name": schema,
            "catalog_name": catalog,
            "full_name": f"{catalog}.{schema}",
            "comment": comment,
            "properties": {},
            "owner": self._user,
            "created_at": now,
            "updated_at": now,
        }
        self._save()

    def drop_schema(self, connection: duckdb.DuckDBPyConnection, catalog: str, schema: str) -> None:
        """Drop a schema with everything in it."""
        connection.execute(f"DROP SCHEMA IF EXISTS {quoted(catalog)}.{quoted(schema)} CASCADE")
        self._tables.metadata.delete_schema(connection, catalog, schema)
        full_name = f"{catalog}.{schema}"
        state_of("unity_catalog", "schemas").pop(full_name, None)
        volumes = state_of("unity_catalog", "volumes")
        for volume in [name for name in volumes if name.startswith(f"{full_name}.")]:
            del volumes[volume]
        # minilake takes a folder for a volume, so one that stays would come back.
        volume_files = inside(settings.data_dir / "volumes", catalog, schema)
        shutil.rmtree(volume_files, ignore_errors=True)
        self._save()


def routes(lake: Lake) -> list[BaseRoute]:
    """Deletes that refuse what is not empty, and updates of the owner, which minilake ignores."""
    names = lake.namespaces

    async def delete_catalog(request: Request) -> Response:
        catalog = request.path_params["name"]
        if not names.has_catalog(catalog) or catalog == SYSTEM_CATALOG:
            raise missing(f"Catalog '{catalog}' does not exist.")
        schemas = [schema for schema in names.schemas(catalog) if schema != "information_schema"]
        if schemas and not _forced(request):
            raise _not_empty("Catalog", catalog, f"schema(s) {', '.join(schemas)}")
        for schema in schemas:
            with lake.database.writing() as connection:
                names.drop_schema(connection, catalog, schema)
        await call(unity_catalog.delete_catalog(catalog))
        lake.save()
        return JSONResponse({})

    async def delete_schema(request: Request) -> Response:
        full_name = request.path_params["name"]
        catalog, _, schema = full_name.partition(".")
        if not names.has_schema(catalog, schema) or catalog == SYSTEM_CATALOG:
            raise missing(f"Schema '{full_name}' does not exist.")
        if not _forced(request) and (content := await _content(lake, catalog, schema)):
            raise _not_empty("Schema", full_name, content)
        with lake.database.writing() as connection:
            names.drop_schema(connection, catalog, schema)
        return JSONResponse({})

    async def delete_volume(request: Request) -> Response:
        full_name = request.path_params["name"]
        # A part that is empty would name the folder above it.
        for part in full_name.split("."):
            if broken := rule_broken_by(part):
                raise invalid(f"{full_name}: {broken}")
        await call(unity_catalog.delete_volume(full_name))
        lake.save()
        return JSONResponse({})

    async def update_catalog(request: Request) -> Response:
        body, name = await json_object(request), request.path_params["name"]
        await call(unity_catalog.update_catalog(name, parsed(UpdateCatalogRequest, body)))
        return JSONResponse(_updated(lake, "catalogs", name, body))

    async def update_schema(request: Request) -> Response:
        body, name = await json_object(request), request.path_params["name"]
        await call(unity_catalog.update_schema(name, parsed(UpdateSchemaRequest, body)))
        return JSONResponse(_updated(lake, "schemas", name, body))

    return [
        Route(f"{PATH}/catalogs/{{name}}", delete_catalog, methods=["DELETE"]),
        Route(f"{PATH}/catalogs/{{name}}", update_catalog, methods=["PATCH"]),
        Route(f"{PATH}/schemas/{{name}}", delete_schema, methods=["DELETE"]),
        Route(f"{PATH}/volumes/{{name}}", delete_volume, methods=["DELETE"]),
        Route(f"{PATH}/schemas/{{name}}", update_schema, methods=["PATCH"]),
    ]


async def _content(lake: Lake, catalog: str, schema: str) -> str:
    """What a schema holds, in words; empty if nothing."""
    tables = [
        table.name.table for table in lake.tables.list(lake.database.cursor(), catalog, schema)
    ]
    volumes = [
        volume["name"]
        for volume in state_of("unity_catalog", "volumes").values()
        if (volume["catalog_name"], volume["schema_name"]) == (catalog, schema)
    ]
    models = [
        model.name.rpartition(".")[2]
        for model in await asyncio.to_thread(lake.models.list, catalog, schema)
    ]
    kinds = {"table(s)": tables, "volume(s)": volumes, "model(s)": models}
    return "; ".join(f"{kind} {', '.join(found)}" for kind, found in kinds.items() if found)


def _updated(lake: Lake, registry: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = state_of("unity_catalog", registry)[name]
    if body.get("owner"):
        record["owner"] = text(body, "owner")
    lake.save()
    return {key: value for key, value in record.items() if value is not None}


def _forced(request: Request) -> bool:
    return request.query_params.get("force", "").lower() == "true"


def _not_empty(kind: str, name: str, content: str) -> Refusal:
    return Refusal(
        400,
        "INVALID_STATE",
        f"{kind} '{name}' is not empty: it holds {content}. Delete that first, or delete with "
        "force (force_destroy in Terraform).",
    )

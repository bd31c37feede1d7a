"""Catalogs and schemas over HTTP: only empty ones are deleted, and what changes is changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from minilake.services import unity_catalog
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.catalog.creation_api import (
    PREDICTIVE,
    found,
    predictive_optimization,
    require_open,
    shown,
)
from infra.local.catalog.pages import paged
from infra.local.catalog.volumes_api import change
from infra.local.emulator import call, state_of
from infra.local.http import json_object, only, text
from infra.local.refusal import Refusal, missing
from infra.local.storage.database import SYSTEM_CATALOG

if TYPE_CHECKING:
    from starlette.requests import Request

    from infra.local.catalog.models import RegisteredModels
    from infra.local.catalog.namespaces import Namespaces
    from infra.local.catalog.tables import Tables

PATH: Final = "/api/2.1/unity-catalog"
_CHANGED: Final = ("comment", "owner", "properties", "new_name", PREDICTIVE)


def routes(names: Namespaces, tables: Tables, models: RegisteredModels) -> list[Route]:
    """Deletes that refuse what is not empty, updates, and lists."""
    database = tables.database

    async def content(catalog: str, schema: str) -> str:
        """What a schema holds, in words; empty if nothing."""
        named = [table.name.table for table in tables.list(database.cursor(), catalog, schema)]
        volumes = [
            volume["name"]
            for volume in state_of("unity_catalog", "volumes").values()
            if (volume["catalog_name"], volume["schema_name"]) == (catalog, schema)
        ]
        registered = [
            model.name.rpartition(".")[2]
            for model in await asyncio.to_thread(models.list, catalog, schema)
        ]
        kinds = {"table(s)": named, "volume(s)": volumes, "model(s)": registered}
        return "; ".join(f"{kind} {', '.join(held)}" for kind, held in kinds.items() if held)

    async def delete_catalog(request: Request) -> Response:
        catalog = request.path_params["name"].lower()
        if not names.has_catalog(catalog) or catalog == SYSTEM_CATALOG:
            raise missing(f"Catalog '{catalog}' does not exist.")
        schemas = [schema for schema in names.schemas(catalog) if schema != "information_schema"]
        if schemas and not _forced(request):
            raise _not_empty("Catalog", catalog, f"schema(s) {', '.join(schemas)}")
        for schema in schemas:
            with database.writing() as connection:
                names.drop_schema(connection, catalog, schema)
        await call(unity_catalog.delete_catalog(catalog))
        return JSONResponse({})

    async def delete_schema(request: Request) -> Response:
        full_name = request.path_params["name"].lower()
        catalog, _, schema = full_name.partition(".")
        if not names.has_schema(catalog, schema) or catalog == SYSTEM_CATALOG:
            raise missing(f"Schema '{full_name}' does not exist.")
        if not _forced(request) and (held := await content(catalog, schema)):
            raise _not_empty("Schema", full_name, held)
        with database.writing() as connection:
            names.drop_schema(connection, catalog, schema)
        return JSONResponse({})

    async def update_catalog(request: Request) -> Response:
        body, record = await json_object(request), found("catalogs", request.path_params["name"])
        require_open(body)
        only(body, (*_CHANGED, "isolation_mode"), "a catalog")
        return _changed(record, "catalog", body)

    async def update_schema(request: Request) -> Response:
        body, record = await json_object(request), found("schemas", request.path_params["name"])
        only(body, _CHANGED, "a schema")
        return _changed(record, "schema", body)

    async def list_catalogs(request: Request) -> Response:
        catalogs = [*map(shown, state_of("unity_catalog", "catalogs").values())]
        return JSONResponse(paged("catalogs", catalogs, request))

    async def list_schemas(request: Request) -> Response:
        catalog = text(dict(request.query_params), "catalog_name").lower()
        if not names.has_catalog(catalog):
            raise Refusal(404, "CATALOG_DOES_NOT_EXIST", f"Catalog '{catalog}' does not exist.")
        schemas = [
            shown(it)
            for it in state_of("unity_catalog", "schemas").values()
            if it["catalog_name"] == catalog
        ]
        return JSONResponse(paged("schemas", schemas, request))

    return [
        Route(f"{PATH}/catalogs/{{name}}", delete_catalog, methods=["DELETE"]),
        Route(f"{PATH}/catalogs/{{name}}", update_catalog, methods=["PATCH"]),
        Route(f"{PATH}/schemas/{{name}}", delete_schema, methods=["DELETE"]),
        Route(f"{PATH}/catalogs", list_catalogs, methods=["GET"]),
        Route(f"{PATH}/schemas", list_schemas, methods=["GET"]),
        Route(f"{PATH}/schemas/{{name}}", update_schema, methods=["PATCH"]),
    ]


def _changed(record: dict[str, Any], kind: str, body: dict[str, Any]) -> Response:
    chosen = predictive_optimization(body)
    change(record, kind, body)
    record |= chosen
    return JSONResponse(shown(record))


def _forced(request: Request) -> bool:
    return request.query_params.get("force", "").lower() == "true"


def _not_empty(kind: str, name: str, content: str) -> Refusal:
    return Refusal(
        400,
        "INVALID_STATE",
        f"{kind} '{name}' is not empty: it holds {content}. Delete that first, or delete with "
        "force (force_destroy in Terraform).",
    )

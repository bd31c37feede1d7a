"""Catalogs, schemas and volumes over HTTP: only empty ones are deleted, an owner may be changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from minilake.models.unity_catalog import (
    CreateVolumeRequest,
    UpdateCatalogRequest,
    UpdateSchemaRequest,
    UpdateVolumeRequest,
)
from minilake.services import unity_catalog
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.catalog.creation_api import predictive_optimization, require_open
from infra.local.catalog.names import rule_broken_by
from infra.local.emulator import call, parsed, state_of
from infra.local.http import json_object, text
from infra.local.refusal import Refusal, invalid, missing, not_emulated
from infra.local.storage.database import SYSTEM_CATALOG

if TYPE_CHECKING:
    from starlette.requests import Request

    from infra.local.catalog.models import RegisteredModels
    from infra.local.catalog.namespaces import Namespaces
    from infra.local.catalog.tables import Tables

PATH: Final = "/api/2.1/unity-catalog"


def routes(names: Namespaces, tables: Tables, models: RegisteredModels) -> list[Route]:
    """Deletes that refuse what is not empty, and what of the rest minilake ignores."""
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
        return "; ".join(f"{kind} {', '.join(found)}" for kind, found in kinds.items() if found)

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

    async def create_volume(request: Request) -> Response:
        body = await json_object(request)
        match body.get("volume_type", "MANAGED"):
            case "MANAGED" if body.get("storage_location"):
                raise invalid("storage_location: a managed volume lies where its schema does.")
            case "MANAGED":
                created = unity_catalog.create_volume(parsed(CreateVolumeRequest, body))
                return JSONResponse(await call(created))
            case "EXTERNAL":
                raise not_emulated("An external volume")
            case other:
                raise invalid(f"volume_type {other!r} is unknown: use MANAGED or EXTERNAL.")

    async def delete_volume(request: Request) -> Response:
        full_name = request.path_params["name"]
        # A part that is empty would name the folder above it.
        for part in full_name.split("."):
            if broken := rule_broken_by(part):
                raise invalid(f"{full_name}: {broken}")
        await call(unity_catalog.delete_volume(full_name))
        return JSONResponse({})

    async def update_catalog(request: Request) -> Response:
        body, name = await json_object(request), request.path_params["name"].lower()
        _refuse_a_new_name("catalog", name, body)
        require_open(body)
        predictive_optimization(body)
        await call(unity_catalog.update_catalog(name, parsed(UpdateCatalogRequest, body)))
        return JSONResponse(_updated("catalogs", name, body))

    async def update_schema(request: Request) -> Response:
        body, name = await json_object(request), request.path_params["name"].lower()
        _refuse_a_new_name("schema", name, body)
        predictive_optimization(body)
        await call(unity_catalog.update_schema(name, parsed(UpdateSchemaRequest, body)))
        return JSONResponse(_updated("schemas", name, body))

    async def update_volume(request: Request) -> Response:
        body, name = await json_object(request), request.path_params["name"]
        _refuse_a_new_name("volume", name, body)
        updated = unity_catalog.update_volume(name, parsed(UpdateVolumeRequest, body))
        return JSONResponse(await call(updated))

    return [
        Route(f"{PATH}/catalogs/{{name}}", delete_catalog, methods=["DELETE"]),
        Route(f"{PATH}/catalogs/{{name}}", update_catalog, methods=["PATCH"]),
        Route(f"{PATH}/schemas/{{name}}", delete_schema, methods=["DELETE"]),
        Route(f"{PATH}/volumes", create_volume, methods=["POST"]),
        Route(f"{PATH}/volumes/{{name}}", delete_volume, methods=["DELETE"]),
        Route(f"{PATH}/volumes/{{name}}", update_volume, methods=["PATCH"]),
        Route(f"{PATH}/schemas/{{name}}", update_schema, methods=["PATCH"]),
    ]


def _updated(registry: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = state_of("unity_catalog", registry)[name]
    if body.get("owner"):
        record["owner"] = text(body, "owner")
    record |= predictive_optimization(body)
    return {key: value for key, value in record.items() if value is not None}


def _refuse_a_new_name(kind: str, name: str, body: dict[str, Any]) -> None:
    """What lies in it would have to move; a 200 that moves nothing would be worse than a no."""
    new = body.get("new_name")
    if new is not None and str(new).lower() != name.rpartition(".")[2].lower():
        raise not_emulated(f"Renaming a {kind} (new_name)")


def _forced(request: Request) -> bool:
    return request.query_params.get("force", "").lower() == "true"


def _not_empty(kind: str, name: str, content: str) -> Refusal:
    return Refusal(
        400,
        "INVALID_STATE",
        f"{kind} '{name}' is not empty: it holds {content}. Delete that first, or delete with "
        "force (force_destroy in Terraform).",
    )

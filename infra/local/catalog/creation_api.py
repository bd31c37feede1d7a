"""Catalogs and schemas come into being, and are found, under the names that Databricks allows.

minilake takes fewer names (none with `-`), and some that DuckDB has already, whose tables would be
gone with the process. Names are kept in lower case, as Unity Catalog keeps them.
API: https://docs.databricks.com/api/workspace/catalogs,
https://docs.databricks.com/api/workspace/schemas.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from minilake.models.unity_catalog import CreateCatalogRequest, CreateSchemaRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.catalog.names import rule_broken_by
from infra.local.emulator import parsed, state_of
from infra.local.http import json_object, only, text
from infra.local.refusal import Refusal, invalid, missing, not_emulated
from infra.local.storage.database import SYSTEM_CATALOG

if TYPE_CHECKING:
    from starlette.requests import Request

    from infra.local.catalog.namespaces import Namespaces
    from infra.local.storage.database import Database

PATH: Final = "/api/2.1/unity-catalog"
PREDICTIVE: Final = "enable_predictive_optimization"
_OF_OTHERS: Final = ("connection_name", "options", "provider_name", "share_name")
_OF_A_NEW_ONE: Final = ("name", "comment", "properties", "storage_root", PREDICTIVE)
_PREDICTIVE: Final = ("DISABLE", "ENABLE", "INHERIT")
_IN_EVERY_CATALOG: Final = ("information_schema",)
_DUCKDBS: Final = ("information_schema", "main", "pg_catalog", "temp")


def routes(names: Namespaces, database: Database) -> list[Route]:
    """Create and get."""

    async def create_catalog(request: Request) -> Response:
        body = await json_object(request)
        parsed(CreateCatalogRequest, body)
        name = _name(body)
        require_open(body)
        chosen = predictive_optimization(body)
        for field in _OF_OTHERS:
            if body.get(field):
                raise not_emulated(f"A catalog with {field}")
        only(body, (*_OF_A_NEW_ONE, "isolation_mode"), "a catalog")
        if names.has_catalog(name):
            raise _exists("Catalog", name)
        if name in _DUCKDBS or name in _attached(database):
            raise not_emulated(f"A catalog named {name!r}, which is a word of its SQL engine,")
        database.attach(name, database.catalog_file(name))
        record = _record(body, names.user) | {"name": name} | chosen
        if body.get("storage_root"):
            record["storage_root"] = text(body, "storage_root")
        state_of("unity_catalog", "catalogs")[name] = record
        with database.writing() as connection:
            names.create_schema(connection, name, "default")
        return JSONResponse(shown(record))

    async def create_schema(request: Request) -> Response:
        body = await json_object(request)
        parsed(CreateSchemaRequest, body)
        only(body, (*_OF_A_NEW_ONE, "catalog_name"), "a schema")
        name, catalog = _name(body), text(body, "catalog_name").lower()
        chosen = predictive_optimization(body)
        if not names.has_catalog(catalog) or catalog == SYSTEM_CATALOG:
            raise missing(f"Catalog '{catalog}' does not exist.")
        if names.has_schema(catalog, name) or name in _IN_EVERY_CATALOG:
            raise _exists("Schema", f"{catalog}.{name}")
        if name in _DUCKDBS and name != "main":
            raise not_emulated(f"A schema named {name!r}, which is a word of its SQL engine,")
        with database.writing() as connection:
            names.create_schema(connection, catalog, name, body.get("comment"))
        record = state_of("unity_catalog", "schemas")[f"{catalog}.{name}"]
        record |= {"properties": body.get("properties") or {}} | chosen
        if body.get("storage_root"):
            record["storage_root"] = text(body, "storage_root")
        return JSONResponse(shown(record))

    async def get_catalog(request: Request) -> Response:
        name = request.path_params["name"].lower()
        if name == SYSTEM_CATALOG:
            return JSONResponse({"name": name, "catalog_type": "SYSTEM_CATALOG"})
        return JSONResponse(shown(found("catalogs", name)))

    async def get_schema(request: Request) -> Response:
        return JSONResponse(shown(found("schemas", request.path_params["name"])))

    return [
        Route(f"{PATH}/catalogs", create_catalog, methods=["POST"]),
        Route(f"{PATH}/schemas", create_schema, methods=["POST"]),
        Route(f"{PATH}/catalogs/{{name}}", get_catalog, methods=["GET"]),
        Route(f"{PATH}/schemas/{{name}}", get_schema, methods=["GET"]),
    ]


def require_open(body: dict[str, Any]) -> None:
    """A catalog is seen from every workspace: there is one. Raises Refusal 501 for any other."""
    mode = body.get("isolation_mode")
    if mode not in (None, "OPEN"):
        raise not_emulated(f"A catalog with isolation_mode {mode}")


def predictive_optimization(body: dict[str, Any]) -> dict[str, Any]:
    """What is asked for, which is kept and shown: nothing optimizes here. Raises Refusal 400."""
    value = body.get(PREDICTIVE)
    if value is None:
        return {}
    if value not in _PREDICTIVE:
        raise invalid(f"{PREDICTIVE} {value!r} is unknown: use one of {', '.join(_PREDICTIVE)}.")
    return {PREDICTIVE: value}


def _name(body: dict[str, Any]) -> str:
    name = text(body, "name").lower()
    if broken := rule_broken_by(name):
        raise invalid(f"name: {broken}")
    return name


def _attached(database: Database) -> set[str]:
    found = database.cursor().execute("SELECT database_name FROM duckdb_databases()").fetchall()
    return {str(name).lower() for (name,) in found}


def _record(body: dict[str, Any], user: str) -> dict[str, Any]:
    now = int(time.time() * 1000)
    return {
        "comment": body.get("comment"),
        "properties": body.get("properties") or {},
        "owner": user,
        "created_at": now,
        "updated_at": now,
    }


def found(registry: str, name: str) -> dict[str, Any]:
    """The record of a catalog, schema or volume. Raises Refusal 404."""
    records = state_of("unity_catalog", registry)
    record: dict[str, Any] | None = records.get(name.lower())
    if record is None:
        raise missing(f"{registry.removesuffix('s').capitalize()} '{name}' does not exist.")
    return record


def shown(record: dict[str, Any]) -> dict[str, Any]:
    """A record as clients see it: what it does not have is not there."""
    return {key: value for key, value in record.items() if value is not None}


def _exists(kind: str, name: str) -> Refusal:
    return Refusal(409, "RESOURCE_ALREADY_EXISTS", f"{kind} '{name}' already exists.")

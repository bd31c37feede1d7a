"""Managed volumes over HTTP: minilake's registry, whose folders are the volumes.

API: https://docs.databricks.com/api/workspace/volumes. A volume elsewhere (EXTERNAL) has no folder
here.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any, Final

from minilake.config import settings
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.catalog.creation_api import found, shown
from infra.local.catalog.names import inside, rule_broken_by
from infra.local.catalog.pages import paged
from infra.local.emulator import state_of
from infra.local.http import json_object, only, text
from infra.local.refusal import Refusal, invalid, not_emulated

if TYPE_CHECKING:
    from starlette.requests import Request

    from infra.local.catalog.namespaces import Namespaces

PATH: Final = "/api/2.1/unity-catalog/volumes"
_PLACE: Final = ("catalog_name", "schema_name")
_OF_A_NEW_ONE: Final = (*_PLACE, "name", "volume_type", "comment")
_CHANGED: Final = ("comment", "owner", "new_name")


def routes(names: Namespaces) -> list[Route]:
    """Create, list, get, update, delete."""

    def schema(given: Any) -> tuple[str, str]:
        catalog, schema = (text(dict(given), field).lower() for field in _PLACE)
        if not names.has_schema(catalog, schema):
            raise Refusal(
                404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{catalog}.{schema}' does not exist."
            )
        return catalog, schema

    async def create(request: Request) -> Response:
        body = await json_object(request)
        kind = text(body, "volume_type")
        if kind == "EXTERNAL":
            raise not_emulated("An external volume")
        if kind != "MANAGED":
            raise invalid(f"volume_type: {kind!r} is neither MANAGED nor EXTERNAL.")
        if body.get("storage_location"):
            raise invalid("storage_location: a managed volume lies where its schema does.")
        only(body, _OF_A_NEW_ONE, "a volume")
        (catalog, of), name = schema(body), text(body, "name").lower()
        if broken := rule_broken_by(name):
            raise invalid(f"name: {broken}")
        full_name = f"{catalog}.{of}.{name}"
        if full_name in _records():
            raise Refusal(409, "RESOURCE_ALREADY_EXISTS", f"Volume '{full_name}' already exists.")
        _folder(catalog, of, name).mkdir(parents=True, exist_ok=True)
        now = time.time_ns() // 1_000_000
        record = {
            "name": name,
            "catalog_name": catalog,
            "schema_name": of,
            "full_name": full_name,
            "volume_type": kind,
            "owner": names.user,
            "created_at": now,
            "updated_at": now,
            **({"comment": body["comment"]} if body.get("comment") is not None else {}),
        }
        _records()[full_name] = record
        return JSONResponse(record)

    async def listing(request: Request) -> Response:
        place = schema(request.query_params)
        volumes = [
            shown(it)
            for it in _records().values()
            if (it["catalog_name"], it["schema_name"]) == place
        ]
        return JSONResponse(paged("volumes", volumes, request))

    async def get(request: Request) -> Response:
        return JSONResponse(shown(_found(request)))

    async def update(request: Request) -> Response:
        body, record = await json_object(request), _found(request)
        only(body, _CHANGED, "a volume")
        change(record, "volume", body)
        return JSONResponse(shown(record))

    async def delete(request: Request) -> Response:
        record = _found(request)
        del _records()[record["full_name"]]
        shutil.rmtree(_folder(*record["full_name"].split(".")), ignore_errors=True)
        return JSONResponse({})

    one = f"{PATH}/{{name}}"
    return [
        Route(PATH, create, methods=["POST"]),
        Route(PATH, listing, methods=["GET"]),
        Route(one, get, methods=["GET"]),
        Route(one, update, methods=["PATCH"]),
        Route(one, delete, methods=["DELETE"]),
    ]


def change(record: dict[str, Any], kind: str, body: dict[str, Any]) -> None:
    """Write the comment and the owner of a body into a record. Raises Refusal before it does.

    A new name is refused: what lies in the securable would have to move.
    """
    new = body.get("new_name")
    if new is not None and str(new).lower() != record["name"]:
        raise not_emulated(f"Renaming a {kind} (new_name)")
    if body.get("owner") is not None:
        text(body, "owner")
    if not isinstance(body.get("comment") or "", str):
        raise invalid(f"comment: a string is required, got {body['comment']!r}.")
    properties = body.get("properties") or {}
    if not isinstance(properties, dict) or not all(
        isinstance(it, str) for it in properties.values()
    ):
        raise invalid("properties: an object of texts is required.")
    for field in ("comment", "owner", "properties"):
        if body.get(field) is not None:
            record[field] = body[field]
    record["updated_at"] = time.time_ns() // 1_000_000


def _records() -> dict[str, dict[str, Any]]:
    return state_of("unity_catalog", "volumes")


def _found(request: Request) -> dict[str, Any]:
    return found("volumes", request.path_params["name"].lower())


def _folder(*names: str) -> Any:
    return inside(settings.data_dir / "volumes", *names)

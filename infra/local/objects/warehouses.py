"""SQL warehouses: `edit`, and what minilake drops of a create (tags, channel).

Source: docs/reference/terraform-provider.md#what-other-resources-need,
https://docs.databricks.com/api/workspace/warehouses.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from minilake.models.sql import CreateWarehouseRequest
from minilake.services import sql_warehouses
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.emulator import call, parsed, state_of
from infra.local.http import json_object, text
from infra.local.refusal import Refusal, invalid, missing

if TYPE_CHECKING:
    from starlette.requests import Request

PATH: Final = "/api/2.0/sql/warehouses"
SIZES: Final = (
    *("2X-Small", "X-Small", "Small", "Medium", "Large"),
    *("X-Large", "2X-Large", "3X-Large", "4X-Large", "5X-Large"),
)
_ECHOED: Final = ("tags", "channel", "instance_profile_arn")
_EDITABLE: Final = (
    *("name", "cluster_size", "auto_stop_mins", "min_num_clusters", "max_num_clusters"),
    *("enable_photon", "enable_serverless_compute", "spot_instance_policy", "warehouse_type"),
    *_ECHOED,
)


def routes() -> list[Route]:
    """Create and edit; the rest is minilake's."""

    async def create(request: Request) -> Response:
        body = await json_object(request)
        _refuse_taken(text(body, "name"))
        _refuse_another_size(body)
        created = await call(sql_warehouses.create_warehouse(parsed(CreateWarehouseRequest, body)))
        _change(_existing(created["id"]), {key: body[key] for key in _ECHOED if key in body})
        return JSONResponse(created)

    async def edit(request: Request) -> Response:
        body = await json_object(request)
        warehouse = _existing(request.path_params["id"])
        parsed(CreateWarehouseRequest, {"name": warehouse["name"], **body})
        _refuse_another_size(body)
        if "name" in body:
            _refuse_taken(text(body, "name"), but=warehouse["id"])
        _change(warehouse, {key: body[key] for key in _EDITABLE if key in body})
        return JSONResponse({})

    return [
        Route(PATH, create, methods=["POST"]),
        Route(f"{PATH}/{{id}}/edit", edit, methods=["POST"]),
    ]


def _existing(warehouse_id: str) -> dict[str, Any]:
    warehouse: dict[str, Any] | None = state_of("sql_warehouses", "warehouses").get(warehouse_id)
    if warehouse is None:
        raise missing(f"SQL warehouse {warehouse_id} does not exist.")
    return warehouse


def _refuse_another_size(body: dict[str, Any]) -> None:
    size = body.get("cluster_size")
    if size is not None and size not in SIZES:
        raise invalid(f"cluster_size: {size!r} is none of {', '.join(SIZES)}.")


def _change(warehouse: dict[str, Any], values: dict[str, Any]) -> None:
    warehouse.update(values, updated_at=int(time.time() * 1000))


def _refuse_taken(name: str, but: str | None = None) -> None:
    for warehouse in state_of("sql_warehouses", "warehouses").values():
        if warehouse["name"] == name and warehouse["id"] != but:
            raise Refusal(
                400, "RESOURCE_ALREADY_EXISTS", f"SQL warehouse with name '{name}' already exists."
            )

"""Lakeview dashboards: drafts and their published versions, stored and given back.

Nothing here draws one. Source: docs/reference/terraform-provider.md#what-other-resources-need,
https://docs.databricks.com/api/workspace/lakeview.
"""

from __future__ import annotations

import datetime
import uuid
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.http import json_object, text
from infra.local.refusal import Refusal, invalid, missing

if TYPE_CHECKING:
    from starlette.requests import Request

PATH: Final = "/api/2.0/lakeview/dashboards"
DRAFTS: Final = "dashboards"
_PUBLISHED: Final = "published_dashboards"
_CHANGEABLE: Final = ("display_name", "serialized_dashboard", "warehouse_id")


class DashboardsApi:
    """Drafts and published versions in the workspace's documents."""

    def __init__(self, documents: dict[str, dict[str, Any]], user: str) -> None:
        self._user = user
        self._drafts = documents.setdefault(DRAFTS, {})
        self._published = documents.setdefault(_PUBLISHED, {})

    def routes(self) -> list[Route]:
        """Create, list, get, update and trash a draft; publish it, and take that back."""
        one = f"{PATH}/{{id}}"
        return [
            Route(PATH, self._create, methods=["POST"]),
            Route(PATH, self._list, methods=["GET"]),
            Route(one, self._get, methods=["GET"]),
            Route(one, self._update, methods=["PATCH"]),
            Route(one, self._trash, methods=["DELETE"]),
            Route(f"{one}/published", self._publish, methods=["POST"]),
            Route(f"{one}/published", self._get_published, methods=["GET"]),
            Route(f"{one}/published", self._unpublish, methods=["DELETE"]),
        ]

    async def _create(self, request: Request) -> Response:
        body = await json_object(request)
        name = text(body, "display_name")
        parent = body.get("parent_path") or f"/Users/{self._user}"
        path = f"{parent.rstrip('/')}/{name}.lvdash.json"
        for draft in self._active():
            if draft["path"] == path:
                raise Refusal(
                    409,
                    "RESOURCE_ALREADY_EXISTS",
                    f"A dashboard at {path} already exists. Import it (its id is "
                    f"{draft['dashboard_id']}), trash it, or choose another display_name or "
                    "parent_path.",
                )
        now = _now()
        draft = {
            "dashboard_id": uuid.uuid4().hex,
            "display_name": name,
            "parent_path": parent,
            "path": path,
            "serialized_dashboard": _serialized(body.get("serialized_dashboard", "{}")),
            "etag": "1",
            "create_time": now,
            "update_time": now,
            "lifecycle_state": "ACTIVE",
        }
        if body.get("warehouse_id"):
            draft["warehouse_id"] = text(body, "warehouse_id")
        self._drafts[draft["dashboard_id"]] = draft
        return JSONResponse(draft)

    async def _list(self, request: Request) -> Response:
        trashed = request.query_params.get("show_trashed", "").lower() == "true"
        summaries = [
            {key: value for key, value in draft.items() if key != "serialized_dashboard"}
            for draft in (self._drafts.values() if trashed else self._active())
        ]
        return JSONResponse({"dashboards": summaries})

    async def _get(self, request: Request) -> Response:
        trashed = self._drafts.get(request.path_params["id"])
        return JSONResponse(trashed or self._existing(request))

    async def _update(self, request: Request) -> Response:
        body, draft = await json_object(request), self._existing(request)
        if body.get("etag") not in (None, "", draft["etag"]):
            raise Refusal(
                409,
                "RESOURCE_CONFLICT",
                f"The dashboard was changed since it was read: its etag is {draft['etag']}, not "
                f"{body['etag']}. Read it again and repeat the update.",
            )
        changes = {key: body[key] for key in _CHANGEABLE if body.get(key)}
        if "serialized_dashboard" in changes:
            _serialized(changes["serialized_dashboard"])
        draft.update(changes, etag=str(int(draft["etag"]) + 1), update_time=_now())
        return JSONResponse(draft)

    async def _trash(self, request: Request) -> Response:
        draft = self._existing(request)
        draft["lifecycle_state"] = "TRASHED"
        self._published.pop(draft["dashboard_id"], None)
        return JSONResponse({})

    async def _publish(self, request: Request) -> Response:
        body, draft = await json_object(request), self._existing(request)
        published = {
            "display_name": draft["display_name"],
            "warehouse_id": body.get("warehouse_id") or draft.get("warehouse_id", ""),
            "embed_credentials": bool(body.get("embed_credentials", True)),
            "revision_create_time": _now(),
        }
        self._published[draft["dashboard_id"]] = published
        return JSONResponse(published)

    async def _get_published(self, request: Request) -> Response:
        return JSONResponse(self._existing_published(request))

    async def _unpublish(self, request: Request) -> Response:
        self._existing_published(request)
        del self._published[request.path_params["id"]]
        return JSONResponse({})

    def _active(self) -> list[dict[str, Any]]:
        return [d for d in self._drafts.values() if d["lifecycle_state"] == "ACTIVE"]

    def _existing(self, request: Request) -> dict[str, Any]:
        dashboard_id = request.path_params["id"]
        draft: dict[str, Any] | None = self._drafts.get(dashboard_id)
        if draft is None or draft["lifecycle_state"] != "ACTIVE":
            raise missing(f"Dashboard {dashboard_id} does not exist.")
        return draft

    def _existing_published(self, request: Request) -> dict[str, Any]:
        dashboard_id = self._existing(request)["dashboard_id"]
        published: dict[str, Any] | None = self._published.get(dashboard_id)
        if published is None:
            raise missing(f"Dashboard {dashboard_id} is not published.")
        return published


def _serialized(value: object) -> str:
    if not isinstance(value, str):
        raise invalid("serialized_dashboard: a string that holds JSON is required.")
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise invalid(f"serialized_dashboard: not valid JSON: {error}.") from error
    return value


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

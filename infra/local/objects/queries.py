"""Saved queries: an update may name `parameters`, and clears what it names and does not send.

Source: docs/reference/terraform-provider.md#what-other-resources-need,
https://docs.databricks.com/api/workspace/queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from minilake.models.saved_queries import UpdateQueryRequest
from minilake.services import saved_queries
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.emulator import call, parsed, state_of
from infra.local.http import json_object, text
from infra.local.refusal import invalid, missing

if TYPE_CHECKING:
    from starlette.requests import Request

PATH: Final = "/api/2.0/sql/queries"
_OURS: Final = "parameters"
_REQUIRED: Final = frozenset({"display_name"})


def routes() -> list[Route]:
    """Update; the rest is minilake's."""

    async def update(request: Request) -> Response:
        body = await json_object(request)
        query_id = request.path_params["id"]
        sent = body.get("query") or {}
        if not isinstance(sent, dict):
            raise invalid("query: an object is required.")
        mask = text(body, "update_mask") if "update_mask" in body else _from_query(request)
        fields = [field.strip() for field in mask.split(",") if field.strip()]
        if "*" in fields:
            fields = list(sent)
        stored = _existing(query_id)
        theirs = [field for field in fields if field != _OURS]
        if theirs:
            # minilake refuses unknown fields and taken names before anything is changed.
            await call(
                saved_queries.update_query(
                    query_id,
                    parsed(UpdateQueryRequest, {**body, "update_mask": ",".join(theirs)}),
                    None,
                )
            )
        for field in fields:
            if field == _OURS and field in sent:
                stored[field] = sent[field]
            elif field not in sent and field not in _REQUIRED:
                stored.pop(field, None)
        return JSONResponse(await call(saved_queries.get_query(query_id)))

    return [Route(f"{PATH}/{{id}}", update, methods=["PATCH"])]


def _from_query(request: Request) -> str:
    mask = request.query_params.get("update_mask")
    if not mask:
        raise invalid("update_mask is required.")
    return mask


def _existing(query_id: str) -> dict[str, Any]:
    stored: dict[str, Any] | None = state_of("saved_queries", "queries").get(query_id)
    if stored is None:
        raise missing(f"Query {query_id} does not exist.")
    return stored

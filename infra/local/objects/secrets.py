"""Secrets: whose a scope is, and a value that is read.

API: https://docs.databricks.com/api/workspace/secrets. The rest is minilake's.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from minilake.models.secrets import CreateScopeRequest
from minilake.services import secrets
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.emulator import call, parsed, state_of
from infra.local.http import json_object
from infra.local.refusal import invalid, missing

if TYPE_CHECKING:
    from starlette.requests import Request

PATH: Final = "/api/2.0/secrets"


def routes(user: str) -> list[Route]:
    """Create a scope, which its creator manages, and get a secret."""

    async def create_scope(request: Request) -> Response:
        body = await json_object(request)
        wanted = parsed(
            CreateScopeRequest,
            {**body, "initial_manage_principal": body.get("initial_manage_principal") or user},
        )
        return JSONResponse(await call(secrets.create_scope(wanted)))

    async def get(request: Request) -> Response:
        scope, key = (request.query_params.get(name) for name in ("scope", "key"))
        if not scope or not key:
            raise invalid("scope and key are required.")
        stored = state_of("secrets", "scopes").get(scope)
        if stored is None:
            raise missing(f"Secret scope '{scope}' does not exist.")
        if key not in stored["secrets"]:
            raise missing(f"Secret '{key}' does not exist in scope '{scope}'.")
        value = str(stored["secrets"][key]["value"]).encode()
        return JSONResponse({"key": key, "value": base64.b64encode(value).decode()})

    return [
        Route(f"{PATH}/scopes/create", create_scope, methods=["POST"]),
        Route(f"{PATH}/get", get, methods=["GET"]),
    ]

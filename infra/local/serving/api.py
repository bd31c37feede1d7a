"""The control plane: REST calls to and from `Endpoints`.

Source of paths and forms: docs/reference/serving.md#paths-of-the-api,
docs/reference/serving.md#endpoints-and-their-states, and the calls that were recorded in
`tests/infra/local/provider-calls/model_serving.jsonl`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response
from starlette.routing import Route

from infra.local.http import json_object
from infra.local.refusal import invalid, not_emulated
from infra.local.serving import openapi, permissions
from infra.local.serving.endpoint import document, gateway_document
from infra.local.serving.requests import parse_config, parse_create, parse_gateway, parse_tags

if TYPE_CHECKING:
    from starlette.requests import Request

    from infra.local.serving.endpoints import Endpoints

ROOT = "/api/2.0/serving-endpoints"
_LOG_TAIL_BYTES = 256 * 1024


class ServingApi:
    """Endpoints over HTTP: requests into calls of `Endpoints`, its states into documents."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def routes(self) -> list[Route]:
        """Everything below `/api/2.0/serving-endpoints`, and the endpoints' permissions."""
        one = ROOT + "/{name}"
        entity = one + "/served-models/{entity}"
        return [
            Route(ROOT, self._list, methods=["GET"]),
            Route(ROOT, self._create, methods=["POST"]),
            Route(one, self._get, methods=["GET"]),
            Route(one, self._delete, methods=["DELETE"]),
            Route(one + "/config", self._update_config, methods=["PUT"]),
            Route(one + "/ai-gateway", self._update_gateway, methods=["PUT"]),
            Route(one + "/tags", self._update_tags, methods=["PATCH"]),
            Route(one + "/notifications", self._update_notifications, methods=["PATCH"]),
            Route(one + "/rate-limits", self._update_rate_limits, methods=["PUT"]),
            Route(one + "/metrics", self._metrics, methods=["GET"]),
            Route(one + "/openapi", self._openapi, methods=["GET"]),
            Route(entity + "/build-logs", self._build_logs, methods=["GET"]),
            Route(entity + "/logs", self._logs, methods=["GET"]),
            *permissions.routes(self._endpoints),
        ]

    async def _list(self, _request: Request) -> Response:
        endpoints = [document(endpoint) for endpoint in self._endpoints.all()]
        return _json({"endpoints": endpoints} if endpoints else {})

    async def _create(self, request: Request) -> Response:
        return _json(
            document(await self._endpoints.create(parse_create(await json_object(request))))
        )

    async def _get(self, request: Request) -> Response:
        return _json(document(await self._endpoints.settled(_name(request))))

    async def _delete(self, request: Request) -> Response:
        self._endpoints.delete(_name(request))
        return _json({})

    async def _update_config(self, request: Request) -> Response:
        self._endpoints.get(_name(request))
        spec = parse_config(await json_object(request), update=True)
        return _json(document(await self._endpoints.update_config(_name(request), spec)))

    async def _update_gateway(self, request: Request) -> Response:
        self._endpoints.get(_name(request))
        gateway = parse_gateway(await json_object(request))
        self._endpoints.update_gateway(_name(request), gateway)
        return _json(gateway_document(gateway))

    async def _update_tags(self, request: Request) -> Response:
        body = await json_object(request)
        delete = body.get("delete_tags") or []
        if not isinstance(delete, list) or not all(isinstance(key, str) for key in delete):
            raise invalid("delete_tags must be a list of keys.")
        endpoint = self._endpoints.update_tags(
            _name(request), add=parse_tags(body.get("add_tags") or []), delete=tuple(delete)
        )
        return _json({"tags": document(endpoint).get("tags", [])})

    async def _update_notifications(self, request: Request) -> Response:
        notifications = (await json_object(request)).get("email_notifications")
        lists = (notifications or {}).values() if isinstance(notifications or {}, dict) else [""]
        if not all(isinstance(addresses, list) for addresses in lists):
            raise invalid("email_notifications must be an object of lists of addresses.")
        self._endpoints.change(_name(request), notifications=notifications)
        return _json({"email_notifications": notifications or {}})

    async def _update_rate_limits(self, request: Request) -> Response:
        self._endpoints.get(_name(request))
        raise not_emulated("PUT .../rate-limits (deprecated: use ai-gateway)")

    async def _metrics(self, request: Request) -> Response:
        return Response(self._endpoints.metrics(_name(request)), media_type="text/plain")

    async def _openapi(self, request: Request) -> Response:
        name = _name(request)
        return _json(openapi.document(name, self._endpoints.signatures(name)))

    async def _build_logs(self, request: Request) -> Response:
        return self._log(request, "build")

    async def _logs(self, request: Request) -> Response:
        return self._log(request, "service")

    def _log(self, request: Request, kind: str) -> Response:
        entity = self._endpoints.entity(_name(request), request.path_params["entity"])
        file = self._endpoints.log_file(entity, kind)
        try:
            with file.open("rb") as stream:
                stream.seek(max(0, file.stat().st_size - _LOG_TAIL_BYTES))
                text = stream.read().decode(errors="replace")
        except FileNotFoundError:
            text = ""
        return _json({"logs": text})


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")

"""Notification destinations: kept; a webhook of this machine is really called.

Secrets are never given back, only that there is one. Source:
docs/reference/terraform-provider.md#alerts; the body of a webhook is not documented, ours is.
"""

from __future__ import annotations

import copy
import logging
import uuid
from typing import TYPE_CHECKING, Any, Final

import httpx
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.declared.local_workspace import is_on_this_machine
from infra.local.http import json_object, text
from infra.local.refusal import invalid, missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

PATH: Final = "/api/2.0/notification-destinations"
_SECONDS: Final = 5.0
_TYPES: Final = {
    "email": "EMAIL",
    "generic_webhook": "WEBHOOK",
    "microsoft_teams": "MICROSOFT_TEAMS",
    "pagerduty": "PAGERDUTY",
    "slack": "SLACK",
}
_OPEN: Final = ("addresses",)
"""What of a configuration is no secret."""

_log = logging.getLogger(__name__)


class Destinations:
    """The destinations in the workspace's documents."""

    def __init__(self, documents: dict[str, dict[str, Any]]) -> None:
        self._kept = documents.setdefault("notification_destinations", {})

    def routes(self) -> list[Route]:
        """Create, list, get, update, delete."""
        one = f"{PATH}/{{id}}"
        return [
            Route(PATH, self._create, methods=["POST"]),
            Route(PATH, self._list, methods=["GET"]),
            Route(one, self._get, methods=["GET"]),
            Route(one, self._update, methods=["PATCH"]),
            Route(one, self._delete, methods=["DELETE"]),
        ]

    def check(self, subscriptions: Any) -> None:
        """Raises Refusal for a subscription to nobody."""
        if not isinstance(subscriptions, list):
            raise invalid("subscriptions: a list is required.")
        for subscription in subscriptions:
            named = [it for it in ("destination_id", "user_email") if subscription.get(it)]
            if len(named) != 1:
                raise invalid("subscriptions: each has a destination_id or a user_email.")
            identity = subscription.get("destination_id")
            if identity and identity not in self._kept:
                raise invalid(f"subscriptions: no notification destination has the id {identity}.")

    async def tell(
        self, subscriptions: Sequence[dict[str, Any]], entry: dict[str, Any]
    ) -> list[str]:
        """Says for each subscription what became of the message; no mail leaves this machine."""
        return [await self._tell(it, entry) for it in subscriptions]

    async def _tell(self, subscription: dict[str, Any], entry: dict[str, Any]) -> str:
        destination = self._kept.get(subscription.get("destination_id", ""))
        if destination is None:
            return f"not sent to {subscription.get('user_email')}: no mail leaves this machine"
        url = (destination["config"].get("generic_webhook") or {}).get("url", "")
        name = destination["display_name"]
        if not is_on_this_machine(url):
            return f"not sent to {name}: only webhooks of this machine are called"
        message = {key: it for key, it in entry.items() if key != "told"}
        try:
            async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
                answer = await client.post(url, json=message)
        except httpx.HTTPError as error:
            _log.warning("The destination %s was not reached: %r", name, error)
            return f"{name} was not reached: {error!r}"
        return f"sent to {name}: {answer.status_code}"

    async def _create(self, request: Request) -> Response:
        body = await json_object(request)
        destination: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "display_name": text(body, "display_name"),
            "config": _config(body.get("config")),
        }
        self._refuse_twice(destination["display_name"], destination["id"])
        self._kept[destination["id"]] = destination
        return JSONResponse(_shown(destination))

    async def _list(self, _request: Request) -> Response:
        shown = [_shown(it) for it in self._kept.values()]
        for it in shown:
            del it["config"]
        return JSONResponse({"results": shown})

    async def _get(self, request: Request) -> Response:
        return JSONResponse(_shown(self._existing(request)))

    async def _update(self, request: Request) -> Response:
        body, destination = await json_object(request), self._existing(request)
        changed = dict(destination)
        if "display_name" in body:
            changed["display_name"] = text(body, "display_name")
            self._refuse_twice(changed["display_name"], destination["id"])
        if body.get("config"):
            changed["config"] = _config(body["config"])
        destination.update(changed)
        return JSONResponse(_shown(destination))

    async def _delete(self, request: Request) -> Response:
        del self._kept[self._existing(request)["id"]]
        return JSONResponse({})

    def _existing(self, request: Request) -> dict[str, Any]:
        destination: dict[str, Any] | None = self._kept.get(request.path_params["id"])
        if destination is None:
            raise missing(f"Notification destination {request.path_params['id']} does not exist.")
        return destination

    def _refuse_twice(self, name: str, identity: str) -> None:
        if any(it["display_name"] == name and it["id"] != identity for it in self._kept.values()):
            raise invalid(f"display_name: a notification destination is named {name} already.")


def _config(config: Any) -> dict[str, Any]:
    kinds = [kind for kind in config if config[kind]] if isinstance(config, dict) else []
    if len(kinds) != 1 or kinds[0] not in _TYPES or not isinstance(config[kinds[0]], dict):
        raise invalid(f"config: exactly one of {', '.join(_TYPES)}.")
    return copy.deepcopy(config)


def _shown(destination: dict[str, Any]) -> dict[str, Any]:
    ((kind, config),) = destination["config"].items()
    shown = {
        key if key in _OPEN else f"{key}_set": value if key in _OPEN else True
        for key, value in config.items()
        if value and not key.endswith("_set")
    }
    return {
        "id": destination["id"],
        "display_name": destination["display_name"],
        "destination_type": _TYPES[kind],
        "config": {kind: shown},
    }

"""The road of one request: size, endpoint, draw of the arm, served entity, journal, answer.

A plain ASGI application: what costs time here costs it on every request.
Source: docs/reference/serving.md#invocations.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import logging
import random
import time
import uuid
from typing import TYPE_CHECKING

from infra.local.access import header
from infra.local.bodies import read_body
from infra.local.refusal import Refusal, missing, not_emulated
from infra.local.serving.journal import Journal
from infra.local.serving.payload import (
    REQUEST_TOO_LARGE,
    RESPONSE_TOO_LARGE,
    UNLOGGED_STATUSES,
    PayloadRow,
    UsageRow,
    loggable,
)
from infra.local.serving.record import Entry
from infra.local.serving.traffic import draw

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from infra.local.serving.config import Gateway
    from infra.local.serving.endpoints import Endpoints
    from infra.local.serving.frames import Frame
    from infra.local.serving.live import Live
    from infra.local.serving.traffic import Draws

PREFIX = "/serving-endpoints/"
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    endpoint: str
    entity: str | None
    """The arm that the path names; None draws one."""


class Invocations:
    """ASGI: answers `/serving-endpoints/NAME/invocations` and those of one served entity."""

    def __init__(
        self, endpoints: Endpoints, journal: Journal, randomness: Draws | None = None
    ) -> None:
        self._endpoints = endpoints
        self._journal = journal
        self._randomness = randomness or random.Random()  # noqa: S311 - a split, not a secret
        self._limits = _RateLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; a refusal is an answer too."""
        request_id = str(uuid.uuid4())
        ids = [
            (b"x-databricks-request-id", request_id.encode()),
            (b"databricks-request-id", request_id.encode()),
        ]
        try:
            body = await read_body(scope, receive)
            if body is None:
                return
            target = _target(scope)
            answer, entity = await self._answer(target, scope, body, request_id)
        except Refusal as refusal:
            await _respond(send, refusal.status, refusal.body, b"application/json", ids)
            return
        headers = [*ids, (b"served-model-name", entity.encode())]
        content_type = answer.fields["content_type"].encode()
        await _respond(send, answer.fields["status"], answer.body, content_type, headers)

    async def _answer(
        self, target: _Target, scope: Scope, body: bytes, request_id: str
    ) -> tuple[Frame, str]:
        started = time.perf_counter()
        received = datetime.datetime.now(datetime.UTC)
        live = self._endpoints.live(target.endpoint)
        if live.endpoint.gateway is not None:
            self._limits.take(target.endpoint, live.endpoint.gateway)
        name = target.entity or draw(live.config.routes, self._randomness)
        running = live.running.get(name)
        if running is None:
            if live.config.entity(name) is not None:
                raise Refusal(
                    503, "TEMPORARILY_UNAVAILABLE", f"Served entity '{name}' is not available."
                )
            raise missing(f"Served entity '{name}' of endpoint '{target.endpoint}' does not exist.")
        content_type = (header(scope, b"content-type") or b"").decode("latin-1")
        status = 500
        try:
            answer = await running.score(content_type, body)
            status = answer.fields["status"]
            await self._log(live, name, answer, body, request_id, received)
        except Refusal as refusal:
            status = refusal.status
            raise
        finally:
            live.metrics.observe(name, status, (time.perf_counter() - started) * 1000)
        return answer, name

    async def _log(
        self,
        live: Live,
        name: str,
        answer: Frame,
        body: bytes,
        request_id: str,
        received: datetime.datetime,
    ) -> None:
        """Return when everything that is to be logged of the answer is in the journal."""
        gateway = live.endpoint.gateway
        status = answer.fields["status"]
        if gateway is None or status in UNLOGGED_STATUSES:
            return
        entity_id = live.entity_ids[name]
        payload = usage = request = response = None
        client_request_id = answer.fields["client_request_id"]
        table, config = live.table, gateway.inference_table_config
        fraction = config.sampling_fraction if config is not None else None
        fraction = 1.0 if fraction is None else fraction
        if table is not None and (fraction == 1 or self._randomness.random() < fraction):
            request, request_codes = loggable(body, REQUEST_TOO_LARGE)
            response, response_codes = loggable(answer.body, RESPONSE_TOO_LARGE)
            payload = PayloadRow(
                databricks_request_id=request_id,
                request_date=received.date(),
                client_request_id=client_request_id,
                request_time=received,
                status_code=status,
                sampling_fraction=fraction,
                execution_duration_ms=round(answer.fields["execution_ms"]),
                logging_error_codes=request_codes + response_codes,
                served_entity_id=entity_id,
                requester=self._endpoints.creator,
            )
            self._endpoints.note_logged(live, table)
        if gateway.tracks_usage:
            usage = UsageRow(
                databricks_request_id=request_id,
                client_request_id=client_request_id,
                requester=self._endpoints.creator,
                status_code=status,
                request_time=received,
                served_entity_id=entity_id,
            )
        if payload is None and usage is None:
            return
        entry = Entry(
            table=None if payload is None else table,
            payload=payload,
            request=request,
            response=response,
            usage=usage,
        )
        try:
            await self._journal.commit(entry)
        except OSError as error:
            _log.exception("The journal can not be written")
            raise Refusal(
                500, "INTERNAL_ERROR", f"The inference table's journal can not be written: {error}"
            ) from error


class _RateLimits:
    """`ai_gateway.rate_limits` in calls a minute. All keys name the same caller here."""

    def __init__(self) -> None:
        self._calls: collections.Counter[tuple[str, int]] = collections.Counter()

    def take(self, endpoint: str, gateway: Gateway) -> None:
        if not gateway.rate_limits:
            return
        minute = int(time.time() // 60)
        if (endpoint, minute) not in self._calls:
            self._calls = collections.Counter(
                {key: calls for key, calls in self._calls.items() if key[1] == minute}
            )
        self._calls[endpoint, minute] += 1
        limit = min(rule.calls for rule in gateway.rate_limits)
        if self._calls[endpoint, minute] > limit:
            raise Refusal(
                429,
                "REQUEST_LIMIT_EXCEEDED",
                f"Endpoint {endpoint} is limited to {limit} calls per minute by its AI gateway.",
            )


def _target(scope: Scope) -> _Target:
    """What the path names; `Refusal` 404 for another path and 405 for another method."""
    match scope["path"].removeprefix(PREFIX).split("/"):
        case [endpoint, "invocations"]:
            target = _Target(endpoint=endpoint, entity=None)
        case [endpoint, "served-models", entity, "invocations"]:
            target = _Target(endpoint=endpoint, entity=entity)
        case ["chat", "completions"] | ["completions" | "embeddings" | "responses"]:
            raise not_emulated(f"{scope['path']} (for language models)")
        case _:
            raise Refusal(404, "ENDPOINT_NOT_FOUND", f"No API found for '{scope['path']}'.")
    if scope["method"] != "POST":
        raise Refusal(
            405,
            "METHOD_NOT_ALLOWED",
            f"{scope['method']} is not supported for invocations: use POST.",
        )
    return target


async def _respond(
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes,
    headers: list[tuple[bytes, bytes]],
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})

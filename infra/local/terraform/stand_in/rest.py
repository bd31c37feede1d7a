"""Calls to the workspace, retried as the Databricks SDK for Go retries them.

Facts: `httpclient` and `apierr` of databricks-sdk-go. 429 and 503 are retried, and so is every
connection that fails, but for one that ends without an answer to a write (EOF): that may have been
carried out. Other statuses are not. Attempt n waits n seconds, at most 10, plus 0.05
to 0.75 s, for five minutes in all. The Go SDK does not read `Retry-After` (its issue 767).
"""

from __future__ import annotations

import http.client
import json
import random
import re
import select
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

from infra.local.terraform.stand_in import VERSION
from infra.local.terraform.stand_in.calls import (
    HTTP_SECONDS,
    RETRY_SECONDS,
    Call,
    CallError,
    Clock,
    WaitError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_RETRIED_STATUSES = frozenset({429, 503})
_DROPPED = (OSError, http.client.HTTPException)
_ENDED = (http.client.RemoteDisconnected, http.client.IncompleteRead)


def waits() -> Iterator[float]:
    """Seconds to wait after attempt 1, 2, 3, ..."""
    attempt = 0
    while True:
        attempt += 1
        yield min(attempt, 10) + random.uniform(0.05, 0.75)  # noqa: S311 - jitter, no secret


class Rest:
    """The workspace's REST API. One connection per thread: Terraform calls from several."""

    def __init__(
        self,
        *,
        host: str,
        token: str,
        retry_seconds: float = RETRY_SECONDS,
        http_seconds: float = HTTP_SECONDS,
        clock: Clock = time,
    ) -> None:
        self.host = host.rstrip("/")
        self._url = urllib.parse.urlsplit(self.host)
        self._retry_seconds = retry_seconds
        self._http_seconds = http_seconds
        self._clock = clock
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "User-Agent": f"terraform-provider-databricks-stand-in/{VERSION}",
        }

    def close(self) -> None:
        """Hang up; no call may be under way."""
        for connection in self._connections:
            connection.close()

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        """The answer to GET. Raises CallError."""
        return self._call("GET", path, query=query)

    def post(self, path: str, body: object) -> Any:
        """The answer to POST. Raises CallError."""
        return self._call("POST", path, body=body)

    def put(self, path: str, body: object) -> Any:
        """The answer to PUT. Raises CallError."""
        return self._call("PUT", path, body=body)

    def patch(self, path: str, body: object, query: Mapping[str, object] | None = None) -> Any:
        """The answer to PATCH. Raises CallError."""
        return self._call("PATCH", path, query=query, body=body)

    def delete(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        """The answer to DELETE. Raises CallError."""
        return self._call("DELETE", path, query=query)

    def poll(
        self,
        path: str,
        done: Callable[[Any], bool],
        *,
        seconds: float,
        what: str,
        query: Mapping[str, object] | None = None,
    ) -> Any:
        """GET `path` at once, then with growing waits, until `done` or `seconds` have passed."""
        deadline = self._clock.monotonic() + seconds
        for wait in waits():
            answer = self.get(path, query)
            if done(answer):
                return answer
            if self._clock.monotonic() + wait > deadline:
                break
            self._clock.sleep(wait)
        call = Call(method="GET", path=f"/api/{path}")
        raise WaitError(call, f"timed out after {seconds:g} s: {what}")

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> Any:
        url = "/api/" + urllib.parse.quote(path, safe="/:@!$&'()*+,;=-._~%")
        if query is not None:  # an empty one leaves its mark, as in the SDK
            url += "?" + urllib.parse.urlencode(query)
        call = Call(method=method, path=url)
        deadline = self._clock.monotonic() + self._retry_seconds
        is_lost = False
        for wait in waits():
            try:
                status, content = self._attempt(call, body)
            except _DROPPED as problem:
                self._forget_connection()
                is_lost = method != "GET" and isinstance(problem, _ENDED)
                error = CallError(
                    call,
                    status=None,
                    error_code="EOF" if is_lost else "IO_ERROR",
                    message=self._connection_message(problem),
                )
            else:
                if status < 400:
                    return _answer(call, status, content)
                error = _error(call, status, content)
                if status not in _RETRIED_STATUSES:
                    raise error
            if is_lost or self._clock.monotonic() + wait > deadline:
                raise error
            self._clock.sleep(wait)
        raise AssertionError("waits() never ends")

    def _attempt(self, call: Call, body: object) -> tuple[int, bytes]:
        connection = self._connection()
        headers = self._headers
        content = None
        if body is not None:
            content = json.dumps(body)
            headers = headers | {"Content-Type": "application/json"}
        connection.request(call.method, call.path, body=content, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None and _closed_while_idle(connection):
            connection.close()
            connection = None
        if connection is None:
            kind = (
                http.client.HTTPSConnection
                if self._url.scheme == "https"
                else http.client.HTTPConnection
            )
            connection = kind(self._url.hostname or "", self._url.port, timeout=self._http_seconds)
            self._local.connection = connection
            self._connections.append(connection)
        return connection

    def _connection_message(self, problem: Exception) -> str:
        if isinstance(problem, TimeoutError):
            return f"request timed out after {self._http_seconds:g} s of inactivity"
        return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__

    def _forget_connection(self) -> None:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None


def _closed_while_idle(connection: http.client.HTTPConnection) -> bool:
    """Whether the server hung up between two calls. That is no fault, and Go does not count it."""
    if connection.sock is None:
        return False  # http.client opens it again by itself
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return bool(readable)


def _answer(call: Call, status: int, content: bytes) -> Any:
    if not content:
        return {}
    try:
        return json.loads(content)
    except ValueError as problem:
        raise CallError(
            call,
            status=status,
            error_code="UNREADABLE_ANSWER",
            message=f"the answer is not JSON ({problem})",
        ) from problem


def _error(call: Call, status: int, content: bytes) -> CallError:
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        text = re.sub(r"\s+", " ", content.decode(errors="replace")).strip()[:500]
        message = text or http.client.responses.get(status, "no message")
        code = http.client.responses.get(status, "UNKNOWN").upper().replace(" ", "_")
        return CallError(call, status=status, error_code=code, message=message)
    message = str(body.get("message") or body.get("error") or body.get("detail") or "")
    return CallError(
        call, status=status, error_code=str(body.get("error_code", "")), message=message
    )

"""How an endpoint is asked: authentication, retries, refusals in words."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ml.workspace.endpoint import Endpoint

ANSWER = (200, {"served-model-name": "keras-1", "x-databricks-request-id": "r-1"})
PREDICTIONS = b'{"predictions": [[0.25]]}'
BUSY = b'{"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Too many requests."}'


@dataclasses.dataclass
class ScriptedServer:
    """A server on loopback that gives the answers of a script, the last one for ever."""

    host: str
    script: list[tuple[int, dict[str, str], bytes]]
    bodies: list[bytes] = dataclasses.field(default_factory=list)
    headers: list[dict[str, str]] = dataclasses.field(default_factory=list)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("DATABRICKS_TOKEN", "secret-token")
    server = ScriptedServer(host="", script=[])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(404, {}, b"{}")

        def do_POST(self) -> None:
            server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            server.headers.append(dict(self.headers))
            script = server.script
            self._answer(*(script.pop(0) if len(script) > 1 else script[0]))

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            if status == 0:  # the connection breaks
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.host = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    http.shutdown()
    http.server_close()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept, in seconds; nobody waits for it."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.fixture
def endpoint(scripted: ScriptedServer) -> Callable[..., Endpoint]:
    from databricks.sdk import WorkspaceClient

    from ml.workspace.endpoint import Endpoint

    def make(**options: Any) -> Endpoint:
        return Endpoint(WorkspaceClient(host=scripted.host), "ab", **options)

    return make


def test_an_answer_says_who_gave_it(
    scripted: ScriptedServer, endpoint: Callable[..., Endpoint]
) -> None:
    scripted.script = [(*ANSWER, PREDICTIONS)]

    answer = endpoint().invoke(b'{"inputs": []}')

    assert (answer.predictions, answer.served_entity) == ([[0.25]], "keras-1")
    assert answer.databricks_request_id == "r-1"
    assert scripted.headers[0]["Authorization"] == "Bearer secret-token"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_endpoint_is_asked_again_when_it_says(
    scripted: ScriptedServer,
    endpoint: Callable[..., Endpoint],
    pauses: list[float],
    status: int,
) -> None:
    scripted.script = [(status, {"Retry-After": "3"}, BUSY), (*ANSWER, PREDICTIONS)]

    assert endpoint().invoke(b"{}").predictions == [[0.25]]

    assert pauses == [3]
    assert scripted.bodies == [b"{}", b"{}"]


def test_an_endpoint_that_stays_busy_is_given_up_after_a_number_of_tries(
    scripted: ScriptedServer, endpoint: Callable[..., Endpoint], pauses: list[float]
) -> None:
    from ml.workspace.endpoint import EndpointError

    scripted.script = [(429, {"Retry-After": "1"}, BUSY)]

    with pytest.raises(EndpointError, match=r"429: Too many requests\. Gave up after 3 tries"):
        endpoint(tries=3).invoke(b"{}")
    assert len(scripted.bodies) == 3
    assert pauses == [1, 1]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_any_other_refusal_is_said_at_once_with_the_servers_words(
    scripted: ScriptedServer, endpoint: Callable[..., Endpoint], status: int
) -> None:
    from ml.workspace.endpoint import EndpointError

    scripted.script = [(status, {}, json.dumps({"message": "Because of this."}).encode())]

    with pytest.raises(EndpointError, match=f"answered {status}: Because of this") as refused:
        endpoint().invoke(b"{}")
    assert len(scripted.bodies) == 1
    assert "secret-token" not in str(refused.value)


def test_a_request_whose_connection_breaks_is_not_sent_again(
    scripted: ScriptedServer, endpoint: Callable[..., Endpoint]
) -> None:
    """It may have been answered, and logged."""
    from ml.workspace.endpoint import EndpointError

    scripted.script = [(0, {}, b""), (*ANSWER, PREDICTIONS)]

    with pytest.raises(EndpointError, match="does not answer"):
        endpoint().invoke(b"{}")
    assert len(scripted.bodies) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"answer": 1}'])
def test_an_answer_without_predictions_is_refused(
    scripted: ScriptedServer, endpoint: Callable[..., Endpoint], body: bytes
) -> None:
    from ml.workspace.endpoint import EndpointError

    scripted.script = [(*ANSWER, body)]

    with pytest.raises(EndpointError, match="an answer without predictions"):
        endpoint().invoke(b"{}")

"""A loopback server between Terraform's provider and whatever answers it."""

from __future__ import annotations

import dataclasses
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Body = Any
Answer = tuple[int, Body]
"""A status and a JSON body; status 0 drops the connection without an answer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    body: Body

    @property
    def call(self) -> str:
        return f"{self.method} {self.path}"


class Server:
    """A loopback server that records every request and answers by `answer`."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.tokens: set[str | None] = set()
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                content = self.rfile.read(length)
                request = Request(
                    method=self.command,
                    path=self.path,
                    body=json.loads(content) if content else None,
                )
                with server._lock:
                    server.requests.append(request)
                    server.tokens.add(self.headers.get("Authorization"))
                    status, body = server.answer(request)
                if status == 0:
                    self.close_connection = True
                    return
                answer = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def take(self) -> list[Request]:
        """The requests since the last call."""
        taken, self.requests = self.requests, []
        return taken

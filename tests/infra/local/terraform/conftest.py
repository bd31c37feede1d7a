"""Real Terraform with the stand-in provider, against a recording server on loopback."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def take(self) -> list[Request]:
        """The requests since the last call."""
        taken, self.requests = self.requests, []
        return taken


class Terraform:
    """Terraform's CLI in a folder of its own, with the stand-in provider installed."""

    def __init__(self, folder: Path, host: str, environment: dict[str, str]) -> None:
        self.folder = folder
        self.host = host
        self.environment = environment
        self.provider: dict[str, Any] = {"host": host}

    def write(self, **resources: dict[str, dict[str, Any]]) -> None:
        """`write(databricks_schema={"this": {...}})`: the whole configuration."""
        document: dict[str, Any] = {
            "terraform": {
                "required_providers": {
                    "databricks": {"source": "databricks/databricks", "version": "1.99.0"}
                }
            },
            "provider": {"databricks": self.provider},
        }
        if resources:
            document["resource"] = resources
        (self.folder / "main.tf.json").write_text(json.dumps(document, indent=1))

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if check and done.returncode not in {0, 2}:
            pytest.fail(f"terraform {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
        return done

    def init(self) -> None:
        self.run("init", "-input=false", "-no-color")

    def apply(self, *, check: bool = True) -> str:
        done = self.run("apply", "-auto-approve", "-input=false", "-no-color", check=check)
        return _text(done)

    def destroy(self, *, check: bool = True) -> str:
        return _text(self.run("destroy", "-auto-approve", "-input=false", "-no-color", check=check))

    def plan(self) -> str:
        """ "" when there is nothing to change, else what Terraform would do."""
        done = self.run("plan", "-detailed-exitcode", "-input=false", "-no-color")
        return "" if done.returncode == 0 else _text(done)

    def import_(self, address: str, id_: str) -> str:
        return _text(self.run("import", "-input=false", "-no-color", address, id_))

    def tolerated(self) -> list[tuple[str, str]]:
        """What Terraform would refuse from a provider of its newer kind: path and problem."""
        log = self.folder / "terraform.log"
        lines = (
            re.findall(r"^ +- \.(\S+?): (.*)$", log.read_text(), re.MULTILINE)
            if log.exists()
            else []
        )
        return [(re.sub(r"\[[^]]*\]", "", path), problem) for path, problem in lines]

    def state(self, address: str) -> dict[str, Any]:
        """The attributes of one resource, or {} if it is not in the state."""
        shown = json.loads(self.run("show", "-json").stdout)
        for one in shown.get("values", {}).get("root_module", {}).get("resources", []):
            if one["address"] == address:
                values: dict[str, Any] = one["values"]
                return values
        return {}


def _text(done: subprocess.CompletedProcess[str]) -> str:
    """Both streams, without the frame that Terraform draws and breaks lines in."""
    return re.sub(r"[│╷╵]", " ", done.stdout + done.stderr)


@pytest.fixture
def workspace() -> Any:
    """A workspace in memory; `server` serves it."""
    spec = importlib.util.spec_from_file_location(
        "memory_workspace", Path(__file__).with_name("workspace.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Workspace()


@pytest.fixture
def server(workspace: Any, serve: Callable[[Callable[[Request], Answer]], Server]) -> Server:
    return serve(workspace)


@pytest.fixture
def deployed(tmp_path: Path, server: Server, attached_environment: dict[str, str]) -> Terraform:
    """Terraform in a folder of its own, with the in-memory workspace behind it."""
    log = {"TF_LOG_CORE": "WARN", "TF_LOG_PATH": str(tmp_path / "terraform.log")}
    return Terraform(tmp_path, server.url, attached_environment | log)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Request], Answer]], Server]]:
    servers: list[Server] = []

    def start(answer: Callable[[Request], Answer]) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def terraform(tmp_path: Path, attached_environment: dict[str, str]) -> Callable[[str], Terraform]:
    """A Terraform folder whose provider has this host, served by the attached stand-in."""

    def start(host: str) -> Terraform:
        return Terraform(tmp_path, host, dict(attached_environment))

    return start


@pytest.fixture(scope="session")
def make_terraform() -> type[Terraform]:
    return Terraform

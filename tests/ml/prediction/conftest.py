"""Two real arms behind an endpoint, films on disk, and the command that asks about them."""

from __future__ import annotations

import dataclasses
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.workspaces import (
    KERAS,
    TORCH,
    RunningWorkspace,
    entity,
    gateway,
    started,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDPOINT = "predict"
SIZE = 28

ENVIRONMENT = """
catalog = "local"

[workspace]
host = "{host}"

[ab_test]
endpoint = "predict"

[ab_test.champion]
model = "keras"
version = 1

[[ab_test.challengers]]
model = "torch"
version = 1
traffic = 50
"""


@pytest.fixture(scope="session")
def workspace(
    tmp_path_factory: pytest.TempPathFactory,
    registry: str,
) -> Iterator[RunningWorkspace]:
    """A workspace with the endpoint, which logs into `local.gold.predict_payload`."""
    folder = tmp_path_factory.mktemp("workspace")
    with started(folder, registry, "--delivery-seconds", "0.1") as start:
        workspace = start()
        workspace.create_schema("local", "gold")
        arms = (entity(KERAS, "1", "keras-1"), entity(TORCH, "1", "torch-1"))
        workspace.create(ENDPOINT, *arms, ai_gateway=gateway(ENDPOINT))
        yield workspace


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a token where the SDK looks for it, and nothing else."""

    def sign_in(token: str) -> None:
        for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("DATABRICKS_TOKEN", token)

    return sign_in


@pytest.fixture
def environment(
    workspace: RunningWorkspace, signed_in: Callable[[str], None], tmp_path: Path
) -> Path:
    """An environment file of the workspace, signed in to."""
    signed_in(workspace.token)
    file = tmp_path / "sandbox.toml"
    file.write_text(ENVIRONMENT.format(host=workspace.host))
    return file


@pytest.fixture
def films(tmp_path: Path) -> Callable[[int], Path]:
    """A folder with that many films, no two of them alike."""
    import numpy as np
    from PIL import Image

    def make(count: int) -> Path:
        random = np.random.default_rng(0)
        folder = tmp_path / "films"
        folder.mkdir()
        for number in range(count):
            pixels = random.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"film-{number:04}.png")
        return folder

    return make


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    status: int
    lines: list[list[str]]
    """What went to stdout, by columns."""
    errors: str


@pytest.fixture
def predict(
    environment: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Run]:
    """Runs the command in this process, with a journal of the test's own."""

    def run(*arguments: str | Path) -> Run:
        from ml import predict
        from ml.terminal import command

        given = [*arguments, "--environment", environment, "--journal", tmp_path / "journal.db"]
        status = command.run("ml.predict", lambda _: predict.main([str(it) for it in given]))
        captured = capfd.readouterr()
        lines = [line.split("\t") for line in captured.out.splitlines()]
        return Run(status=status, lines=lines, errors=captured.err)

    return run


@dataclasses.dataclass
class ScriptedServer:
    """A server on loopback that gives the answers of a script, the last one for ever."""

    host: str
    script: list[tuple[int, dict[str, str], bytes]]
    bodies: list[bytes] = dataclasses.field(default_factory=list)
    headers: list[dict[str, str]] = dataclasses.field(default_factory=list)


@pytest.fixture
def scripted(signed_in: Callable[[str], None]) -> Iterator[ScriptedServer]:
    signed_in("secret-token")
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
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield server
    http.shutdown()
    http.server_close()

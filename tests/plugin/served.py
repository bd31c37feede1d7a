"""The workspace's data side in this process, served by a real uvicorn on a loopback port."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from databricks.sdk import WorkspaceClient

    from infra.local.lake import Lake

START_SECONDS = 120


@dataclass
class Served:
    """A served lake with a catalog `base`, a schema `base.s` and a warehouse."""

    lake: Lake
    client: httpx.Client
    warehouse_id: str
    folder: Path

    @property
    def registry_uri(self) -> str:
        return registry_uri(self.folder)

    def sql(self, statement: str, **body: Any) -> dict[str, Any]:
        """The answer of the Statement Execution API."""
        response = self.client.post(
            "/api/2.0/sql/statements",
            json={"warehouse_id": self.warehouse_id, "statement": statement, **body},
        )
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def rows(self, statement: str, **body: Any) -> list[list[str | None]]:
        """The rows of a statement that must succeed."""
        answer = self.sql(statement, **body)
        assert answer["status"]["state"] == "SUCCEEDED", answer["status"]
        rows: list[list[str | None]] = answer["result"].get("data_array", [])
        return rows

    def error(self, statement: str, **body: Any) -> str:
        """The message of a statement that must fail."""
        answer = self.sql(statement, **body)
        assert answer["status"]["state"] == "FAILED", answer
        message: str = answer["status"]["error"]["message"]
        return message

    def sdk(self) -> WorkspaceClient:
        """The Databricks SDK as a client."""
        from databricks.sdk import WorkspaceClient

        return WorkspaceClient(host=str(self.client.base_url), token="any", auth_type="pat")


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve the lake in a folder, as the workspace's one origin does."""
    import httpx

    lake = open_lake(folder)
    try:
        with running(lake) as address, httpx.Client(base_url=address, timeout=60) as client:
            yield Served(lake=lake, client=client, warehouse_id=_warehouse(client), folder=folder)
    finally:
        lake.close()


def open_lake(folder: Path) -> Lake:
    from infra.local.lake import Lake

    return Lake(folder / "workspace", registry_uri(folder))


def registry_uri(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


@contextlib.contextmanager
def running(lake: Lake) -> Iterator[str]:
    """The address of a uvicorn that serves the lake."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from infra.local.refusal import Refusal, answer_refusal

    app = Starlette(
        routes=[*lake.routes(), Mount("/", lake.app)],
        exception_handlers={Refusal: answer_refusal},
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        assert time.monotonic() < deadline, "uvicorn did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def _warehouse(client: httpx.Client) -> str:
    for path, body in (
        ("/api/2.1/unity-catalog/catalogs", {"name": "base"}),
        ("/api/2.1/unity-catalog/schemas", {"catalog_name": "base", "name": "s"}),
    ):
        response = client.post(path, json=body)
        assert response.status_code in (200, 409), response.text
    listed = client.get("/api/2.0/sql/warehouses").json()["warehouses"]
    if listed:
        return str(listed[0]["id"])
    created = client.post("/api/2.0/sql/warehouses", json={"name": "fx"})
    assert created.status_code == 200, created.text
    return str(created.json()["id"])


@pytest.fixture
def lake_workspace(tmp_path: Path) -> Iterator[Served]:
    """A new workspace for the test alone."""
    with served(tmp_path) as workspace:
        yield workspace


@pytest.fixture(scope="module")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One workspace for the tests of a file, which use different names."""
    with served(tmp_path_factory.mktemp("workspace")) as workspace:
        yield workspace

"""A workspace in this process, whole or its data side, served by a real uvicorn on loopback.

A process has one lake at a time: a file's tests share one workspace (module scope), or each test
has one of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    import httpx
    import uvicorn
    from databricks.sdk import WorkspaceClient
    from starlette.types import ASGIApp

    from infra.local.lake import Lake
    from tests.plugin.workspaces import Workspace


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

    from tests.plugin.workspaces import NO_CERTIFICATES

    lake = open_lake(folder)
    try:
        with (
            running(lake) as address,
            httpx.Client(base_url=address, timeout=60, verify=NO_CERTIFICATES) as client,
        ):
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
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from infra.local.refusal import Refusal, answer_refusal

    @contextlib.asynccontextmanager
    async def application() -> AsyncIterator[ASGIApp]:
        yield Starlette(
            routes=[*lake.routes(), Mount("/", lake.app)],
            exception_handlers={Refusal: answer_refusal},
        )

    with _answering(application) as address:
        yield address


@contextlib.contextmanager
def serving(folder: Path, registry: str, **settings: Any) -> Iterator[Workspace]:
    """The whole workspace, as `python -m infra.local` composes it, with these `Settings`.

    Its served entities are processes of their own, forks of one template for all workspaces of
    this process, which ends with it.
    """
    from infra.local.settings import Settings
    from infra.local.workspace import open_workspace
    from tests.plugin.workspaces import Workspace

    chosen = Settings(data=folder / "data", registry=registry, **settings)

    @contextlib.asynccontextmanager
    async def application() -> AsyncIterator[ASGIApp]:
        async with open_workspace(chosen) as opened:
            yield opened.app

    with _answering(application) as address:
        workspace = Workspace(address, chosen.data, os.getpid())
        with workspace.client:
            yield workspace


@contextlib.contextmanager
def _answering(
    application: Callable[[], AbstractAsyncContextManager[ASGIApp]],
) -> Iterator[str]:
    """The address of an application that is opened, served and closed by a thread."""
    import uvicorn

    from infra.local.protocol import Http11

    opened: Future[uvicorn.Server] = Future()

    async def serve(listener: socket.socket) -> None:
        async with application() as app:
            config = uvicorn.Config(
                app,
                http=Http11,
                ws="none",
                lifespan="off",
                log_level="error",
                timeout_keep_alive=120,
            )
            opened.set_result(uvicorn.Server(config))
            await opened.result().serve(sockets=[listener])

    def run() -> None:
        loop_factory = uvicorn.Config("").get_loop_factory()
        try:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(serve(listener))
        except BaseException as error:
            if opened.done():
                raise
            opened.set_exception(error)

    # Connections wait in the backlog until they are accepted.
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=run, name="workspace")
        thread.start()
        try:
            server = opened.result()
            try:
                yield address
            finally:
                server.should_exit = True
        finally:
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
def new_workspace(tmp_path: Path) -> Iterator[Served]:
    """A new workspace for the test alone."""
    with served(tmp_path) as workspace:
        yield workspace


@pytest.fixture(scope="module")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One workspace for the tests of a file, which use different names."""
    with served(tmp_path_factory.mktemp("workspace")) as workspace:
        yield workspace

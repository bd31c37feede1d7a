"""Real Terraform with the stand-in provider, against the local workspace on loopback."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from tests.infra.local.terraform.server import Answer, Request, Server
from tests.infra.local.terraform.terraform import Terraform
from tests.infra.local.terraform.workspace import MODELS, Workspace, opened
from tests.plugin.terraform import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Clock:
    """Time that passes when the provider waits, and only then."""

    def __init__(self) -> None:
        self._now = 0.0
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float, /) -> None:
        with self._lock:
            self._now += seconds


@pytest.fixture(scope="session")
def provider_environment(terraform_environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Terraform with a provider that runs in this process and waits for no real time."""
    from infra.local.terraform.stand_in.provider import Provider
    from infra.local.terraform.stand_in.serving import attached

    with attached(Provider(clock=Clock())) as attachment:
        yield terraform_environment | {"TF_REATTACH_PROVIDERS": attachment}


@pytest.fixture(scope="session")
def _registry(empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    folder = tmp_path_factory.mktemp("terraform-registry")
    uri = f"sqlite:///{shutil.copy(empty_registry, folder)}"
    store = SqlAlchemyStore(uri)
    for name in MODELS:
        store.create_registered_model(name)
        for _ in range(2):
            store.create_model_version(name, source=str(folder))
    store.engine.dispose()
    return uri


@pytest.fixture(scope="module")
def workspace_in_process(
    _registry: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    with opened(tmp_path_factory.mktemp("workspace"), _registry) as workspace:
        yield workspace


@pytest.fixture
def workspace(workspace_in_process: Workspace) -> Iterator[Workspace]:
    """The local workspace in this process; `server` serves it."""
    yield workspace_in_process
    workspace_in_process.clear()


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
def server(workspace: Workspace, serve: Callable[[Callable[[Request], Answer]], Server]) -> Server:
    return serve(workspace)


@pytest.fixture
def terraform(
    tmp_path: Path, provider_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Terraform]:
    """A Terraform folder whose provider has this host."""
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)

    def start(host: str) -> Terraform:
        return Terraform(tmp_path, host, provider_environment)

    return start


@pytest.fixture
def deployed(server: Server, terraform: Callable[[str], Terraform]) -> Terraform:
    """Terraform in a folder of its own, with the workspace behind it."""
    return terraform(server.url)

"""A running local workspace with registered arms, and a deployment of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.serving.sandbox import Sandbox
from tests.local.serving.conftest import registry  # noqa: F401 - a fixture
from tests.local.serving.running import RunningWorkspace, started


@pytest.fixture(scope="session")
def workspace(
    tmp_path_factory: pytest.TempPathFactory,
    registry: str,  # noqa: F811 - the fixture
) -> Iterator[RunningWorkspace]:
    folder = tmp_path_factory.mktemp("workspace")
    with started(folder, registry, "--delivery-seconds", "0.1") as start:
        workspace = start()
        workspace.create_schema("local", "gold")
        yield workspace


@pytest.fixture
def sandbox(tmp_path: Path, workspace: RunningWorkspace) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path, workspace)
    yield sandbox
    workspace.client.delete(f"/api/2.0/serving-endpoints/{sandbox.endpoint}")

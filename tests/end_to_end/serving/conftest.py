"""A running local workspace with registered arms, and a deployment of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.serving.sandbox import Sandbox
from tests.plugin.workspaces import RunningWorkspace, started


@pytest.fixture(scope="session")
def workspace(
    tmp_path_factory: pytest.TempPathFactory,
    registry: str,
) -> Iterator[RunningWorkspace]:
    folder = tmp_path_factory.mktemp("workspace")
    with started(folder, registry, "--delivery-seconds", "0.1") as start:
        workspace = start()
        workspace.create_schema("local", "gold")
        yield workspace


@pytest.fixture
def sandbox(tmp_path: Path, workspace: RunningWorkspace) -> Iterator[Sandbox]:
    """An environment of the test's own; nothing of it is deployed yet."""
    with Sandbox(tmp_path, workspace) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def _shared(
    tmp_path_factory: pytest.TempPathFactory, workspace: RunningWorkspace
) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("deployed"), workspace) as sandbox:
        yield sandbox


@pytest.fixture
def deployed(_shared: Sandbox) -> Sandbox:
    """A deployment at 50/50 of the first versions, one for all tests that change it."""
    _shared.restore()
    return _shared

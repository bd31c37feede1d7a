"""A real workspace in a process of its own, and endpoints that the tests leave as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.workspaces import KERAS, PROBE, TORCH, entity, gateway, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugin.workspaces import RunningWorkspace


@pytest.fixture(scope="session")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, registry: str
) -> Iterator[RunningWorkspace]:
    """One workspace for the tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("workspace")
    options = ("--delivery-seconds", "0.1", "--queue-per-slot", "1")
    with started(folder, registry, *options) as start:
        workspace = start()
        workspace.create_schema("local", "gold")
        yield workspace


@pytest.fixture(scope="session")
def ab(workspace: RunningWorkspace) -> str:
    """Name of an endpoint with a Keras and a PyTorch arm, half of the traffic each."""
    workspace.create("ab", entity(KERAS, "1", "keras-1"), entity(TORCH, "1", "torch-1"))
    return "ab"


@pytest.fixture(scope="session")
def probe(workspace: RunningWorkspace) -> str:
    """Name of an endpoint with the probe, logging into `local.gold.probe_payload`."""
    workspace.create("probe", entity(PROBE), ai_gateway=gateway("probe"))
    return "probe"

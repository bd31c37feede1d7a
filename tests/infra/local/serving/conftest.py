"""A real workspace in this process, and endpoints that the tests of a file leave as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.served import serving
from tests.plugin.workspaces import BRIGHTNESS, PROBE, entity, gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugin.workspaces import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[Workspace]:
    """One workspace for the tests of a file, with a schema `local.gold`."""
    folder = tmp_path_factory.mktemp("workspace")
    with serving(folder, registry, delivery_seconds=0.1, queue_per_slot=1) as workspace:
        workspace.create_schema("local", "gold")
        yield workspace


@pytest.fixture(scope="module")
def ab(workspace: Workspace) -> str:
    """Name of an endpoint with two arms that take images, half of the traffic each."""
    arms = (entity(BRIGHTNESS, name=name) for name in ("champion", "challenger"))
    workspace.create("ab", *arms)
    return "ab"


@pytest.fixture(scope="module")
def probe(workspace: Workspace) -> str:
    """Name of an endpoint with the probe, logging into `local.gold.probe_payload`."""
    workspace.create("probe", entity(PROBE), ai_gateway=gateway("probe"))
    return "probe"

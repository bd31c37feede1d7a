"""Two real arms behind an endpoint of this worker's workspace, and the environment that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.plugin.workspaces import KERAS, TORCH, entity, gateway

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.workspaces import RunningWorkspace

ENDPOINT: Final = "predict"
SIZE: Final = 28

_ENVIRONMENT: Final = """
catalog = "local"

[workspace]
host = "{host}"

[ab_test]
endpoint = "predict"

[context.sites]
north = ["Northern General"]

[ab_test.champion]
model = "keras"
version = 1

[[ab_test.challengers]]
model = "torch"
version = 1
traffic = 50
"""


@pytest.fixture(scope="session")
def two_arms(workspace_process: RunningWorkspace) -> RunningWorkspace:
    """The workspace with the endpoint, which logs into `local.gold.predict_payload`.

    Two served models take seconds to start: the files that use them are one group.
    """
    arms = (entity(KERAS, "1", "keras-1"), entity(TORCH, "1", "torch-1"))
    workspace_process.create(ENDPOINT, *arms, ai_gateway=gateway(ENDPOINT))
    return workspace_process


@pytest.fixture
def two_arms_file(
    two_arms: RunningWorkspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """The environment file of the two arms; their workspace's token is where the SDK looks."""
    monkeypatch.setenv("DATABRICKS_TOKEN", two_arms.token)
    file = tmp_path / "two-arms.toml"
    file.write_text(_ENVIRONMENT.format(host=two_arms.host))
    return file

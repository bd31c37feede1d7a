"""Deployments on this worker's workspace: one that tests share, and one of each test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.serving.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.terraform.installation import Installation
    from tests.plugin.workspaces import RunningWorkspace


@pytest.fixture(scope="session")
def terraform(
    installation: Installation,
    terraform_environment: dict[str, str],
    workspace_process: RunningWorkspace,
) -> Iterator[dict[str, str]]:
    """Terraform with a provider process that has this workspace's token."""
    token = {"DATABRICKS_TOKEN": workspace_process.token}
    with installation.attached(terraform_environment | token) as environment:
        yield environment


@pytest.fixture
def sandbox(
    tmp_path: Path, workspace_process: RunningWorkspace, terraform: dict[str, str]
) -> Iterator[Sandbox]:
    """An environment of the test's own; nothing of it is deployed yet."""
    with Sandbox(tmp_path, workspace_process, terraform) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def _shared(
    tmp_path_factory: pytest.TempPathFactory,
    workspace_process: RunningWorkspace,
    terraform: dict[str, str],
) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("deployed")
    with Sandbox(folder, workspace_process, terraform) as sandbox:
        yield sandbox


@pytest.fixture
def deployed(_shared: Sandbox) -> Sandbox:
    """A deployment at 50/50 of the first versions, one for all tests that change it."""
    _shared.restore()
    return _shared

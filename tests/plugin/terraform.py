"""Real Terraform with the stand-in provider: one attached process for all commands of a worker."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from infra.local.terraform.installation import Installation, NotInstalled
from tests.plugin.workspaces import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN: Final = f"dapi{0:032x}"
"""The provider sends it. A workspace accepts it that finds it in the `token` of its data folder."""

_TOOLS = os.pathsep.join(
    [
        str(REPOSITORY / "node_modules" / ".bin"),
        str(REPOSITORY / ".venv" / "bin"),
        os.environ["PATH"],
    ]
)


@pytest.fixture(scope="session")
def installation() -> Installation:
    """The stand-in of this repository, where Terraform finds it."""
    installation = Installation(root=REPOSITORY)
    try:
        installation.write()
    except NotInstalled as problem:
        pytest.skip(str(problem))
    return installation


@pytest.fixture(scope="session")
def terraform_environment(installation: Installation) -> dict[str, str]:
    """Terraform starts the stand-in itself, several times a command, as it does for a user."""
    if shutil.which("terraform", path=_TOOLS) is None:
        pytest.skip("terraform is not on PATH")
    return {
        **installation.environment(os.environ),
        "PATH": _TOOLS,
        "DATABRICKS_TOKEN": TOKEN,
        "GOGC": "off",  # a command ends before it is worth collecting garbage
    }


@pytest.fixture(scope="session")
def attached_environment(
    installation: Installation, terraform_environment: dict[str, str]
) -> Iterator[dict[str, str]]:
    """Terraform with this worker's provider process: it starts none, and needs no `init` for it.

    The process keeps the token that it was started with.
    """
    with installation.attached(terraform_environment) as environment:
        yield environment

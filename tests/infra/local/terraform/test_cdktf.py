"""Plain `cdktf` commands in a closed network, as README has them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.infra.local.terraform.repository import Repository
from tests.infra.local.terraform.test_deployment import ENVIRONMENT, STACK, UNREACHABLE
from tests.plugin.terraform import TOKEN
from tests.plugin.workspaces import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.infra.local.terraform.server import Server
    from tests.infra.local.terraform.workspace import Workspace

Run = subprocess.CompletedProcess[str]

pytestmark = [
    pytest.mark.programs,
    pytest.mark.slow("runs cdktf-cli, which takes 7 seconds a command and more"),
]


@pytest.fixture
def repository(tmp_path: Path, server: Server, terraform_environment: dict[str, str]) -> Repository:
    if not (REPOSITORY / "node_modules" / ".bin" / "cdktf").exists():
        pytest.skip("cdktf is not installed in node_modules")
    repository = Repository(tmp_path, ENVIRONMENT.format(host=server.url), TOKEN)
    token = tmp_path / ".local" / "workspace" / "token"
    token.parent.mkdir(parents=True)
    token.write_text(TOKEN)
    return repository


@pytest.fixture
def shell(repository: Repository) -> Callable[[str], Run]:
    """A line in a new shell of the repository."""
    tools = [REPOSITORY / "node_modules" / ".bin", sys.executable.rpartition("/")[0]]
    path = os.pathsep.join([*map(str, tools), os.environ["PATH"]])

    def shell(line: str) -> Run:
        return subprocess.run(
            ["bash", "-c", line],
            cwd=repository.root,
            env={**repository.environment, **UNREACHABLE, "PATH": path, "CI": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return shell


APP = "--app 'python main.py sandbox.toml'"
INSTALL = 'eval "$(python -m infra.local.terraform install)"'


def test_every_command_works_and_finds_what_our_own_deployed(
    shell: Callable[[str], Run], repository: Repository, workspace: Workspace
) -> None:
    def cdktf(command: str) -> str:
        done = shell(f"{INSTALL}; cdktf {command} {STACK} {APP}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "1 to add" in cdktf("diff")
    assert "1 added" in cdktf("deploy --auto-approve")
    assert workspace.endpoint("ab-test")
    assert "/serving-endpoints/ab-test/invocations" in cdktf("output")
    assert "No changes." in repository.run("plan", **UNREACHABLE).stdout
    cdktf("destroy --auto-approve")
    assert workspace.is_as_given


def test_the_platform_is_not_destroyed_below_what_stands_on_it(
    shell: Callable[[str], Run], repository: Repository, server: Server
) -> None:
    assert repository.run("apply", "--auto-approve", **UNREACHABLE).returncode == 0
    server.take()

    done = shell(f"{INSTALL}; cdktf destroy platform-sandbox --auto-approve {APP}")

    assert done.returncode == 1
    assert "platform-sandbox holds what serving-sandbox uses." in done.stdout
    assert server.take() == []
    assert repository.run("destroy", "--auto-approve", **UNREACHABLE).returncode == 0


def test_a_failed_deployment_tells_why(shell: Callable[[str], Run], repository: Repository) -> None:
    repository.file.write_text(repository.file.read_text().replace("version = 1", "version = 9"))
    done = shell(f"{INSTALL}; cdktf deploy {STACK} --auto-approve {APP}")
    assert done.returncode == 1
    assert "has no version 9" in done.stdout + done.stderr


def test_without_a_provider_it_says_what_to_do(shell: Callable[[str], Run]) -> None:
    done = shell(f"cdktf deploy {STACK} --auto-approve {APP}")
    assert done.returncode == 1
    assert INSTALL in done.stdout + done.stderr

"""`python -m infra.local.terraform`: which provider deploys, and the switch between the two."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from infra.local.terraform.__main__ import main
from tests.infra.local.terraform.repository import Repository
from tests.plugin.terraform import TOKEN
from tests.plugin.workspaces import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.local.terraform.installation import Installation
    from tests.infra.local.terraform.server import Server
    from tests.infra.local.terraform.workspace import Workspace

ENVIRONMENT = """
catalog = "c"

[workspace]
host = "{host}"

[ab_test]
endpoint = "ab-test"

[ab_test.champion]
model = "pneumonia_poc_classifier"
version = 1

[[ab_test.challengers]]
model = "pneumonia_poc_classifier_pytorch"
version = 1
traffic = 50
"""
STACK = "serving-sandbox"
UNREACHABLE = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
"""A network in which the registry cannot be reached, wherever the test runs."""


@dataclasses.dataclass(frozen=True)
class Done:
    status: int
    stdout: str
    stderr: str


@pytest.fixture
def repository(tmp_path: Path, server: Server, terraform_environment: dict[str, str]) -> Repository:
    if not (REPOSITORY / "node_modules" / ".bin" / "cdktf").exists():
        pytest.skip("cdktf is not installed in node_modules")
    return Repository(tmp_path, ENVIRONMENT.format(host=server.url), TOKEN)


@pytest.fixture
def command(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """`python -m infra.local.terraform`, in this process, for the repository's environment."""

    def command(*arguments: str, **environment: str) -> Done:
        with monkeypatch.context() as patch:
            patch.chdir(repository.root)
            for name, value in {**repository.environment, **environment}.items():
                patch.setenv(name, value)
            status = main([*arguments, "--environment", str(repository.file)])
        return Done(status, *capfd.readouterr())

    return command


def test_the_provider_changes_without_a_clean_up(
    repository: Repository,
    command: Callable[..., Done],
    workspace: Workspace,
    installation: Installation,
) -> None:
    root, folder = repository.root, repository.root / ".local" / "terraform"
    own_state = folder / "stand-in" / f"terraform.{STACK}.tfstate"
    usual_state = root / f"terraform.{STACK}.tfstate"

    done = command("apply", "--auto-approve", **UNREACHABLE)
    assert done.status == 0, done.stdout + done.stderr
    assert "Provider: the stand-in" in done.stdout
    assert "Stand-in provider, not databricks/databricks" in done.stdout
    assert workspace.endpoint("ab-test")
    assert own_state.exists()
    assert not usual_state.exists()
    locks = list(root.glob(".local/**/.terraform.lock.hcl"))
    assert [lock.relative_to(folder).parts[0] for lock in locks] == ["stand-in"]

    # The registry's place is taken by a mirror, which is as good to terraform init.
    done = command("plan", TF_CLI_CONFIG_FILE=str(installation.cli_config))
    assert done.status == 0, done.stdout + done.stderr
    assert "Provider: databricks/databricks 1.99.0 from the registry." in done.stdout
    assert "No changes." in done.stdout
    assert usual_state.exists()
    assert not own_state.exists()

    done = command("destroy", "--auto-approve", **UNREACHABLE)
    assert done.status == 0, done.stdout + done.stderr
    assert "Provider: the stand-in" in done.stdout
    assert workspace.is_as_given


def test_a_protected_platform_is_not_destroyed_and_the_way_out_is_told(
    repository: Repository, command: Callable[..., Done], server: Server
) -> None:
    with repository.file.open("a") as file:
        file.write("\n[platform]\nprotect = true\n")

    done = command("destroy", "--stack", "platform", "--auto-approve")

    assert done.status == 1
    assert "set protect = false under [platform]" in done.stderr
    assert server.take() == []


def test_the_registry_can_be_demanded(command: Callable[..., Done], server: Server) -> None:
    done = command("plan", "--provider", "registry", **UNREACHABLE)
    assert done.status == 1
    assert "terraform init failed" in done.stderr
    assert [request.path for request in server.take()] == ["/api/2.0/preview/scim/v2/Me"]


def test_a_workspace_elsewhere_never_gets_the_stand_in(
    repository: Repository, command: Callable[..., Done]
) -> None:
    repository.file.write_text(ENVIRONMENT.format(host="https://dbc-1.cloud.databricks.com"))
    done = command("plan", **UNREACHABLE)
    assert done.status == 1
    assert "works with a workspace on this machine only" in done.stderr
    assert not (repository.root / ".local" / "terraform" / "stand-in").exists()


def test_a_stack_that_cannot_be_synthesized_is_told(
    command: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Validation failed")

    monkeypatch.setattr("infra.local.terraform.synthesis.synthesize", fail)
    done = command("plan")
    assert done.status == 1
    assert "The stack could not be synthesized:\nValidation failed" in done.stderr


def test_a_workspace_that_is_not_running_is_told_at_once(
    command: Callable[..., Done], server: Server
) -> None:
    server.close()
    done = command("apply", "--auto-approve")
    assert done.status == 1
    assert "start it with make workspace" in done.stderr


def test_a_missing_token_is_told_with_the_file_it_is_in(
    repository: Repository, command: Callable[..., Done]
) -> None:
    del repository.environment["DATABRICKS_TOKEN"]
    done = command("apply", "--auto-approve")
    assert done.status == 1
    assert ".local/workspace/token does not exist: start the local workspace first" in done.stderr


@pytest.mark.programs
def test_an_invalid_environment_is_told_before_anything_else(
    repository: Repository, server: Server
) -> None:
    repository.file.write_text(repository.file.read_text().replace("traffic = 50", "traffic = 500"))
    done = repository.run("apply", "--auto-approve")
    assert done.returncode == 1
    assert "traffic" in done.stderr
    assert "Traceback" not in done.stderr
    assert server.take() == []

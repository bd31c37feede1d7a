"""`python -m infra.local.terraform`: which provider deploys, and the switch between the two."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.terraform import synthesis
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


def test_a_shell_that_has_the_stand_in_is_no_registry(
    repository: Repository, command: Callable[..., Done]
) -> None:
    """The commands that a refusal names begin with `install`, and end with another apply."""
    own = repository.root / ".local" / "terraform" / "stand-in.tfrc"
    own_state = own.parent / "stand-in" / f"terraform.{STACK}.tfstate"
    assert command("apply", "--auto-approve", **UNREACHABLE).status == 0
    for note in own.parent.glob("registry/**/*unreachable*"):
        note.unlink()

    done = command("plan", TF_CLI_CONFIG_FILE=str(own), **UNREACHABLE)

    assert done.status == 0, done.stdout + done.stderr
    assert "Provider: the stand-in" in done.stdout
    assert own_state.exists()


def test_without_a_terminal_nothing_is_begun_that_would_be_asked_about(
    command: Callable[..., Done], server: Server
) -> None:
    for changing in ("apply", "destroy"):
        done = command(changing)
        assert done.status == 1
        assert f"{changing} --auto-approve" in done.stderr
    assert server.take() == []


def test_no_command_means_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr().err
    assert [name for name in ("plan", "apply", "destroy", "output", "install") if name in shown]


def test_a_failed_apply_ends_with_its_reason(
    repository: Repository, command: Callable[..., Done]
) -> None:
    repository.file.write_text(repository.file.read_text().replace("version = 1", "version = 9"))
    done = command("apply", "--auto-approve", **UNREACHABLE)
    assert done.status == 1
    assert "has no version 9" in done.stderr
    assert "\x1b[" not in done.stdout + done.stderr


def test_a_stack_is_synthesized_again_only_where_it_would_be_another(
    repository: Repository, command: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    synthesized = []
    synthesize = synthesis.synthesize

    def counted(*arguments: Any) -> None:
        synthesized.append(arguments)
        synthesize(*arguments)

    monkeypatch.setattr(synthesis, "synthesize", counted)
    command("plan", **UNREACHABLE)
    command("plan", **UNREACHABLE)
    assert len(synthesized) == 1, "nothing has changed"

    output = repository.root / ".local/terraform/registry/cdktf.out"
    file = output / "stacks" / STACK / "cdk.tf.json"
    file.write_text(file.read_text().replace("ab-test", "by-hand"))
    command("plan", **UNREACHABLE)
    assert len(synthesized) == 2
    assert "by-hand" not in file.read_text()

    repository.file.write_text(repository.file.read_text().replace("traffic = 50", "traffic = 20"))
    assert "+ traffic_percentage = 20" in command("plan", **UNREACHABLE).stdout
    assert len(synthesized) == 3


def test_what_is_deployed_is_told_without_a_workspace(
    command: Callable[..., Done], server: Server
) -> None:
    assert command("apply", "--auto-approve", **UNREACHABLE).status == 0
    host = server.url
    server.close()
    done = command("output", "--raw", "ab_test_endpoint_url", **UNREACHABLE)
    assert done.status == 0, done.stderr
    assert done.stdout == f"{host}/serving-endpoints/ab-test/invocations"


def test_the_platform_is_not_destroyed_below_what_stands_on_it(
    repository: Repository, command: Callable[..., Done], server: Server
) -> None:
    assert command("apply", "--auto-approve", **UNREACHABLE).status == 0
    server.take()

    done = command("destroy", "--stack", "platform", "--auto-approve", **UNREACHABLE)

    assert done.status == 1
    assert "platform-sandbox holds what serving-sandbox uses." in done.stderr
    first, second = (line.strip() for line in done.stderr.splitlines()[-2:])
    assert first.endswith(f"destroy --environment {repository.file} --stack serving")
    assert second.endswith(f"destroy --environment {repository.file} --stack platform")
    assert server.take() == []
    assert command("destroy", "--auto-approve", **UNREACHABLE).status == 0


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


def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    repository: Repository, command: Callable[..., Done]
) -> None:
    (repository.root / ".local").write_text("a file in the folder's place")
    done = command("plan")
    assert done.status == 1
    assert ".local" in done.stderr
    assert "Make it writable." in done.stderr


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

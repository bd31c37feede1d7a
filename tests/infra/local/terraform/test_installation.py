"""How Terraform finds the stand-in, what that says, and that it leaves nothing behind."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.constructs.provider_lock import LOCK
from infra.local.terraform import for_cdktf
from infra.local.terraform.__main__ import main
from infra.local.terraform.installation import Installation, NotInstalled
from infra.local.terraform.stand_in import start as program
from tests.infra.local.terraform.server import Server
from tests.infra.local.terraform.terraform import Terraform
from tests.plugin.terraform import TOKEN
from tests.plugin.workspaces import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.local.terraform.workspace import Workspace

SCHEMA = {"databricks_schema": {"this": {"catalog_name": "c", "name": "t"}}}


@dataclasses.dataclass
class Run:
    """What was said and done while plain Terraform deployed a schema and destroyed it."""

    said: dict[str, str] = dataclasses.field(default_factory=dict)
    was_created: bool = False
    was_destroyed: bool = False
    tokens: set[str | None] = dataclasses.field(default_factory=set)


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    workspace_in_process: Workspace,
    terraform_environment: dict[str, str],
) -> Run:
    """Terraform as a user runs it: it starts the provider itself, several times a command."""
    run, workspace = Run(), workspace_in_process
    with contextlib.closing(Server(workspace)) as server:
        terraform = Terraform(tmp_path_factory.mktemp("run"), server.url, terraform_environment)
        terraform.write(**SCHEMA)
        terraform.init()
        run.said["apply"] = terraform.apply()
        run.was_created = workspace.exists("/api/2.1/unity-catalog/schemas/c.t")
        run.said["plan"] = terraform.run("plan", "-input=false", "-no-color").stdout
        run.said["destroy"] = terraform.destroy()
        run.was_destroyed = workspace.is_as_given
        run.tokens = server.tokens
    return run


def test_plain_terraform_finds_it_and_deploys(run: Run) -> None:
    assert run.was_created
    assert "No changes." in run.said["plan"]
    assert run.was_destroyed


def test_it_says_what_it_is_whenever_it_runs(run: Run) -> None:
    for command, said in run.said.items():
        assert "Stand-in provider, not databricks/databricks" in said, command


def test_it_sends_the_token_that_it_is_given(run: Run) -> None:
    assert run.tokens == {f"Bearer {TOKEN}"}


def test_the_lock_does_not_change_with_the_code(
    installation: Installation, terraform_environment: dict[str, str], tmp_path: Path
) -> None:
    terraform = Terraform(tmp_path, "http://127.0.0.1", terraform_environment)
    terraform.write(**SCHEMA)
    terraform.init()
    lock = (tmp_path / ".terraform.lock.hcl").read_text()
    shim = next(installation.folder.rglob("terraform-provider-databricks_v1.99.0"))
    assert len(shim.read_text().splitlines()) == 3
    assert "stand_in" in shim.read_text(), "it starts the code, and holds none of it"

    installation.write()
    terraform.run("init", "-input=false", "-lockfile=readonly")
    assert (tmp_path / ".terraform.lock.hcl").read_text() == lock


def test_no_shared_plugin_cache_gets_it(installation: Installation) -> None:
    environment = installation.environment({"TF_PLUGIN_CACHE_DIR": "/cache", "TF_DATA_DIR": "/d"})
    assert "TF_PLUGIN_CACHE_DIR" not in environment
    assert "TF_DATA_DIR" not in environment
    assert environment["CDKTF_DISABLE_PLUGIN_CACHE_ENV"] == "1"


def test_a_moved_environment_gets_a_new_shim_and_loses_the_locks_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = Installation(root=tmp_path)
    installation.write()
    lock = installation.output / "stacks" / "serving-local" / ".terraform.lock.hcl"
    lock.parent.mkdir(parents=True)
    lock.touch()
    installation.write()
    assert lock.exists()

    monkeypatch.setattr(sys, "executable", str(tmp_path / "moved" / "python"))
    installation.write()
    assert not lock.exists()


def test_a_missing_package_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf", None)
    with pytest.raises(NotInstalled, match=r"uv pip sync requirements\.lock"):
        Installation(root=tmp_path).write()


def test_a_shell_gets_what_plain_cdktf_and_terraform_commands_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert main(["install"]) == 0
    script = capsys.readouterr().out + "printenv TF_CLI_CONFIG_FILE TERRAFORM_BINARY_NAME"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    configuration, terraform = done.stdout.splitlines()
    assert configuration == str(folder / ".local/terraform/stand-in.tfrc")
    assert os.access(terraform, os.X_OK)


class TestTerraformForCdktf:
    """What stands between cdktf-cli and Terraform with the stand-in."""

    @pytest.fixture
    def called(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        """The commands of Terraform, which succeed, in the folder of a stack."""
        called: list[list[str]] = []

        def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            called.append(command)
            return subprocess.CompletedProcess(command, 0)

        folder = tmp_path / "cdktf.out" / "stacks" / "serving-local"
        folder.mkdir(parents=True)
        backend = {"terraform": {"backend": {"local": {"path": "elsewhere"}}}}
        (folder / "cdk.tf.json").write_text(json.dumps(backend))
        monkeypatch.chdir(folder)
        monkeypatch.setattr(for_cdktf.subprocess, "run", run)
        return called

    def test_the_provider_out_of_a_folder_is_not_locked(
        self, called: list[list[str]], tmp_path: Path
    ) -> None:
        assert for_cdktf.main([str(tmp_path), str(tmp_path), "providers", "lock", "-x"]) == 0
        assert called == []

    def test_it_is_none_of_the_builds_that_a_real_workspace_is_locked_to(
        self, called: list[list[str]], tmp_path: Path
    ) -> None:
        locked = Path(".terraform.lock.hcl")
        locked.write_bytes(LOCK.read_bytes())

        for states, remains in (("-", True), (str(tmp_path), False)):
            assert for_cdktf.main([states, str(tmp_path), "init"]) == 0
            assert locked.exists() is remains
        assert len(called) == 2

    def test_it_finds_what_our_own_commands_deployed(
        self, called: list[list[str]], tmp_path: Path
    ) -> None:
        states, name = tmp_path / "states", "terraform.serving-local.tfstate"
        (tmp_path / name).write_text('{"resources": [{"mode": "managed"}]}')

        assert for_cdktf.main([str(states), str(tmp_path), "init", "-input=false"]) == 0

        assert called == [
            ["terraform", "init", "-input=false", "-reconfigure",
             f"-backend-config=path={states / name}"],
        ]  # fmt: skip
        assert (states / name).exists()

    def test_any_other_command_is_terraforms(self, called: list[list[str]], tmp_path: Path) -> None:
        for_cdktf.main([str(tmp_path), str(tmp_path), "plan", "-out", "a plan"])
        assert called == [["terraform", "plan", "-out", "a plan"]]

    @pytest.mark.parametrize("states", ["-", "states"])
    def test_a_platform_is_not_destroyed_below_what_stands_on_it(
        self, states: str, called: list[list[str]], tmp_path: Path, in_platform: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        state = in_platform / "terraform.serving-local.tfstate"
        state.write_text('{"resources": [{"mode": "managed"}]}')

        assert for_cdktf.main([states, str(tmp_path), "destroy", "-auto-approve"]) == 1

        assert called == []
        said = capsys.readouterr().out.splitlines()
        assert said[0].startswith("platform-local holds what serving-local uses. Nothing was ")
        assert said[1:] == ["  cdktf destroy serving-local", "  cdktf destroy platform-local"]

        state.unlink()
        assert for_cdktf.main([states, str(tmp_path), "destroy"]) == 0
        assert called == [["terraform", "destroy"]]

    def test_a_state_elsewhere_is_asked_what_stands_on_the_platform(
        self, called: list[list[str]], tmp_path: Path, in_platform: Path,
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        listed = {"stdout": "data.databricks_current_user.deployer\n", "status": 0}

        def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            called.append(command[1:2])
            return subprocess.CompletedProcess(command, listed["status"], listed["stdout"])

        monkeypatch.setattr(for_cdktf.subprocess, "run", run)
        backend = {"terraform": {"backend": {"s3": {"bucket": "states"}}}}
        file = in_platform / "cdktf.out" / "stacks" / "serving-local" / "cdk.tf.json"
        file.write_text(json.dumps(backend))
        destroy = ["-", str(tmp_path), "destroy"]

        assert for_cdktf.main(destroy) == 0
        assert called == [["init"], ["state"], ["destroy"]]

        listed["stdout"] += "databricks_model_serving.ab-test\n"
        assert for_cdktf.main(destroy) == 1
        listed["status"] = 1
        assert for_cdktf.main(destroy) == 1
        assert called[3:] == [["init"], ["state"], ["init"]]
        assert "what is deployed is not known" in capsys.readouterr().out

    @pytest.fixture
    def in_platform(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The root of states, with the platform's folder, where Terraform runs, and serving's."""
        stacks = tmp_path / "cdktf.out" / "stacks"
        platform = stacks / "platform-local"
        platform.mkdir()
        shutil.copy(stacks / "serving-local" / "cdk.tf.json", platform)
        monkeypatch.chdir(platform)
        return tmp_path


@pytest.mark.programs
def test_started_by_hand_it_says_who_starts_it(installation: Any) -> None:
    installation.write()
    done = subprocess.run([installation.program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Terraform starts it, not you" in done.stderr


def _start(installation: Installation, folder: Path) -> subprocess.Popen[str]:
    """What Terraform starts; this process is the Terraform command."""
    cookie = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
    installation.write()
    return subprocess.Popen(
        [installation.program],
        env=os.environ | {"TF_PLUGIN_MAGIC_COOKIE": cookie, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A socket's path is short."""
    with tempfile.TemporaryDirectory(prefix="h") as folder:
        yield Path(folder)


@pytest.mark.programs
def test_what_one_command_starts_is_served_by_one_process_that_goes_with_the_last(
    installation: Installation, short_folder: Path
) -> None:
    starts = [_start(installation, short_folder) for _ in range(3)]
    handshakes = [start.stdout.readline().strip() for start in starts if start.stdout]
    sockets = [Path(handshake.split("|")[3]) for handshake in handshakes]

    assert len(set(sockets)) == 3
    assert [it.name for it in short_folder.glob("*/control.sock")] == ["control.sock"]
    (stays,) = short_folder.glob(f"stand-in-{os.getuid()}-{os.getpid()}")
    assert stays.stat().st_mode & 0o077 == 0

    starts[0].kill()  # the first one is nobody's parent any more
    assert eventually(lambda: not sockets[0].exists())
    assert sockets[1].exists()
    for start in starts:
        start.kill()
        start.communicate()
    assert eventually(lambda: not any(socket.exists() for socket in sockets))


@pytest.mark.programs
def test_without_a_folder_of_its_own_each_start_serves_itself(
    installation: Installation, short_folder: Path
) -> None:
    short_folder.joinpath(f"stand-in-{os.getuid()}-{os.getpid()}").touch()
    start = _start(installation, short_folder)

    assert start.stdout is not None
    assert "|grpc|" in start.stdout.readline()
    start.kill()
    start.communicate()


@pytest.mark.programs
def test_a_start_that_hands_on_reads_no_package_and_no_large_module() -> None:
    """Each start of a command but the first waits for this alone."""
    folder = Path(program.__file__).parent
    script = f"import sys; sys.path.append({str(folder)!r}); import start; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    slow = {"contextlib", "enum", "re", "site", "socket", "threading", "typing"}
    assert slow & set(done.stdout.split()) == set()


@pytest.mark.programs
def test_its_process_imports_no_framework(installation: Installation) -> None:
    """Terraform starts it several times a command, in an environment that has them all."""
    script = (
        "import sys; from infra.local.terraform.stand_in.startup import import_grpc; import_grpc();"
        " from infra.local.terraform.stand_in import provider, rest, serving; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=installation.root,
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"asyncio", "cdktf", "duckdb", "httpx", "mlflow", "numpy", "tensorflow", "torch"}
    assert heavy & set(done.stdout.split()) == set()


@pytest.mark.parametrize(
    "host",
    ["https://dbc-1.cloud.databricks.com", "http://10.0.0.1:8180", "dbc-1.cloud.databricks.com",
     "http://127.0.0.1.example.com", "http://0.0.0.0:8180"],
)  # fmt: skip
def test_it_refuses_a_host_that_is_not_this_machine(host: str, deployed: Any, server: Any) -> None:
    deployed.provider["host"] = host
    deployed.write(**SCHEMA)

    output = " ".join(deployed.apply(check=False).split())
    assert "serves the local workspace only" in output
    assert "nothing has been sent" in output
    assert server.take() == []


def test_the_host_may_come_from_the_environment(
    deployed: Terraform, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", server.url)
    deployed.provider = {}
    deployed.write(**SCHEMA)
    deployed.apply()
    assert server.take()


def test_no_host_and_no_token_are_named(
    deployed: Terraform, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.provider = {}
    deployed.write(**SCHEMA)
    assert "no workspace is given" in deployed.apply(check=False)

    deployed.provider = {"host": server.url}
    deployed.write(**SCHEMA)
    monkeypatch.delenv("DATABRICKS_TOKEN")
    assert ".local/workspace/token" in deployed.apply(check=False)


def test_data_sources_read_what_the_workspace_has(
    deployed: Terraform, workspace: Workspace
) -> None:
    deployed.write(
        blocks={
            "data": {
                "databricks_current_user": {"me": {}},
                "databricks_serving_endpoints": {"all": {}},
                "databricks_registered_model": {"m": {"full_name": "c.s.m"}},
                "databricks_sql_warehouse": {"w": {"id": workspace.warehouse}},
            },
            "output": {
                "user": {"value": "${data.databricks_current_user.me.user_name}"},
                "endpoints": {
                    "value": "${length(data.databricks_serving_endpoints.all.endpoints)}"
                },
                "owner": {"value": "${data.databricks_registered_model.m.model_info[0].owner}"},
                "size": {"value": "${data.databricks_sql_warehouse.w.cluster_size}"},
            },
        }
    )
    deployed.apply()

    assert deployed.outputs() == {
        "user": "minilake-user",
        "endpoints": 0,
        "owner": "minilake-user",
        "size": "Small",
    }

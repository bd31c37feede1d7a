"""A command says in one line that the environment is not active, and works where it need not be."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ml.contract.active import VARIABLES, home

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash") or "/bin/bash"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of the same version without any package."""
    python = tmp_path_factory.mktemp("bare") / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", python.parents[1]], check=True)
    return python


def start(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(it) for it in command],
        cwd=ROOT,
        env={"PATH": os.defpath, "HOME": os.environ.get("HOME", ""), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.programs
@pytest.mark.parametrize(
    "command",
    [
        *(["-m", f"ml.{it.stem}"] for it in sorted((ROOT / "ml").glob("[!_]*.py"))),
        *(["-m", f"ml.{it}"] for it in ("feedback", "reading_room")),
        *(["-m", f"infra.{it}"] for it in ("local", "local.demo", "local.terraform", "rollout")),
        ["main.py"],
    ],
    ids=lambda it: it[-1],
)
def test_a_python_without_the_packages_is_one_line_with_the_way_out(
    bare: Path, command: list[str]
) -> None:
    refused = start(bare, *command, "--help")

    if refused.returncode == 0:  # nothing but the standard library is needed to say so much
        assert refused.stdout.startswith("usage:")
        return
    (line,) = refused.stderr.splitlines()
    assert "The project's environment is not active" in line
    assert "source ./activate" in line


@pytest.mark.programs
def test_node_that_is_missing_is_one_line_with_the_way_out(tmp_path: Path) -> None:
    environment = tmp_path / "only-python"
    environment.mkdir()
    (environment / "python").symlink_to(sys.executable)

    refused = start(
        *(sys.executable, "-c", "from infra.constructs.node import require_node; require_node()"),
        PATH=str(environment),
    )

    assert refused.stderr.splitlines()[-1].endswith("then source ./activate.")


@pytest.mark.programs
def test_node_that_is_too_old_is_named(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("#!/bin/sh\necho v18.20.4\n")
    (tmp_path / "node").chmod(0o755)

    refused = start(
        *(sys.executable, "-c", "from infra.constructs.node import require_node; require_node()"),
        PATH=str(tmp_path) + os.pathsep + os.defpath,
    )

    assert f"{tmp_path}/node is Node.js v18.20.4" in refused.stderr


def test_a_home_that_takes_no_files_is_replaced(tmp_path: Path) -> None:
    """Tried with what root may write to, by its rights alone."""
    file, checkout = tmp_path / "file", tmp_path / "checkout"
    file.touch()
    for missing in ("", "/proc", "/sys", "/proc/nowhere", str(file), str(tmp_path / "none")):
        assert home({"HOME": missing}, checkout) == {"HOME": str(checkout / ".local" / "home")}
    assert home({"HOME": str(tmp_path)}, checkout) == {}
    temporary = {"HOME": "/proc", "TMPDIR": str(tmp_path)}
    assert home(temporary, Path("/proc"))["HOME"].startswith(f"{tmp_path}/champion-challenger-")
    assert home({"HOME": "/proc", "TMPDIR": "/proc"}, Path("/proc")) == {}
    assert [it.name for it in tmp_path.iterdir() if it.name.startswith(".")] == []


def test_activate_replaces_a_home_that_takes_no_files() -> None:
    for missing in ("", "/proc", "/sys"):
        shell = start(BASH, "-c", 'source ./activate; echo "$HOME"', HOME=missing)
        assert shell.stdout == f"{ROOT}/.local/home\n"
        assert shell.stderr.startswith(f"activate: HOME={missing} cannot be written to; for this")


@pytest.mark.programs
@pytest.mark.parametrize("home", ["", "/proc", "/proc/nowhere"])
def test_synthesis_needs_no_home(home: str) -> None:
    done = start(ROOT / ".venv" / "bin" / "python", "main.py", HOME=home)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.programs
def test_activate_puts_the_programs_on_path_from_any_folder(tmp_path: Path) -> None:
    shown = "command -v python cdktf; env"

    shell = start(BASH, "-c", f'cd "$1"; source "$2/activate"; {shown}', "-", tmp_path, ROOT)

    said = shell.stdout.splitlines()
    assert said[:2] == [f"{ROOT}/.venv/bin/python", f"{ROOT}/node_modules/.bin/cdktf"]
    assert {f"{name}={value}" for name, value in VARIABLES.items()} <= {*said}


@pytest.mark.programs
def test_cdktf_calls_terraform_by_what_looks_first(tmp_path: Path) -> None:
    """`python -m infra.local.terraform install` names another one in a closed network."""
    platform = tmp_path / "cdktf.out" / "stacks" / "platform-x"
    for stack in (platform, serving := platform.with_name("serving-x")):
        stack.mkdir(parents=True)
        stack.joinpath("cdk.tf.json").write_text('{"terraform": {"backend": {"local": {}}}}')
    state = tmp_path / f"terraform.{serving.name}.tfstate"
    state.write_text('{"resources": [{"mode": "managed"}]}')
    line = 'source ./activate; cd "$1"; "$TERRAFORM_BINARY_NAME" version'

    line = f'{line}; "$TERRAFORM_BINARY_NAME" destroy'
    shell = start(BASH, "-c", line, "-", platform, PATH=os.environ["PATH"])

    assert shell.stdout.startswith("Terraform v1."), shell.stderr
    assert "platform-x holds what serving-x uses." in shell.stdout
    assert shell.returncode == 1


@pytest.mark.parametrize("shell", ["dash", "zsh", "busybox sh"])
def test_activate_works_in_another_shell_from_the_projects_folder(
    shell: str, tmp_path: Path
) -> None:
    if shutil.which(shell.split()[0]) is None:
        pytest.skip(f"there is no {shell}")

    there = start(*shell.split(), "-c", ". ./activate && command -v cdktf")
    elsewhere = start(*shell.split(), "-c", 'cd "$1"; . "$2/activate"; true', "-", tmp_path, ROOT)

    assert there.stdout == f"{ROOT}/node_modules/.bin/cdktf\n", there.stderr
    assert elsewhere.returncode == 0
    assert "substitution" not in elsewhere.stderr
    assert shell == "zsh" or "is not the project's folder: cd there first" in elsewhere.stderr


def test_activate_says_that_nothing_is_installed(tmp_path: Path) -> None:
    folder = tmp_path / "ein Ordner, grün"
    folder.mkdir()
    shutil.copy(ROOT / "activate", folder)

    shell = start(BASH, "-c", 'source "$1/activate"; command -v cdktf', "-", folder)

    assert shell.stderr == (
        f"activate: nothing is installed in {folder} yet: run make set-up there first.\n"
    )


def test_make_sets_the_same_variables() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    exported = re.findall(r"^export (\w+) := (.+)$", makefile, re.MULTILINE)
    assert VARIABLES.items() <= dict(exported).items()

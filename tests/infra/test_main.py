"""`python main.py` and `cdktf synth`, run as a user runs them."""

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.declared.environment import available

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"keras", "mlflow", "sklearn", "tensorflow", "torch"}

Run = subprocess.CompletedProcess[str]


def project(folder: Path) -> Path:
    """A copy of what synthesis needs."""
    ignore = shutil.ignore_patterns("__pycache__", "local")
    shutil.copytree(ROOT / "infra", folder / "infra", ignore=ignore)
    for file in ("main.py", "cdktf.json", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    shutil.copytree(ROOT / "ml" / "contract", folder / "ml" / "contract", ignore=ignore)
    shutil.copy(ROOT / "ml" / "__init__.py", folder / "ml")
    return folder


def run(*command: str, folder: Path, **environment: str) -> Run:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def cpu_seconds(*command: str, folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(*command, folder=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def synthesized(folder: Path) -> dict[str, bytes]:
    out = folder / "cdktf.out"
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("*.json"))}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A folder with two files that break a rule, and what `python main.py` made of it."""
    folder = project(tmp_path_factory.mktemp("refused") / "here")
    dev = folder / "infra/environments/dev.toml"
    dev.write_text(dev.read_text().replace("traffic       = 50", "traffic = 101"))
    prod = folder / "infra/environments/prod.toml"
    prod.write_text(prod.read_text().replace("version       = 1", 'version = "1"', 1))
    return folder, run(sys.executable, "main.py", folder=folder)


@pytest.mark.programs
class TestRefusal:
    def test_it_goes_to_stderr_with_status_1_and_no_traceback(
        self, refused: tuple[Path, Run]
    ) -> None:
        _, result = refused

        assert (result.returncode, result.stdout) == (1, "")
        assert "infra/environments/dev.toml: ab_test.challengers[0].traffic = 101" in result.stderr
        assert 'infra/environments/prod.toml: ab_test.champion.version = "1"' in result.stderr
        assert "Traceback" not in result.stderr

    def test_it_takes_less_than_half_a_second(self, refused: tuple[Path, Run]) -> None:
        """Of a processor: the wall clock would measure who else is at work here."""
        folder, _ = refused

        # The least of a few tries: a busy machine's processor time is longer, too.
        assert any(cpu_seconds(sys.executable, "main.py", folder=folder) < 0.5 for _ in range(5))

    def test_nothing_is_written(self, refused: tuple[Path, Run]) -> None:
        folder, _ = refused

        assert not (folder / "cdktf.out").exists()


@pytest.fixture(scope="module")
def by_python(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A folder in which `python main.py` has run, and the run; -X lists what it imports."""
    folder = project(tmp_path_factory.mktemp("by_python") / "here")
    result = run(sys.executable, "-X", "importtime", "main.py", folder=folder, PYTHONHASHSEED="1")
    assert result.returncode == 0, result.stderr
    return folder, result


@pytest.mark.programs
def test_help_says_what_it_takes_and_imports_nothing_heavy(tmp_path: Path) -> None:
    result = run(sys.executable, "main.py", "--help", folder=project(tmp_path / "here"))

    assert (result.returncode, result.stderr) == (0, "")
    assert "ENVIRONMENT" in result.stdout
    assert not (tmp_path / "here" / "cdktf.out").exists()


@pytest.mark.programs
def test_an_environment_of_another_folder_is_synthesized_alone(tmp_path: Path) -> None:
    folder = project(tmp_path / "here")
    shutil.copy(folder / "infra/environments/local.toml", folder / "mine.toml")
    result = run(sys.executable, "main.py", "mine.toml", folder=folder)

    assert result.returncode == 0, result.stderr
    assert [path for path in synthesized(folder) if path.startswith("stacks/")] == [
        f"stacks/{kind}-mine/cdk.tf.json" for kind in ("analysis", "platform", "serving")
    ]


@pytest.mark.programs
def test_synthesis_imports_nothing_that_trains(by_python: tuple[Path, Run]) -> None:
    _, result = by_python

    names = re.findall(r"\| +(\S+)$", result.stderr, re.MULTILINE)
    imported = {name.split(".")[0] for name in names}
    assert "cdktf" in imported
    assert imported & HEAVY == set()


@pytest.mark.programs
def test_main_writes_the_three_stacks_of_every_environment(by_python: tuple[Path, Run]) -> None:
    folder, _ = by_python

    assert [path for path in synthesized(folder) if path.startswith("stacks/")] == [
        f"stacks/{kind}-{name}/cdk.tf.json"
        for kind in ("analysis", "platform", "serving")
        for name in available()
    ]


@pytest.mark.programs
@pytest.mark.skipif(shutil.which("cdktf") is None, reason="cdktf is not on PATH: make set-up")
def test_cdktf_synth_writes_the_same_bytes_elsewhere(
    by_python: tuple[Path, Run], tmp_path: Path
) -> None:
    """In another folder, with another seed of Python's hashes, for another person's workspace."""
    elsewhere = project(tmp_path / "some" / "where else")

    by_cli = run(
        "cdktf",
        "synth",
        folder=elsewhere,
        PYTHONHASHSEED="2",
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        DATABRICKS_HOST="https://adb-1.7.azuredatabricks.net",
        CHECKPOINT_DISABLE="1",
    )

    assert by_cli.returncode == 0, by_cli.stdout + by_cli.stderr
    assert synthesized(elsewhere) == synthesized(by_python[0])


@pytest.mark.parametrize("out", ["/proc/cdktf.out", "taken"])
def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path, out: str) -> None:
    (tmp_path / "taken").touch()
    refused = run(
        sys.executable, str(ROOT / "main.py"), folder=project(tmp_path / "p"),
        CDKTF_OUTDIR=str(tmp_path / out),
    )  # fmt: skip

    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "cannot be written" in refused.stderr

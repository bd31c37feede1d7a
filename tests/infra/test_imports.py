"""`ml` and `infra` stay apart: the contracts of pyproject.toml, kept and able to break."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from importlinter.cli import lint_imports; "
            "sys.exit(lint_imports(config_filename='pyproject.toml', no_cache=True))",
        ],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of both packages, to break."""
    for package in ("infra", "ml"):
        for module in (ROOT / package).rglob("*.py"):
            copy = tmp_path / module.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(module, copy)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.programs
def test_the_contracts_are_kept(tree: Path) -> None:
    result = lint_imports(tree)

    assert result.returncode == 0, result.stdout


@pytest.mark.programs
@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("ml/contract/serving.py", "import cdktf"),
        ("ml/contract/serving.py", "from infra.constructs.serving import ModelServingEndpoint"),
        ("infra/declared/endpoint.py", "import mlflow"),
        ("infra/declared/environment.py", "import ml.train_keras"),
    ],
    ids=[
        "ml imports cdktf",
        "ml imports infra's heavy side",
        "infra imports mlflow",
        "infra imports what trains through ml",
    ],
)
def test_a_broken_contract_is_found(tree: Path, module: str, line: str) -> None:
    file = tree / module
    file.write_text(f"{file.read_text()}\n{line}\n")

    result = lint_imports(tree)

    assert result.returncode == 1
    assert "BROKEN" in result.stdout

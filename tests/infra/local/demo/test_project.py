"""The demo's own project, in which the same commands find what is the demo's, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import tomlkit

from infra.declared.environment import load
from infra.local.demo import project

if TYPE_CHECKING:
    from pathlib import Path

WHERE = (
    "import infra.declared.environment as e, infra.declared.experiment as x;"
    " print(e.available(), e.ENVIRONMENTS, x.EXPERIMENTS)"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepared twice, as by a second demonstration."""
    for _ in range(2):
        project.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    project.environment_file().write_text(tomlkit.dumps(project.environment()))
    return tmp_path


@pytest.mark.programs
@pytest.mark.parametrize("started", [["-c", WHERE], ["main.py", "--help"]])
def test_a_command_in_its_folder_knows_the_demos_environment_and_experiments(
    folder: Path, started: list[str]
) -> None:
    main = folder / "main.py"
    main.write_text(main.read_text().replace("def main", f"{WHERE}\n\n\ndef main", 1))

    done = subprocess.run(
        [sys.executable, *started], cwd=folder, capture_output=True, text=True, check=True
    )

    infra = folder / "infra"
    expected = f"('demo',) {infra / 'environments'} {infra / 'experiments'}"
    assert done.stdout.splitlines()[0] == expected


@pytest.mark.usefixtures("folder")
def test_nothing_of_its_workspace_is_that_of_local() -> None:
    demo, local = load(project.environment_file()), load("local")

    assert demo.name == "demo"
    for differs in ("catalog", "serving_stack", "secret_scope_name", "warehouse_name"):
        assert getattr(demo, differs) != getattr(local, differs)
    assert demo.workspace.host != local.workspace.host
    assert demo.tags["environment"] == "demo"
    assert demo.ab_test == local.ab_test


def test_preparing_it_leaves_the_repository_as_it_is(folder: Path) -> None:
    assert not (folder / "main.py").is_symlink()
    assert (project.ROOT / "main.py").read_text() == (folder / "main.py").read_text()
    assert (folder / "ml").resolve() == project.ROOT / "ml"

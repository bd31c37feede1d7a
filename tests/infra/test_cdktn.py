"""The move from CDKTF to its successor is two replacements (docs/adr/0001), shown by making it.

Installs cdktn into an environment of its own, once; where that is impossible the test is skipped
and says why.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.declared.environment import available
from infra.local.terraform.installation import Installation
from tests.end_to_end.serving.sandbox import ENVIRONMENT
from tests.end_to_end.stack import Stack
from tests.infra.several import SEVERAL
from tests.plugin.isolation import DEVELOPERS
from tests.plugin.workspaces import RunningWorkspace, eventually

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [
    "cdktn==0.24.0",
    "cdktn-provider-databricks==18.11.0",
    "constructs>=10.6,<10.8",
    "pydantic==2.14.4",
]
_LOGGED = "SELECT count(*) FROM moved.gold.moved_payload"
REPLACEMENTS = [
    ("cdktf_cdktf_provider_databricks", "cdktn_provider_databricks"),
    ("from cdktf import", "from cdktn import"),
]

pytestmark = [
    pytest.mark.programs,
    pytest.mark.slow("moves every environment to cdktn, which it installs"),
]


@pytest.fixture(scope="session")
def python() -> Path:
    """An interpreter that has cdktn instead of cdktf; kept under .local for the next run."""
    home = ROOT / ".local" / "cdktn"
    python, installed = home / "bin" / "python", home / "installed.json"
    if installed.is_file() and json.loads(installed.read_text()) == PACKAGES:
        return python
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("NOT SHOWN: the move to cdktn needs uv to install it, and uv is not on PATH")
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)],
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *PACKAGES],
    ):
        result = subprocess.run(
            command,
            env=os.environ | DEVELOPERS,  # the way to the packages may lead through a proxy
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        if result.returncode:
            pytest.skip(
                f"NOT SHOWN: the move to cdktn needs {', '.join(PACKAGES)}, which could not be "
                f"installed: {result.stderr.strip()}"
            )
    installed.write_text(json.dumps(PACKAGES))
    return python


def run(python: Path, folder: Path, *files: Path) -> None:
    result = subprocess.run(
        [str(python), "main.py", *map(str, files)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr


def synthesized(python: Path, folder: Path) -> dict[str, Any]:
    run(python, folder)
    return {
        stack: json.loads((folder / f"cdktf.out/stacks/{stack}/cdk.tf.json").read_text())
        for name in available()
        for stack in (f"platform-{name}", f"serving-{name}", f"analysis-{name}")
    }


def copy(folder: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__", "local")
    shutil.copytree(ROOT / "infra", folder / "infra", ignore=ignore)
    for file in ("main.py", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    shutil.copytree(ROOT / "ml" / "contract", folder / "ml" / "contract", ignore=ignore)
    shutil.copy(ROOT / "ml" / "__init__.py", folder / "ml")
    return folder


def moved(folder: Path) -> Path:
    for module in copy(folder).rglob("*.py"):
        text = module.read_text()
        for old, new in REPLACEMENTS:
            text = text.replace(old, new)
        module.write_text(text)
    return folder


def test_two_replacements_move_every_environment_to_cdktn(python: Path, tmp_path: Path) -> None:
    before, after = copy(tmp_path / "cdktf"), moved(tmp_path / "cdktn")

    expected = synthesized(Path(sys.executable), before)
    for stack in expected.values():  # what may differ: the two versions
        assert stack["//"]["metadata"]["version"] == "0.21.0"
        stack["//"]["metadata"]["version"] = "0.24.0"
        assert stack["terraform"]["required_providers"]["databricks"]["version"] == "1.99.0"
        stack["terraform"]["required_providers"]["databricks"]["version"] = "1.138.0"

    assert synthesized(python, after) == expected


def test_keys_of_the_newer_bindings_are_taken_after_the_move(python: Path, tmp_path: Path) -> None:
    folder, file = moved(tmp_path / "cdktn"), tmp_path / "newer.toml"
    file.write_text(
        SEVERAL.replace(
            'endpoint = "films"',
            'endpoint = "films"\ntelemetry_config = { inference_table = "c.gold.told" }',
        ).replace('model   = "keras"', 'model   = "keras"\nburst_scaling_enabled = false')
    )

    run(python, folder, file)

    stack = json.loads((folder / "cdktf.out/stacks/serving-newer/cdk.tf.json").read_text())
    endpoint = stack["resource"]["databricks_model_serving"]["ab-test"]
    assert endpoint["telemetry_config"] == {"inference_table_config": {"name": "c.gold.told"}}
    champion, challenger = endpoint["config"]["served_entities"]
    assert champion["burst_scaling_enabled"] is False
    assert "burst_scaling_enabled" not in challenger


def test_the_moved_copy_is_deployed(
    python: Path,
    tmp_path: Path,
    workspace_process: RunningWorkspace,
    installation: Installation,
    terraform_environment: dict[str, str],
) -> None:
    """Every stack of one environment, onto the local workspace, with nothing left to do."""
    folder = moved(tmp_path / "cdktn")
    text = ENVIRONMENT.format(
        host=workspace_process.host,
        endpoint="moved",
        prefix="moved",
        champion="brightness",
        challenger="contrast",
    )
    file = tmp_path / "moved.toml"
    text = text.replace('catalog = "local"', 'catalog = "moved"')
    # The models are those of the tests' own catalog.
    text = text.replace("version = 1", 'version = 1\ncatalog = "local"')
    file.write_text(f"{text}\n[monitoring]\n")
    run(python, folder, file)

    token = {"DATABRICKS_TOKEN": workspace_process.token}
    with installation.attached(terraform_environment | token) as environment:
        stacks = []
        for kind in ("platform", "serving", "analysis"):
            stack = Stack(folder=folder / f"cdktf.out/stacks/{kind}-moved", environment=environment)
            stacks.append(stack)
            stack.init()
            stack.apply()
            assert stack.changes() == []
            if kind == "serving":
                # The table that the views read comes with the first request that is logged.
                body = {"inputs": np.full((1, 28, 28, 1), 0.5).tolist()}
                workspace_process.invoke("moved", body).raise_for_status()
                assert eventually(lambda: workspace_process.sql(_LOGGED) == [["1"]])
        found = workspace_process.sql("SELECT count(*) FROM moved.gold.moved_predictions")
        assert found == [["1"]]
        for stack in reversed(stacks):
            stack.destroy()

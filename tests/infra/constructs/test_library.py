"""The constructs as a library: the wheel that `pip wheel .` gives, in somebody else's app."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, get_args

import pytest

from infra.constructs import library

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "constructs.md"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    # Without an index: it is built from what is here.
    build = [*pip, "wheel", "--no-deps", "--no-index", "--wheel-dir", folder, "."]
    subprocess.run(build, cwd=ROOT, check=True)
    (built,) = folder.iterdir()
    return built


def texts(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_one_name_of_its_own_is_imported(wheel: Path) -> None:
    found = texts(wheel)

    assert wheel.name.startswith("champion_challenger_serving-")
    assert "champion_challenger/py.typed" in found  # apps are checked against its types
    tops = {name.partition("/")[0] for name in found}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"champion_challenger"}
    for text in found.values():
        assert not re.search(r"^\s*(from|import) (infra|ml)\b", text, re.MULTILINE)


def test_nothing_of_the_app_is_in_it_but_what_the_constructs_import(wheel: Path) -> None:
    rooms = {name.split("/")[1] for name in texts(wheel) if name.count("/") > 1}

    assert rooms - {"licenses"} == {"constructs", "declared", "contract"}
    assert "champion_challenger/declared/environment.py" not in texts(wheel)


def test_the_pins_of_the_app_are_ranges_of_the_library(wheel: Path) -> None:
    (metadata,) = (text for name, text in texts(wheel).items() if name.endswith("/METADATA"))

    required = re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)
    assert required
    assert not [it for it in required if "==" in it]


def test_what_an_endpoint_is_declared_with_can_be_imported() -> None:
    public = {getattr(library, name) for name in library.__all__}

    named: set[type] = set()
    for declared in (library.ABTest, library.SingleModel):
        named |= _declarations(declared)
    assert named <= public
    assert library.SingleModel in public


def _declarations(annotation: Any) -> set[type]:
    """The classes of this project that an annotation names, and those of their fields."""
    found = {it for part in get_args(annotation) for it in _declarations(part)}
    if isinstance(annotation, type) and annotation.__module__.startswith(("infra.", "ml.")):
        found.add(annotation)
        for field in getattr(annotation, "model_fields", {}).values():
            found |= _declarations(field.annotation)
    return found


@pytest.mark.slow("installs cdktf and the provider's bindings into an empty environment")
def test_the_example_of_the_page_synthesizes_in_an_empty_environment(
    wheel: Path, tmp_path: Path
) -> None:
    _, example = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    python = tmp_path / "venv" / "bin" / "python"
    locked = tmp_path / "locked.txt"
    # The versions of set-up, which are in uv's cache where it has run.
    locked.write_text(re.sub(r" \\\n( +--hash.*\n)+", "\n", _lock()))
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, "venv"], cwd=tmp_path)
    install = ["uv", "pip", "install", "--quiet", "--python", python, "-c", locked, wheel]
    done = subprocess.run([*install, "--offline"], capture_output=True, check=False)
    if done.returncode:
        subprocess.run(install, check=True)
    (tmp_path / "app.py").write_text(example)

    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([python, "app.py"], cwd=tmp_path, env=inherited, check=True)

    stack = json.loads((tmp_path / "cdktf.out/stacks/clinic/cdk.tf.json").read_text())
    (serving,) = stack["resource"]["databricks_model_serving"].values()
    routes = serving["config"]["traffic_config"]["routes"]
    assert [it["traffic_percentage"] for it in routes] == [80, 20]
    (permissions,) = stack["resource"]["databricks_permissions"].values()
    assert permissions["access_control"] == [
        {"group_name": "icu-apps", "permission_level": "CAN_QUERY"},
        {"permission_level": "CAN_QUERY", "service_principal_name": "1234-abcd"},
    ]
    assert stack["output"]["triage_path"]["value"].endswith("/triage-ab-test/invocations")


def _lock() -> str:
    return (ROOT / "requirements-infra.lock").read_text()

"""A real workspace in a process of its own, and real registered models for it to serve."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.local.serving.running import KERAS, PROBE, TORCH, entity, gateway, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.local.serving.running import RunningWorkspace


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URI of a registry; `probe` and `torch` have two versions, the other models one."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    script = Path(__file__).parent / "register_models.py"

    def register(kind: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), uri, str(folder / kind), kind]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder)

    # The first creates the database, the others share it.
    for kinds in (["probe"], ["torch", "keras"]):
        for process in [register(kind) for kind in kinds]:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute(
            "UPDATE model_versions SET status = 'PENDING_REGISTRATION' WHERE name LIKE '%pending'"
        )
        database.commit()
        [[broken]] = database.execute(
            "SELECT storage_location FROM model_versions WHERE name LIKE '%broken'"
        )
    (Path(broken) / "MLmodel").write_text("flavors: {}\n")
    return uri


@pytest.fixture
def start(tmp_path: Path, registry: str) -> Iterator[Callable[[], RunningWorkspace]]:
    """Starts this test's own workspace; again, after it has ended, on the same data."""
    with started(tmp_path, registry, "--delivery-seconds", "0.1") as start:
        yield start


@pytest.fixture(scope="session")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, registry: str
) -> Iterator[RunningWorkspace]:
    """One workspace for the tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("workspace")
    options = ("--delivery-seconds", "0.1", "--queue-per-slot", "1")
    with started(folder, registry, *options) as start:
        workspace = start()
        workspace.create_schema("local", "gold")
        yield workspace


@pytest.fixture(scope="session")
def ab(workspace: RunningWorkspace) -> str:
    """Name of an endpoint with a Keras and a PyTorch arm, half of the traffic each."""
    workspace.create("ab", entity(KERAS, "1", "keras-1"), entity(TORCH, "1", "torch-1"))
    return "ab"


@pytest.fixture(scope="session")
def probe(workspace: RunningWorkspace) -> str:
    """Name of an endpoint with the probe, logging into `local.gold.probe_payload`."""
    workspace.create("probe", entity(PROBE), ai_gateway=gateway("probe"))
    return "probe"

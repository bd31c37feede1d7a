"""Registered models for every workspace of the tests: real ones, registered once a run."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plugin.workspaces import REPOSITORY

if TYPE_CHECKING:
    from tests.plugin.once import Once

_DATABASE = "mlflow.db"


@pytest.fixture(scope="session")
def empty_registry(once: Once) -> Path:
    """An MLflow registry without models: its tables take seconds to create, a copy takes none."""

    def create(folder: Path) -> None:
        from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

        SqlAlchemyStore(f"sqlite:///{folder / _DATABASE}").engine.dispose()

    return once("empty-registry", create) / _DATABASE


@pytest.fixture(scope="session")
def registry(once: Once, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URI of a registry of this worker's; `probe`, `torch` and `contrast` have two versions.

    The models' files are shared by all workers and only read.
    """
    original = once("registry", _register) / _DATABASE
    copy = tmp_path_factory.mktemp("registry") / _DATABASE
    shutil.copy(original, copy)
    return registry_uri(copy.parent)


def registry_uri(folder: Path) -> str:
    return f"sqlite:///{folder / _DATABASE}"


def register(kind: str, folder: Path) -> subprocess.Popen[str]:
    """Into the registry in the folder, by a process of its own."""
    script = Path(__file__).with_name("register_models.py")
    return subprocess.Popen(
        [sys.executable, str(script), registry_uri(folder), str(folder / kind), kind],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def _register(folder: Path) -> None:
    # The first creates the database, the others share it.
    for kinds in (["probe"], ["torch", "keras"]):
        for process in [register(kind, folder) for kind in kinds]:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors
    with contextlib.closing(sqlite3.connect(folder / _DATABASE)) as database:
        database.execute(
            "UPDATE model_versions SET status = 'PENDING_REGISTRATION' WHERE name LIKE '%pending'"
        )
        database.commit()
        [[broken]] = database.execute(
            "SELECT storage_location FROM model_versions WHERE name LIKE '%broken'"
        )
    (Path(broken) / "MLmodel").write_text("flavors: {}\n")

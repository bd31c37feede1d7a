"""Registered models for every workspace of the tests: real ones, registered once a run."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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
    """URI of a registry of this worker's; `probe` and `torch` have two versions, others one.

    The models' files are shared by all workers and only read.
    """
    original = once("registry", _register) / _DATABASE
    copy = tmp_path_factory.mktemp("registry") / _DATABASE
    shutil.copy(original, copy)
    return f"sqlite:///{copy}"


def _register(folder: Path) -> None:
    uri = f"sqlite:///{folder / _DATABASE}"
    script = Path(__file__).with_name("register_models.py")

    def register(kind: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), uri, str(folder / kind), kind]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder)

    # The first creates the database, the others share it.
    for kinds in (["probe"], ["torch", "keras"]):
        for process in [register(kind) for kind in kinds]:
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

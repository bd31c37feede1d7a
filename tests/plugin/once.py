"""What is expensive and only read is built once a run, for all workers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """`once(name, build)`: the folder that `build(folder)` has filled, whichever worker came first.

    A build that fails is tried again by the next who asks.
    """
    basetemp = tmp_path_factory.getbasetemp()
    shared = (basetemp if worker_id == "master" else basetemp.parent) / "shared"
    shared.mkdir(exist_ok=True)

    def once(name: str, build: Callable[[Path], object]) -> Path:
        folder, complete = shared / name, shared / f"{name}.complete"
        with FileLock(shared / f"{name}.lock"):
            if not complete.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a build that failed
                folder.mkdir()
                build(folder)
                complete.touch()
        return folder

    return once

"""One workspace with one A/B test for all tests; predictions, readings and rooms for each."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from infra.declared.environment import load
from tests.ml.reading_room.clinic import deployed, opened, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ml.reading_room.clinic import Clinic, OpenRoom, OpenRoomWith, RoomProcess, StartRoom
    from tests.plugin.workspaces import RunningWorkspace


@pytest.fixture(scope="session")
def deployed_clinic(
    workspace_process: RunningWorkspace, tmp_path_factory: pytest.TempPathFactory
) -> Clinic:
    """The A/B test and the feedback endpoint."""
    return deployed(workspace_process, tmp_path_factory.mktemp("clinic"))


@pytest.fixture
def clinic(deployed_clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """The A/B test without predictions and readings; its token is where the SDK looks."""
    monkeypatch.setenv("DATABRICKS_TOKEN", deployed_clinic.workspace.token)
    deployed_clinic.forget()
    return deployed_clinic


@pytest.fixture
def open_room(clinic: Clinic, tmp_path: Path) -> Iterator[OpenRoomWith]:
    """Opens rooms on the clinic's environment; the same folder has the same journal."""
    with ExitStack() as stack:

        def open_one(
            *, reading: str = "", folder: str = "room", host: str | None = None, **options: Any
        ) -> OpenRoom:
            environment = load(clinic.environment_file(reading, host))
            journal = tmp_path / folder / "journal.sqlite"
            return stack.enter_context(opened(environment, journal, **options))

        yield open_one


@pytest.fixture
def start_room(clinic: Clinic, tmp_path: Path) -> Iterator[StartRoom]:
    """Starts the command, on the journal that `open_room` has too."""
    with ExitStack() as stack:

        def start_one() -> RoomProcess:
            file, journal = clinic.environment_file(), tmp_path / "room" / "journal.sqlite"
            return stack.enter_context(started(file, journal, clinic.workspace.token))

        yield start_one

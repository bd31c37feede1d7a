"""A workspace for all tests, an environment and a delivery for each."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ml.ingestion.command import Ingest, Run
from tests.ml.ingestion.delivery import Delivery
from tests.ml.ingestion.place import Place, platform, running_workspace, write_environment


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Host and token of a running local workspace."""
    with running_workspace(tmp_path_factory.mktemp("workspace")) as running:
        yield running


@pytest.fixture
def signed_in(workspace: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The workspace's host; the token is where the SDK looks for it, and nothing else is."""
    host, token = workspace
    for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABRICKS_TOKEN", token)
    return host


@pytest.fixture
def environment_file(signed_in: str, tmp_path: Path) -> Callable[[str], Path]:
    """Writes an environment of the workspace, with a catalog of that name, which does not exist."""
    return lambda name: write_environment(tmp_path, name, signed_in)


@pytest.fixture
def place(workspace: tuple[str, str], environment_file: Callable[[str], Path]) -> Iterator[Place]:
    """An environment of the test's own, with the platform that ingestion needs and no film."""
    with platform(environment_file(f"t{os.urandom(6).hex()}"), *workspace) as created:
        yield created


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """An empty folder that films can be put into."""
    return Delivery(tmp_path / "chest_xray")


@pytest.fixture
def ingest(capfd: pytest.CaptureFixture[str]) -> Ingest:
    """Runs the command in this process."""

    def run(*arguments: str | Path) -> Run:
        from ml import ingest
        from ml.terminal.command import run

        command = ingest.main
        status = run("ml.ingest", lambda _: command([str(argument) for argument in arguments]))
        captured = capfd.readouterr()
        return Run(status=status, output=captured.out, errors=captured.err)

    return run

"""A delivery of films, and the command that takes it."""

from pathlib import Path

import pytest

from tests.ml.ingestion.delivery import Delivery
from tests.plugin.commands import Call


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """An empty folder that films can be put into."""
    return Delivery(tmp_path / "chest_xray")


@pytest.fixture
def ingest(run_main: Call) -> Call:
    """Runs the command with these arguments."""
    return lambda *arguments: run_main("ml.ingest", *arguments)

"""What lies ready for a first try: the samples, and the Databricks App."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "docs" / "samples"


@pytest.mark.parametrize("name", ["normal.png", "pneumonia.png"])
def test_a_sample_is_a_film(name: str) -> None:
    from ml.data.preparation import read

    assert read((SAMPLES / name).read_bytes(), 28).shape == (28, 28, 1)


def test_the_sample_sheet_is_a_sheet_of_readings() -> None:
    from ml.feedback.sheet import read

    assert [it.problem for it in read(SAMPLES / "readings.csv")] == [None, None]


def test_the_app_is_started_as_the_command_takes_it() -> None:
    from ml.reading_room import __main__ as room

    python, minus_m, module, *arguments = yaml.safe_load((ROOT / "app.yaml").read_text())["command"]

    assert (python, minus_m, module) == ("python", "-m", "ml.reading_room")
    port = [it.replace("$DATABRICKS_APP_PORT", "8000") for it in arguments]
    assert room._options().parse_args(port).behind_proxy


def test_the_app_installs_what_the_reading_room_declares_at_the_locked_versions() -> None:
    """A package has a line for each range of Pythons that has a version of its own."""
    pins = re.compile(r"^([a-z0-9._-]+==[^\\\n]+?)(?: \\)?$", re.MULTILINE)
    locked = pins.findall((ROOT / "requirements.lock").read_text())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [re.split(r"[<>=]", it)[0] for it in extras["optional-dependencies"]["reading-room"]]

    assert pins.findall((ROOT / "requirements.txt").read_text()) == sorted(
        it for it in locked if it.partition("==")[0] in {*wanted, "pydantic"}
    )

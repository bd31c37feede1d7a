"""A run that is killed at any point is finished by the next one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ml.data.source import BUNDLED
from tests.ml.ingestion.place import Place

BATCH = 40
FILMS = 3 * BATCH + 15
LONGEST_SECONDS = 240

# The command with small batches, so that few films are several of them.
SMALL_BATCHES = f"""
import sys
from ml import ingest
from ml.command import run
from ml.ingestion import transfer

transfer.ROWS_A_STATEMENT = {BATCH}
sys.exit(run("ml.ingest", ingest.main))
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Films, none of them twice."""
    with np.load(BUNDLED) as bundled:
        images = np.unique(bundled["train_images"], axis=0)[:FILMS]
    file = tmp_path / "films.npz"
    np.savez(file, train_images=images, train_labels=np.ones((FILMS, 1), np.uint8))
    return file


def command(films: Path, place: Place) -> list[str]:
    return [
        *(sys.executable, "-c", SMALL_BATCHES),
        *("--data", str(films), "--environment", str(place.file)),
    ]


@contextmanager
def running(films: Path, place: Place) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command(films, place), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not happened():
        assert process.poll() is None, "the run ended before it could be interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def finish(films: Path, place: Place) -> str:
    done = subprocess.run(
        command(films, place), capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_no_row_without_its_film(place: Place) -> None:
    sizes = place.files()
    for row in place.rows():
        assert str(sizes.get(str(row["volume_path"]))) == row["file_size_bytes"]


def assert_whole(place: Place) -> None:
    assert_no_row_without_its_film(place)
    rows = place.rows()
    assert len({row["image_id"] for row in rows}) == len(rows) == FILMS
    assert len(place.files()) == FILMS


@pytest.mark.parametrize("uploaded", [1, BATCH - 5, BATCH + 5, FILMS - 5])
def test_a_run_killed_while_it_uploads(place: Place, films: Path, uploaded: int) -> None:
    with running(films, place) as process:
        wait_for(lambda: len(place.files()) >= uploaded, process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert_no_row_without_its_film(place)

    finish(films, place)

    assert_whole(place)


@pytest.mark.parametrize("recorded", [1, BATCH + 1])
def test_a_run_killed_as_soon_as_rows_are_there(place: Place, films: Path, recorded: int) -> None:
    def count() -> int:
        return len(place.rows())

    with running(films, place) as process:
        wait_for(lambda: count() >= recorded, process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert_no_row_without_its_film(place)
    there = count()

    said = finish(films, place)

    assert f"Ingested {FILMS - there} films" in said
    assert_whole(place)


def test_a_run_that_is_interrupted_from_the_keyboard_says_how_to_go_on(
    place: Place, films: Path
) -> None:
    with subprocess.Popen(
        command(films, place), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: len(place.files()) > 10, process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LONGEST_SECONDS)

    assert process.returncode == 130
    assert "the same command again" in errors
    assert "Traceback" not in errors
    assert_no_row_without_its_film(place)


def test_two_runs_at_the_same_time_bring_each_film_once(place: Place, films: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: finish(films, place), range(2)))

    assert_whole(place)

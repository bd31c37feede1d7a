"""A run that is killed at any point is finished by the next one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ml.data.loading import BUNDLED
from tests.plugin.commands import Call
from tests.plugin.ingestion import Place

BATCH = 40
FILMS = 3 * BATCH + 15
LONGEST_SECONDS = 240

# The command with small batches, so that few films are several of them. It stops itself, all its
# threads wherever they are, after so many calls of a method of its store.
SMALL_BATCHES = f"""
import itertools
import os
import signal
import sys
from ml import ingest
from ml.terminal.command import run
from ml.ingestion import transfer
from ml.ingestion.store import FilmStore

transfer.ROWS_A_STATEMENT = {BATCH}
method, last = sys.argv.pop(1), int(sys.argv.pop(1))
calls, original = itertools.count(1), getattr(FilmStore, method)

def stopping(*arguments):
    result = original(*arguments)
    if next(calls) == last:
        os.kill(os.getpid(), signal.SIGSTOP)
    return result

setattr(FilmStore, method, stopping)
sys.exit(run("ml.ingest", ingest.main))
"""

pytestmark = pytest.mark.programs


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Films, none of them twice."""
    with np.load(BUNDLED) as bundled:
        images = np.unique(bundled["train_images"], axis=0)[:FILMS]
    file = tmp_path / "films.npz"
    np.savez(file, train_images=images, train_labels=np.ones((FILMS, 1), np.uint8))
    return file


def command(films: Path, place: Place, method: str, calls: int) -> list[str]:
    return [
        *(sys.executable, "-c", SMALL_BATCHES, method, str(calls)),
        *("--data", str(films), "--environment", str(place.file)),
    ]


@contextmanager
def stopped(films: Path, place: Place, method: str, calls: int) -> Iterator[subprocess.Popen[str]]:
    """The run, stopped after so many calls of that method of its store."""
    with subprocess.Popen(
        command(films, place, method, calls),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            ended = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            assert ended is not None
            assert ended.si_code == os.CLD_STOPPED, process.communicate()[1]
            yield process
        finally:
            process.kill()


@pytest.fixture
def finish(
    films: Path, place: Place, ingest: Call, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], str]:
    """The same command again; returns what it says."""
    monkeypatch.setattr("ml.ingestion.transfer.ROWS_A_STATEMENT", BATCH)

    def run() -> str:
        done = ingest("--data", films, "--environment", place.file)
        assert done.status == 0, done.err
        return done.out

    return run


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
def test_a_run_killed_while_it_uploads(
    place: Place, films: Path, finish: Callable[[], str], uploaded: int
) -> None:
    with stopped(films, place, "upload", uploaded) as process:
        process.kill()
    assert_no_row_without_its_film(place)
    assert len(place.files()) >= uploaded

    finish()

    assert_whole(place)


@pytest.mark.parametrize("statements", [1, 2])
def test_a_run_killed_as_soon_as_rows_are_there(
    place: Place, films: Path, finish: Callable[[], str], statements: int
) -> None:
    with stopped(films, place, "record", statements) as process:
        process.kill()
    assert_no_row_without_its_film(place)
    there = len(place.rows())
    assert there >= statements * BATCH

    said = finish()

    assert f"Ingested {FILMS - there} films" in said
    assert_whole(place)


def test_a_run_that_is_interrupted_from_the_keyboard_says_how_to_go_on(
    place: Place, films: Path
) -> None:
    with stopped(films, place, "upload", 10) as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        _, errors = process.communicate(timeout=LONGEST_SECONDS)

    assert process.returncode == 130
    assert "the same command again" in errors
    assert "Traceback" not in errors
    assert_no_row_without_its_film(place)


def test_two_runs_at_the_same_time_bring_each_film_once(
    place: Place, films: Path, run_command: Call, tmp_path: Path
) -> None:
    never = command(films, place, "upload", 0)[1:]

    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: run_command(*never, cwd=tmp_path), range(2)))

    assert [(run.status, run.err) for run in runs] == [(0, "")] * 2
    assert_whole(place)

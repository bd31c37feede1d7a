"""`make clean` removes what can be made again, and asks about what cannot."""

from __future__ import annotations

import fcntl
import io
import runpy
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml.prediction.journal import Journal, Sent

if TYPE_CHECKING:
    from collections.abc import Callable

CLEAN = Path(__file__).parents[2] / ".ci" / "clean.py"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
ELSEWHERE = "https://dbc-1.cloud.databricks.com/serving-endpoints/ab/invocations"
HERE = "http://127.0.0.1:8180/serving-endpoints/ab/invocations"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What lies about after a demo."""
    for file in ("cdktf.out/manifest.json", ".local/workspace/token", ".local/mlflow.db", "kept"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / ".local" / "demo").mkdir()
    (tmp_path / ".local" / "demo" / "ml").symlink_to(CLEAN.parents[1] / "ml")
    return tmp_path


@pytest.fixture
def clean(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[io.StringIO], int]:
    def clean(answers: io.StringIO) -> int:
        script: dict[str, Any] = runpy.run_path(str(CLEAN))
        main = script["main"]
        monkeypatch.setitem(main.__globals__, "ROOT", project)
        monkeypatch.setitem(main.__globals__, "LOCAL", project / ".local")
        monkeypatch.setattr("sys.stdin", answers)
        status: int = main()
        return status

    return clean


def predict(project: Path, target: str) -> Path:
    file = project / ".local" / "predictions.db"
    with Journal(file) as journal:
        journal.sending(target, Sent(request_id="r-1", image_id="i-1", sent_at=NOW))
        journal._database.execute("UPDATE request SET answered_at = sent_at")
    return file


def read(project: Path, environment: str, state: str) -> Path:
    import sqlite3

    from ml.reading_room.journal import _SCHEMA

    file = project / ".local" / "reading-room" / f"{environment}.sqlite"
    file.parent.mkdir()
    database = sqlite3.connect(file)
    database.executescript(_SCHEMA)
    database.execute("INSERT INTO loan VALUES ('t', 'r', 'f', '[]', '2026-03-02')")
    database.execute("INSERT INTO entry VALUES ('f-1', 't', '{}', ?, '')", [state])
    database.commit()
    database.close()
    return file


def test_what_can_be_made_again_goes_and_what_it_links_to_stays(
    project: Path, clean: Callable[..., int]
) -> None:
    predict(project, HERE)
    read(project, "local", "KEPT")

    assert clean(io.StringIO()) == 0
    assert [it.name for it in project.iterdir()] == ["kept"]
    assert (CLEAN.parents[1] / "ml" / "predict.py").exists()


@pytest.mark.parametrize("answers", [io.StringIO(), Terminal("n\nn\n"), Terminal("\n\n")])
def test_work_on_a_workspace_elsewhere_stays_unless_somebody_gives_it_up(
    project: Path,
    clean: Callable[..., int],
    answers: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = [predict(project, ELSEWHERE), read(project, "prod", "KEPT")]

    assert clean(answers) == 0
    assert all(it.exists() for it in kept)
    assert not (project / ".local" / "mlflow.db").exists()
    shown = capsys.readouterr().out
    assert "1 predictions of a workspace elsewhere" in shown
    assert "1 readings that the endpoint does not have" in shown


def test_without_an_answer_nothing_is_removed(
    project: Path, clean: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    predict(project, ELSEWHERE)

    assert clean(Terminal()) == 1
    assert (project / ".local" / "mlflow.db").exists()
    assert "Nothing was removed" in capsys.readouterr().err


def test_what_somebody_gives_up_goes(project: Path, clean: Callable[..., int]) -> None:
    predict(project, ELSEWHERE)
    read(project, "prod", "KEPT")

    assert clean(Terminal("y\ny\n")) == 0
    assert not (project / ".local").exists()


def test_readings_that_the_endpoint_has_are_safe_there(
    project: Path, clean: Callable[..., int]
) -> None:
    read(project, "prod", "WRITTEN")

    assert clean(io.StringIO()) == 0
    assert not (project / ".local").exists()


def test_a_journal_that_cannot_be_read_stays(project: Path, clean: Callable[..., int]) -> None:
    journal = project / ".local" / "predictions.db"
    journal.write_text("not a database, or of another time")

    assert clean(io.StringIO()) == 0
    assert journal.exists()


def test_a_running_workspace_keeps_everything(project: Path, clean: Callable[..., int]) -> None:
    with (project / ".local" / "workspace" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert clean(io.StringIO()) == 1
    assert (project / "cdktf.out").exists()

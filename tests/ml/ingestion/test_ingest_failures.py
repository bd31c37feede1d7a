"""What makes a run impossible: one message with the way out, and nothing written."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.contract.tables import FILMS
from tests.ml.ingestion.delivery import Delivery
from tests.plugin.commands import Call, Run
from tests.plugin.ingestion import Place, create_table
from tests.plugin.workspaces import RunningWorkspace


@pytest.fixture
def films(delivery: Delivery) -> Path:
    delivery.add("train", "NORMAL", 2)
    return delivery.folder


def assert_refused(run: Run, *words: str) -> None:
    assert run.status == 1
    assert run.err.startswith("ml.ingest: ")
    assert "Traceback" not in run.err
    for word in words:
        assert word in run.err


def test_films_that_do_not_exist(place: Place, ingest: Call, tmp_path: Path) -> None:
    run = ingest("--data", tmp_path / "nowhere", "--environment", place.file)

    assert_refused(run, "nowhere", "no such file or folder")


def test_a_folder_one_level_too_high(place: Place, ingest: Call, films: Path) -> None:
    run = ingest("--data", films.parent, "--environment", place.file)

    assert_refused(run, f"Did you mean {films}?")
    assert place.files() == {}


def test_an_environment_that_does_not_exist(ingest: Call, films: Path) -> None:
    assert_refused(
        ingest("--data", films, "--environment", "porduction"), "environments that exist"
    )


def test_a_workspace_without_the_platform(
    ingest: Call, films: Path, environment_file: Callable[[str], Path]
) -> None:
    file = environment_file("bare")

    assert_refused(ingest("--data", films, "--environment", file), "champion-challenger-bare")


def test_a_table_that_is_not_there(place: Place, ingest: Call, films: Path) -> None:
    place.sql(f"DROP TABLE {place.table}")

    run = ingest("--data", films, "--environment", place.file)

    assert_refused(run, place.table, "cdktf deploy platform-")
    assert place.files() == {}


def test_a_table_of_an_earlier_platform(place: Place, ingest: Call, films: Path) -> None:
    place.sql(f"DROP TABLE {place.table}")
    place.sql(f"CREATE TABLE {place.table} (image_id STRING, label STRING)")

    run = ingest("--data", films, "--environment", place.file)

    assert_refused(run, "lacks the columns", "sha256", "cdktf deploy platform-")
    assert place.files() == {}


def test_a_warehouse_that_is_not_there(place: Place, ingest: Call, films: Path) -> None:
    run = ingest("--data", films, "--environment", place.file, "--warehouse", "nobody's")

    assert_refused(run, "nobody's", "--warehouse")
    assert place.files() == {}


def test_a_workspace_that_does_not_run(
    ingest: Call, films: Path, place: Place, tmp_path: Path
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    file = tmp_path / "down.toml"
    file.write_text(
        place.file.read_text().replace(place.client.config.host, f"http://127.0.0.1:{port}")
    )

    run = ingest("--data", films, "--environment", file)

    assert_refused(run, str(port), "python -m infra.local")


def test_a_token_that_is_not_known(
    place: Place, ingest: Call, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-somebody-else")

    run = ingest("--data", films, "--environment", place.file)

    assert_refused(run, "DATABRICKS_TOKEN")
    assert "dapi-of-somebody-else" not in run.err


def test_the_token_file_of_the_local_workspace_is_found(
    place: Place,
    ingest: Call,
    films: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    workspace_process: RunningWorkspace,
) -> None:
    monkeypatch.delenv("DATABRICKS_TOKEN")
    monkeypatch.chdir(tmp_path)
    arguments = ("--data", films, "--environment", place.file)

    assert_refused(ingest(*arguments), ".local/workspace/token", "python -m infra.local")

    (tmp_path / ".local/workspace").mkdir(parents=True)
    (tmp_path / ".local/workspace/token").write_text(workspace_process.token + "\n")
    assert ingest(*arguments).status == 0


def test_a_report_that_cannot_be_written_is_said_before_the_work(
    place: Place, ingest: Call, films: Path, tmp_path: Path
) -> None:
    report = tmp_path / "no" / "report.csv"

    run = ingest("--data", films, "--environment", place.file, "--report", report)

    assert_refused(run, "--report", str(report.parent))
    assert place.files() == {}


def test_a_statement_that_fails_is_an_error_and_the_next_run_goes_on(
    place: Place, ingest: Call, films: Path
) -> None:
    # The workspace answers HTTP 200 with the state FAILED: a column that nobody fills.
    place.sql(f"DROP TABLE {place.table}")
    place.sql(create_table(FILMS, place.catalog).removesuffix(")") + ", reviewer STRING NOT NULL)")

    assert_refused(ingest("--data", films, "--environment", place.file), "FAILED", "reviewer")
    assert place.rows() == []

    place.sql(f"DROP TABLE {place.table}")
    place.sql(create_table(FILMS, place.catalog))
    assert ingest("--data", films, "--environment", place.file).status == 0
    assert len(place.rows()) == len(place.files()) == 2

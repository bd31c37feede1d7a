"""What the command says to whoever cannot open the room."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from infra.declared.environment import ENVIRONMENTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ml.reading_room.clinic import Clinic
    from tests.plugin.commands import Call

pytestmark = pytest.mark.xdist_group("reading room")

COMMAND = "ml.reading_room.__main__"


def test_the_page_of_one_reader_is_not_for_other_machines(run_main: Call) -> None:
    ended = run_main(COMMAND, "--environment", "local", "--host", "192.0.2.1")

    assert ended.status == 1
    assert "under your name" in ended.err
    assert "--behind-proxy" in ended.err


def test_an_environment_that_does_not_exist_is_named(run_command: Call, tmp_path: Path) -> None:
    ended = run_command("-m", "ml.reading_room", "--environment", "locla", cwd=tmp_path)

    assert ended.status == 1
    assert "did you mean 'local'?" in ended.err


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[ab_test.inference_table]", "logs no predictions"),
        ("[feedback]", "has no feedback endpoint"),
    ],
)
def test_an_environment_without_predictions_or_feedback_has_no_room(
    run_main: Call, tmp_path: Path, table: str, said: str
) -> None:
    file = tmp_path / "trial.toml"
    tables = (ENVIRONMENTS / "dev.toml").read_text().split("\n\n")
    file.write_text("\n\n".join(it for it in tables if not it.startswith(table)))

    ended = run_main(COMMAND, "--environment", file)

    assert ended.status == 1
    assert said in ended.err
    assert table in ended.err


def test_a_workspace_that_does_not_answer_is_named(
    run_main: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.workspace.connection._FIRST_ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    file = tmp_path / "trial.toml"
    file.write_text(
        f'{(ENVIRONMENTS / "dev.toml").read_text()}\n[workspace]\nhost = "http://127.0.0.1:{port}"'
    )

    ended = run_main(COMMAND, "--environment", file, DATABRICKS_TOKEN="none")

    assert ended.status == 1
    assert f"http://127.0.0.1:{port} does not answer" in ended.err
    assert f"python -m infra.local --port {port} starts it" in ended.err


@pytest.mark.programs
def test_a_port_that_is_taken_is_named(clinic: Clinic, run_main: Call, tmp_path: Path) -> None:
    file = clinic.environment_file()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_main(COMMAND, "--environment", file, "--port", port)

    assert ended.status == 1
    assert f"--port {port}" in ended.err


@pytest.mark.programs
def test_a_view_that_is_not_there_yet_is_named_with_the_stack_that_makes_it(
    clinic: Clinic, run_main: Call, tmp_path: Path
) -> None:
    file = tmp_path / "clinic.toml"
    file.write_text(
        clinic.environment_file()
        .read_text()
        .replace('prefix = "pneumonia_classifier"', 'prefix = "another"')
    )

    ended = run_main(COMMAND, "--environment", file)

    assert ended.status == 1
    assert "another_predictions" in ended.err
    assert "analysis-clinic" in ended.err
    assert "Traceback" not in ended.err

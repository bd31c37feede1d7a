"""What the command says to whoever cannot open the room."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from infra.declared.environment import ENVIRONMENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.ml.reading_room.clinic import Clinic
    from tests.plugin.commands import Run

    RunCommand = Callable[..., Run]


def open_with(run_command: RunCommand, folder: Path, *options: object, **variables: str) -> Run:
    return run_command("-m", "ml.reading_room", *options, cwd=folder, **variables)


def test_the_page_of_one_reader_is_not_for_other_machines(
    run_command: RunCommand, tmp_path: Path
) -> None:
    ended = open_with(run_command, tmp_path, "--environment", "local", "--host", "192.0.2.1")

    assert ended.status == 1
    assert "under your name" in ended.err
    assert "--behind-proxy" in ended.err


def test_an_environment_that_does_not_exist_is_named(
    run_command: RunCommand, tmp_path: Path
) -> None:
    ended = open_with(run_command, tmp_path, "--environment", "locla")

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
    run_command: RunCommand, tmp_path: Path, table: str, said: str
) -> None:
    file = tmp_path / "trial.toml"
    tables = (ENVIRONMENTS / "dev.toml").read_text().split("\n\n")
    file.write_text("\n\n".join(it for it in tables if not it.startswith(table)))

    ended = open_with(run_command, tmp_path, "--environment", file)

    assert ended.status == 1
    assert said in ended.err
    assert table in ended.err


def test_a_workspace_that_does_not_answer_is_named(run_command: RunCommand, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    file = tmp_path / "trial.toml"
    file.write_text(
        f'{(ENVIRONMENTS / "dev.toml").read_text()}\n[workspace]\nhost = "http://127.0.0.1:{port}"'
    )

    ended = open_with(run_command, tmp_path, "--environment", file, DATABRICKS_TOKEN="none")

    assert ended.status == 1
    assert f"http://127.0.0.1:{port} does not answer" in ended.err


@pytest.mark.programs
def test_a_port_that_is_taken_is_named(
    clinic: Clinic, run_command: RunCommand, tmp_path: Path
) -> None:
    file, token = clinic.environment_file(), clinic.workspace.token
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = open_with(
            run_command, tmp_path, "--environment", file, "--port", port, DATABRICKS_TOKEN=token
        )

    assert ended.status == 1
    assert f"--port {port}" in ended.err


@pytest.mark.programs
def test_a_view_that_is_not_there_yet_is_named_with_the_stack_that_makes_it(
    clinic: Clinic, run_command: RunCommand, tmp_path: Path
) -> None:
    file = tmp_path / "clinic.toml"
    file.write_text(
        clinic.environment_file()
        .read_text()
        .replace('prefix = "pneumonia_classifier"', 'prefix = "another"')
    )

    ended = open_with(
        run_command, tmp_path, "--environment", file, DATABRICKS_TOKEN=clinic.workspace.token
    )

    assert ended.status == 1
    assert "another_predictions" in ended.err
    assert "analysis-clinic" in ended.err
    assert "Traceback" not in ended.err

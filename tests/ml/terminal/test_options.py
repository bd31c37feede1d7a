"""What is common to the options of every command of `ml`, and what a command asks first."""

from __future__ import annotations

import importlib
import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.plugin.commands import REPOSITORY

if TYPE_CHECKING:
    from tests.plugin.commands import Call

COMMANDS = sorted(
    found[1]
    for file in (REPOSITORY / "ml").rglob("*.py")
    if (found := re.search(r"^\s+sys\.exit\(run\(\"(ml\.\w+)\"", file.read_text(), re.MULTILINE))
)
TRAINING = ["ml.train_keras", "ml.train_torch"]  # they name themselves by a constant


def module_of(command: str) -> str:
    """The module whose `main` the command is."""
    folder = REPOSITORY.joinpath(*command.split("."))
    return f"{command}.__main__" if folder.is_dir() else command


def test_the_commands_are_all_there() -> None:
    assert {"ml.predict", "ml.compare", "ml.ingest", "ml.replay", "ml.feedback"} < {*COMMANDS}


@pytest.mark.parametrize("command", [*COMMANDS, *TRAINING])
class TestAnEmptyArgumentIsRefusedByEveryCommand:
    def test_where_a_name_or_a_path_is_expected(self, run_main: Call, command: str) -> None:
        run = run_main(module_of(command), "")

        assert (run.status, run.out) == (2, "")
        assert "argument 1: an empty argument, as a variable of the shell gives" in run.err
        assert "Say what is meant" in run.err

    @pytest.mark.parametrize("given", [("--environment", ""), ("--environment=",)])
    def test_where_an_option_takes_one(
        self, run_main: Call, command: str, given: tuple[str, ...]
    ) -> None:
        run = run_main(module_of(command), *given)

        assert run.status == 2
        assert "--environment: an empty argument" in run.err.replace("after ", "")


@pytest.mark.parametrize(
    ("module", "option"),
    [
        ("ml.ingest", "--data"),
        ("ml.train_keras", "--data"),
        ("ml.evaluate", "--data"),
        ("ml.replay", "--data"),
        ("ml.replay", "--answers"),
        ("ml.compare", "--data"),
        ("ml.compare", "--journal"),
        ("ml.predict", "--journal"),
        ("ml.predict", "--served-entity"),
    ],
)
def test_an_empty_value_is_not_taken_for_the_current_folder_nor_for_one_left_out(
    run_main: Call, module: str, option: str
) -> None:
    run = run_main(module, option, " ")

    assert run.status == 2
    assert f"after {option}: an empty argument" in run.err


class TestAQuestion:
    @pytest.mark.programs
    @pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1), ("", 1)])
    def test_is_asked_on_the_terminal_and_only_yes_goes_on(self, answer: str, status: int) -> None:
        ours, theirs = pty.openpty()
        asking = (
            "from ml.terminal.command import confirm, run; import sys; "
            "sys.exit(run('it', lambda _: confirm('1,001 films', '--yes') or 0))"
        )
        with subprocess.Popen(
            [sys.executable, "-c", asking],
            cwd=REPOSITORY,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
        ) as process:
            os.write(ours, f"{answer}\n".encode())
            assert process.wait(60) == status
        said = os.read(ours, 10_000).decode()
        os.close(ours)
        os.close(theirs)

        assert "1,001 films. Go on? [y/N]" in said
        assert ("nothing was done" in said) == bool(status)

    def test_needs_the_option_where_nobody_can_be_asked(self) -> None:
        from ml.contract.errors import UserError

        confirm = importlib.import_module("ml.terminal.command").confirm
        with pytest.raises(UserError, match=r"1,001 films\. Nothing was done; --yes says"):
            confirm("1,001 films", "--yes")

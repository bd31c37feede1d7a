"""Terraform at a terminal, and away from one: its own prompt, exit status, colours, Ctrl-C.

With `terraform_data`, which is built in, so that nothing but Terraform is at work.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from infra.local.terraform import command_line
from tests.plugin.workspaces import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.programs

SECONDS = 60
RUN = (
    "import os, sys; from pathlib import Path; from infra.local.terraform.command_line import run;"
    " sys.exit(run(Path.cwd(), os.environ, *sys.argv[1:]))"
)


@pytest.fixture
def folder(tmp_path: Path, terraform_environment: dict[str, str]) -> Path:
    """An initialized folder in which an apply creates one thing."""
    write(tmp_path, {"input": "here"})
    done = command_line.ask(tmp_path, terraform_environment, "init")
    assert done.returncode == 0, done.stderr
    return tmp_path


def write(folder: Path, resource: dict[str, object]) -> None:
    document = {"resource": {"terraform_data": {"this": resource}}}
    (folder / "main.tf.json").write_text(json.dumps(document))


class Terminal:
    """A terminal with the command in its foreground."""

    def __init__(self, master: int, process: int) -> None:
        self._master, self._process = master, process
        self.shown = ""

    def type_after(self, text: str, keys: str) -> None:
        while text not in self.shown:
            assert self._read(), self.shown
        os.write(self._master, keys.encode())

    def status(self) -> int:
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])

    def _read(self) -> bool:
        with contextlib.suppress(OSError):  # its other end is closed
            if found := os.read(self._master, 4096):
                self.shown += found.decode(errors="replace")
                return True
        return False


@pytest.fixture
def at_a_terminal(
    folder: Path, terraform_environment: dict[str, str]
) -> Iterator[Callable[..., Terminal]]:
    masters = []

    def start(*arguments: str, **environment: str) -> Terminal:
        command = [sys.executable, "-c", RUN, *arguments]
        variables = {**terraform_environment, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm"}
        variables.pop("NO_COLOR", None)
        # As forkpty(3), without a fork of this process, which has threads.
        master, slave = pty.openpty()
        masters.append(master)
        process = subprocess.Popen(
            [sys.executable, "-c", CONTROLLING, *command],
            cwd=folder,
            env=variables | environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        process.returncode = 0  # it is `Terminal` that waits for it
        return Terminal(master, process.pid)

    yield start
    for master in masters:
        os.close(master)


CONTROLLING = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    " os.execv(sys.argv[1], sys.argv[1:])"
)


def test_its_prompt_is_answered_and_its_status_is_ours(
    at_a_terminal: Callable[..., Terminal],
) -> None:
    terminal = at_a_terminal("apply")
    terminal.type_after("Enter a value:", "yes\n")
    assert terminal.status() == 0
    assert "Apply complete! Resources: 1 added" in terminal.shown


def test_an_apply_that_is_dismissed_is_no_success(at_a_terminal: Callable[..., Terminal]) -> None:
    terminal = at_a_terminal("apply")
    terminal.type_after("Enter a value:", "no\n")
    assert terminal.status() == 1
    assert "Apply cancelled." in terminal.shown


def test_ctrl_c_at_the_prompt_ends_it(at_a_terminal: Callable[..., Terminal], folder: Path) -> None:
    terminal = at_a_terminal("apply")
    terminal.type_after("Enter a value:", "\x03")
    assert terminal.status() == 1
    # Terraform says "interrupted" or "context canceled", whichever of its two ends comes first.
    ended = ("error asking for approval: interrupted", "context canceled")
    assert any(words in terminal.shown for words in ended)
    assert "Traceback" not in terminal.shown
    assert not (folder / "terraform.tfstate").exists()


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_us_alone_ends_terraform_which_writes_its_state(
    folder: Path, terraform_environment: dict[str, str], ended_by: signal.Signals
) -> None:
    started = folder / "started"
    command = f"touch {started} && sleep 1"
    write(folder, {"provisioner": [{"local-exec": {"command": command}}]})
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "apply", "-auto-approve"],
        cwd=folder,
        env={**terraform_environment, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + SECONDS
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(ended_by)
    shown, _ = process.communicate(timeout=SECONDS)

    assert "Interrupt received" in shown
    assert "Two interrupts" not in shown
    state = json.loads((folder / "terraform.tfstate").read_text())
    assert [it["type"] for it in state["resources"]] == ["terraform_data"]


def test_a_terminal_gets_colours_where_they_are_wanted(
    at_a_terminal: Callable[..., Terminal],
) -> None:
    for variables, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        terminal = at_a_terminal("plan", **variables)
        assert terminal.status() == 0, terminal.shown
        assert ("\x1b[" in terminal.shown) is coloured


def test_a_pipe_gets_no_colours_and_the_reason_of_a_failure(
    folder: Path, terraform_environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"provisioner": [{"local-exec": {"command": "exit 7"}}]})
    status = command_line.run(folder, terraform_environment, "apply", "-auto-approve")
    shown = "".join(capfd.readouterr())
    assert status == 1
    assert "exit status 7" in shown
    assert "\x1b[" not in shown

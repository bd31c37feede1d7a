"""A command that imports for seconds is not silent on a terminal, and says nothing elsewhere."""

from __future__ import annotations

import os
import pty
import select
import sys
from typing import TYPE_CHECKING

import pytest

from ml.terminal import starting as module
from ml.terminal.starting import starting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Lets the command write to a terminal from then on; what that shows can be read there."""
    shown, slave = pty.openpty()
    with open(slave, "w", buffering=1) as terminal:  # noqa: PTH123 - a descriptor

        def screen() -> int:  # not before the test: pytest sets both streams when that starts
            monkeypatch.setattr(sys, "stdout", terminal)
            monkeypatch.setattr(sys, "stderr", terminal)
            return shown

        yield screen
    os.close(shown)


def read(screen: int, until: str) -> str:
    shown = ""
    while not shown.endswith(until):
        assert select.select([screen], [], [], 30)[0], shown
        shown += os.read(screen, 1000).decode()
    return shown


def test_dots_come_until_the_command_says_something_itself(
    screen: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_QUICK_SECONDS", 0.0)
    monkeypatch.setattr(module, "_DOT_SECONDS", 0.01)
    terminal = screen()
    with starting("ml.x"):
        assert read(terminal, "....").startswith("ml.x ....")
        print("the answer")
        print("and more")

    assert read(terminal, "more\r\n").endswith("\r\x1b[Kthe answer\r\nand more\r\n")


def test_a_command_that_is_quick_shows_nothing_else(screen: Callable[[], int]) -> None:
    terminal = screen()
    write = sys.stdout.write
    with starting("ml.x"):
        print("the answer")

    assert read(terminal, "\n") == "the answer\r\n"
    assert sys.stdout.write == write


def test_elsewhere_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with starting("ml.x"):
        pass
    assert capsys.readouterr() == ("", "")

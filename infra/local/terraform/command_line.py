"""Terraform's command line: run for its user, who sees and answers it, or for what it prints."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def run(folder: Path, environment: Mapping[str, str], *arguments: str) -> int:
    """Its exit status. Prompts, output and Ctrl-C are Terraform's own."""
    sys.stdout.flush()
    at_a_terminal = sys.stdin.isatty()
    with _interruptions(handed_on=not at_a_terminal) as started:
        process = subprocess.Popen(
            ["terraform", *arguments, *_colour()],  # noqa: S607 - the one on PATH
            cwd=folder,
            env={**environment},
            process_group=None if at_a_terminal else 0,
        )
        started.append(process)
        status = process.wait()
    return status if status >= 0 else 128 - status


def ask(
    folder: Path, environment: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """What it prints, for us to read."""
    return subprocess.run(
        ["terraform", *arguments],  # noqa: S607 - the one on PATH
        cwd=folder,
        env={**environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _colour() -> Sequence[str]:
    """Terraform colours a pipe as well, and knows no NO_COLOR (https://no-color.org)."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return () if wanted and sys.stdout.isatty() and sys.stderr.isatty() else ("-no-color",)


@contextlib.contextmanager
def _interruptions(*, handed_on: bool) -> Iterator[list[subprocess.Popen[bytes]]]:
    """An interruption ends Terraform, once and in its own time: it has a state to write.

    A terminal sends Ctrl-C to Terraform too, which takes a second one for "at once".
    """
    started: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int, _: Any) -> None:
        if handed_on or number == signal.SIGTERM:
            for process in started:
                process.send_signal(signal.SIGINT)

    before = {it: signal.signal(it, hand_on) for it in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield started
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

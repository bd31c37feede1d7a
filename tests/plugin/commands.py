"""Commands as their users run them: in this process, or where that matters in one of their own."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

REPOSITORY = Path(__file__).parents[2]
LONGEST_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Run:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def table(self) -> list[list[str]]:
        """What went to stdout below the line of names, by lines and columns."""
        return [line.split("\t") for line in self.out.splitlines()[1:]]

    @property
    def imported(self) -> set[str]:
        """The modules that `python -X importtime` names on stderr."""
        lines = [line for line in self.err.splitlines() if line.startswith("import time:")]
        return {line.rpartition("|")[2].strip() for line in lines}


Call = Callable[..., Run]
"""Runs a command with these arguments."""


@pytest.fixture
def run_main(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """`run_main("ml.predict", "film.png")` runs a command of `ml` in this process.

    In the test's folder unless `cwd` names another; keywords are variables of its environment.
    """

    def run_main(module: str, *arguments: object, cwd: Path = tmp_path, **environment: str) -> Run:
        from ml.terminal.command import run

        main = importlib.import_module(module).main
        given = [str(argument) for argument in arguments]
        capfd.readouterr()
        # All of the environment is put back: the commands set defaults of MLflow in it.
        with mock.patch.dict(os.environ, COLUMNS="200", **environment), contextlib.chdir(cwd):
            try:
                status = run(module, lambda _: main(given))
            except SystemExit as refused:  # by argparse
                status = int(refused.code or 0)
        out, err = capfd.readouterr()
        return Run(status=status, out=out, err=err)

    return run_main


@pytest.fixture(scope="session")
def run_command() -> Call:
    """Runs Python as a user would, from a folder of its own, with the project importable."""

    def run(*arguments: object, cwd: Path, **environment: str) -> Run:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_SECONDS,
        )
        return Run(status=done.returncode, out=done.stdout, err=done.stderr)

    return run

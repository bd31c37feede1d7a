"""Runs the commands that a user would type, and shows of them what a spectator wants to see."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from infra.local.demo.project import ENVIRONMENT, FOLDER
from infra.local.terraform.installation import Installation
from infra.local.terraform.stack_folder import has_resources
from infra.progress import progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEPLOY = "infra.local.terraform"
"""The module whose command deploys."""
LOGS: Final = Path("logs")
_SAID = ("Provider: ", "Apply complete!", "No changes.")
_LAST_LINES = 40

console = Console(highlight=False)


class DemoFailed(RuntimeError):
    """A step of the demonstration failed; the text says which, and what to do."""


def step(title: str) -> None:
    """Says what comes next."""
    console.rule(title, align="left")


def run(command: Sequence[str], way_out: str = "See above.") -> None:
    """Shows all that the command prints. Raises DemoFailed."""
    environment = os.environ if console.is_terminal else {**os.environ, "CI": "true"}
    # cdktf's spinner fills a log; CI keeps it silent.
    status = subprocess.run(command, env=environment, check=False).returncode
    if status:
        raise DemoFailed(f"`{' '.join(command)}` ended with status {status}. {way_out}")


def run_together(first: Sequence[str], second: Sequence[str]) -> None:
    """Shows what the first prints while both run, then what the second has printed."""
    with tempfile.TemporaryFile("w+") as printed:
        behind = subprocess.Popen(second, stdout=printed, stderr=subprocess.STDOUT)
        try:
            run(first)
            with progress(f"  {' '.join(second[1:3])}"):
                status = behind.wait()
        finally:
            behind.terminate()  # nothing to it where it has ended
        printed.seek(0)
        console.print(printed.read(), markup=False, soft_wrap=True)
    if status:
        raise DemoFailed(f"`{' '.join(second)}` ended with status {status}. See above.")


def deploy(stack: str) -> None:
    """By Terraform itself."""
    command = [sys.executable, "-m", DEPLOY, "apply", "--auto-approve"]
    _deploy(stack, [*command, "--stack", stack, "--environment", ENVIRONMENT], {})


def deploy_by_cdktf(stack: str) -> None:
    """The same by cdktf-cli."""
    command = ["cdktf", "deploy", f"{stack}-{ENVIRONMENT}", "--auto-approve"]
    _deploy(stack, command, {**_variables_of_a_closed_network(), "CI": "true"})


def _variables_of_a_closed_network() -> Mapping[str, str]:
    """What `python -m infra.local.terraform install` tells a shell, where the stand-in deploys."""
    installation = Installation(root=Path.cwd())
    if not has_resources(installation.state(f"platform-{ENVIRONMENT}")):
        return {}
    return installation.shell_variables()


def _deploy(stack: str, command: Sequence[str], variables: Mapping[str, str]) -> None:
    """A plan is long: it goes to a log, and here come what Terraform did and the outputs."""
    log = LOGS / f"deploy-{stack}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        progress(f"  Terraform is at work; its plan goes to {FOLDER / log}"),
        log.open("w") as out,
    ):
        done = subprocess.run(
            command,
            env={**os.environ, **variables},
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    said = [Text.from_ansi(line).plain for line in log.read_text().splitlines()]
    if done.returncode:
        raise DemoFailed(
            "\n".join(
                [
                    *said[-_LAST_LINES:],
                    f"`{' '.join(command)}` failed: {FOLDER / log} has all of it.",
                ]
            )
        )
    for line in said:
        for words in _SAID:
            if words in line:
                console.print(f"  {line[line.index(words) :]}", markup=False, soft_wrap=True)
    console.print(f"  The plan, and what was done: {FOLDER / log}", markup=False)

"""`spark_python_task`: a file run by this environment's Python, in a process of its own.

There is no Spark and no cluster. Of the cluster the environment variables count, and of the
libraries what is installed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from minilake.errors import DatabricksError
from minilake.services.workspace import resolve_workspace_path

from infra.declared.local_workspace import without_other_workspaces
from infra.local.emulator import file_on_disk, state_of
from infra.local.refusal import Refusal, invalid

_STARTER: Final = Path(__file__).with_name("starter.py")
_VOLUME: Final = re.compile(r"(dbfs:)?/Volumes/")
_WORKSPACE: Final = ("/Workspace/", "/Users/", "/Repos/", "/Shared/")
_SECRET: Final = re.compile(r"\{\{secrets/([^/}]+)/([^/}]+)\}\}")
_LOG_BYTES: Final = 5 * 1024**2
"""What `runs/get-output` shows of a log: https://docs.databricks.com/api/workspace/jobs/getrunoutput."""

_LONGEST_ERROR: Final = 2000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """A process to start."""

    file: Path
    arguments: list[str]
    variables: Mapping[str, str]
    log: Path


def check(task: Mapping[str, Any], *, has_git: bool) -> None:
    """Refuse a task whose file is nowhere that it could be read here."""
    file = task["python_file"]
    if is_in_git(task, has_git=has_git):
        return
    if not _VOLUME.match(file) and not file.startswith("/"):
        raise Refusal(
            501,
            "NOT_IMPLEMENTED",
            f"spark_python_task.python_file: {file!r} is neither a workspace file (/Workspace/...) "
            "nor in a volume (/Volumes/...); the local workspace runs no others (see PARITY.md).",
        )


def is_in_git(task: Mapping[str, Any], *, has_git: bool) -> bool:
    """Whether a file comes from the job's repository, as it does where nothing else is said."""
    source = task.get("source")
    return source == "GIT" or (source is None and has_git)


def file_of(task: Mapping[str, Any], repository: Path | None) -> Path:
    """Where the file is. Raises Refusal where it is not."""
    name = task["python_file"]
    if is_in_git(task, has_git=repository is not None):
        if repository is None:
            raise invalid(f"{name}: its source is GIT, and the job has no git_source.")
        file: Path = (repository / name).resolve()
        if not file.is_relative_to(repository.resolve()):
            raise invalid(f"{name} leads out of the repository.")
    elif _VOLUME.match(name):
        file = file_on_disk(name.removeprefix("dbfs:"))
    else:
        file = workspace_file(name)
    if not file.is_file():
        raise invalid(f"There is no file {name}.")
    return file


def workspace_file(name: str) -> Path:
    """Where a file of the workspace is on this machine. Raises Refusal for one outside of it."""
    try:
        found: Path = resolve_workspace_path(name)
    except DatabricksError as error:
        raise Refusal(error.status_code, error.error_code, error.message) from error
    return found


def variables(cluster: Mapping[str, Any], host: str, token: str) -> dict[str, str]:
    """The environment of a process: this shell's, the cluster's, and the way to this workspace."""
    found = without_other_workspaces(os.environ)
    found |= {"DATABRICKS_HOST": host, "DATABRICKS_TOKEN": token, "PYTHONUNBUFFERED": "1"}
    scopes = state_of("secrets", "scopes")
    for name, text in cluster.get("spark_env_vars", {}).items():
        if secret := _SECRET.fullmatch(text):
            known = scopes.get(secret[1], {}).get("secrets", {}).get(secret[2])
            if known is None:
                raise invalid(f"spark_env_vars.{name}: there is no secret {text}.")
            found[name] = known["value"]
        else:
            found[name] = text
    return found


async def run(start: Start) -> int:
    """The exit status, 128 and more for a signal. Ends the process where it is cancelled."""
    start.log.parent.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()  # the process ends when this one can write no more
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, writing)
        try:
            log = stack.enter_context(start.log.open("wb"))
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(_STARTER),
                str(reading),
                str(start.file),
                *start.arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=start.file.parent,
                env=dict(start.variables),
                pass_fds=(reading,),
                start_new_session=True,
            )
        finally:
            os.close(reading)
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            _end(process.pid)
            await process.wait()
            raise
        # What it left behind in its session has nobody to tell it to end.
        _end(process.pid)
    return status if status >= 0 else 128 - status


def output(log: Path) -> tuple[str, bool]:
    """The last of a task's output, and whether there was more before."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _LOG_BYTES))
            return stream.read().decode(errors="replace"), size > _LOG_BYTES
    except FileNotFoundError:
        return "", False


def error_of(text: str, status: int) -> str:
    """What a failed task says of itself: the last line of its output, as Python's errors are."""
    lines = [line for line in text.splitlines() if line.strip()]
    said = lines[-1].strip()[:_LONGEST_ERROR] if lines else "It said nothing."
    return f"{said} (exit status {status})"


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)

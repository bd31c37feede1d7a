"""The repository of a job: a copy of its commit, from this machine alone.

A remote elsewhere is read here where Git itself says so, by `url.BASE.insteadOf`
(https://git-scm.com/docs/git-config#Documentation/git-config.txt-urlbaseinsteadOf), and where an
environment of the project in which the workspace runs says that it is this project.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.declared.local_workspace import is_on_this_machine
from infra.local.refusal import Refusal, invalid

_SECONDS: Final = 300
_LIKE_SSH: Final = re.compile(r"[^/]*:")
_REFERENCES: Final = {
    "git_branch": "refs/remotes/origin/{}",
    "git_tag": "refs/tags/{}",
    "git_commit": "{}^{{commit}}",
}


async def source(git: Mapping[str, Any]) -> str:
    """Where on this machine the repository is. Raises Refusal for one that is elsewhere."""
    url = git["git_url"]
    # Not `git remote`: it looks nothing up, and rewrites as a clone will.
    found = (await _git("ls-remote", "--get-url", "--", url)).strip()
    if not _is_here(found):
        if url in _names_of_this_project():
            return await _top_of_this_project()
        raise invalid(
            f"git_source.git_url: {url} is not on this machine, and the local workspace reads "
            "nothing from elsewhere. Give a local path or a remote on 127.0.0.1; or let Git read "
            f"a clone in its place: git config --global url.FOLDER_OF_THE_CLONE.insteadOf {url}"
        )
    return found


async def copy(git: Mapping[str, Any], folder: Path) -> None:
    """The job's branch, tag or commit in a new folder. Raises Refusal where there is none."""
    where = await source(git)
    field = next(it for it in _REFERENCES if git.get(it))
    await _git("clone", "--quiet", "--no-checkout", "--", where, str(folder))
    reference = _REFERENCES[field].format(git[field])
    try:
        commit = (
            await _git("-C", str(folder), "rev-parse", "--verify", "--end-of-options", reference)
        ).strip()
    except Refusal:
        raise invalid(f"git_source.{field}: {git['git_url']} has no {git[field]!r}.") from None
    await _git("-C", str(folder), "checkout", "--quiet", "--detach", commit)


def _names_of_this_project() -> set[str]:
    """What the environments beside which the workspace runs call their repository."""
    names = set()
    for file in Path("infra", "environments").glob("*.toml"):
        with contextlib.suppress(OSError, ValueError):
            jobs = tomllib.loads(file.read_text("utf-8")).get("platform", {}).get("jobs", {})
            names.add(str(jobs.get("repository", "")))
    return names - {""}


async def _top_of_this_project() -> str:
    """The clone around the working directory. Its own folder, where there is no clone to read."""
    try:
        return (await _git("rev-parse", "--show-toplevel")).strip()
    except Refusal:
        return str(Path.cwd())


def _is_here(url: str) -> bool:
    if "://" in url:
        return url.startswith("file:///") or is_on_this_machine(url)
    # `host:path` is a remote by SSH, and `helper::address` whatever a helper makes of it.
    return not _LIKE_SSH.match(url) and Path(url).is_absolute()


async def _git(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **{name: it for name, it in os.environ.items() if not name.startswith("GIT_DIR")},
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "file:http:https:git:ssh",
        },
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, problem = await process.communicate()
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        said = problem.decode(errors="replace").strip()
        raise invalid(f"git {arguments[0]}: {said}")
    return output.decode(errors="replace")

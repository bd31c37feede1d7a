"""What an environment file was: its versions in Git, the newest first."""

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.declared.environment import Environment, InvalidEnvironment, load
from infra.rollout.refusal import Refused


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The file as a commit has it."""

    name: str
    """The commit's abbreviated hash."""
    subject: str
    content: bytes
    environment: Environment

    def __str__(self) -> str:
        return f"{self.name} ({self.subject})"


def commits(file: Path) -> Iterator[Commit]:
    """The file's past, along first parents; commits in which it is wrong were never deployed.

    Raises Refused where there is no such past.
    """
    listed = _git(file, "log", "--first-parent", "--format=%h%x09%s", "--", file.name)
    for line in listed.decode().splitlines():
        name, _, subject = line.partition("\t")
        found = _commit(file, name, subject)
        if found:
            yield found


def at(file: Path, revision: str) -> Commit:
    """The file at a commit, branch or tag. Raises Refused."""
    named = _git(file, "log", "-1", "--format=%h%x09%s", "--end-of-options", revision)
    name, _, subject = named.decode().strip().partition("\t")
    found = content(file, name)
    return Commit(name=name, subject=subject, content=found, environment=_environment(file, found))


def is_in(file: Path, revision: str) -> bool:
    """Whether a revision has the file. Raises Refused where there is no such revision."""
    return bool(_git(file, "ls-tree", "--name-only", "--end-of-options", revision, file.name))


def content(file: Path, revision: str) -> bytes:
    """Any file as a revision has it. Raises Refused."""
    return _git(file, "show", "--end-of-options", f"{revision}:./{file.name}")


def archive(folder: Path, revision: str) -> bytes:
    """A tar archive of what a revision has in a folder. Raises Refused."""
    place = folder / "main.py"
    named = _git(place, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    return _git(place, "archive", "--format=tar", named.decode().strip())


def changed(file: Path, revision: str) -> tuple[str, ...]:
    """What the file's repository has changed since it left a revision, uncommitted edits included;
    paths from the repository's root. Raises Refused."""
    root = _git(file, "rev-parse", "--show-toplevel").decode().rstrip("\n")
    differing = _git(
        Path(root, file.name),
        *("diff", "--name-only", "-z", "--no-renames", "--ignore-submodules=none"),
        *("--merge-base", revision),
    )
    return tuple(it for it in differing.decode(errors="replace").split("\0") if it)


def _commit(file: Path, name: str, subject: str) -> Commit | None:
    try:
        found = content(file, name)
        environment = _environment(file, found)
    except (InvalidEnvironment, Refused):  # wrong, or deleted there
        return None
    return Commit(name=name, subject=subject, content=found, environment=environment)


def _environment(file: Path, text: bytes) -> Environment:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, file.name)
        copy.write_bytes(text)
        return load(copy, folder=file.resolve().parent)


def _git(file: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(file.resolve().parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise Refused(f"git cannot be run: {error}. Install Git, or put it on PATH.") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0].rstrip(".")
        raise Refused(
            f"{file}: git {arguments[0]} failed: {said}. The file's past is read from Git: is it "
            "committed, and is the revision there (in CI: fetch-depth: 0)?"
        )
    return done.stdout

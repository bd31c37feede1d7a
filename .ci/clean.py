"""Removes what was built and trained here; asks before it removes what nothing makes again.

Predictions and readings of a workspace elsewhere are on this disk alone: the journal of
`python -m ml.predict` names the arm of each answer, and the reading room's keeps readings until the
feedback endpoint has them. Standard library only: it may run before set-up.
"""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
BUILT = ("cdktf.out", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache")
PREDICTIONS = "predictions.db"
READINGS = "reading-room"
HERE = {"127.0.0.1", "localhost", "::1"}
OWN = {"local", "demo"}
"""Environments whose workspace is removed as well."""


def main() -> int:
    """The command; returns its exit status."""
    for lock in (LOCAL / "workspace" / "lock", LOCAL / "demo" / ".local" / "workspace" / "lock"):
        if is_held(lock):
            print(
                f"clean: a local workspace runs on {lock.parent.relative_to(ROOT)}: stop it first. "
                "Nothing was removed.",
                file=sys.stderr,
            )
            return 1
    try:
        kept = {file: why for file, why in irreplaceable() if not is_given_up(file, why)}
    except (EOFError, KeyboardInterrupt):
        print("\nclean: not answered. Nothing was removed.", file=sys.stderr)
        return 1
    for name in BUILT:
        shutil.rmtree(ROOT / name, ignore_errors=True)
    remove(LOCAL, set(kept))
    for file in kept:
        print(f"clean: kept {file.relative_to(ROOT)}")
    return 0


def irreplaceable() -> list[tuple[Path, str]]:
    """Files with work on a workspace elsewhere, and what is in each."""
    found = []
    predictions = LOCAL / PREDICTIONS
    targets = asked(predictions, "SELECT target FROM request WHERE answered_at IS NOT NULL")
    elsewhere = [it for (it,) in targets or () if urlsplit(it).hostname not in HERE]
    if targets is None:
        found.append((predictions, "cannot be read"))
    elif elsewhere:
        found.append((predictions, f"{len(elsewhere)} predictions of a workspace elsewhere"))
    for journal in sorted((LOCAL / READINGS).glob("*.sqlite")):
        if journal.stem in OWN:
            continue
        states = asked(journal, "SELECT state FROM entry")
        unsent = [it for (it,) in states or () if it != "WRITTEN"]
        if states is None:
            found.append((journal, "cannot be read"))
        elif unsent:
            found.append((journal, f"{len(unsent)} readings that the endpoint does not have"))
    return found


def asked(file: Path, query: str) -> list[tuple[str]] | None:
    """The rows; None where the file does not tell."""
    if not file.exists():
        return []
    try:
        database = sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()
    except sqlite3.Error:
        return None


def is_given_up(file: Path, why: str) -> bool:
    """Whether somebody at the terminal says that it may go."""
    name = f"{file.relative_to(ROOT)}: {why}"
    if not sys.stdin.isatty():
        print(f"clean: {name}; it stays, because nobody is here to be asked.")
        return False
    return input(f"clean: {name}. Remove it? [y/N] ").strip().lower() in {"y", "yes"}


def remove(place: Path, kept: set[Path]) -> None:
    """Removes a folder but for the files that are kept, with what SQLite has beside them."""
    if not any(it.is_relative_to(place) for it in kept):
        shutil.rmtree(place, ignore_errors=True)
        return
    for entry in place.iterdir():
        if any(entry.name.startswith(it.name) and entry.parent == it.parent for it in kept):
            continue
        if entry.is_dir() and not entry.is_symlink():
            remove(entry, kept)
        else:
            entry.unlink()


def is_held(lock: Path) -> bool:
    """Whether a workspace runs on the folder of the lock."""
    if not lock.exists():
        return False
    with lock.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())

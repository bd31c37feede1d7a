"""What the room must not lose, in one SQLite file: who has which film, what was read and revealed.

A reading is here before it is on its way, and stays here, whatever becomes of it. The file is of
the machine that the server runs on; who may not see verdicts may not see it.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from ml.contract.errors import UserError
from ml.feedback.reading import Reading
from ml.reading_room.sampler import Drawn

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS loan (
  token TEXT PRIMARY KEY,
  reader TEXT NOT NULL,
  film TEXT NOT NULL,
  predictions TEXT NOT NULL,
  until TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS entry (
  feedback_id TEXT PRIMARY KEY,
  token TEXT NOT NULL REFERENCES loan (token),
  reading TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS entries_of_a_loan ON entry (token);
CREATE TABLE IF NOT EXISTS revelation (
  token TEXT PRIMARY KEY REFERENCES loan (token),
  shown_at TEXT NOT NULL
) STRICT;
"""
"""`predictions` is JSON: [[prediction id, sampling probability], ...]. Times are ISO 8601, UTC.
A token reveals nothing; a film's entries are in the order in which they were made."""


_LOCK_SECONDS: Final = 1.0


class State(StrEnum):
    """How far a reading has come."""

    KEPT = "KEPT"
    """Only here; it will be sent again."""
    WRITTEN = "WRITTEN"
    """The feedback endpoint has it."""
    REFUSED = "REFUSED"
    """The feedback endpoint will not take it; `reason` says why."""


@dataclass(frozen=True, kw_only=True)
class Loan:
    """A film in the hands of one reader."""

    token: str
    """What the page calls the film: random, and another one for every reader."""
    reader: str
    film: str
    predictions: tuple[Drawn, ...]
    """A reading of the film answers all of them."""
    until: datetime
    """Then another reader may have it, unless it was read."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A reading on its way to the feedback endpoint."""

    token: str
    reading: Reading
    state: State
    reason: str = ""


class Journal:
    """The file, which is one process's alone. Thread-safe; what a method has written is on disk
    when it returns. Raises UserError where there is no such file to be had."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            self._database = sqlite3.connect(file, timeout=_LOCK_SECONDS, check_same_thread=False)
            # Two rooms on one file would each lend the same film.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.executescript(f"BEGIN EXCLUSIVE; {_SCHEMA} COMMIT;")
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"{file}: the journal of the reading room cannot be opened: {error}. If another "
                "reading room of this environment is running on this machine, use that one; "
                "otherwise name another file with --journal."
            ) from error

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def lend(self, loan: Loan) -> None:
        """Keeps that a reader has a film, before the film is shown."""
        predictions = json.dumps(
            [(it.prediction_id, it.sampling_probability) for it in loan.predictions]
        )
        with self._changing() as database:
            database.execute(
                "INSERT INTO loan VALUES (?, ?, ?, ?, ?)",
                (loan.token, loan.reader, loan.film, predictions, loan.until.isoformat()),
            )

    def end(self, token: str, now: datetime) -> None:
        """Takes back a film that was not read."""
        with self._changing() as database:
            database.execute("UPDATE loan SET until = ? WHERE token = ?", (now.isoformat(), token))

    def loan(self, token: str) -> Loan | None:
        """Also one whose time is over: what was read late is kept all the same."""
        loans = self._loans("WHERE token = ?", token)
        return loans[0] if loans else None

    def unread(self, now: datetime) -> list[Loan]:
        """The loans that run and have no reading yet."""
        return self._loans(
            "WHERE until > ? AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.token = loan.token)",
            now.isoformat(),
        )

    def keep(self, token: str, readings: Sequence[Reading]) -> None:
        """Writes readings down; one whose id is there already stays as it is."""
        with self._changing() as database:
            _insert(database, token, readings)

    def reading(self, feedback_id: str) -> Reading | None:
        """The reading of that id, whoever's it is."""
        entries = self._entries("WHERE feedback_id = ?", feedback_id)
        return entries[0].reading if entries else None

    def mark(self, feedback_id: str, state: State, reason: str = "") -> None:
        """Keeps what became of a reading, and why."""
        with self._changing() as database:
            database.execute(
                "UPDATE entry SET state = ?, reason = ? WHERE feedback_id = ? AND state = ?",
                (state, reason, feedback_id, State.KEPT),
            )

    def entries(self, token: str) -> list[Entry]:
        """A loan's readings, oldest first."""
        return self._entries("WHERE token = ? ORDER BY rowid", token)

    def kept(self) -> list[Entry]:
        """What is still to be sent, oldest first."""
        return self._entries("WHERE state = ? ORDER BY rowid", State.KEPT)

    def counting(self) -> list[Entry]:
        """Every reading that was not refused, oldest first."""
        return self._entries("WHERE state <> ? ORDER BY rowid", State.REFUSED)

    def reveal(self, token: str, shown_at: datetime, records: Sequence[Reading]) -> None:
        """Writes down that the models' output was shown, with the readings that say so."""
        with self._changing() as database:
            database.execute(
                "INSERT INTO revelation VALUES (?, ?) ON CONFLICT DO NOTHING",
                (token, shown_at.isoformat()),
            )
            _insert(database, token, records)

    def revealed(self, token: str) -> bool:
        """Whether the models' output of a loan was shown."""
        with self._lock:
            found = self._database.execute("SELECT 1 FROM revelation WHERE token = ?", (token,))
            return found.fetchone() is not None

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._database as database:
            yield database

    def _loans(self, where: str, *values: str) -> list[Loan]:
        with self._lock:
            rows = self._database.execute(
                f"SELECT token, reader, film, predictions, until FROM loan {where}",  # noqa: S608 - ours
                values,
            ).fetchall()
        return [
            Loan(
                token=token,
                reader=reader,
                film=film,
                predictions=tuple(
                    Drawn(prediction_id=prediction_id, sampling_probability=probability)
                    for prediction_id, probability in json.loads(predictions)
                ),
                until=datetime.fromisoformat(until),
            )
            for token, reader, film, predictions, until in rows
        ]

    def _entries(self, where: str, *values: str) -> list[Entry]:
        with self._lock:
            rows = self._database.execute(
                f"SELECT token, reading, state, reason FROM entry {where}",  # noqa: S608 - ours
                values,
            ).fetchall()
        return [
            Entry(
                token=token,
                reading=Reading.from_row(json.loads(reading)),
                state=State(state),
                reason=reason,
            )
            for token, reading, state, reason in rows
        ]


def _insert(database: sqlite3.Connection, token: str, readings: Sequence[Reading]) -> None:
    database.executemany(
        "INSERT INTO entry (feedback_id, token, reading, state) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        [(it.feedback_id, token, json.dumps(it.as_row()), State.KEPT) for it in readings],
    )

"""The local journal of predictions: what was sent, written before it is sent, and its answer.

A file of SQLite. Every entry is with the operating system before the call that makes it returns, so
whatever moment a process is killed at, the journal knows each request that may have reached the
endpoint. A power failure may take the last entries; it leaves the file whole.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ml.contract.errors import UserError
from ml.contract.task import PNEUMONIA, Task
from ml.prediction.context import Context, Described

DEFAULT_JOURNAL: Final = Path(".local") / "predictions.db"

_LOCKED_SECONDS: Final = 30

_CREATE: Final = """
CREATE TABLE IF NOT EXISTS request (
  request_id TEXT PRIMARY KEY,
  target TEXT NOT NULL,
  image_id TEXT NOT NULL,
  sent_at TEXT NOT NULL,
  answered_at TEXT,
  arm TEXT,
  probability REAL,
  databricks_request_id TEXT
);
CREATE INDEX IF NOT EXISTS request_by_image ON request (target, image_id, sent_at);
CREATE TABLE IF NOT EXISTS context (
  request_id TEXT PRIMARY KEY,
  destination TEXT NOT NULL,
  context TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  written_at TEXT
);
CREATE INDEX IF NOT EXISTS context_to_write ON context (destination) WHERE written_at IS NULL;
"""


class JournalError(UserError):
    """The journal cannot be read or written."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One film's answer."""

    request_id: str
    """The client's own: what feedback refers to."""
    image_id: str
    sent_at: datetime
    answered_at: datetime
    arm: str
    """The served entity that answered."""
    probability: float
    """Of the task's positive label."""
    databricks_request_id: str
    task: Task = field(default=PNEUMONIA, repr=False, compare=False)
    """Whose labels the call is one of."""

    def call(self, threshold: float | None = None) -> str:
        """The label at a threshold, by default the task's."""
        return self.task.call(self.probability, threshold)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request without an answer in the journal: it may have been answered, or never left."""

    request_id: str
    image_id: str
    sent_at: datetime


class Journal:
    """One file; a target is the URL that requests were sent to. Thread-safe.

    Raises JournalError.
    """

    def __init__(self, file: Path = DEFAULT_JOURNAL) -> None:
        self.file = file
        self._lock = threading.Lock()
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)  # which the files that SQLite puts beside it have as well
        except OSError as error:
            raise JournalError(
                f"{file}: cannot be made for the journal: {error.strerror}. Name another file with "
                "--journal."
            ) from error
        with self._explained():
            self._database = sqlite3.connect(
                file, timeout=_LOCKED_SECONDS, check_same_thread=False, isolation_level=None
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_CREATE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()

    def sending(self, target: str, sent: Sent) -> None:
        """Before a request is sent; one that is sent again keeps its id and gets the new time."""
        with self._lock, self._explained():
            self._database.execute(
                "INSERT INTO request (request_id, target, image_id, sent_at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (request_id) DO UPDATE SET sent_at = excluded.sent_at",
                (sent.request_id, target, sent.image_id, sent.sent_at.isoformat()),
            )

    def answered(self, prediction: Prediction) -> None:
        """After the answer to a request."""
        with self._lock, self._explained():
            self._database.execute(
                "UPDATE request SET answered_at = ?, arm = ?, probability = ?, "
                "databricks_request_id = ? WHERE request_id = ?",
                (
                    prediction.answered_at.isoformat(),
                    prediction.arm,
                    prediction.probability,
                    prediction.databricks_request_id,
                    prediction.request_id,
                ),
            )

    def latest(self, target: str) -> dict[str, Prediction | Sent]:
        """The last request about each image that was sent to a target."""
        with self._lock, self._explained():
            rows = self._database.execute(
                "SELECT request_id, image_id, sent_at, answered_at, arm, probability, "
                "databricks_request_id FROM request WHERE target = ? ORDER BY sent_at",
                (target,),
            ).fetchall()
        return {row[1]: _entry(*row) for row in rows}

    def describe(self, destination: str, request_id: str, context: Context) -> None:
        """What is known of a request's film, to be written there; the first time counts."""
        known = {name: it for name, it in asdict(context).items() if it is not None}
        with self._lock, self._explained():
            self._database.execute(
                "INSERT INTO context (request_id, destination, context, recorded_at) "
                "VALUES (?, ?, ?, ?) ON CONFLICT (request_id) DO NOTHING",
                (request_id, destination, json.dumps(known), now().isoformat()),
            )

    def undelivered(self, destination: str, most: int) -> list[Described]:
        """Contexts of answered requests that are not known to be written there."""
        with self._lock, self._explained():
            rows = self._database.execute(
                "SELECT request_id, context, context.recorded_at FROM context "
                "JOIN request USING (request_id) WHERE destination = ? AND written_at IS NULL "
                "AND answered_at IS NOT NULL ORDER BY request_id LIMIT ?",
                (destination, most),
            ).fetchall()
        return [
            Described(
                prediction_id=request_id,
                context=Context(**json.loads(known)),
                recorded_at=datetime.fromisoformat(recorded_at),
            )
            for request_id, known, recorded_at in rows
        ]

    def delivered(self, described: Iterable[Described]) -> None:
        """After their contexts were written."""
        with self._lock, self._explained():
            self._database.execute("BEGIN")
            self._database.executemany(
                "UPDATE context SET written_at = ? WHERE request_id = ?",
                [(now().isoformat(), it.prediction_id) for it in described],
            )
            self._database.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(
                f"{self.file}: the journal cannot be used: {error}. Nothing is sent that it does "
                "not hold; name another file with --journal, or remove this one if it is none."
            ) from error


def answered(file: Path) -> list[tuple[str, Prediction]]:
    """Every answered request of a journal, with its target; nothing is written.

    Raises JournalError.
    """
    if not file.is_file():
        raise JournalError(
            f"{file}: there is no such journal. python -m ml.predict writes {DEFAULT_JOURNAL}, "
            "unless its --journal names another file."
        )
    # Without a log of its own nobody writes to the file, and SQLite need not make one to read it.
    mode = "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?{mode}", uri=True)) as database:
            rows = database.execute(
                "SELECT target, request_id, image_id, sent_at, answered_at, arm, probability, "
                "databricks_request_id FROM request ORDER BY request_id"
            ).fetchall()
    except sqlite3.Error as error:
        raise JournalError(
            f"{file}: cannot be read as a journal: {error}. Name a file that python -m ml.predict "
            "has written, with the files beside it whose names begin like its own."
        ) from error
    entries = [(target, _entry(*row)) for target, *row in rows]
    return [(target, entry) for target, entry in entries if isinstance(entry, Prediction)]


def now() -> datetime:
    """The time of an entry."""
    return datetime.now(UTC)


def _entry(
    request_id: str,
    image_id: str,
    sent_at: str,
    answered_at: str | None,
    arm: str | None,
    probability: float | None,
    databricks_request_id: str | None,
) -> Prediction | Sent:
    if answered_at is None or arm is None or probability is None:
        return Sent(
            request_id=request_id, image_id=image_id, sent_at=datetime.fromisoformat(sent_at)
        )
    return Prediction(
        request_id=request_id,
        image_id=image_id,
        sent_at=datetime.fromisoformat(sent_at),
        answered_at=datetime.fromisoformat(answered_at),
        arm=arm,
        probability=probability,
        databricks_request_id=databricks_request_id or "",
    )

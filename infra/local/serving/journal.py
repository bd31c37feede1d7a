"""The durable queue between an answer and the tables that log it.

An entry is committed before its answer leaves, and forgotten after its rows are committed in the
table. SQLite's write-ahead log keeps committed entries through a kill of the process.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

import orjson

from infra.local.serving.payload import PayloadRow, PayloadTable, ServedEntityRow, UsageRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    due REAL NOT NULL,
    fields BLOB NOT NULL,
    request TEXT,
    response TEXT
);
CREATE INDEX IF NOT EXISTS entries_by_due ON entries (due);
CREATE TABLE IF NOT EXISTS payload_tables (full_name TEXT PRIMARY KEY);
"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What one event adds to the tables; any of the three may be absent."""

    table: PayloadTable | None = None
    payload: PayloadRow | None = None
    usage: UsageRow | None = None
    served_entity: ServedEntityRow | None = None


class Journal:
    """Appended to by the event loop, read and emptied by the delivery's thread."""

    def __init__(self, file: Path, *, delay_seconds: float) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._delay = delay_seconds
        self._writer = _connect(file)
        self._writer.executescript(_SCHEMA)
        self._reader = _connect(file)
        self._reading = threading.Lock()
        self._known_tables = {
            name for (name,) in self._writer.execute("SELECT full_name FROM payload_tables")
        }
        self._waiting: list[tuple[Entry, asyncio.Future[None]]] = []
        self.appended = asyncio.Event()
        """Set whenever there is something new to deliver."""

    async def record(self, entry: Entry) -> None:
        """Return when the entry is committed, together with all that came in this turn."""
        loop = asyncio.get_running_loop()
        committed: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._commit_waiting)
        self._waiting.append((entry, committed))
        await committed

    def append(self, entries: Iterable[Entry]) -> None:
        """Commit the entries, in one transaction."""
        due = time.time() + self._delay
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            for entry in entries:
                self._remember_table(entry)
                self._writer.execute(
                    "INSERT INTO entries (due, fields, request, response) VALUES (?, ?, ?, ?)",
                    _to_row(entry, due),
                )
        self.appended.set()

    def has_rows(self, table: PayloadTable) -> bool:
        """Whether anything was ever logged into the table."""
        return table.full_name in self._known_tables

    def due(self, limit: int) -> list[tuple[int, Entry]]:
        """The oldest entries whose time has come, with their sequence numbers."""
        with self._reading:
            rows = self._reader.execute(
                "SELECT sequence, fields, request, response FROM entries"
                " WHERE due <= ? ORDER BY due, sequence LIMIT ?",
                (time.time(), limit),
            ).fetchall()
        return [(row[0], _from_row(*row[1:])) for row in rows]

    def next_due_in(self) -> float | None:
        """Seconds until the next entry is due; None if there is no entry."""
        with self._reading:
            [due] = self._reader.execute("SELECT min(due) FROM entries").fetchone()
        return None if due is None else max(0.0, due - time.time())

    def postpone(self, sequences: Sequence[int], seconds: float) -> None:
        """Try again later, behind what can be delivered meanwhile."""
        due = time.time() + seconds
        self._change("UPDATE entries SET due = ? WHERE sequence = ?", [(due, s) for s in sequences])

    def forget(self, sequences: Sequence[int]) -> None:
        self._change("DELETE FROM entries WHERE sequence = ?", [(s,) for s in sequences])

    def _change(self, statement: str, parameters: Sequence[tuple[float, ...]]) -> None:
        with self._reading, self._reader:
            self._reader.execute("BEGIN IMMEDIATE")
            self._reader.executemany(statement, parameters)

    def close(self) -> None:
        self._writer.close()
        with self._reading:
            self._reader.close()

    def _commit_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            self.append(entry for entry, _ in waiting)
        except sqlite3.Error as error:
            outcome: Exception | None = error
        else:
            outcome = None
        for _, committed in waiting:
            if committed.done():  # its client went away
                continue
            if outcome is None:
                committed.set_result(None)
            else:
                committed.set_exception(outcome)

    def _remember_table(self, entry: Entry) -> None:
        if entry.table is None or entry.table.full_name in self._known_tables:
            return
        name = entry.table.full_name
        self._writer.execute("INSERT OR IGNORE INTO payload_tables VALUES (?)", (name,))
        self._known_tables.add(name)


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    # A commit is in the kernel's hands, where a killed process can not lose it; only a power cut
    # could, and Databricks' own delivery is best effort.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 8000")
    return connection


def _to_row(entry: Entry, due: float) -> tuple[float, bytes, str | None, str | None]:
    payload = entry.payload
    fields: dict[str, Any] = {
        name: dataclasses.asdict(part)
        for name in ("table", "usage", "served_entity")
        if (part := getattr(entry, name)) is not None
    }
    if payload is None:
        return due, orjson.dumps(fields), None, None
    fields["payload"] = {
        field.name: getattr(payload, field.name)
        for field in dataclasses.fields(payload)
        if field.name not in ("request", "response")
    }
    return due, orjson.dumps(fields), payload.request, payload.response


def _from_row(fields: bytes, request: str | None, response: str | None) -> Entry:
    parts = orjson.loads(fields)
    payload = parts.get("payload")
    usage = parts.get("usage")
    served_entity = parts.get("served_entity")
    return Entry(
        table=PayloadTable(**parts["table"]) if "table" in parts else None,
        payload=payload
        and PayloadRow(
            **payload
            | {
                "request_date": datetime.date.fromisoformat(payload["request_date"]),
                "request_time": _time(payload["request_time"]),
                "logging_error_codes": tuple(payload["logging_error_codes"]),
                "request": request,
                "response": response,
            }
        ),
        usage=usage and UsageRow(**usage | {"request_time": _time(usage["request_time"])}),
        served_entity=served_entity
        and ServedEntityRow(
            **served_entity
            | {
                "change_time": _time(served_entity["change_time"]),
                "endpoint_delete_time": served_entity["endpoint_delete_time"]
                and _time(served_entity["endpoint_delete_time"]),
            }
        ),
    )


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)

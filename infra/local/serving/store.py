"""Endpoints on disk, so that they survive a restart of the workspace."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pydantic

from infra.local.serving.endpoint import Endpoint
from infra.local.settings import CanNotStart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class EndpointStore:
    """One JSON document for each endpoint."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        with self._explained():
            if not file.exists():
                _create(file)
            elif not file.stat().st_size:
                # SQLite would take it for a new one, and every endpoint would be gone in silence.
                raise sqlite3.DatabaseError("the file is empty")
            self._database = sqlite3.connect(file, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")

    def load(self) -> list[Endpoint]:
        """Every endpoint, the oldest first. Raises CanNotStart."""
        with self._explained():
            rows = self._database.execute("SELECT document FROM endpoints ORDER BY rowid")
            return [Endpoint.model_validate_json(document) for (document,) in rows]

    def save(self, endpoint: Endpoint) -> None:
        """Inserts or replaces an endpoint by its name."""
        self._database.execute(
            "INSERT INTO endpoints VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET document = excluded.document",
            (endpoint.name, endpoint.model_dump_json()),
        )

    def delete(self, name: str) -> None:
        """Forgets the endpoint of that name."""
        self._database.execute("DELETE FROM endpoints WHERE name = ?", (name,))

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, pydantic.ValidationError) as error:
            raise CanNotStart(
                f"{self._file}: the endpoints can not be read: {error}. Put back a copy of the "
                "file; or move it away, and the next start serves no endpoint until the serving "
                "stack is deployed again."
            ) from error


def _create(file: Path) -> None:
    """A database without endpoints; whole or not at all, so that an empty file is a damaged one."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    for end in ("-wal", "-shm"):  # of a database that was moved away; SQLite drops them, too
        file.with_name(file.name + end).unlink(missing_ok=True)
    database = sqlite3.connect(new)
    try:
        database.execute("CREATE TABLE endpoints (name TEXT PRIMARY KEY, document TEXT NOT NULL)")
    finally:
        database.close()
    new.replace(file)

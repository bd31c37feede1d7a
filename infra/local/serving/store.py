"""Endpoints on disk, so that they survive a restart of the workspace."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from infra.local.serving.endpoint import Endpoint

if TYPE_CHECKING:
    from pathlib import Path


class EndpointStore:
    """One JSON document for each endpoint."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS endpoints (name TEXT PRIMARY KEY, document TEXT NOT NULL)"
        )

    def load(self) -> list[Endpoint]:
        """Every endpoint, the oldest first."""
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

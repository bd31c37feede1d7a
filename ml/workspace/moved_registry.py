"""A local registry whose folder was moved or copied: MLflow keeps where files are as whole paths.

The files are beside the registry's file, `mlartifacts` beside `mlflow.db`. Source:
the tables of mlflow/store/tracking/dbmodels/models.py and mlflow/store/model_registry/dbmodels.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

ARTIFACTS: Final = "mlartifacts"

_PLACES: Final = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def follow(registry: Path) -> None:
    """Lets a registry's file name the artifacts beside it, wherever both were before.

    Where nothing was moved, nothing is written; nor where no artifacts are beside the file. What is
    wrong with the file itself is for MLflow to say, which opens it next.
    """
    artifacts = registry.absolute().parent / ARTIFACTS
    if not (registry.is_file() and artifacts.is_dir()):
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(registry, timeout=30)) as database:
        _follow(database, artifacts)


def _follow(database: sqlite3.Connection, artifacts: Path) -> None:
    here = artifacts.as_uri()
    with database:
        for before in {it for it in _before(database, artifacts) if it != here}:
            for table, column in _PLACES:
                if _has(database, table, column):
                    database.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - constants
                        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                        (here, len(before) + 1, before, len(before) + 1, f"{before}/"),
                    )


def _before(database: sqlite3.Connection, artifacts: Path) -> Iterator[str]:
    """Where experiments have such a folder of artifacts."""
    folder = f"/{artifacts.parent.name}/{ARTIFACTS}"
    if not _has(database, "experiments", "artifact_location"):
        return
    for (location,) in database.execute("SELECT DISTINCT artifact_location FROM experiments"):
        start, found, _ = f"{location}/".partition(f"{folder}/")
        if found and start.startswith("file:///"):
            yield start + folder


def _has(database: sqlite3.Connection, table: str, column: str) -> bool:
    columns = database.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return (column,) in columns.fetchall()

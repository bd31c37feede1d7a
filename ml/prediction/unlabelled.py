"""Films that are to be asked about: a file, a folder, or image ids of what was ingested.

Their labels play no part here: neither a folder's name nor a row of the table says one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml.contract.errors import InvalidData, UserError
from ml.contract.tables import FILMS
from ml.data.file_name import SUFFIXES, files_below, may_be_film, printable
from ml.workspace.connection import WorkspaceError, explained

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from ml.workspace.warehouse import Row, Warehouse

_IDS_A_STATEMENT: Final = 10_000

_PATHS: Final = """
SELECT known.image_id, known.volume_path, known.patient_key
FROM IDENTIFIER(:table) AS known
JOIN (SELECT explode(from_json(:image_ids, 'ARRAY<STRING>')) AS image_id) AS asked
ON known.image_id = asked.image_id
"""


class NothingToSend(UserError):
    """What was named holds no film."""


@dataclass(frozen=True, kw_only=True)
class FilmFile:
    """A film on this machine."""

    path: Path

    @property
    def name(self) -> str:
        """The path as it was named, printable."""
        return printable(self.path)

    def read(self) -> bytes:
        """The file's content. Raises InvalidData."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise InvalidData(f"{self.name} cannot be read: {error.strerror}") from error


@dataclass(frozen=True, kw_only=True)
class IngestedFilm:
    """A film in the volume of an environment."""

    client: "WorkspaceClient"
    image_id: str
    volume_path: str
    patient_key: str | None = None
    """As ingestion knows the patient."""

    @property
    def name(self) -> str:
        """The image id."""
        return self.image_id

    def read(self) -> bytes:
        """The file's content. Raises InvalidData, and WorkspaceError."""
        from databricks.sdk.errors import NotFound

        with explained(self.client.config.host):
            try:
                contents = self.client.files.download(self.volume_path).contents
            except NotFound as error:
                raise InvalidData(
                    f"{self.volume_path} has a row, but is not in the volume. Ingest its film "
                    "again, which restores it: python -m ml.ingest"
                ) from error
            return contents.read() if contents else b""


def on_this_machine(named: Path) -> list[FilmFile]:
    """One file, or every film below a folder in the order of their names. Raises NothingToSend."""
    if named.is_file():
        return [FilmFile(path=named)]
    found = [path for path in files_below(named) if path.is_file() and may_be_film(path)]
    if not found:
        raise NothingToSend(
            f"{printable(named)}: no film is below this folder; searched for "
            f"*{', *'.join(SUFFIXES)} and for DICOM files without a suffix. Name another "
            "folder, or a file."
        )
    return [FilmFile(path=path) for path in found]


def ingested(
    client: "WorkspaceClient", warehouse: "Warehouse", table: str, image_ids: Sequence[str]
) -> list[IngestedFilm]:
    """The films of these ids, in the same order; ``table`` is the full name of FILMS.

    Raises WorkspaceError with the ids that the table does not have.
    """
    found: dict[str, Row] = {}
    for start in range(0, len(image_ids), _IDS_A_STATEMENT):
        asked = json.dumps(image_ids[start : start + _IDS_A_STATEMENT])
        for row in warehouse.execute(_PATHS, table=table, image_ids=asked):
            found[str(row["image_id"])] = row
    unknown = [image_id for image_id in image_ids if image_id not in found]
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise WorkspaceError(
            f"{table} has no film {', '.join(unknown[:3])}{more}. Ids are those of its column "
            f"image_id; python -m ml.ingest adds films to {FILMS.name}."
        )
    return [
        IngestedFilm(
            client=client,
            image_id=image_id,
            volume_path=str(found[image_id]["volume_path"]),
            patient_key=found[image_id]["patient_key"],
        )
        for image_id in image_ids
    ]

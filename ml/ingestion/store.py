"""Where films are kept: the file in a volume, what is known of it in a table.

A film is uploaded before its row is written, and both go by the hash of its content. So whatever
moment a run ends at, a row never lacks its film, and the next run finds what is still to do.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml.contract.tables import BRONZE, FILM_VOLUME, FILMS
from ml.data.dicom.header import without_the_patient
from ml.ingestion.inspection import Film
from ml.workspace.connection import WorkspaceError, explained
from ml.workspace.warehouse import Warehouse

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from infra.declared.environment import Environment

_FOLDER = "films"
"""Of the volume: all films are in one, so that one listing tells which are there."""

_IDS_A_STATEMENT = 10_000
"""About 350 kB of a statement, which may have 16 MiB."""

_PATIENT_KEY_DIGITS = 16

_BY_THE_WAREHOUSE = ("ingested_at", "ingestion_batch_id")
"""Columns that do not come with the film."""


def _record_statement() -> str:
    # One parameter for all rows: a statement takes a limited number of them.
    columns = [c for c in FILMS.columns if c.name not in _BY_THE_WAREHOUSE]
    fields = ", ".join(f"{column.name}: {column.type}" for column in columns)
    selected = ", ".join(f"film.{column.name}" for column in columns)
    names = ", ".join([*(column.name for column in columns), *_BY_THE_WAREHOUSE])
    values = ", ".join(f"arriving.{column.name}" for column in columns)
    return f"""
MERGE INTO IDENTIFIER(:table) AS known
USING (
  SELECT {selected}
  FROM (SELECT explode(from_json(:films, 'ARRAY<STRUCT<{fields}>>')) AS film)
) AS arriving
ON known.image_id = arriving.image_id
WHEN NOT MATCHED THEN INSERT ({names})
VALUES ({values}, current_timestamp(), :batch_id)
"""  # noqa: S608 - the columns are constants, the values parameters


_RECORD = _record_statement()

_RECORDED = """
SELECT known.image_id, known.label, known.dataset_split
FROM IDENTIFIER(:table) AS known
JOIN (SELECT explode(from_json(:image_ids, 'ARRAY<STRING>')) AS image_id) AS arriving
ON known.image_id = arriving.image_id
"""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What the table says of a film."""

    label: str
    part: str


class FilmStore:
    """The volume and the table of one environment. Thread-safe."""

    def __init__(
        self, client: "WorkspaceClient", warehouse: Warehouse, environment: "Environment"
    ) -> None:
        self._client = client
        self._host = client.config.host
        self._warehouse = warehouse
        self._catalog = environment.catalog
        self._stack = environment.platform_stack
        self.table = FILMS.full_name(environment.catalog)
        self.folder = film_folder(environment.catalog)

    def require(self) -> None:
        """Raises WorkspaceError unless the volume is there, and the table with its columns."""
        from databricks.sdk.errors import NotFound

        try:
            with explained(self._host):
                self._client.volumes.read(f"{self._catalog}.{BRONZE}.{FILM_VOLUME}")
                table = self._client.tables.get(self.table)
        except WorkspaceError as error:
            if not isinstance(error.__cause__, NotFound):
                raise
            raise WorkspaceError(f"{error.__cause__}\n{self._way_out()}") from error
        there = {column.name for column in table.columns or ()}
        lacking = [column.name for column in FILMS.columns if column.name not in there]
        if lacking:
            raise WorkspaceError(
                f"{self.table} lacks the columns {', '.join(lacking)}. {self._way_out()}"
            )

    def _way_out(self) -> str:
        return (
            "Ingestion fills what the platform stack creates. Deploy that first: "
            f"cdktf deploy {self._stack}"
        )

    def sizes(self) -> dict[str, int]:
        """Bytes of every film in the volume, by its file name."""
        from databricks.sdk.errors import NotFound

        with explained(self._host):
            try:
                return {
                    str(entry.name): entry.file_size or 0
                    for entry in self._client.files.list_directory_contents(self.folder)
                }
            except NotFound:
                self._client.files.create_directory(self.folder)
                return {}

    def recorded(self, image_ids: Sequence[str]) -> dict[str, Recorded]:
        """What the table says of those films that are in it, by image id."""
        found: dict[str, Recorded] = {}
        for start in range(0, len(image_ids), _IDS_A_STATEMENT):
            asked = json.dumps(image_ids[start : start + _IDS_A_STATEMENT])
            for row in self._warehouse.execute(_RECORDED, table=self.table, image_ids=asked):
                found[str(row["image_id"])] = Recorded(
                    label=str(row["label"]), part=str(row["dataset_split"])
                )
        return found

    def path(self, film: Film) -> str:
        """Where the film's file is in the volume: /Volumes/..."""
        return f"{self.folder}/{film.file_name}"

    def upload(self, film: Film) -> bool:
        """Writes the film without what names anybody; False, and nothing, if its file has changed
        since."""
        content = without_the_patient(film.original.read())
        if hashlib.sha256(content).hexdigest() != film.sha256:
            return False
        with explained(self._host):
            # Films are small; the SDK's threads are for the parts of large files.
            self._client.files.upload(
                self.path(film), io.BytesIO(content), overwrite=True, use_parallel=False
            )
        return True

    def record(self, films: Iterable[Film], batch_id: str) -> int:
        """Writes the rows of uploaded films in one transaction; returns how many were new."""
        arriving = json.dumps(list(map(self._row, films)))
        (counts,) = self._warehouse.execute(
            _RECORD, table=self.table, films=arriving, batch_id=batch_id
        )
        return int(counts["num_inserted_rows"] or 0)

    def _row(self, film: Film) -> dict[str, str | int | None]:
        original = film.original
        return {
            "image_id": film.image_id,
            "label": original.label,
            "dataset_split": original.part,
            "patient_key": patient_key(original.patient, self._catalog),
            "volume_path": self.path(film),
            "file_size_bytes": film.file_size,
            "width": film.width,
            "height": film.height,
            "sha256": film.sha256,
            "attribution": original.attribution,
        }


def film_folder(catalog: str) -> str:
    """Where the films of a catalog are: /Volumes/..."""
    return f"/Volumes/{catalog}/{BRONZE}/{FILM_VOLUME}/{_FOLDER}"


def patient_key(patient: str | None, catalog: str) -> str | None:
    """A patient's pseudonym, other in every catalog; None where the patient is not known.

    It keeps a patient's films together, and names out of tables and logs. It is no protection
    against somebody who has a list of patients and hashes it: Kaggle's are numbers, pseudonyms
    themselves. Where a name says who somebody is, rename the files before they are ingested.
    """
    if patient is None:
        return None
    return hashlib.sha256(f"{catalog}: {patient}".encode()).hexdigest()[:_PATIENT_KEY_DIGITS]

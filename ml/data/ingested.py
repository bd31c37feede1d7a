"""Reads what `ml.ingest` brought into an environment, with the parts that the table gives.

The table decides: a small validation part stays what it is, and one is drawn by patient only where
there is none. No patient is in two parts, as with every source (`ml.data.partition`).
"""

import hashlib
from typing import TYPE_CHECKING

from infra.declared.environment import load
from ml.contract.errors import InvalidData
from ml.contract.serving import DEFAULT_IMAGE_SIZE, LABELS
from ml.contract.tables import FILMS
from ml.contract.task import Size
from ml.data import film_cache
from ml.data.films import PARTS, DataSet, Excluded, Images
from ml.data.partition import Film, apart, stacked
from ml.data.preparation import UnreadableFilm, decode
from ml.workspace.connection import connect, explained
from ml.workspace.warehouse import Row, Warehouse

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_SELECT = """
SELECT image_id, label, dataset_split, patient_key, volume_path, width, height, sha256,
  attribution
FROM IDENTIFIER(:table)
ORDER BY image_id
"""


def read(environment_name: str, image_size: Size | None) -> DataSet:
    """Downloads every film that has a row.

    ``image_size`` None keeps the films' own size up to DEFAULT_IMAGE_SIZE. Raises InvalidData, and
    WorkspaceError where the workspace does not answer.
    """
    environment = load(environment_name)
    client = connect(environment)
    table = FILMS.full_name(environment.catalog)
    warehouse = Warehouse.named(client, environment.warehouse_name)
    rows = warehouse.execute(_SELECT, table=table)
    if not rows:
        raise InvalidData(
            f"{table}: no film was ingested yet. Do it first: "
            f"python -m ml.ingest --environment {environment_name}"
        )
    size = image_size or min(DEFAULT_IMAGE_SIZE, *(_shorter_edge(row) for row in rows))
    found = film_cache.prepared(
        f"{client.config.host} {table}",
        rows,
        _state,
        size,
        lambda row: _film(client, row, size),
        "Reading ingested films",
    )
    excluded: list[Excluded] = []
    nameless = sum(row["patient_key"] is None for row in rows)
    kept, remarks = apart(
        table, found.films, excluded, nameless=nameless, fewest_validation_films=1
    )
    return DataSet(
        source=f"the films ingested into {table}",
        digest=_digest(rows),
        image_size=size,
        parts=stacked(kept, found.images, found.films),
        excluded=tuple(excluded),
        remarks=tuple(remarks),
        attribution="; ".join(sorted({it for row in rows if (it := row["attribution"])})) or None,
    )


def _shorter_edge(row: Row) -> int:
    return min(int(row["width"] or 0), int(row["height"] or 0))


def _state(row: Row) -> str:
    """What the table says of a film that is prepared; its SHA-256 was checked then."""
    return " ".join(
        str(row[it]) for it in ("image_id", "sha256", "label", "dataset_split", "patient_key")
    )


def _film(client: "WorkspaceClient", row: Row, size: Size) -> tuple[Film, Images]:
    label, part, path = str(row["label"]), str(row["dataset_split"]), str(row["volume_path"])
    if label not in LABELS or part not in PARTS:
        raise InvalidData(
            f"the row of film {row['image_id']} has the label {label!r} and the part {part!r}; "
            f"labels are {', '.join(LABELS)} and parts {', '.join(PARTS)}. Correct the row."
        )
    content = _download(client, path)
    if hashlib.sha256(content).hexdigest() != row["sha256"]:
        raise InvalidData(
            f"{path} is not the film that its row describes: its SHA-256 is another. Delete the "
            "file and ingest its film again: python -m ml.ingest"
        )
    try:
        image = decode(content, size)
    except UnreadableFilm as error:
        raise InvalidData(f"{path}: {error}. Delete the film and its row.") from error
    film = Film(
        name=str(row["image_id"]),
        part=part,
        label=LABELS.index(label),
        patient=row["patient_key"] or str(row["image_id"]),
        content=str(row["sha256"]),
    )
    return film, image


def _download(client: "WorkspaceClient", path: str) -> bytes:
    from databricks.sdk.errors import NotFound

    with explained(client.config.host):
        try:
            contents = client.files.download(path).contents
        except NotFound as error:
            raise InvalidData(
                f"{path} has a row, but is not in the volume. Ingest its film again, which "
                "restores it: python -m ml.ingest"
            ) from error
        return contents.read() if contents else b""


def _digest(rows: list[Row]) -> str:
    """Of the films, their labels and parts."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row['sha256']} {row['label']} {row['dataset_split']}\n".encode())
    return digest.hexdigest()

"""The tables that `ml` writes, column by column; standard library only.

`infra` creates them from the same declaration, so that a name is written once.
"""

from dataclasses import dataclass
from typing import Final

BRONZE: Final = "bronze"
"""The schema of what arrives, as it arrives."""

FILM_VOLUME: Final = "xray_images"
"""The managed volume of BRONZE that holds the films."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column with its Databricks SQL type."""

    name: str
    type: str
    comment: str
    nullable: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A managed Delta table, without its catalog."""

    schema: str
    name: str
    comment: str
    columns: tuple[Column, ...]

    def full_name(self, catalog: str) -> str:
        """The three-level name."""
        return f"{catalog}.{self.schema}.{self.name}"


FILMS: Final = Table(
    schema=BRONZE,
    name="kaggle_xray_metadata",
    comment="One row per ingested chest X-ray; the film itself is in the volume.",
    columns=(
        Column(
            name="image_id",
            type="STRING",
            comment="The film: the first 32 hexadecimal digits of sha256.",
        ),
        Column(name="label", type="STRING", comment="NORMAL or PNEUMONIA."),
        Column(
            name="dataset_split",
            type="STRING",
            comment="train, val or test, as the film was delivered.",
        ),
        Column(
            name="patient_key",
            type="STRING",
            comment="A pseudonym: equal for films of one patient. NULL where it is not known.",
            nullable=True,
        ),
        Column(name="volume_path", type="STRING", comment="Where the film is: /Volumes/..."),
        Column(name="file_size_bytes", type="BIGINT", comment="Size of the file."),
        Column(name="width", type="INT", comment="Pixels."),
        Column(name="height", type="INT", comment="Pixels."),
        Column(name="sha256", type="STRING", comment="SHA-256 of the file, hexadecimal."),
        Column(
            name="attribution",
            type="STRING",
            comment="Whom to name, and the licence. NULL where the source does not say.",
            nullable=True,
        ),
        Column(name="ingested_at", type="TIMESTAMP", comment="When the row was written."),
        Column(
            name="ingestion_batch_id",
            type="STRING",
            comment="The run of ml.ingest that wrote the row.",
        ),
    ),
)

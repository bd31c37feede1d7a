"""The tables and the volume that this project owns: names, columns, comments. Written here once.

`infra` creates them, `ml` fills them. Pure values; knows no cdktf. Names and columns are those of
the reference project where they are sound (reference: peers-and-statistics.md, section 1); the
table of serving, `<prefix>_payload`, is not here because Databricks creates it.
"""

from dataclasses import dataclass
from typing import Final

BRONZE: Final = "bronze"
"""What arrived, as it arrived."""

SILVER: Final = "silver"
"""What was cleaned. Empty today; an organisation's own tables go here."""

GOLD: Final = "gold"
"""What serving and readers write, and what is derived from it."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column; `type` as Databricks SQL spells it, in lower case."""

    name: str
    type: str
    comment: str
    nullable: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A managed Delta table of this project."""

    schema: str
    name: str
    comment: str
    columns: tuple[Column, ...]

    def full_name(self, catalog: str) -> str:
        """The three-level name."""
        return f"{catalog}.{self.schema}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A managed volume: files under `/Volumes/<catalog>/<schema>/<name>`."""

    schema: str
    name: str
    comment: str

    def full_name(self, catalog: str) -> str:
        """The three-level name."""
        return f"{catalog}.{self.schema}.{self.name}"

    def path(self, catalog: str) -> str:
        """Where the Files API finds it."""
        return f"/Volumes/{catalog}/{self.schema}/{self.name}"


FILMS: Final = Volume(
    schema=BRONZE,
    name="xray_images",
    comment="Chest X-rays under opaque names: neither the class nor the patient is in a path.",
)

FILM_METADATA: Final = Table(
    schema=BRONZE,
    name="kaggle_xray_metadata",
    comment="One row per ingested film. The label is here and nowhere in the film's path.",
    columns=(
        Column(name="image_id", type="string", comment="Identifies the film: from its content."),
        Column(name="category", type="string", comment="Label of the source: NORMAL or PNEUMONIA."),
        Column(name="dataset_split", type="string", comment="train, val or test; by patient."),
        Column(name="patient_key", type="string", comment="Groups the films of one patient."),
        Column(name="file_path", type="string", comment="Where the film is, under /Volumes."),
        Column(name="file_size_bytes", type="bigint", comment="Size of the file."),
        Column(name="image_width", type="int", comment="Pixels."),
        Column(name="image_height", type="int", comment="Pixels."),
        Column(name="sha256", type="string", comment="SHA-256 of the file, 64 hexadecimal digits."),
        Column(name="ingested_at", type="timestamp", comment="When the row was written."),
        Column(name="ingestion_batch_id", type="string", comment="The run that wrote the row."),
    ),
)

PREDICTION_FEEDBACK: Final = Table(
    schema=GOLD,
    name="prediction_feedback",
    comment=(
        "Readers' verdicts, one row each, never changed: a later verdict of the same reader on the "
        "same prediction supersedes the earlier one when it is read."
    ),
    columns=(
        Column(
            name="feedback_id",
            type="string",
            comment="Identifies the verdict; a retry has it again.",
        ),
        Column(
            name="prediction_id",
            type="string",
            comment="The prediction, as the view of the predictions names it.",
        ),
        Column(name="timestamp", type="timestamp", comment="When the reader decided."),
        Column(name="ground_truth", type="string", comment="The verdict: NORMAL or PNEUMONIA."),
        Column(
            name="radiologist_id", type="string", comment="Who decided: the authenticated reader."
        ),
        Column(
            name="confidence",
            type="string",
            comment="How sure the reader is, in the reader's words.",
            nullable=True,
        ),
        Column(
            name="feedback_source",
            type="string",
            comment="Where the verdict was given.",
            nullable=True,
        ),
        Column(name="notes", type="string", comment="What the reader adds.", nullable=True),
    ),
)

TABLES: Final = (FILM_METADATA, PREDICTION_FEEDBACK)

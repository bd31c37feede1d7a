"""The tables and the volume that this project owns; what `ml` writes is declared there.

Pure values; knows no cdktf. Names and columns are those of the reference project where they are
sound (reference: peers-and-statistics.md, section 1). The table of serving, `<prefix>_payload`, is
not here because Databricks creates it.
"""

from dataclasses import dataclass
from typing import Final

from ml.tables import BRONZE, FILM_VOLUME, FILMS, Column, Table

SILVER: Final = "silver"
"""What was cleaned. Empty today; an organisation's own tables go here."""

GOLD: Final = "gold"
"""What serving and readers write, and what is derived from it."""


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


FILM_FILES: Final = Volume(
    schema=BRONZE,
    name=FILM_VOLUME,
    comment="Chest X-rays under opaque names: neither the class nor the patient is in a path.",
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
            type="STRING",
            comment="Identifies the verdict; a retry has it again.",
        ),
        Column(
            name="prediction_id",
            type="STRING",
            comment="The prediction, as the view of the predictions names it.",
        ),
        Column(name="timestamp", type="TIMESTAMP", comment="When the reader decided."),
        Column(name="ground_truth", type="STRING", comment="The verdict: NORMAL or PNEUMONIA."),
        Column(
            name="radiologist_id", type="STRING", comment="Who decided: the authenticated reader."
        ),
        Column(
            name="confidence",
            type="STRING",
            comment="How sure the reader is, in the reader's words.",
            nullable=True,
        ),
        Column(
            name="feedback_source",
            type="STRING",
            comment="Where the verdict was given.",
            nullable=True,
        ),
        Column(name="notes", type="STRING", comment="What the reader adds.", nullable=True),
    ),
)

TABLES: Final = (FILMS, PREDICTION_FEEDBACK)

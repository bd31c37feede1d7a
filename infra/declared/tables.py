"""The tables and the volume that this project owns; what `ml` writes is declared there.

Pure values; knows no cdktf. Names and columns follow an earlier public project where they are
sound (docs/reference/data.md#names-of-the-tables). The table of serving, `<prefix>_payload`, is not
here because Databricks creates it.
"""

from dataclasses import dataclass
from typing import Final

from ml.contract.tables import (
    BRONZE,
    FILM_VOLUME,
    FILMS,
    INPUT_MEASURES,
    PREDICTION_CONTEXT,
    PREDICTION_FEEDBACK,
    REFERENCE_DISTRIBUTIONS,
    SHADOW_ANSWERS,
    VERDICTS,
    Table,
)

SILVER: Final = "silver"
"""What was cleaned. Empty today; an organisation's own tables go here."""


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

VOLUMES: Final = (FILM_FILES,)
TABLES: Final = (FILMS, PREDICTION_CONTEXT, PREDICTION_FEEDBACK)
WATCH_TABLES: Final = (REFERENCE_DISTRIBUTIONS, INPUT_MEASURES, VERDICTS, SHADOW_ANSWERS)
"""Those of an environment with a `[monitoring]`."""


def tables(*, watched: bool) -> tuple[Table, ...]:
    """The tables of an environment."""
    return (*TABLES, *WATCH_TABLES) if watched else TABLES

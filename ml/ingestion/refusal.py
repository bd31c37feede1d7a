"""What is wrong with a file that is not ingested."""

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """Why a file is not ingested, in one word."""

    EMPTY = "empty"
    NOT_AN_IMAGE = "not an image"
    CORRUPT = "corrupt"
    NO_CHEST_FILM = "no chest film"
    DUPLICATE = "duplicate"
    MISLABELLED = "mislabelled"
    MISPLACED = "misplaced"

    @property
    def meaning(self) -> str:
        """The same in a sentence, for people."""
        return _MEANINGS[self]


_MEANINGS = {
    Category.EMPTY: "the file has no content",
    Category.NOT_AN_IMAGE: "neither JPEG nor PNG nor DICOM",
    Category.CORRUPT: "an image that cannot be read to its end",
    Category.NO_CHEST_FILM: "a picture, but of something else or of nothing",
    Category.DUPLICATE: "the same film is there already; one copy is kept",
    Category.MISLABELLED: "two things that say the class do not agree",
    Category.MISPLACED: "not in a folder of a class",
}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A file that is left out, and why."""

    name: str
    """As the one who handed it in knows it."""
    category: Category
    reason: str

"""Decides which of the files are films, before anything is written."""

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from PIL import Image, UnidentifiedImageError

from ml.data.films import PARTS
from ml.data.image_id import image_id_by
from ml.ingestion.originals import Original
from ml.ingestion.refusal import Category, Refusal

SUFFIXES = {"JPEG": ".jpeg", "PNG": ".png"}
"""Of a film's file, by what it is."""

_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""Of a file of each; Pillow does not know one that ends soon after."""


@dataclass(frozen=True, kw_only=True)
class Film:
    """A file that is a film to its last byte."""

    original: Original
    sha256: str
    file_size: int
    """Bytes."""
    width: int
    """Pixels, as is the height."""
    height: int
    suffix: str
    """By what the file is, whatever it was called."""

    @property
    def image_id(self) -> str:
        """Of the content alone."""
        return image_id_by(self.sha256)

    @property
    def file_name(self) -> str:
        """In the volume. Says neither class nor patient."""
        return f"{self.image_id}{self.suffix}"


def inspect(original: Original) -> Film | Refusal:
    """Reads, hashes and decodes one file."""
    try:
        content = original.read()
        if not content:
            return _refuse(original, Category.EMPTY, Category.EMPTY.meaning)
        with Image.open(io.BytesIO(content), formats=tuple(SUFFIXES)) as image:
            width, height = image.size
            suffix = SUFFIXES[str(image.format)]
            # A JPEG is read to its end at an eighth of its size, in a fraction of the time.
            image.draft("L", (1, 1))
            image.load()
    except UnidentifiedImageError:
        if content.startswith(_BEGINNINGS):
            return _refuse(original, Category.CORRUPT, "ends within its header")
        return _refuse(original, Category.NOT_AN_IMAGE, "the content is neither JPEG nor PNG")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return _refuse(original, Category.CORRUPT, str(error).splitlines()[0])
    return Film(
        original=original,
        sha256=hashlib.sha256(content).hexdigest(),
        file_size=len(content),
        width=width,
        height=height,
        suffix=suffix,
    )


def settle(films: Iterable[Film]) -> tuple[list[Film], list[Refusal]]:
    """Each film once. Of copies, the one in the part that judges models stays.

    Copies in folders of both classes are all refused: nobody knows which is right.
    """
    kept: list[Film] = []
    refusals: list[Refusal] = []
    ordered = sorted(
        films,
        key=lambda film: (film.sha256, -PARTS.index(film.original.part), film.original.name),
    )
    for _, group in groupby(ordered, key=lambda film: film.sha256):
        first, *copies = group
        if any(copy.original.label != first.original.label for copy in copies):
            refusals += [
                _refuse(
                    film.original,
                    Category.MISLABELLED,
                    "the same film is in the folders of both classes",
                )
                for film in (first, *copies)
            ]
            continue
        kept.append(first)
        refusals += [
            _refuse(copy.original, Category.DUPLICATE, f"the same film as {first.original.name}")
            for copy in copies
        ]
    return kept, refusals


def _refuse(original: Original, category: Category, reason: str) -> Refusal:
    return Refusal(name=original.name, category=category, reason=reason)

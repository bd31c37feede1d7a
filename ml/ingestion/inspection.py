"""Decides which of the files are films, before anything is written."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from ml.data.dicom.header import without_the_patient
from ml.data.film_file import UnreadableFilm, opened
from ml.data.films import PARTS
from ml.data.image_id import image_id_by
from ml.ingestion.originals import Original
from ml.ingestion.refusal import Category, Refusal


@dataclass(frozen=True, kw_only=True)
class Film:
    """A file that is a film to its last byte."""

    original: Original
    sha256: str
    """Of the file as it is kept, as is its size."""
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


def inspect(original: Original, *, any_modality: bool = False) -> Film | Refusal:
    """Reads, hashes and decodes one file; with ``any_modality`` it may be a picture of anything."""
    try:
        content = original.read()
        # A JPEG is read to its end at an eighth of its size, in a fraction of the time.
        film = opened(content, 1, any_modality=any_modality)
        kept = without_the_patient(content)
    except UnreadableFilm as error:
        return _refuse(original, Category(error.fault), str(error))
    except OSError as error:
        return _refuse(original, Category.CORRUPT, f"cannot be read: {error.strerror}")
    return Film(
        original=replace(original, patient=original.patient or film.patient),
        sha256=hashlib.sha256(kept).hexdigest(),
        file_size=len(kept),
        width=film.width,
        height=film.height,
        suffix=film.suffix,
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

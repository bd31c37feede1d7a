"""Reads films in Kaggle's layout (`ml.data.kaggle_layout`).

A patient has several films: the parts are kept apart by patient, never by film
(docs/reference/data.md#films-of-one-patient).
"""

import hashlib
from functools import partial
from pathlib import Path

from ml.contract.errors import InvalidData
from ml.contract.serving import DEFAULT_IMAGE_SIZE, LABELS
from ml.contract.task import Size
from ml.data import film_cache
from ml.data.file_name import printable
from ml.data.films import PARTS, DataSet, Excluded, Images
from ml.data.kaggle_layout import (
    Labels,
    Misfit,
    Placed,
    files,
    label_of,
    layout_of,
    patient_of,
)
from ml.data.partition import Film, apart, stacked
from ml.data.preparation import UnreadableFilm, opened_and_prepared
from ml.data.prepared import PreparedImages

__all__ = ["label_of", "patient_of", "read"]


def read(path: Path, image_size: Size | None, labels: Labels = LABELS) -> DataSet:
    """Reads every part of the folder, and parts them by patient.

    ``labels`` are those of the task: the negative one, the positive one. Raises InvalidData for a
    folder that is not of the layout or lacks a class.
    """
    size = image_size or DEFAULT_IMAGE_SIZE
    excluded: list[Excluded] = []
    placed: list[Placed] = []
    for file in files(path, labels):
        if isinstance(file, Placed):
            placed.append(file)
        else:
            mislabelled = "mislabelled: " if file.misfit == Misfit.MISLABELLED else ""
            excluded.append(Excluded(film=file.name, reason=f"{mislabelled}{file.reason}"))
    readable, images = _readable(path, placed, size, excluded, labels)
    _require_both_classes(path, readable, excluded, labels)
    films = _without_repetition(readable, excluded)
    nameless = sum(film.patient == film.name for film in films)
    films, remarks = apart(printable(path), films, excluded, nameless=nameless)
    return DataSet(
        source=printable(path),
        digest=_digest(readable),
        image_size=size,
        parts=stacked(films, images, readable),
        excluded=tuple(excluded),
        remarks=tuple(remarks),
    )


def _readable(
    path: Path, placed: list[Placed], size: Size, excluded: list[Excluded], labels: Labels
) -> tuple[list[Film], Images | PreparedImages]:
    """The films that can be read, each with its image; the others go to ``excluded``."""

    found = film_cache.prepared(
        str(path.resolve()), placed, _state, size, partial(_decoded, size=size, labels=labels)
    )
    excluded += found.excluded
    return found.films, found.images


def _state(file: Placed) -> str:
    return f"{file.name} {file.part} {file.label} {file.patient} {film_cache.state_of(file.file)}"


def _decoded(file: Placed, size: Size, labels: Labels) -> tuple[Film, Images] | Excluded:
    try:
        content = file.file.read_bytes()
        film, image = opened_and_prepared(content, size)
    except UnreadableFilm as error:
        return Excluded(film=file.name, reason=str(error))
    except OSError as error:
        return Excluded(film=file.name, reason=f"cannot be read: {error.strerror}")
    found = Film(
        name=file.name,
        part=file.part,
        label=labels.index(file.label),
        patient=file.patient or film.patient or file.name,
        content=hashlib.sha256(content).hexdigest(),
    )
    return found, image


def _require_both_classes(
    path: Path, films: list[Film], excluded: list[Excluded], labels: Labels
) -> None:
    problems = []
    for part in PARTS:
        if not (path / part).is_dir():
            continue
        for index, label in enumerate(labels):
            if any(film.part == part and film.label == index for film in films):
                continue
            lost = sum(film.film.startswith(f"{part}/{label}/") for film in excluded)
            cause = f"; {lost} films there cannot be used" if lost else ""
            problems.append(f"{path / part / label}: no film of the class {label}{cause}")
    if problems:
        first = f" The first: {excluded[0].film}: {excluded[0].reason}." if excluded else ""
        raise InvalidData(
            "\n".join(problems)
            + f"\nEach part needs films of both classes. {layout_of(labels)}.{first}"
        )


def _without_repetition(films: list[Film], excluded: list[Excluded]) -> list[Film]:
    """Each file once: the copy in the part that judges models stays.

    A file that is in both classes is in none.
    """
    labels: dict[str, set[int]] = {}
    for film in films:
        labels.setdefault(film.content, set()).add(film.label)
    kept: dict[str, Film] = {}
    for film in sorted(films, key=lambda film: PARTS.index(film.part), reverse=True):
        if len(labels[film.content]) > 1:
            reason = "mislabelled: the same file is in the other class too"
        elif kept.setdefault(film.content, film) is not film:
            reason = "the same file is there twice"
        else:
            continue
        excluded.append(Excluded(film=film.name, reason=reason))
    return sorted(kept.values(), key=lambda film: (PARTS.index(film.part), film.name))


def _digest(films: list[Film]) -> str:
    """Of the readable films, whatever the order in which the folder lists them."""
    digest = hashlib.sha256()
    for film in sorted(films, key=lambda film: film.name):
        digest.update(f"{film.name} {film.content}\n".encode())
    return digest.hexdigest()

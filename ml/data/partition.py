"""Keeps each patient's films in one part, whatever source they come from."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ml.contract.errors import InvalidData
from ml.contract.serving import LABELS
from ml.data.films import PARTS, Excluded, Films, Images
from ml.data.prepared import PreparedImages

FEWEST_VALIDATION_FILMS = 50
"""Of each class; with fewer a validation part says nothing (Kaggle's own has 8 of each)."""

_VALIDATION_FOLDS = 10  # one of them is held out


@dataclass(frozen=True, kw_only=True)
class Film:
    """One readable film with what its source says of it."""

    name: str
    """As its source calls it."""
    part: str
    label: int
    """An index into LABELS."""
    patient: str
    """Tells patients apart; a film of an unknown patient has one of its own."""
    content: str
    """SHA-256 of the file."""


def apart(
    source: str,
    films: list[Film],
    excluded: list[Excluded],
    *,
    nameless: int,
    fewest_validation_films: int = FEWEST_VALIDATION_FILMS,
) -> tuple[list[Film], list[str]]:
    """No patient in two parts, and a validation part with enough films of each class.

    Returns the films that stay, in their parts, and remarks; the others go to ``excluded``.
    ``nameless`` films are of unknown patients. Raises InvalidData where patients are too few.
    """
    remarks = []
    if nameless:
        remarks.append(
            f"{nameless} of {len(films)} file names carry no patient; each such film counts as a "
            "patient of its own."
        )
    films, leaked = _without_patients_of(films, "test", excluded)
    remarks += leaked
    if not any(film.part == "train" for film in films):
        return films, remarks
    validation = [film for film in films if film.part == "val"]
    fewest = min(sum(film.label == index for film in validation) for index in range(len(LABELS)))
    if fewest >= fewest_validation_films:
        films, leaked = _without_patients_of(films, "val", excluded)
        return films, remarks + leaked
    if validation:
        remarks.append(
            f"The validation part as delivered ({len(validation)} films) is too small to judge by "
            f"and was put to the training films."
        )
    held_out = _validation_patients(source, [film for film in films if film.part != "test"])
    remarks.append(
        f"One patient in {_VALIDATION_FOLDS} was taken from the training films for validation."
    )
    return [
        film
        if film.part == "test"
        else replace(film, part="val" if film.patient in held_out else "train")
        for film in films
    ], remarks


def _without_patients_of(
    films: list[Film], judging: str, excluded: list[Excluded]
) -> tuple[list[Film], list[str]]:
    """Leaves a patient of a judging part to that part alone."""
    patients = {film.patient for film in films if film.part == judging}
    earlier = PARTS[: PARTS.index(judging)]
    leaked = [film for film in films if film.part in earlier and film.patient in patients]
    excluded += [
        Excluded(film=film.name, reason=f"the patient has films in the {judging} part too")
        for film in leaked
    ]
    if not leaked:
        return films, []
    names = {film.name for film in leaked}
    return [film for film in films if film.name not in names], [
        f"Patients in {judging} and in another part: {len({film.patient for film in leaked})}; "
        f"their films outside {judging} ({len(leaked)}) are left out."
    ]


def _validation_patients(source: str, films: list[Film]) -> set[str]:
    # In the order of the contents: the draw depends on neither names nor keys, so that the same
    # films give the same parts from a folder and from what was ingested of it.
    films = sorted(films, key=lambda film: film.content)
    numbers: dict[str, int] = {}
    for film in films:
        numbers.setdefault(film.patient, len(numbers))
    patients = np.array([film.patient for film in films])
    labels = np.array([film.label for film in films])
    fewest = min(len(set(patients[labels == index])) for index in range(len(LABELS)))
    if fewest < 2:
        raise InvalidData(
            f"{source}: the films of a class come from {fewest} patient(s) who are not in "
            "the test part; two are needed, one to train on and one to validate with. Add films."
        )
    # Heavy to import, and not needed where the validation part is large enough.
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(
        n_splits=min(_VALIDATION_FOLDS, fewest), shuffle=True, random_state=0
    )
    _, held_out = next(
        folds.split(patients, labels, groups=[numbers[film.patient] for film in films])
    )
    return set(patients[held_out])


def stacked(
    films: list[Film], images: Images | PreparedImages, order: list[Film]
) -> dict[str, Films]:
    """The films of each part, in the order of their contents.

    ``images`` [n, height, width, 1] are those of ``order``, of which the films are some.
    """
    row = {film.name: index for index, film in enumerate(order)}
    ordered = sorted(films, key=lambda film: film.content)
    parts = {part: [film for film in ordered if film.part == part] for part in PARTS}
    return {
        part: Films(
            images=_taken(images, np.array([row[film.name] for film in chosen])),
            labels=np.array([film.label for film in chosen], np.uint8),
            # A film of an unknown patient has one of its own, named like the film.
            patients=tuple(None if it.patient == it.name else it.patient for it in chosen),
        )
        for part, chosen in parts.items()
        if chosen
    }


def _taken(images: Images | PreparedImages, rows: NDArray[np.intp]) -> Images | PreparedImages:
    return images.select(rows) if isinstance(images, PreparedImages) else images[rows]

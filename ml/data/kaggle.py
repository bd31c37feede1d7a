"""Reads the layout of Kaggle's ``chest-xray-pneumonia``: ``<part>/<LABEL>/<film>.jpeg``.

File names carry the patient, and a patient has several films: the parts are kept apart by
patient, never by film (reference: ml.md; peers-and-statistics.md 1.2 no. 8).
"""

import hashlib
import io
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from ml.contract import DEFAULT_IMAGE_SIZE, LABELS
from ml.data.films import PARTS, DataSet, Excluded, Films, Images, InvalidData
from ml.data.preparation import prepare

SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})

FEWEST_VALIDATION_FILMS = 50
"""Of each class; with fewer a validation part says nothing (Kaggle's own has 8 of each)."""

_VALIDATION_FOLDS = 10  # one of them is held out

# Kaggle renamed the films of https://doi.org/10.17632/rscbjbr9sj.2; both names are understood.
# Each gives the patient and, by the cause of a pneumonia or its absence, the label.
_NAMES = (
    re.compile(r"(?P<patient>person\d+)_(?P<finding>bacteria|virus)_\d+"),
    re.compile(r"(?P<patient>(?:(?P<finding>NORMAL)2-)?IM-\d+)-\d+"),
    re.compile(r"(?P<patient>(?P<finding>BACTERIA|VIRUS|NORMAL)-\d+)-\d+"),
)
_PNEUMONIA_FINDINGS = frozenset({"BACTERIA", "VIRUS"})

_LAYOUT = (
    "The Kaggle layout is train|val|test/NORMAL|PNEUMONIA/*.jpeg; give the folder that holds "
    "'train'"
)


@dataclass(frozen=True, kw_only=True)
class _Film:
    """One readable film with what its path and name say of it."""

    name: str
    part: str
    label: int
    patient: str
    content: str
    """SHA-256 of the file."""
    image: Images


def patient_of(name: str) -> str | None:
    """The patient that a film's file name carries, or None where it carries none."""
    match = _match(name)
    return match["patient"] if match else None


def label_of(name: str) -> str | None:
    """The label that a film's file name carries, or None where it carries none."""
    match = _match(name)
    if match is None:
        return None
    finding = (match["finding"] or LABELS[0]).upper()
    return LABELS[finding in _PNEUMONIA_FINDINGS]


def _match(name: str) -> re.Match[str] | None:
    return next((match for pattern in _NAMES if (match := pattern.match(name))), None)


def read(path: Path, image_size: int | None) -> DataSet:
    """Reads every part of the folder, and parts them by patient.

    Raises InvalidData for a folder that is not of the layout or lacks a class.
    """
    size = image_size or DEFAULT_IMAGE_SIZE
    excluded: list[Excluded] = []
    files: list[tuple[Path, str, int]] = []
    for part in PARTS:
        if (folder := path / part).is_dir():
            files += _files(folder, part, excluded)
    if not files:
        raise InvalidData(_not_the_layout(path))
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda file: _read_film(path, *file, size=size), files)
        readable = []
        for result in results:
            if isinstance(result, Excluded):
                excluded.append(result)
            else:
                readable.append(result)
    _require_both_classes(path, readable, excluded)
    films = _without_repetition(readable, excluded)
    films, remarks = _apart(path, films, excluded)
    return DataSet(
        source=str(path),
        digest=_digest(readable),
        image_size=size,
        parts={
            part: _stack([film for film in films if film.part == part])
            for part in PARTS
            if any(film.part == part for film in films)
        },
        excluded=tuple(excluded),
        remarks=tuple(remarks),
    )


def _not_the_layout(path: Path) -> str:
    inner = next((child for child in sorted(path.rglob("train")) if child.is_dir()), None)
    if inner is not None:
        return f"{path}: no folder 'train', 'val' or 'test' in it. Did you mean {inner.parent}?"
    held = ", ".join(sorted(child.name for child in path.iterdir())[:8]) or "nothing"
    return f"{path}: no films in 'train', 'val' or 'test'; it holds {held}. {_LAYOUT}."


def _files(folder: Path, part: str, excluded: list[Excluded]) -> list[tuple[Path, str, int]]:
    """The files of one part with their label; what is no film is excluded by name."""
    files = []
    for child in _visible(folder):
        if not child.is_dir():
            excluded.append(_exclude(folder.parent, child, "not in a folder of a class"))
        elif child.name.upper() not in LABELS:
            excluded += [
                _exclude(folder.parent, file, f"the folder {child.name} is not a class")
                for file in _visible(child)
            ]
        else:
            label = LABELS.index(child.name.upper())
            for file in _visible(child):
                if file.suffix.lower() in SUFFIXES:
                    files.append((file, part, label))
                else:
                    excluded.append(_exclude(folder.parent, file, "neither JPEG nor PNG"))
    return files


def _visible(folder: Path) -> list[Path]:
    """Without what file managers leave behind, such as .DS_Store."""
    return sorted(child for child in folder.iterdir() if not child.name.startswith("."))


def _exclude(root: Path, file: Path, reason: str) -> Excluded:
    return Excluded(film=file.relative_to(root).as_posix(), reason=reason)


def _read_film(root: Path, file: Path, part: str, label: int, *, size: int) -> _Film | Excluded:
    said = label_of(file.name)
    if said is not None and said != LABELS[label]:
        return _exclude(root, file, f"mislabelled: in {LABELS[label]}, but the name says {said}")
    try:
        content = file.read_bytes()
        with Image.open(io.BytesIO(content)) as film:
            # Decoding a JPEG at a fraction of its size is several times faster; four times the
            # wanted size leaves the resizing its work.
            film.draft("L", (4 * size, 4 * size))
            image = prepare(film, size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return _exclude(root, file, f"unreadable: {_one_line(error)}")
    return _Film(
        name=file.relative_to(root).as_posix(),
        part=part,
        label=label,
        patient=patient_of(file.name) or file.relative_to(root).as_posix(),
        content=hashlib.sha256(content).hexdigest(),
        image=image,
    )


def _one_line(error: Exception) -> str:
    """Without the address of the buffer that Pillow puts into some messages."""
    text = str(error) or type(error).__name__
    return "not an image" if text.startswith("cannot identify") else text.splitlines()[0]


def _require_both_classes(path: Path, films: list[_Film], excluded: list[Excluded]) -> None:
    problems = []
    for part in PARTS:
        if not (path / part).is_dir():
            continue
        for index, label in enumerate(LABELS):
            if any(film.part == part and film.label == index for film in films):
                continue
            lost = sum(film.film.startswith(f"{part}/{label}/") for film in excluded)
            cause = f"; {lost} films there cannot be used" if lost else ""
            problems.append(f"{path / part / label}: no film of the class {label}{cause}")
    if problems:
        first = f" The first: {excluded[0].film}: {excluded[0].reason}." if excluded else ""
        raise InvalidData(
            "\n".join(problems) + f"\nEach part needs films of both classes. {_LAYOUT}.{first}"
        )


def _without_repetition(films: Iterable[_Film], excluded: list[Excluded]) -> list[_Film]:
    """Each file once: the copy in the part that judges models stays."""
    kept: dict[str, _Film] = {}
    for film in sorted(films, key=lambda film: PARTS.index(film.part), reverse=True):
        first = kept.setdefault(film.content, film)
        if first is not film:
            excluded.append(Excluded(film=film.name, reason="the same file is there twice"))
    return sorted(kept.values(), key=lambda film: (PARTS.index(film.part), film.name))


def _apart(
    path: Path, films: list[_Film], excluded: list[Excluded]
) -> tuple[list[_Film], list[str]]:
    """No patient in two parts, and a validation part that is large enough to judge by."""
    remarks = []
    nameless = sum(film.patient == film.name for film in films)
    if nameless:
        remarks.append(
            f"{nameless} of {len(films)} file names carry no patient; each such film counts as a "
            "patient of its own."
        )
    films, leaked = _without_patients_of_later_parts(films, excluded, ("test",))
    remarks += leaked
    if not any(film.part == "train" for film in films):
        return films, remarks
    validation = [film for film in films if film.part == "val"]
    fewest = min(sum(film.label == index for film in validation) for index in range(len(LABELS)))
    if fewest >= FEWEST_VALIDATION_FILMS:
        films, leaked = _without_patients_of_later_parts(films, excluded, ("val",))
        return films, remarks + leaked
    if validation:
        remarks.append(
            f"The folder's own validation part ({len(validation)} films) is too small to judge by "
            f"and was put to the training films."
        )
    held_out = _validation_patients(path, [film for film in films if film.part != "test"])
    remarks.append(
        f"One patient in {_VALIDATION_FOLDS} was taken from the training films for validation."
    )
    return [
        film
        if film.part == "test"
        else _moved(film, "val" if film.patient in held_out else "train")
        for film in films
    ], remarks


def _without_patients_of_later_parts(
    films: list[_Film], excluded: list[Excluded], judging: tuple[str, ...]
) -> tuple[list[_Film], list[str]]:
    """Leaves a patient who is in a judging part too to that part alone."""
    patients = {film.patient for film in films if film.part in judging}
    earlier = PARTS[: PARTS.index(judging[0])]
    leaked = [film for film in films if film.part in earlier and film.patient in patients]
    excluded += [
        Excluded(film=film.name, reason=f"the patient has films in the {judging[0]} part too")
        for film in leaked
    ]
    if not leaked:
        return films, []
    names = {film.name for film in leaked}
    return [film for film in films if film.name not in names], [
        f"{len({film.patient for film in leaked})} patients are in {judging[0]} and in another "
        f"part; their {len(leaked)} films outside {judging[0]} are left out."
    ]


def _validation_patients(path: Path, films: list[_Film]) -> set[str]:
    patients = np.array([film.patient for film in films])
    labels = np.array([film.label for film in films])
    fewest = min(len(set(patients[labels == index])) for index in range(len(LABELS)))
    if fewest < 2:
        raise InvalidData(
            f"{path / 'train'}: the films of a class come from {fewest} patient(s) who are not in "
            "the test part; two are needed, one to train on and one to validate with. Add films."
        )
    folds = StratifiedGroupKFold(
        n_splits=min(_VALIDATION_FOLDS, fewest), shuffle=True, random_state=0
    )
    _, held_out = next(folds.split(patients, labels, groups=patients))
    return set(patients[held_out])


def _moved(film: _Film, part: str) -> _Film:
    return _Film(
        name=film.name,
        part=part,
        label=film.label,
        patient=film.patient,
        content=film.content,
        image=film.image,
    )


def _stack(films: list[_Film]) -> Films:
    return Films(
        images=np.stack([film.image for film in films]),
        labels=np.array([film.label for film in films], np.uint8),
    )


def _digest(films: list[_Film]) -> str:
    """Of the readable films, whatever the order in which the folder lists them."""
    digest = hashlib.sha256()
    for film in sorted(films, key=lambda film: film.name):
        digest.update(f"{film.name} {film.content}\n".encode())
    return digest.hexdigest()

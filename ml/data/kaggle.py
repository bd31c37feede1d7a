"""Reads the layout of Kaggle's ``chest-xray-pneumonia``: ``<part>/<LABEL>/<film>.jpeg``.

File names carry the patient, and a patient has several films: the parts are kept apart by
patient, never by film (docs/reference/data.md#films-of-one-patient).
"""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from ml.contract.errors import InvalidData
from ml.contract.serving import DEFAULT_IMAGE_SIZE, LABELS
from ml.data.films import PARTS, DataSet, Excluded
from ml.data.partition import Film, apart, stacked
from ml.data.preparation import decode

SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})

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
        raise InvalidData(not_the_layout(path))
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
    nameless = sum(film.patient == film.name for film in films)
    films, remarks = apart(str(path), films, excluded, nameless=nameless)
    return DataSet(
        source=str(path),
        digest=_digest(readable),
        image_size=size,
        parts=stacked(films),
        excluded=tuple(excluded),
        remarks=tuple(remarks),
    )


def not_the_layout(path: Path) -> str:
    """What to say of a folder without films where the layout has them."""
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


def _read_film(root: Path, file: Path, part: str, label: int, *, size: int) -> Film | Excluded:
    said = label_of(file.name)
    if said is not None and said != LABELS[label]:
        return _exclude(root, file, f"mislabelled: in {LABELS[label]}, but the name says {said}")
    try:
        content = file.read_bytes()
        image = decode(content, size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return _exclude(root, file, f"unreadable: {_one_line(error)}")
    return Film(
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


def _require_both_classes(path: Path, films: list[Film], excluded: list[Excluded]) -> None:
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

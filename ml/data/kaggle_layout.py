"""Kaggle's layout of ``chest-xray-pneumonia``: ``<part>/<LABEL>/<film>.jpeg``, found in a folder.

File and folder names carry the label, file names the patient.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePath
from typing import Final

from ml.contract.errors import InvalidData
from ml.contract.serving import LABELS
from ml.data.file_name import SUFFIXES, files_below, is_left_behind, may_be_film, printable
from ml.data.films import PARTS

# Kaggle renamed the films of https://doi.org/10.17632/rscbjbr9sj.2; both names are understood.
# Each gives the patient and, by the cause of a pneumonia or its absence, the label.
_NAMES: Final = (
    re.compile(r"(?P<patient>person\d+)_(?P<finding>bacteria|virus)_\d+"),
    re.compile(r"(?P<patient>(?:(?P<finding>NORMAL)2-)?IM-\d+)-\d+"),
    re.compile(r"(?P<patient>(?P<finding>BACTERIA|VIRUS|NORMAL)-\d+)-\d+"),
)

_LEFT_BEHIND: Final = "__MACOSX"

_NORMAL, _PNEUMONIA = LABELS
_FINDINGS: Final = {
    _NORMAL: _NORMAL,
    _PNEUMONIA: _PNEUMONIA,
    "BACTERIA": _PNEUMONIA,
    "VIRUS": _PNEUMONIA,
}
"""What names of folders and of files say, and the label that it means."""

Labels = tuple[str, str]


def layout_of(labels: Iterable[str]) -> str:
    """The layout, for people."""
    return (
        f"The Kaggle layout is train|val|test/{'|'.join(labels)}/*.jpeg; give the folder that "
        "holds 'train'"
    )


class Misfit(StrEnum):
    """Why a file has no place in the layout."""

    MISPLACED = "misplaced"
    MISLABELLED = "mislabelled"
    NOT_AN_IMAGE = "not an image"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A file that may be a film, not yet looked into."""

    file: Path
    name: str
    """Its place in the folder, printable."""
    part: str
    label: str
    patient: str | None
    """As the file's name has it."""


@dataclass(frozen=True, kw_only=True)
class Unplaced:
    """A file without a place in the layout."""

    name: str
    misfit: Misfit
    reason: str


def files(root: Path, labels: Labels = LABELS) -> Iterator[Placed | Unplaced]:
    """Every file of every part, in the order of their names; folders are named as the labels.

    Raises InvalidData where none is.
    """
    named = {label.upper(): label for label in labels}
    _refuse_other_parts(root, named)
    found = False
    for part in PARTS:
        for file in files_below(root / part):
            found = True
            yield _placed(file, file.relative_to(root), named)
    if not found:
        raise InvalidData(_not_the_layout(root, named))


def _refuse_other_parts(root: Path, named: Collection[str]) -> None:
    """Raises InvalidData for `Train` or `validation`, whose films would be left out in silence."""
    for folder in sorted(root.iterdir()):
        if folder.name in PARTS or is_left_behind(folder.relative_to(root)) or not folder.is_dir():
            continue
        if any(it.name.upper() in named and it.is_dir() for it in folder.iterdir()):
            raise InvalidData(
                f"{printable(folder)}: has folders of the classes, and is none of the parts "
                f"{', '.join(PARTS)}. Rename it to the part that it is, or move it away."
            )


def patient_of(name: str) -> str | None:
    """The patient that a film's file name carries, or None where it carries none."""
    match = _match(name)
    return match["patient"] if match else None


def label_of(name: str) -> str | None:
    """The label that a film's file name carries, or None where it carries none."""
    match = _match(name)
    return _FINDINGS[(match["finding"] or _NORMAL).upper()] if match else None


def _match(name: str) -> re.Match[str] | None:
    return next((match for pattern in _NAMES if (match := pattern.match(name))), None)


def _placed(file: Path, place: PurePath, named: Mapping[str, str]) -> Placed | Unplaced:
    name = printable(place.as_posix())
    part, *folders, _ = place.parts
    if not folders:
        return _unplaced(name, Misfit.MISPLACED, "not in a folder of a class")
    label = named.get(folders[0].upper())
    if label is None:
        return _unplaced(
            name, Misfit.MISPLACED, f"the folder {printable(folders[0])} is not a class"
        )
    for folder in folders[1:]:
        if (_FINDINGS if label in _FINDINGS else named).get(folder.upper(), label) != label:
            return _unplaced(
                name, Misfit.MISLABELLED, f"in the folder {folder} of the folder {folders[0]}"
            )
    if file.exists() and not file.is_file():  # a pipe would be waited for
        return _unplaced(name, Misfit.NOT_AN_IMAGE, "neither a file nor a folder")
    if not may_be_film(file):
        return _unplaced(
            name, Misfit.NOT_AN_IMAGE, f"the name does not end with {', '.join(SUFFIXES)}"
        )
    # Of films of another question the names say nothing.
    match = _match(file.name) if label in _FINDINGS else None
    # Viewers export any film as IM-0001-0001, the name that Kaggle's normal ones have: it says
    # neither a class nor, of another than a normal one, a patient.
    finding = match["finding"] if match else None
    if finding is not None and _FINDINGS[finding.upper()] != label:
        return _unplaced(
            name,
            Misfit.MISLABELLED,
            f"in {label}, but the name says {_FINDINGS[finding.upper()]}",
        )
    known = match is not None and (finding is not None or label == _NORMAL)
    return Placed(
        file=file,
        name=name,
        part=part,
        label=label,
        patient=match["patient"] if match and known else None,
    )


def _unplaced(name: str, misfit: Misfit, reason: str) -> Unplaced:
    return Unplaced(name=name, misfit=misfit, reason=reason)


def _not_the_layout(root: Path, named: Mapping[str, str]) -> str:
    """What to say of a folder without films where the layout has them."""
    layout = layout_of(named.values())
    inside = next((it for it in (root, *root.parents) if it.name == _LEFT_BEHIND), None)
    if inside is not None:
        return (
            f"{printable(root)}: {inside.name} is what an archive of macOS leaves behind, without "
            f"films. {layout}, beside {printable(inside)}."
        )
    whole = root.absolute()
    while whole.name in PARTS or whole.name.upper() in named:
        whole = whole.parent
        if any((whole / part).is_dir() for part in PARTS):
            return (
                f"{printable(root)}: is a folder of the layout, not all of it. Did you mean "
                f"{printable(whole)}?"
            )
    for child in sorted(root.rglob("train")):
        if child.is_dir() and child.parent != root and not is_left_behind(child.relative_to(root)):
            return f"{root}: no folder 'train', 'val' or 'test' in it. Did you mean {child.parent}?"
    held = ", ".join(printable(child.name) for child in sorted(root.iterdir())[:8]) or "nothing"
    return f"{root}: no films in 'train', 'val' or 'test'; it holds {held}. {layout}."

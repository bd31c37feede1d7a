"""The files as they are handed in: a folder of the Kaggle layout, or an ``.npz``."""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.contract.errors import InvalidData
from ml.contract.serving import LABELS
from ml.data import kaggle, medmnist
from ml.data.films import PARTS
from ml.data.loading import ATTRIBUTION, BUNDLED
from ml.ingestion.refusal import Category, Refusal


@dataclass(frozen=True, kw_only=True)
class Original:
    """One film as it is handed in, not yet looked into."""

    name: str
    """Its place in the folder or in the file."""
    label: str
    part: str
    patient: str | None
    """As the file name has it, or None."""
    read: Callable[[], bytes]
    """Its file: JPEG or PNG, unless something is wrong with it."""
    attribution: str | None = None
    """Whom to name, and the licence."""


def find(path: Path) -> tuple[list[Original], list[Refusal]]:
    """Every film that is handed in, and what is out of place. Raises InvalidData."""
    if not path.exists():
        raise InvalidData(
            f"{path}: there is no such file or folder. Give a folder of the Kaggle layout or an "
            ".npz of the MedMNIST layout, or leave --data out for the bundled films."
        )
    return _in_folder(path) if path.is_dir() else (_in_arrays(path), [])


def _in_folder(root: Path) -> tuple[list[Original], list[Refusal]]:
    originals: list[Original] = []
    refusals: list[Refusal] = []
    for part in PARTS:
        for file in sorted((root / part).rglob("*")):
            place = file.relative_to(root)
            # What starts with a dot is left behind by file managers, such as .DS_Store.
            if file.is_dir() or any(step.startswith(".") for step in place.parts):
                continue
            found = _original(file, place)
            if isinstance(found, Original):
                originals.append(found)
            else:
                refusals.append(found)
    if not originals and not refusals:
        raise InvalidData(kaggle.not_the_layout(root))
    return originals, refusals


def _original(file: Path, place: Path) -> Original | Refusal:
    name = place.as_posix()
    part, *folders, _ = place.parts
    label = folders[0].upper() if len(folders) == 1 else None
    if label not in LABELS:
        return Refusal(
            name=name,
            category=Category.MISPLACED,
            reason=f"a film is in {part}/{LABELS[0]} or {part}/{LABELS[1]}",
        )
    if file.suffix.lower() not in kaggle.SUFFIXES:
        return Refusal(
            name=name,
            category=Category.NOT_AN_IMAGE,
            reason=f"the name does not end with {', '.join(sorted(kaggle.SUFFIXES))}",
        )
    said = kaggle.label_of(file.name)
    if said not in (None, label):
        return Refusal(
            name=name,
            category=Category.MISLABELLED,
            reason=f"in the folder {label}, but the name says {said}",
        )
    return Original(
        name=name,
        label=label,
        part=part,
        patient=kaggle.patient_of(file.name),
        read=file.read_bytes,
    )


def _in_arrays(path: Path) -> list[Original]:
    attribution = ATTRIBUTION if path.samefile(BUNDLED) else None
    return [
        Original(
            name=f"{part}_images[{index}]",
            label=LABELS[label],
            part=part,
            patient=None,
            read=functools.partial(_png, image),
            attribution=attribution,
        )
        for part, (images, labels) in medmnist.parts(path).items()
        for index, (image, label) in enumerate(zip(images, labels, strict=True))
    ]


def _png(image: NDArray[np.uint8]) -> bytes:
    """The image as a PNG that is the same for every version of the compression library.

    Its hash names the film: pixels are stored as they are, since X-rays hardly compress anyway.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=0)
    return file.getvalue()

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
from ml.data import kaggle_layout, medmnist
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
    """As the file or its name has it, or None."""
    read: Callable[[], bytes]
    """Its file: JPEG, PNG or DICOM, unless something is wrong with it."""
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
    for file in kaggle_layout.files(root):
        if isinstance(file, kaggle_layout.Placed):
            originals.append(
                Original(
                    name=file.name,
                    label=file.label,
                    part=file.part,
                    patient=file.patient,
                    read=file.file.read_bytes,
                )
            )
        else:
            refusals.append(
                Refusal(name=file.name, category=Category(file.misfit), reason=file.reason)
            )
    return originals, refusals


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

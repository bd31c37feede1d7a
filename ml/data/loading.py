"""Finds out what is meant by a path or the name of an environment, and reads it.

A Unity Catalog volume is a path like any other (``/Volumes/<catalog>/<schema>/<volume>/...``).
"""

from dataclasses import replace
from pathlib import Path

from infra.declared.environment import available
from ml.contract.errors import InvalidData, UserError
from ml.contract.serving import LABELS
from ml.contract.task import Size
from ml.data.films import PARTS, DataSet

BUNDLED = Path(__file__).with_name("pneumoniamnist_train_val.npz")

# ATTRIBUTION.md has the whole of it.
ATTRIBUTION = (
    "PneumoniaMNIST (MedMNIST v2; J. Yang et al., Scientific Data 10, 41, 2023) of the films of "
    "D. Kermany et al., Cell 172, 2018; CC BY 4.0; centre-cropped and resized to 28 x 28 by "
    "MedMNIST"
)

_INGESTED = "ingested:"

SMALLEST_IMAGE, LARGEST_IMAGE = 16, 512
"""Pixels; below, the networks have nothing left to pool, above, a request exceeds 16 MB."""


def load(path: Path, image_size: Size | None = None, labels: tuple[str, str] = LABELS) -> DataSet:
    """Reads an ``.npz`` of the MedMNIST layout, a folder of the Kaggle layout, or what was ingested
    into an environment (``NAME``, or ``ingested:NAME`` where a path of that name exists too).

    ``image_size`` None keeps the size of the films of a file, and takes DEFAULT_IMAGE_SIZE for a
    folder; ``labels`` are those of the task, by which the folders are named, and of a file the
    numbers 0 and 1. Raises InvalidData, and WorkspaceError for an environment.
    """
    if (environment := _environment(path)) is not None:
        from ml.data import ingested

        return ingested.read(environment, image_size)
    require(path)
    # Each layout brings its own libraries: only the one in use is imported.
    if path.is_dir():
        from ml.data import kaggle

        return kaggle.read(path, image_size, labels)
    from ml.data import medmnist

    data = medmnist.read(path, image_size)
    if path.samefile(BUNDLED):
        data = replace(data, source="the bundled PneumoniaMNIST films", attribution=ATTRIBUTION)
    return data


def require(path: Path) -> None:
    """Raises InvalidData where there is nothing to read: cheap enough to ask before all else."""
    if not path.exists() and _environment(path) is None:
        raise InvalidData(
            f"{path}: there is no such file or folder. Give an .npz of the MedMNIST layout or a "
            "folder of the Kaggle layout, or leave --data out for the bundled films. An "
            f"environment of that name does not exist either: {', '.join(available())} do."
        )


def _environment(path: Path) -> str | None:
    """The environment whose ingested films are meant, or None where a path is."""
    text = str(path)
    if text.startswith(_INGESTED):
        return text.removeprefix(_INGESTED)
    return text if text in available() and not path.exists() else None


def require_for_training(data: DataSet) -> None:
    """Raises InvalidData unless both classes are there to train on and to validate with."""
    for part, use in (("train", "to train on"), ("val", "to validate with")):
        films = data.parts.get(part)
        if films is None or not len(films):
            raise InvalidData(
                f"{data.source}: no films {use}: the part '{part}' is missing or empty. A data set "
                "to judge models by goes to: python -m ml.evaluate --data ..."
            )
        for label in LABELS:
            if not films.count(label):
                raise InvalidData(
                    f"{data.source}: no film of the class {label} in the part '{part}'; a "
                    "classifier needs both. Add such films."
                )


def part_to_judge(data: DataSet, wanted: str | None) -> str:
    """The part to judge on: held out from training, as far as the data has such a part.

    Raises UserError where there is none, or not the one that is wanted.
    """
    held_out = [part for part in reversed(PARTS) if part != "train" and part in data.parts]
    part = wanted or next(iter(held_out), None)
    if part is None or part not in data.parts:
        raise UserError(
            f"{data.source} has no part {part or 'test or val'}: it has {', '.join(data.parts)}. "
            "Choose one of them with --part."
        )
    return part

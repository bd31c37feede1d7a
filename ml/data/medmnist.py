"""Reads the MedMNIST layout: one ``.npz`` with ``<part>_images`` and ``<part>_labels``.

reference: https://github.com/MedMNIST/MedMNIST; images are uint8 [n, h, w], labels [n, 1].
"""

import hashlib
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.contract.errors import InvalidData
from ml.contract.serving import LABELS
from ml.contract.task import Size, edges_of
from ml.data.file_name import SUFFIXES, printable
from ml.data.films import PARTS, DataSet, Excluded, Films
from ml.data.preparation import prepare

_LAYOUT = (
    "The MedMNIST layout has train_images, train_labels, val_images, val_labels and, if there is "
    "a test part, test_images and test_labels"
)

_KEYS = frozenset(f"{part}_{what}" for part in PARTS for what in ("images", "labels"))
_ARCHIVES = (".zip", ".npz", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")

_LISTED = 8

_NUMPYS = (b"PK", b"\x93NUMPY")
_PACKED = (b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd")
_TAR = slice(257, 262), b"ustar"
_POINTER = b"version https://git-lfs"
_HEAD = 512


def read(path: Path, image_size: Size | None) -> DataSet:
    """Reads every part of the file; ``image_size`` None keeps the size of the films.

    Raises InvalidData for a file that is not of the layout.
    """
    raw = parts(path)
    sizes = {part: min(images.shape[1:]) for part, (images, _) in raw.items()}
    size = image_size or min(sizes.values())
    keep, excluded = _apart(raw)
    return DataSet(
        source=printable(path),
        digest=_digest(raw),
        image_size=size,
        parts={
            part: Films(images=_prepared(images[keep[part]], size), labels=labels[keep[part]])
            for part, (images, labels) in raw.items()
        },
        excluded=excluded,
        remarks=("The file does not say which patient a film shows.",),
    )


def parts(path: Path) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """The films [n, h, w] and labels [n] of every part, as they are in the file.

    Raises InvalidData for a file that is not of the layout.
    """
    arrays = _arrays(path)
    present = [part for part in PARTS if f"{part}_images" in arrays or f"{part}_labels" in arrays]
    return {part: _part(path, part, arrays) for part in present}


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of the layout; what else the file holds is not read."""
    try:
        # NumPy leaves a file open that it has opened and cannot read.
        with path.open("rb") as file:
            strange = _of_another_kind(path, file.read(_HEAD))
            file.seek(0)
            archive = None if strange else np.load(file, allow_pickle=False)
            if archive is None:
                problem = f"not readable as an .npz file: {strange}."
            elif not isinstance(archive, np.lib.npyio.NpzFile):
                problem = (
                    f"one array without a key, of {archive.dtype} {list(archive.shape)}. "
                    f"{_LAYOUT}; np.savez_compressed writes such a file."
                )
            elif not _KEYS.intersection(archive.files):
                problem = _other_archive(archive.files)
            else:
                return {key: archive[key] for key in archive.files if key in _KEYS}
    # NumPy and zipfile raise anything for what is damaged or not of theirs.
    except Exception as error:
        reason = str(error).splitlines()[:1] or [type(error).__name__]
        problem = (
            f"not readable as an .npz file: {reason[0]}. Download or copy it again, or name a "
            "folder of the Kaggle layout."
        )
    raise InvalidData(f"{printable(path)}: {problem}")


def _of_another_kind(path: Path, head: bytes) -> str | None:
    """What a file is that NumPy has not written, and what to do; it would take it for a pickle."""
    place, tar = _TAR
    if not head or head.startswith(_NUMPYS):
        return None
    if head.startswith(_PACKED) or head[place] == tar:
        return "it is a packed archive; unpack it, and give the folder that holds 'train'"
    if head.startswith(_POINTER):
        return "it is a pointer of Git LFS; git lfs pull gets the file itself"
    if path.suffix.lower() in SUFFIXES:
        return "it is one film, which python -m ml.predict takes; data are many"
    return (
        "its content is of another kind. Download or copy it again, or name a folder of the Kaggle "
        "layout"
    )


def _other_archive(names: list[str]) -> str:
    """What to say of a zip file without an array of the layout; it may be of any size."""
    if any(PurePath(name).suffix.lower() in SUFFIXES for name in names):
        return (
            f"a zip file with {len(names):,} files, films among them. Unzip it, and give the "
            "folder that holds 'train'."
        )
    if any(PurePath(name).suffix.lower() in _ARCHIVES for name in names):
        return (
            f"a zip file with {len(names):,} files, further archives among them. Unpack them, and "
            "give the folder that holds 'train', or the .npz file."
        )
    shown = ", ".join(names[:_LISTED]) or "no key"
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return f"none of the keys is a part of films: {shown}{more}. {_LAYOUT}."


def _part(
    path: Path, part: str, arrays: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images_key, labels_key = f"{part}_images", f"{part}_labels"
    for key in (images_key, labels_key):
        if key not in arrays:
            raise InvalidData(
                f"{path}: {key} is missing; the file has {', '.join(arrays)}. {_LAYOUT}."
            )
    images, labels = arrays[images_key], arrays[labels_key]
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3 or 0 in images.shape[1:]:
        raise InvalidData(
            f"{path}: {images_key} has shape {arrays[images_key].shape}; grey films are "
            "(n, height, width) or (n, height, width, 1). Save one grey level per pixel."
        )
    if images.dtype != np.uint8:
        raise InvalidData(
            f"{path}: {images_key} is {images.dtype}; films are uint8, 0 (black) to 255 (white). "
            "Scale them and save them with .astype('uint8')."
        )
    if labels.shape not in {(len(images),), (len(images), 1)}:
        raise InvalidData(
            f"{path}: {labels_key} has shape {labels.shape} for {len(images)} films; there is one "
            f"label per film, ({len(images)}, 1)."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise InvalidData(
            f"{path}: {labels_key} is {labels.dtype}; labels are whole numbers, "
            f"{_label_rule()}. Save them with .astype('uint8')."
        )
    flat = labels.reshape(-1)
    wrong = np.flatnonzero((flat < 0) | (flat >= len(LABELS)))
    if wrong.size:
        raise InvalidData(
            f"{path}: {labels_key}[{wrong[0]}] is {flat[wrong[0]]}; a label is {_label_rule()} "
            f"({wrong.size} of {flat.size} are something else). Is it another MedMNIST data set?"
        )
    return images, flat.astype(np.uint8)


def _label_rule() -> str:
    return " or ".join(f"{index} ({label})" for index, label in enumerate(LABELS))


def _apart(
    raw: dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]],
) -> tuple[dict[str, NDArray[np.intp]], tuple[Excluded, ...]]:
    """Which films of each part to keep: one that a later part has too is left to that part.

    PneumoniaMNIST has a few films twice, some of them in training and in validation.
    """
    seen: set[bytes] = set()
    keep: dict[str, NDArray[np.intp]] = {}
    excluded: list[Excluded] = []
    for part in reversed(PARTS):
        if part not in raw:
            continue
        films = [film.tobytes() for film in raw[part][0]]
        keep[part] = np.array([i for i, film in enumerate(films) if film not in seen], np.intp)
        excluded += [
            Excluded(
                film=f"{part}_images[{i}]", reason="the same film is in a part that judges models"
            )
            for i, film in enumerate(films)
            if film in seen
        ]
        seen.update(films)
    return keep, tuple(excluded)


def _prepared(images: NDArray[np.uint8], size: Size) -> NDArray[np.float32]:
    prepared = np.empty((len(images), *edges_of(size), 1), np.float32)
    for index, image in enumerate(images):
        prepared[index] = prepare(Image.fromarray(image), size)
    return prepared


def _digest(raw: dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> str:
    """Of the arrays, not of the file: compressing them again changes nothing."""
    digest = hashlib.sha256()
    for part, (images, labels) in raw.items():
        digest.update(f"{part} {images.shape}\n".encode())
        digest.update(np.ascontiguousarray(images).tobytes())
        digest.update(labels.tobytes())
    return digest.hexdigest()

"""Prepared films of a large folder, kept between commands: `.local/prepared/<folder>-<size>/`.

Films are decoded once. What is kept belongs to the folder's list of files, each with its size and
the time of its last change, and to the code that prepares films; where either is another, it is
made again. It appears in one step, so that an interruption leaves nothing half.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from ml.contract.errors import InvalidData
from ml.contract.task import Size, edges_of
from ml.data.films import Excluded, Images
from ml.data.kaggle_layout import Placed
from ml.data.partition import Film
from ml.data.prepared import PreparedImages, stored, stored_size
from ml.terminal.progress import tracked

FOLDER: Final = Path(".local") / "prepared"
"""Relative to the working directory, as the registry is."""

LARGEST_IN_MEMORY: Final = 512 * 2**20
"""Bytes of prepared films, as float32; a larger folder is cached."""

_IMAGES, _INDEX = "images.u16", "index.json"
_AT_ONCE: Final = 512
"""Films that are decoded ahead of what is written."""
_CODE: Final = ("preparation.py", "film_file.py", "jpeg.py", "dicom")

Decode = Callable[[Placed], tuple[Film, Images] | Excluded]


@dataclass(frozen=True, kw_only=True)
class Cached:
    """What a folder gave: its readable films, image by image, and the others with their reasons."""

    films: list[Film]
    images: PreparedImages
    excluded: list[Excluded]


def is_needed(files: int, size: Size) -> bool:
    """Whether so many films are too many to hold in memory."""
    return files * prod(edges_of(size)) * np.dtype(np.float32).itemsize > LARGEST_IN_MEMORY


def prepared(source: Path, placed: Sequence[Placed], size: Size, decode: Decode) -> Cached:
    """The prepared films of a folder, decoded where they are not kept already.

    Raises InvalidData where they cannot be kept.
    """
    key = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:16]
    name = "x".join(str(edge) for edge in dict.fromkeys(edges_of(size)))
    place = FOLDER / f"{key}-{name}"
    digest = _digest(placed, size)
    try:
        with _alone(place):
            kept = _read(place, digest, size)
            if kept is None:
                _build(place, placed, size, decode, digest)
                kept = _read(place, digest, size)
    except OSError as error:
        raise InvalidData(
            f"{place.absolute()}: prepared films cannot be kept there: {error.strerror or error}. "
            "Run from a folder that can be written to, or take films of fewer pixels: --image-size"
        ) from error
    if kept is None:
        raise InvalidData(f"{place.absolute()} changed while it was read. Run the command again.")
    return kept


def _digest(placed: Sequence[Placed], size: Size) -> str:
    """Of the list of files, and of the code that prepares them."""
    digest = hashlib.sha256(f"{size}\n".encode())
    for name in _CODE:
        path = Path(__file__).with_name(name)
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    for it in placed:
        digest.update(f"{it.name} {it.patient} {_state(it.file)}\n".encode(errors="replace"))
    return digest.hexdigest()


def _state(file: Path) -> str:
    """What changes with a file's content; of one that cannot be read, that it cannot."""
    try:
        known = file.stat()
    except OSError as error:
        return str(error.strerror)
    return f"{known.st_size} {known.st_mtime_ns}"


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One process at a time; another one waits, and finds the films prepared."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(place: Path, digest: str, size: Size) -> Cached | None:
    """What is kept, if it is of this list of files and whole."""
    try:
        index = json.loads((place / _INDEX).read_text(encoding="utf-8"))
        if index["digest"] != digest:
            return None
        films = [Film(**it) for it in index["films"]]
        excluded = [Excluded(**it) for it in index["excluded"]]
        if (place / _IMAGES).stat().st_size != stored_size(len(films), size):
            return None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    rows = np.arange(len(films))
    images = PreparedImages(file=(place / _IMAGES).absolute(), size=size, rows=rows)
    return Cached(films=films, images=images, excluded=excluded)


def _build(place: Path, placed: Sequence[Placed], size: Size, decode: Decode, digest: str) -> None:
    building = place.with_suffix(".building")
    # Of a process that was killed: whoever has the lock is alone.
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    try:
        needed, free = stored_size(len(placed), size), shutil.disk_usage(building).free
        if needed > free:
            raise OSError(f"{needed >> 20} MiB are needed, and {free >> 20} MiB are free")
        films: list[Film] = []
        excluded: list[Excluded] = []
        with (building / _IMAGES).open("wb") as file:
            for decoded in _decoded(placed, decode):
                if isinstance(decoded, Excluded):
                    excluded.append(decoded)
                else:
                    film, image = decoded
                    films.append(film)
                    file.write(stored(image))
            file.flush()
            os.fsync(file.fileno())
        index = {
            "digest": digest,
            "films": [asdict(it) for it in films],
            "excluded": [asdict(it) for it in excluded],
        }
        (building / _INDEX).write_text(json.dumps(index), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)
        building.rename(place)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _decoded(placed: Sequence[Placed], decode: Decode) -> Iterator[tuple[Film, Images] | Excluded]:
    """In the order of the files, a bounded number of them ahead, with a bar."""
    waiting = iter(tracked(placed, "Preparing films", len(placed), Console(stderr=True)))
    with ThreadPoolExecutor() as pool:
        while chunk := list(islice(waiting, _AT_ONCE)):
            yield from pool.map(decode, chunk)

"""Prepared films of a large source, kept between commands: `.local/prepared/<source>-<size>/`.

Films are decoded once. What is kept belongs to the list of films, each with what changes with its
content, and to the code that prepares them; where either is another, or a byte of what is kept, it
is made again. It appears in one step, so that an interruption leaves nothing half.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from rich.console import Console

from ml.contract.errors import InvalidData
from ml.contract.task import Size, edges_of
from ml.data.films import Excluded, Images
from ml.data.partition import Film
from ml.data.prepared import OpenFile, PreparedImages, stored, stored_size
from ml.terminal.progress import tracked

FOLDER: Final = Path(".local") / "prepared"
"""Relative to the working directory, as the registry is."""

LARGEST_IN_MEMORY: Final = 512 * 2**20
"""Bytes of prepared films, as float32; what is larger is cached."""

_IMAGES, _INDEX = "images.u16", "index.json"
_AT_ONCE: Final = 512
"""Films that are decoded ahead of what is written."""
_CODE: Final = ("preparation.py", "film_file.py", "jpeg.py", "dicom")

Item = TypeVar("Item")
Decode = Callable[[Item], tuple[Film, Images] | Excluded]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a source gave: its readable films, image by image, and the others with their reasons."""

    films: list[Film]
    images: Images | PreparedImages
    excluded: list[Excluded]


def prepared(
    source: str,
    items: Sequence[Item],
    state: Callable[[Item], str],
    size: Size,
    decode: Decode[Item],
    doing: str = "Preparing films",
) -> Prepared:
    """The prepared films of a source, in memory where they are few; else decoded where they are not
    kept already.

    ``source`` tells one from another; ``state`` is what changes with an item's content, place or
    label. Raises InvalidData where they cannot be kept.
    """
    if len(items) * prod(edges_of(size)) * np.dtype(np.float32).itemsize <= LARGEST_IN_MEMORY:
        return _in_memory(_decoded(items, decode, doing), size)
    key = hashlib.sha256(source.encode(errors="replace")).hexdigest()[:16]
    place = FOLDER / f"{key}-{_named(size)}"
    digest = _digest(map(state, items), size)

    def built(place: Path) -> Prepared:
        _build(place, _decoded(items, decode, doing), size, digest, len(items))
        if kept := _read(place, digest, size):
            return kept
        raise OSError("what was written is not what is read")

    try:
        with _alone(place):
            _adopt(place, digest, size)
            return _read(place, digest, size) or built(place)
    except OSError as error:
        problem = (
            f"{place.absolute()}: prepared films cannot be kept there: {error.strerror or error}."
        )
    Console(stderr=True).print(f"{problem} Preparing them for this command alone.", soft_wrap=True)
    try:
        # What is open stays readable when its folder has gone.
        with tempfile.TemporaryDirectory() as passing:
            return built(Path(passing, place.name))
    except OSError as error:
        raise InvalidData(
            f"{problem} Nor in the folder of temporary files ({error.strerror or error}). Run from "
            "a folder that can be written to, set TMPDIR, or take films of fewer pixels: "
            "--image-size"
        ) from error


def state_of(file: Path) -> str:
    """What changes with a file's content; of one that cannot be read, that it cannot."""
    try:
        known = file.stat()
    except OSError as error:
        return str(error.strerror)
    # Anybody can set the time of the last change back (touch, cp -p, tar), not that of the inode.
    return f"{known.st_size} {known.st_mtime_ns} {known.st_ctime_ns}"


def _named(size: Size) -> str:
    return "x".join(str(edge) for edge in dict.fromkeys(edges_of(size)))


def _in_memory(decoded: Iterator[tuple[Film, Images] | Excluded], size: Size) -> Prepared:
    films, images, excluded = [], [], []
    for it in decoded:
        if isinstance(it, Excluded):
            excluded.append(it)
        else:
            films.append(it[0])
            images.append(it[1])
    array = np.array(images, np.float32).reshape(-1, *edges_of(size), 1)
    return Prepared(films=films, images=array, excluded=excluded)


def _digest(states: Iterator[str], size: Size) -> str:
    """Of the list of films, and of the code that prepares them."""
    digest = hashlib.sha256(f"{size}\n".encode())
    for name in _CODE:
        path = Path(__file__).with_name(name)
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    for state in states:
        digest.update(f"{state}\n".encode(errors="replace"))
    return digest.hexdigest()


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One process at a time; another one waits, and finds the films prepared."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            Console(stderr=True).print("Another command prepares these films: waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _adopt(place: Path, digest: str, size: Size) -> None:
    """Takes what is kept of the same files under another path: their folder was moved."""
    if place.exists():
        return
    for other in FOLDER.glob(f"*-{_named(size)}"):
        try:
            with (other / _INDEX).open(encoding="utf-8") as index:
                if index.readline().startswith(digest):
                    other.rename(place)
                    return
        except (FileNotFoundError, ValueError):
            continue


def _read(place: Path, digest: str, size: Size) -> Prepared | None:
    """What is kept, if it is of this list of films and whole."""
    try:
        head, _, body = (place / _INDEX).read_text(encoding="utf-8").partition("\n")
        if head != _head(digest, body):
            return None
        index = json.loads(body)
        films = [Film(**it) for it in index["films"]]
        excluded = [Excluded(**it) for it in index["excluded"]]
        file = OpenFile(place / _IMAGES)
        if file.sha256() != index["images"]:
            return None
    except (FileNotFoundError, ValueError):
        return None
    images = PreparedImages(file=file, size=size, rows=np.arange(len(films)))
    return Prepared(films=films, images=images, excluded=excluded)


def _head(digest: str, body: str) -> str:
    return f"{digest} {hashlib.sha256(body.encode()).hexdigest()}"


def _build(
    place: Path,
    decoded: Iterator[tuple[Film, Images] | Excluded],
    size: Size,
    digest: str,
    most: int,
) -> None:
    building = place.with_suffix(".building")
    # Of a process that was killed: whoever has the lock is alone.
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    try:
        needed, free = stored_size(most, size), shutil.disk_usage(building).free
        if needed > free:
            raise OSError(f"{needed >> 20} MiB are needed, and {free >> 20} MiB are free")
        films: list[Film] = []
        excluded: list[Excluded] = []
        written = hashlib.sha256()
        with (building / _IMAGES).open("wb") as file:
            for it in decoded:
                if isinstance(it, Excluded):
                    excluded.append(it)
                else:
                    film, image = it
                    films.append(film)
                    content = stored(image)
                    written.update(content)
                    file.write(content)
            file.flush()
            os.fsync(file.fileno())
        body = json.dumps(
            {
                "images": written.hexdigest(),
                "films": [asdict(it) for it in films],
                "excluded": [asdict(it) for it in excluded],
            }
        )
        (building / _INDEX).write_text(f"{_head(digest, body)}\n{body}", encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)
        building.rename(place)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _decoded(
    items: Sequence[Item], decode: Decode[Item], doing: str
) -> Iterator[tuple[Film, Images] | Excluded]:
    """In the order of the items, a bounded number of them ahead, with a bar."""
    waiting = iter(tracked(items, doing, len(items), Console(stderr=True)))
    with ThreadPoolExecutor() as pool:
        try:
            while chunk := list(islice(waiting, _AT_ONCE)):
                yield from pool.map(decode, chunk)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise

"""Names of files: which of them may be films, and how a name is written down."""

import os
from pathlib import Path, PurePath
from typing import Final

from ml.contract.errors import InvalidData

SUFFIXES: Final = (".jpeg", ".jpg", ".jpe", ".jfif", ".png", ".dcm", ".dicom")
"""Of films, in any case. What a film is, its content decides: `ml.data.film_file`."""

_LEFT_BEHIND: Final = ("__MACOSX", "Thumbs.db", "desktop.ini", "DICOMDIR")
"""By file managers, and the index of a DICOM medium. Names that begin with a dot are, too."""

_DICOM_BEGINNING: Final = 132


def printable(name: str | PurePath) -> str:
    r"""A name as text; a byte that is not UTF-8 becomes ``\xff``, as it can be neither printed nor
    written into a file otherwise.
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_left_behind(place: PurePath) -> bool:
    """Whether a file or folder is no film of anybody's; ``place`` is relative to what was named."""
    return any(step.startswith(".") or step in _LEFT_BEHIND for step in place.parts)


def files_below(folder: Path) -> list[Path]:
    """What is below a folder and no folder itself, in the order of the names; without what is left
    behind. A link to a folder is followed, to each folder once, as it may lead back up.

    Raises InvalidData for a folder that cannot be read.
    """
    found, seen = [], set()
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        here = Path(place)
        folders[:] = sorted(it for it in folders if not is_left_behind(PurePath(it)))
        status = here.stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        found += [here / it for it in names if not is_left_behind(PurePath(it))]
    return sorted(found)


def _refuse(error: OSError) -> None:
    """Walking goes on without what cannot be read, and nobody would know."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return
    raise InvalidData(f"{printable(error.filename)}: cannot be read: {error.strerror}") from error


def may_be_film(file: Path) -> bool:
    """By the suffix; a name without one, as archives give, may be that of a DICOM file."""
    if file.suffix.lower() in SUFFIXES:
        return True
    if file.suffix[1:].isalpha():
        return False
    from ml.data.dicom.film import is_dicom

    try:
        with file.open("rb") as stream:
            return is_dicom(stream.read(_DICOM_BEGINNING))
    except OSError:
        return False

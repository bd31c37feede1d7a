"""What is a film, and what it is called: one answer for prediction, ingestion and training.

A film is a JPEG, a PNG or a DICOM file by its content, whatever its name says, whole and with a
picture of some contrast; a DICOM file says of itself that it shows a chest.
"""

import io
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from ml.data import jpeg

_KINDS: Final = "JPEG nor PNG nor DICOM"

_PILLOW: Final = {"JPEG": ".jpeg", "MPO": ".jpeg", "PNG": ".png"}
"""Suffixes by Pillow's names; an MPO is a JPEG with further pictures behind it."""
_FORMATS: Final = ("JPEG", "PNG")
_DICOM_SUFFIX: Final = ".dcm"

SUFFIXES: Final = (*dict.fromkeys(_PILLOW.values()), _DICOM_SUFFIX)
"""Of a film's file, by what it is."""

_BEGINNINGS: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""Of JPEG and PNG files; Pillow does not know one that ends soon after."""

_INSIGNIFICANT: Final = 1 / 1000
"""The share of pixels at either end of the greys that makes no contrast."""

_LONGEST_REASON: Final = 300

_DEPTH: Final = 257  # 16 bits over 8


class Fault(StrEnum):
    """Why a file is no film, in one word."""

    EMPTY = "empty"
    NOT_AN_IMAGE = "not an image"
    CORRUPT = "corrupt"
    NO_CHEST_FILM = "no chest film"


class UnreadableFilm(ValueError):
    """A file that is no film, or not a whole one; says what is wrong with it."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault


@dataclass(frozen=True, kw_only=True)
class FilmFile:
    """A file that is a film to its last byte."""

    picture: Image.Image
    """Perhaps smaller than the film."""
    width: int
    """Of the film in pixels, as is the height."""
    height: int
    suffix: str
    """One of SUFFIXES."""
    patient: str | None = None
    """As a DICOM file names them."""


def opened(content: bytes, edge: int | None = None, *, any_modality: bool = False) -> FilmFile:
    """Decodes a film; a JPEG at a fraction of its size, but no smaller than ``edge`` pixels.

    With ``any_modality``, for research, a DICOM file may show anything. Raises UnreadableFilm.
    """
    from ml.data.dicom import film as dicom

    if not content:
        raise UnreadableFilm(Fault.EMPTY, "the file has no content")
    try:
        if dicom.is_dicom(content):
            film = _dicom(content, any_modality=any_modality)
        else:
            film = _picture(content, edge)
        contrast = _has_contrast(film.picture)
    except UnreadableFilm:
        raise
    except UnidentifiedImageError:
        raise _unidentified(content) from None
    # Pillow, pydicom and the decoders raise anything for what is corrupt, and one bad file must
    # not end a run over many.
    except Exception as error:
        # Some reasons have several lines.
        reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
        raise UnreadableFilm(Fault.CORRUPT, f"cannot be decoded: {reason}") from error
    if not contrast:
        raise UnreadableFilm(Fault.NO_CHEST_FILM, "shows one grey alone, without contrast: no film")
    return film


def _dicom(content: bytes, *, any_modality: bool) -> FilmFile:
    from ml.data.dicom import film as dicom

    try:
        shown = dicom.film(content, any_modality=any_modality)
    except dicom.NoChestFilm as error:
        raise UnreadableFilm(Fault.NO_CHEST_FILM, str(error)) from error
    return FilmFile(
        picture=shown.picture,
        width=shown.picture.width,
        height=shown.picture.height,
        suffix=_DICOM_SUFFIX,
        patient=shown.patient,
    )


def _picture(content: bytes, edge: int | None) -> FilmFile:
    size, suffix, picture = _decoded(content, edge)
    if suffix == _PILLOW["JPEG"] and not jpeg.is_whole(
        content, picture, picture.width / size[0], lambda other: _decoded(other, edge)[2]
    ):
        raise UnreadableFilm(Fault.CORRUPT, "cannot be decoded: its data end before the picture")
    return FilmFile(picture=picture, width=size[0], height=size[1], suffix=suffix)


def _decoded(content: bytes, edge: int | None) -> tuple[tuple[int, int], str, Image.Image]:
    with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
        size, suffix = picture.size, _PILLOW[str(picture.format)]
        if edge is not None and not jpeg.is_progressive(picture):
            # Several times faster.
            picture.draft("L", (edge, edge))
        picture.load()
        return size, suffix, picture


def _unidentified(content: bytes) -> UnreadableFilm:
    from ml.data.dicom import film as dicom

    if content.startswith(_BEGINNINGS):
        return UnreadableFilm(Fault.CORRUPT, "cannot be decoded: ends within its header")
    if dicom.lacks_preamble(content):
        return UnreadableFilm(
            Fault.NOT_AN_IMAGE,
            "looks like DICOM without the preamble and the word DICM that begin such a file "
            "(PS3.10, 7.1). Export it again as a file, or write it with pydicom: dcmread(..., "
            "force=True), then save_as(..., enforce_file_format=True)",
        )
    try:
        with Image.open(io.BytesIO(content)) as other:
            found = f"{other.format}, neither {_KINDS}: export or convert it as one of them"
    except Exception:  # as above
        found = f"neither {_KINDS}"
    return UnreadableFilm(Fault.NOT_AN_IMAGE, f"the content is {found}")


def _has_contrast(picture: Image.Image) -> bool:
    """Whether it shows more than two neighbouring greys of 256."""
    if picture.mode.startswith("I"):
        greys = np.asarray(picture).ravel() // _DEPTH
        pixels = np.bincount(greys.clip(0, 255), minlength=256)
    else:
        pixels = np.array(picture.convert("L").histogram())
    below = np.cumsum(pixels) / pixels.sum()
    darkest, lightest = np.searchsorted(below, [_INSIGNIFICANT, 1 - _INSIGNIFICANT])
    return bool(lightest - darkest > 1)

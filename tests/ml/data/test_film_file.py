"""What is a film: the same answer, in the same words, wherever a film is read."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml.data import loading
from ml.data.film_file import Fault, UnreadableFilm, opened
from ml.data.preparation import read
from ml.ingestion.inspection import Film, inspect
from ml.ingestion.originals import Original
from ml.ingestion.refusal import Refusal
from tests.plugin.dicom_files import dicom, film

SIZE = 28


def saved(kind: str, pixels: Any = None, **options: Any) -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(film(8) if pixels is None else pixels)
    picture.save(file, kind, **options)
    return file.getvalue()


def large() -> np.ndarray[Any, Any]:
    """A picture of some hundred kB that is nowhere flat."""
    return np.random.default_rng(0).integers(0, 256, (400, 300)).astype(np.uint8)


def said_by_prediction(content: bytes) -> str | None:
    try:
        read(content, SIZE)
    except UnreadableFilm as error:
        return str(error)
    return None


def said_by_ingestion(content: bytes) -> str | None:
    found = inspect(
        Original(name="x", label="NORMAL", part="train", patient=None, read=lambda: content)
    )
    assert isinstance(found, Film | Refusal)
    return found.reason if isinstance(found, Refusal) else None


def said_by_training(content: bytes, folder: Any) -> str | None:
    folder.fill("train", patients=4)
    (folder.root / "train/NORMAL/film.jpeg").write_bytes(content)
    excluded = loading.load(folder.root, SIZE).excluded
    return excluded[0].reason if excluded else None


WHOLE = {
    "JPEG": saved("JPEG"),
    "progressive JPEG": saved("JPEG", progressive=True),
    "JPEG of several pictures": saved(
        "MPO", save_all=True, append_images=[Image.fromarray(film(8))]
    ),
    "JPEG of a flat corner": saved("JPEG", np.pad(large(), 64)),
    "JPEG with data behind it": saved("JPEG") + b"trailing \xff\xd9 data",
    "PNG": saved("PNG"),
    "PNG of 16 bits": saved("PNG", film(16)),
    "DICOM": dicom(film(12), bits=12),
}

JPEG, PROGRESSIVE = saved("JPEG", large()), saved("JPEG", large(), progressive=True)
PNG = saved("PNG", large())

NO_FILM = {
    "nothing": (b"", "the file has no content"),
    "text": (b"no film", "the content is neither JPEG nor PNG nor DICOM"),
    **{
        kind: (
            saved(kind),
            f"the content is {kind}, neither JPEG nor PNG nor DICOM: export or convert it",
        )
        for kind in ("TIFF", "BMP", "GIF", "WEBP")
    },
    "TIFF of real numbers": (
        saved("TIFF", film(8).astype(np.float32)),
        "the content is TIFF, neither",
    ),
    "JPEG that stops": (JPEG[: len(JPEG) // 2], "cannot be decoded: image file is truncated"),
    "JPEG without its end": (JPEG[:-2], "cannot be decoded: image file is truncated"),
    "JPEG that ends early": (
        JPEG[: len(JPEG) // 2] + b"\xff\xd9",
        "cannot be decoded: its data end before the picture",
    ),
    "JPEG that ends a little early": (
        JPEG[:-1500] + b"\xff\xd9",
        "cannot be decoded: its data end before the picture",
    ),
    "progressive JPEG that ends early": (
        PROGRESSIVE[: len(PROGRESSIVE) // 2] + b"\xff\xd9",
        "cannot be decoded: its data end before the picture",
    ),
    "head of a JPEG": (JPEG[:3], "cannot be decoded: ends within its header"),
    "head of a PNG": (PNG[:20], "cannot be decoded: "),
    "PNG that stops": (PNG[: len(PNG) // 2], "cannot be decoded: "),
    "PNG that is damaged": (
        PNG[: len(PNG) // 2] + b"damaged" + PNG[len(PNG) // 2 + 7 :],
        "cannot be decoded: ",
    ),
    "JPEG of one grey": (
        saved("JPEG", np.full((40, 30), 9, np.uint8)),
        "shows one grey alone, without contrast",
    ),
    "PNG of one grey": (
        saved("PNG", np.full((40, 30), 900, np.uint16)),
        "shows one grey alone, without contrast",
    ),
    "DICOM that stops": (dicom(film(8), bits=8)[:-100], "cannot be decoded: "),
    "DICOM of another kind": (dicom(film(8), bits=8, Modality="CT"), "its Modality (0008,0060)"),
}


@pytest.mark.parametrize("what", WHOLE)
def test_a_film_is_one_for_everybody(what: str, folder: Any) -> None:
    content = WHOLE[what]

    assert said_by_prediction(content) is None
    assert said_by_ingestion(content) is None
    assert said_by_training(content, folder) is None


@pytest.mark.parametrize("what", NO_FILM)
def test_what_is_no_film_is_refused_in_the_same_words_by_everybody(what: str, folder: Any) -> None:
    content, words = NO_FILM[what]

    said = said_by_prediction(content)

    assert said is not None
    assert said.startswith(words)
    assert said_by_ingestion(content) == said
    assert said_by_training(content, folder) == said


@pytest.mark.parametrize("error", [RuntimeError("one\ntwo"), MemoryError(), IndexError()])
def test_whatever_a_library_raises_the_file_is_no_film(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Image, "open", broken)

    with pytest.raises(UnreadableFilm, match="cannot be decoded: ") as refusal:
        opened(WHOLE["PNG"])
    assert str(refusal.value).endswith(("one two", type(error).__name__))
    assert refusal.value.fault == Fault.CORRUPT


@pytest.mark.parametrize(
    ("what", "suffix"), [("JPEG of several pictures", ".jpeg"), ("PNG", ".png"), ("DICOM", ".dcm")]
)
def test_a_films_size_and_suffix_are_those_of_its_content(what: str, suffix: str) -> None:
    found = opened(WHOLE[what], 1)

    assert (found.width, found.height, found.suffix) == (70, 90, suffix)

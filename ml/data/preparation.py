"""From a film of any size and mode to the image that a model takes.

One function for training, evaluation and prediction, so that they cannot drift apart.
"""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from ml.contract.task import Size, edges_of
from ml.data.film_file import FilmFile, UnreadableFilm, opened

if TYPE_CHECKING:
    from ml.data.films import Images

__all__ = ["UnreadableFilm", "decode", "opened_and_prepared", "prepare", "read"]

_SIXTEEN_BIT_WHITE = 65535.0
_EIGHT_BIT_WHITE = 255.0


def prepare(film: Image.Image, size: Size) -> "Images":
    """Grey, the largest centre of the size's shape, resized: float32 [height, width, 1] in [0, 1].

    The crop and the bicubic resizing are those of MedMNIST
    (https://doi.org/10.1038/s41597-022-01721-8, "PneumoniaMNIST"), so that a model trained on
    28 x 28 films sees the same picture of a full-size one.
    """
    film = ImageOps.exif_transpose(film)
    # Pillow's convert("L") would clip a 16-bit film to white.
    deep = film.mode.startswith("I")
    grey = film.convert("F" if deep else "L")
    height, width = edges_of(size)
    # Without a fraction, so that of a square it is the short edge.
    across = min(grey.width, max(1, grey.height * width // height))
    down = min(grey.height, max(1, grey.width * height // width))
    left, top = (grey.width - across) // 2, (grey.height - down) // 2
    centre = grey.crop((left, top, left + across, top + down))
    if centre.size != (width, height):
        centre = centre.resize((width, height), Image.Resampling.BICUBIC)
    white = _SIXTEEN_BIT_WHITE if deep else _EIGHT_BIT_WHITE
    pixels: Images = np.asarray(centre, dtype=np.float32)[..., np.newaxis] / np.float32(white)
    return pixels.clip(0, 1)


def read(content: bytes, size: Size, *, any_modality: bool = False) -> "Images":
    """Prepares the film in a file of any kind that is sent: JPEG, PNG or DICOM.

    ``any_modality`` is for research. Raises UnreadableFilm.
    """
    return opened_and_prepared(content, size, any_modality=any_modality)[1]


def opened_and_prepared(
    content: bytes, size: Size, *, any_modality: bool = False
) -> tuple[FilmFile, "Images"]:
    """The film as `read` prepares it, and what its file says. Raises UnreadableFilm."""
    # Four times the wanted size leaves the resizing its work.
    film = opened(content, 4 * max(edges_of(size)), any_modality=any_modality)
    return film, prepare(film.picture, size)


def decode(content: bytes, size: Size) -> "Images":
    """Prepares a film that was taken for one before, whatever it shows. Raises UnreadableFilm."""
    return read(content, size, any_modality=True)

"""From a film of any size and mode to the image that a model takes.

One function for training, evaluation and prediction, so that they cannot drift apart.
"""

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from ml.data.films import Images

_SIXTEEN_BIT_WHITE = 65535.0
_EIGHT_BIT_WHITE = 255.0


def prepare(film: Image.Image, size: int) -> "Images":
    """Grey, the centre square of the short edge, resized: float32 [size, size, 1] in [0, 1].

    The crop and the bicubic resizing are those of MedMNIST
    (https://doi.org/10.1038/s41597-022-01721-8, "PneumoniaMNIST"), so that a model trained on
    28 x 28 films sees the same picture of a full-size one.
    """
    film = ImageOps.exif_transpose(film)
    # Pillow's convert("L") would clip a 16-bit film to white.
    deep = film.mode.startswith("I")
    grey = film.convert("F" if deep else "L")
    edge = min(grey.size)
    left, top = (grey.width - edge) // 2, (grey.height - edge) // 2
    square = grey.crop((left, top, left + edge, top + edge))
    if edge != size:
        square = square.resize((size, size), Image.Resampling.BICUBIC)
    white = _SIXTEEN_BIT_WHITE if deep else _EIGHT_BIT_WHITE
    pixels: Images = np.asarray(square, dtype=np.float32)[..., np.newaxis] / np.float32(white)
    return pixels.clip(0, 1)


class UnreadableFilm(ValueError):
    """A file that is no film, or not a whole one; says what is wrong with it."""


def read(content: bytes, size: int) -> "Images":
    """Prepares the film in a file of any kind that is sent: JPEG, PNG or DICOM.

    Raises UnreadableFilm.
    """
    from ml.data import dicom

    try:
        if dicom.is_dicom(content):
            return prepare(dicom.film(content), size)
        return decode(content, size)
    except UnidentifiedImageError:
        raise UnreadableFilm("the content is neither JPEG nor PNG nor DICOM") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnreadableFilm(f"cannot be decoded: {reason}") from error


def decode(content: bytes, size: int) -> "Images":
    """Prepares the film in a JPEG or PNG file. Raises what Pillow raises."""
    with Image.open(io.BytesIO(content)) as film:
        # Decoding a JPEG at a fraction of its size is several times faster; four times the wanted
        # size leaves the resizing its work.
        film.draft("L", (4 * size, 4 * size))
        return prepare(film, size)

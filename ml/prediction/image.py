"""Whether an image that a program hands over is one that training could have made."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ml.contract.errors import InvalidData
from ml.contract.task import Size, edges_of, size_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EIGHT_BIT_WHITE: Final = 255


def require_image(image: "NDArray[Any]", size: Size) -> None:
    """A model answers whatever it is sent; an image that is none of training's is stopped here."""
    way_out = "Or give the film's file, which is prepared as in training: predict(Path(...))."
    height, width = edges_of(size)
    if image.shape != (height, width, 1):
        raise InvalidData(
            f"image of shape {list(image.shape)}: one grey image [{height}, {width}, 1] is asked "
            f"about at a time. {_reshaped(image, size)} {way_out}"
        )
    if not np.issubdtype(image.dtype, np.floating):
        raise InvalidData(
            f"image of {image.dtype}: its values must be real numbers from 0, black, to 1, white. "
            f"Divide by the type's white, such as image / 255 for uint8. {way_out}"
        )
    if not np.isfinite(image).all():
        raise InvalidData(
            f"image with {np.count_nonzero(~np.isfinite(image))} values that are NaN or infinite; "
            f"they must be from 0, black, to 1, white. Look for what divides by zero. {way_out}"
        )
    lowest, highest = float(image.min()), float(image.max())
    if lowest < 0 or highest > 1:
        scaled = (
            "(image + 1) / 2 makes that of -1 to 1"
            if lowest < 0 and lowest >= -1 and highest <= 1
            else "image / 255 makes that of 0 to 255"
            if lowest >= 0 and highest <= _EIGHT_BIT_WHITE
            else "Undo the normalisation, or subtract black and divide by white less black"
        )
        raise InvalidData(
            f"image with values from {lowest:g} to {highest:g}: they must be from 0, black, to 1, "
            f"white. {scaled}. {way_out}"
        )


def _reshaped(image: "NDArray[Any]", size: Size) -> str:
    wanted = edges_of(size)
    match image.shape:
        case (height, width) if (height, width) == wanted:
            return "image[..., np.newaxis] has that shape."
        case (1, height, width) if (height, width) == wanted:
            return "image[0, ..., np.newaxis] has that shape."
        case (_, height, width, 1) if (height, width) == wanted:
            return "Ask about each of them: image[0] is the first."
        case (height, width, 1):
            its = size_of(height, width)
            return f"Resize it, or name the models' size: connect(..., image_size={its})."
    return "Make it so."

"""The stored pixel values of a DICOM file, out of whatever compression archives use."""

import io
from typing import TYPE_CHECKING, Any, Final

from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from ml.data.dicom import gdcm_decoder
from ml.data.dicom.tags import count, named
from ml.data.jpeg import is_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

_NONE: Final = ""
_PILLOW: Final = "pillow"
_PLUGINS: Final = {
    JPEGBaseline8Bit: _PILLOW,
    JPEG2000: _PILLOW,
    JPEG2000Lossless: _PILLOW,
    **dict.fromkeys(gdcm_decoder.DECODER_DEPENDENCIES, gdcm_decoder.NAME),
}
"""Which decoder is asked; pydicom itself would ask GDCM first, in this process."""

_INEXACT: Final = (JPEG2000, JPEGLSNearLossless)
"""Here values may be a little above the highest."""

for _syntax in gdcm_decoder.DECODER_DEPENDENCIES:
    get_decoder(_syntax).add_plugin(gdcm_decoder.NAME, (gdcm_decoder.__name__, "decode"))


def stored_values(dataset: "Dataset") -> "NDArray[Any]":
    """The stored values [rows, columns], whole numbers of as many bits as the file says.

    Raises ValueError, and whatever else pydicom and its decoders raise for what is corrupt.
    """
    allocated, bits = count(dataset, "BitsAllocated"), count(dataset, "BitsStored")
    high = count(dataset, "HighBit")
    if not 0 < bits <= high + 1 <= allocated:
        raise ValueError(
            f"{named('HighBit')} is {high} where {named('BitsStored')} is {bits} and "
            f"{named('BitsAllocated')} {allocated}"
        )
    syntax = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    if not syntax:
        raise ValueError(f"{named('TransferSyntaxUID')} is missing")
    plugin = _plugin(syntax, bits)
    if plugin == _PILLOW and syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
        _require_whole_jpeg(dataset)
    is_coded, shift = plugin != _NONE, high + 1 - bits
    # pydicom leaves to its user that values may lie above the lowest bits of their cell (PS3.5,
    # 8.1.1), and cuts off what a compression has beside what the file says.
    is_unsigned = count(dataset, "PixelRepresentation") == 0
    dataset.BitsStored = allocated if is_coded and is_unsigned else high + 1
    values, _ = get_decoder(syntax).as_array(dataset, index=0, decoding_plugin=plugin)
    dataset.BitsStored = bits
    if is_coded and int(values.max()) < 2**bits:
        return values
    if is_coded and not shift and syntax not in _INEXACT:
        raise ValueError(
            f"{named('BitsStored')} is {bits}, but its compressed values are up to {values.max()}"
        )
    return values >> shift


def _plugin(syntax: UID, bits: int) -> str:
    """The decoder to ask. Raises ValueError that says what to install where there is none."""
    compression = f"its compression, {syntax.name} ({named('TransferSyntaxUID')} {syntax}),"
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise ValueError(
            f"{compression} has no decoder here. Write the file again without compression, such as "
            "with gdcmconv --raw"
        ) from None
    plugin = _PLUGINS.get(syntax, _NONE)
    if syntax == JPEGExtended12Bit and bits <= 8:
        plugin = _PILLOW
    if plugin == gdcm_decoder.NAME and not gdcm_decoder.is_available(syntax):
        raise ValueError(f"{compression} needs a decoder: pip install {gdcm_decoder.PACKAGE}")
    if not decoder.is_available:
        lacking = "; or ".join(
            it.partition("requires ")[2].replace(" and ", ", ")
            for it in decoder.missing_dependencies
        )
        raise ValueError(f"{compression} needs a decoder. Install {lacking}")
    return plugin


def _require_whole_jpeg(dataset: "Dataset") -> None:
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    if not is_whole(frame, _decoded(frame), 1, _decoded):
        raise ValueError("its compressed data end early")


def _decoded(frame: bytes) -> Image.Image:
    with Image.open(io.BytesIO(frame), formats=("JPEG",)) as picture:
        picture.load()
        return picture

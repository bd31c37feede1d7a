"""A chest X-ray out of a DICOM file, as a viewer would show it first.

Modality LUT or rescale, then VOI LUT or window, then the photometric interpretation (DICOM PS3.3,
C.11.1, C.11.2 and C.7.6.3.1.2). The result is an 8-bit or a 16-bit grey film like that of a PNG
file, so that one preparation makes the same image of both.
"""

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pydicom import Dataset

_PREAMBLE: Final = 128
_MAGIC: Final = b"DICM"
_INVERTED: Final = "MONOCHROME1"
"""The lowest value is shown white."""
_GREY: Final = (_INVERTED, "MONOCHROME2")


def is_dicom(content: bytes) -> bool:
    """By the magic word of a DICOM file."""
    return content[_PREAMBLE : _PREAMBLE + len(_MAGIC)] == _MAGIC


def film(content: bytes) -> Image.Image:
    """The film as a grey image of 8 bits, or of 16 where the file has more than 8.

    Of several windows the first counts. Without any, the whole range of the stored bits is shown.
    Raises ValueError for what is no single grey frame, and for a compression that cannot be read.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    try:
        dataset = dcmread(io.BytesIO(content))
    except (InvalidDicomError, EOFError) as error:
        raise ValueError(f"is no whole DICOM file: {error}") from error
    _require_one_grey_frame(dataset)
    try:
        stored = dataset.pixel_array
        shown = apply_voi_lut(apply_modality_lut(stored, dataset), dataset)
        lowest, highest = _range(dataset)
    except (AttributeError, KeyError, NotImplementedError, RuntimeError, TypeError) as error:
        raise ValueError(f"its DICOM pixels cannot be read: {error}") from error
    share = (shown.astype(np.float64) - lowest) / (highest - lowest)
    if dataset.PhotometricInterpretation == _INVERTED:
        share = 1 - share
    grey = np.dtype("uint8" if dataset.BitsStored <= 8 else "uint16")
    return Image.fromarray(np.rint(share.clip(0, 1) * np.iinfo(grey).max).astype(grey))


def _require_one_grey_frame(dataset: "Dataset") -> None:
    if "PixelData" not in dataset:
        raise ValueError("the DICOM file holds no image")
    if dataset.get("PhotometricInterpretation") not in _GREY:
        raise ValueError(
            f"the DICOM file's photometric interpretation is "
            f"{dataset.get('PhotometricInterpretation')!r}; a chest X-ray has one of "
            f"{', '.join(_GREY)}"
        )
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        raise ValueError(f"the DICOM file holds {dataset.NumberOfFrames} frames; send one film")


def _range(dataset: "Dataset") -> tuple[float, float]:
    """The lowest and the highest value that what is shown can have."""
    lowest: float
    highest: float
    if dataset.get("VOILUTSequence"):
        return 0, 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
    if dataset.get("ModalityLUTSequence"):
        return 0, 2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    bits = int(dataset.BitsStored)
    if dataset.PixelRepresentation == 0:
        lowest, highest = 0, 2**bits - 1
    else:
        lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    if slope is not None and intercept is not None:
        lowest, highest = (float(slope) * it + float(intercept) for it in (lowest, highest))
    return lowest, highest

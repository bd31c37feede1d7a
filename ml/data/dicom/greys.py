"""From stored values to what a viewer shows first: shares of white, before any inversion.

Modality LUT or rescale (DICOM PS3.3, C.11.1), then VOI LUT or window (C.11.2). Without either of
the latter the whole range that values can have is shown.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_windowing

from ml.data.dicom.tags import count, named, number, numbers

if TYPE_CHECKING:
    Greys = NDArray[np.float64]

_PACKED_BITS: Final = 8
"""A table's entries of so many bits may be two to a word (C.11.1.1.1)."""


def shares(dataset: Dataset, stored: NDArray[Any]) -> "Greys":
    """Values [rows, columns] from 0, the lowest that is shown, to 1. Raises ValueError."""
    values, lowest, highest = _modality(dataset, stored)
    if dataset.get("VOILUTSequence"):
        values, highest = _looked_up(dataset, "VOILUTSequence", np.rint(values))
        return values / highest
    center, width = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    if bool(center) != bool(width):
        lacking = "WindowWidth" if center else "WindowCenter"
        raise ValueError(f"{named(lacking)} has no value, though the other of the window has")
    if center and width:
        return _windowed(dataset, values, center[0], width[0])
    return (values - lowest) / (highest - lowest)


def _modality(dataset: Dataset, stored: NDArray[Any]) -> "tuple[Greys, float, float]":
    """Values in the units of the modality, with the lowest and the highest possible one."""
    if dataset.get("ModalityLUTSequence"):
        values, highest = _looked_up(dataset, "ModalityLUTSequence", stored)
        return values, 0, highest
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    slope, intercept = 1 if slope is None else slope, intercept or 0
    if slope == 0:
        raise ValueError(f"{named('RescaleSlope')} is 0, which leaves no picture")
    ends = [it * slope + intercept for it in _range(dataset, stored)]
    # The whole range of signed values is wider than their own type.
    return stored.astype(np.float64) * slope + intercept, min(ends), max(ends)


def _range(dataset: Dataset, stored: NDArray[Any]) -> tuple[int, int]:
    """The lowest and the highest value that can be stored."""
    bits, signed = count(dataset, "BitsStored"), count(dataset, "PixelRepresentation") != 0
    if bits > _PACKED_BITS and bits == count(dataset, "BitsAllocated"):
        # Said of the cell, not of the detector: as many as the values need.
        padding = number(dataset, "PixelPaddingValue")
        inside = stored if padding is None else stored[stored != padding]
        lowest, highest = (int(inside.min()), int(inside.max())) if inside.size else (0, 0)
        needed = max(highest.bit_length(), (-lowest - 1).bit_length() if lowest < 0 else 0)
        bits = min(bits, max(_PACKED_BITS, needed + signed))
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def _windowed(dataset: Dataset, values: "Greys", center: float, width: float) -> "Greys":
    # pydicom maps a window to the range of what is stored: here to that of one bit.
    window = Dataset()
    window.PhotometricInterpretation = "MONOCHROME2"
    window.BitsStored, window.PixelRepresentation = 1, 0
    window.WindowCenter, window.WindowWidth = center, width
    if function := dataset.get("VOILUTFunction"):
        window.VOILUTFunction = function
    shown: Greys = apply_windowing(values, window)
    return shown


def _looked_up(dataset: Dataset, sequence: str, values: NDArray[Any]) -> "tuple[Greys, float]":
    """What the first table of a sequence makes of values, with the highest that it can make.

    pydicom's functions know tables of neither 12 bits nor more than 256 entries of 8 bits.
    """
    item = dataset[sequence].value[0]
    descriptor = [int(it) for it in numbers(item, "LUTDescriptor")]
    if len(descriptor) != 3 or not _PACKED_BITS <= descriptor[2] <= 16:
        raise ValueError(
            f"{named('LUTDescriptor')} in {named(sequence)} is {descriptor}, not a number of "
            "entries, the first value and 8 to 16 bits"
        )
    entries, first, bits = descriptor[0] % 2**16 or 2**16, descriptor[1], descriptor[2]
    if values.min() < 0 and first >= 2**15:
        first -= 2**16  # of signed values, but written as unsigned
    table = _entries(dataset, item, sequence, entries, bits)
    # A value before the first entry is shown as that, one behind the last as the last.
    shown = table[np.clip(values.astype(np.int64) - first, 0, entries - 1)]
    return shown.astype(np.float64), max(2**bits - 1, int(table.max()))


def _entries(
    dataset: Dataset, item: Dataset, sequence: str, count_: int, bits: int
) -> NDArray[np.integer[Any]]:
    data = item["LUTData"].value if "LUTData" in item else None
    words: NDArray[np.uint16]
    if isinstance(data, bytes):
        is_little_endian = dataset.original_encoding[1] is not False
        words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if is_little_endian else ">u2")
    else:
        words = (np.atleast_1d(np.array(data or [], np.int64)) % 2**16).astype(np.uint16)
    if len(words) >= count_:
        return words[:count_]
    packed = words.astype("<u2").view(np.uint8)
    if bits == _PACKED_BITS and len(packed) >= count_:
        return packed[:count_]
    raise ValueError(
        f"{named('LUTData')} in {named(sequence)} has {len(words)} words for {count_} entries"
    )

"""The film in a DICOM file: one grey frame of a chest, as a viewer would show it first.

The result is an 8-bit or a 16-bit grey picture like that of a PNG file, so that one preparation
makes the same image of both. What is no such film is refused with the tag that says so.
"""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pydicom import Dataset

MODALITIES: Final = ("CR", "DX", "RG")
"""Those of a chest X-ray: computed, digital and conventional radiography (PS3.3, C.7.3.1.1.1)."""

_STORAGE: Final = (
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1.1",
)
"""SOP classes of computed and of digital radiography, to show and to process (PS3.4, B.5)."""

_CHEST: Final = ("CHEST", "THORA", "TORAX", "TORAC", "LUNG", "PULMO")
"""Any of them is in what names a chest, in whatever language a device has been set to."""

_CHEST_CODES: Final = ("51185008", "T-D3000", "39607008", "T-28000")
"""Chest and lung in SNOMED (PS3.16, CID 4031)."""

_NOT_THE_CHEST: Final = ("SPINE", "VERTEBRA", "LUMB")
"""The thoracic spine is not what a chest film is taken of."""

_RESEARCH: Final = (
    "For research, --any-modality (in Python any_modality=True) takes it all the same"
)

_PREAMBLE: Final = 128
_MAGIC: Final = b"DICM"
_FIRST_GROUPS: Final = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")
"""Of the first element of a data set, in either order of bytes."""
_INVERTED: Final = "MONOCHROME1"
"""The lowest value is shown white."""
_GREY: Final = (_INVERTED, "MONOCHROME2")


class NoChestFilm(ValueError):
    """A picture, but not a film of a chest; says by which tag."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a file shows, and of whom."""

    picture: Image.Image
    patient: str | None
    """The patient's id, None where the file has none."""


def is_dicom(content: bytes) -> bool:
    """By the magic word of a DICOM file."""
    return content[_PREAMBLE : _PREAMBLE + len(_MAGIC)] == _MAGIC


def lacks_preamble(content: bytes) -> bool:
    """Whether it begins as a DICOM file does behind its magic word, or a data set without one."""
    return len(content) > _PREAMBLE and content.startswith((_MAGIC, *_FIRST_GROUPS))


def film(content: bytes, *, any_modality: bool = False) -> Shown:
    """The film as a grey picture of 8 bits, or of 16 where the file has more than 8.

    Of several windows the first counts. Without any, the whole range of the stored bits is shown.
    Raises NoChestFilm; ValueError, and whatever pydicom raises for what is corrupt.
    """
    from pydicom import config, dcmread
    from pydicom.errors import InvalidDicomError

    # What matters here is said here; of other tags' values nobody wants to hear.
    config.settings.reading_validation_mode = config.IGNORE
    try:
        dataset = dcmread(io.BytesIO(content))
    except (InvalidDicomError, EOFError) as error:
        raise ValueError(f"is no whole DICOM file: {error}") from error
    if not any_modality:
        _require_chest(dataset)
    _require_one_grey_frame(dataset)
    return Shown(picture=_picture(dataset), patient=_text(dataset, "PatientID") or None)


def _picture(dataset: "Dataset") -> Image.Image:
    from ml.data.dicom.greys import shares
    from ml.data.dicom.pixels import stored_values
    from ml.data.dicom.tags import named

    stored = stored_values(dataset)
    if stored.min() == stored.max():
        raise NoChestFilm(f"its {named('PixelData')} is of one grey value, no film")
    share = shares(dataset, stored)
    if dataset.PhotometricInterpretation == _INVERTED:
        share = 1 - share
    grey = np.dtype("uint8" if dataset.BitsStored <= 8 else "uint16")
    return Image.fromarray(np.rint(share.clip(0, 1) * np.iinfo(grey).max).astype(grey))


def _require_chest(dataset: "Dataset") -> None:
    from ml.data.dicom.tags import named

    modality, storage = _text(dataset, "Modality").upper(), dataset.get("SOPClassUID")
    if not modality and storage and storage not in _STORAGE:
        raise NoChestFilm(
            f"its {named('Modality')} is missing, and its {named('SOPClassUID')} is "
            f"{storage.name}, not that of an X-ray. {_RESEARCH}"
        )
    if modality and modality not in MODALITIES:
        raise NoChestFilm(
            f"its {named('Modality')} is {modality}; a chest X-ray has one of "
            f"{', '.join(MODALITIES)}. {_RESEARCH}"
        )
    part = _text(dataset, "BodyPartExamined")
    if part and not _is_chest(part):
        raise NoChestFilm(f"its {named('BodyPartExamined')} is {part}, not the chest. {_RESEARCH}")
    for region in dataset.get("AnatomicRegionSequence") or ():
        code, meaning = _text(region, "CodeValue"), _text(region, "CodeMeaning")
        if (code or meaning) and not (code in _CHEST_CODES or _is_chest(meaning)):
            raise NoChestFilm(
                f"its {named('AnatomicRegionSequence')} is {meaning or code}, not the chest. "
                f"{_RESEARCH}"
            )


def _is_chest(part: str) -> bool:
    upper = part.upper()
    return any(it in upper for it in _CHEST) and not any(it in upper for it in _NOT_THE_CHEST)


def _text(dataset: "Dataset", keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()


def _require_one_grey_frame(dataset: "Dataset") -> None:
    from ml.data.dicom.tags import count, named

    if "PixelData" not in dataset:
        raise NoChestFilm(f"the DICOM file holds no image: {named('PixelData')} is missing")
    if dataset.get("PhotometricInterpretation") not in _GREY:
        raise NoChestFilm(
            f"the DICOM file's photometric interpretation is "
            f"{dataset.get('PhotometricInterpretation')!r}; a chest X-ray has one of "
            f"{', '.join(_GREY)}"
        )
    if dataset.get("NumberOfFrames") is not None and count(dataset, "NumberOfFrames") != 1:
        raise NoChestFilm(f"the DICOM file holds {dataset.NumberOfFrames} frames; send one film")
    if (samples := count(dataset, "SamplesPerPixel")) != 1:
        raise NoChestFilm(f"its {named('SamplesPerPixel')} is {samples}; a grey film has 1")

"""What stays of a DICOM file's header in a film that is kept: what the picture needs, and no one.

Names, ids, dates, places and free texts are left out by keeping what is listed here: more careful
than the list of what must go (PS3.15, annex E), which every edition and every maker makes longer.
The picture itself is as it was; what is written into it is not looked for.
"""

import io
from typing import Final

from ml.data.dicom.film import is_dicom

_GROUPS: Final = (0x0028, 0x2050, 0x7FE0)
"""Whole: the picture's form, how it is shown, its pixels."""

_KEPT: Final = frozenset(
    {
        *("SpecificCharacterSet", "ImageType", "SOPClassUID", "Modality", "ConversionType"),
        *("PresentationIntentType", "Manufacturer", "ManufacturerModelName"),
        *("AnatomicRegionSequence", "PatientSex", "PatientAge", "PatientIdentityRemoved"),
        *("BodyPartExamined", "ViewPosition", "KVP", "Exposure", "PixelSpacing"),
        *("ImagerPixelSpacing", "PatientOrientation", "ImageLaterality", "Laterality"),
    }
)
_FORM: Final = frozenset(
    {
        *("FileMetaInformationGroupLength", "FileMetaInformationVersion", "TransferSyntaxUID"),
        *("MediaStorageSOPClassUID", "ImplementationClassUID"),
    }
)
"""Of what stands before the header, for whoever reads the file."""
_PLACES: Final = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
"""Of an item of AnatomicRegionSequence."""


def without_the_patient(content: bytes) -> bytes:
    """A film's file as it is kept: of a DICOM file, with no more of its header than the picture
    needs; any other file, and a DICOM file that has no more, as it is.

    Raises whatever pydicom raises for what is corrupt.
    """
    if not is_dicom(content):
        return content
    from pydicom import config, dcmread
    from pydicom.datadict import keyword_for_tag

    config.settings.reading_validation_mode = config.IGNORE
    dataset = dcmread(io.BytesIO(content))
    going = [
        tag
        for tag in dataset.keys()  # noqa: SIM118 - the tags, and not the elements
        if tag.is_private or not (tag.group in _GROUPS or keyword_for_tag(tag) in _KEPT)
    ]
    before = [it.tag for it in dataset.file_meta if it.keyword not in _FORM]
    regions = [
        (item, element.tag)
        for item in dataset.get("AnatomicRegionSequence") or ()
        for element in item
        if element.keyword not in _PLACES
    ]
    if not (going or before or regions):
        return content
    for tag in going:
        del dataset[tag]
    for tag in before:
        del dataset.file_meta[tag]
    for item, tag in regions:
        del item[tag]
    dataset.PatientIdentityRemoved = "YES"
    dataset.preamble = bytes(128)
    config.settings.writing_validation_mode = config.IGNORE
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=False)
    return file.getvalue()

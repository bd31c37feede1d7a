"""A DICOM file with the tags that a test wants, of whatever content."""

from __future__ import annotations

import io
from typing import Any

import numpy as np


def dicom_film(shade: int = 0, **tags: Any) -> bytes:
    """A film of 28 x 28, another one for each shade up to 50; tags as a device may write them."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality, dataset.BodyPartExamined = "DX", "CHEST"
    dataset.Rows = dataset.Columns = 28
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = (np.arange(28 * 28) % 200 + shade).astype(np.uint8).tobytes()
    for name, value in tags.items():
        _set(dataset, name, value)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _set(dataset: Any, name: str, value: Any) -> None:
    from pydicom import config
    from pydicom.datadict import dictionary_VR, tag_for_keyword
    from pydicom.dataelem import DataElement

    tag = tag_for_keyword(name)
    assert tag is not None, name
    dataset.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE))

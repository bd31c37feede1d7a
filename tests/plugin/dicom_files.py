"""DICOM files of films, as devices and archives write them, right and wrong."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset


def film(bits: int) -> np.ndarray[Any, Any]:
    """A film of that many bits that is neither square nor of a wanted size, black to white."""
    pixels = np.random.default_rng(bits).integers(0, 2**bits, (90, 70))
    pixels[0, :2] = 0, 2**bits - 1
    return pixels.astype(np.uint8 if bits <= 8 else np.uint16)


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def dataset(
    pixels: np.ndarray[Any, Any], *, bits: int, interpretation: str = "MONOCHROME2", **tags: Any
) -> Dataset:
    """A digital X-ray without compression; a tag that is None is left out."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    made.SOPClassUID = DigitalXRayImageStorageForPresentation
    made.SOPInstanceUID = "1.2.3"
    made.PatientName = "Doe^Jane"
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = interpretation
    made.BitsAllocated = 8 * pixels.dtype.itemsize
    made.BitsStored, made.HighBit = bits, bits - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.PixelData = pixels.tobytes()
    for name, value in tags.items():
        if value is None:
            del made[name]
        else:
            setattr(made, name, value)
    return made


def dicom(pixels: np.ndarray[Any, Any], **told: Any) -> bytes:
    """The file of a `dataset`."""
    return written(dataset(pixels, **told))


def written(made: Dataset) -> bytes:
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def table(entries: list[int] | bytes, descriptor: list[int], vr: str = "US") -> Dataset:
    """An item of a sequence of tables, whose entries are words or, as bytes, are packed."""
    from pydicom.dataset import Dataset

    item = Dataset()
    item.LUTDescriptor = descriptor
    item["LUTDescriptor"].VR = "SS" if min(descriptor) < 0 else "US"
    if vr == "OW" and not isinstance(entries, bytes):
        entries = np.array(entries, "<u2").tobytes()
    item.LUTData = entries
    item["LUTData"].VR = vr
    return item


def compressed(content: bytes, syntax: str, folder: Path) -> bytes:
    """The file in another transfer syntax, by GDCM's name for it."""
    import gdcm

    (folder / "plain.dcm").write_bytes(content)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(folder / "plain.dcm"))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(folder / "compressed.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return (folder / "compressed.dcm").read_bytes()

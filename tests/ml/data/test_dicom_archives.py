"""DICOM films as archives store them: every compression of theirs, and files that are damaged."""

from __future__ import annotations

import io
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.data.film_file import Fault, UnreadableFilm, opened
from ml.data.preparation import read
from tests.plugin.dicom_files import compressed, dataset, dicom, film, written

SIZE = 28

_PYDICOM = find_spec("pydicom")
assert _PYDICOM is not None
assert _PYDICOM.origin is not None
IN_PYDICOM = sorted((Path(_PYDICOM.origin).parent / "data" / "test_files").glob("*.dcm"))
"""Those that its wheel has; others are downloaded where they are asked for."""

CANNOT_BE_READ = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "Unable to decode",
    "MR_truncated.dcm": "number of bytes of pixel data is less than expected",
    "badVR.dcm": r"Number of Frames \(0028,0008\) is no number",
    "rtdose.dcm": "holds 15 frames",
    "rtdose_expb.dcm": "holds 15 frames",
    "rtdose_rle.dcm": "holds 15 frames",
}
"""Files of pydicom's with grey pixels, and why they are no film whatever they show."""

OF_NO_GREY = "photometric interpretation|Pixel Data .* is missing|without the preamble|neither JPEG"


def smooth(bits: int, edge: int = 96) -> np.ndarray[Any, Any]:
    """A film of that many bits that compressions with loss hardly change."""
    y, x = np.mgrid[0:edge, 0:edge]
    share = (np.sin(x / 9) * np.cos(y / 7) + 1) / 2
    return (share * (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


class TestFilesOfPydicom:
    @pytest.mark.parametrize("file", IN_PYDICOM, ids=lambda it: it.name)
    def test_none_is_a_chest_film(self, file: Path) -> None:
        with pytest.raises(UnreadableFilm) as refusal:
            opened(file.read_bytes())

        assert refusal.value.fault in {Fault.NO_CHEST_FILM, Fault.NOT_AN_IMAGE}

    @pytest.mark.parametrize("file", IN_PYDICOM, ids=lambda it: it.name)
    def test_a_grey_frame_is_read_as_pydicom_reads_it_or_refused_with_the_reason(
        self, file: Path
    ) -> None:
        import pydicom

        from ml.data.dicom.pixels import stored_values

        read_in = pydicom.dcmread(file, force=True)
        grey = str(read_in.get("PhotometricInterpretation")).startswith("MONOCHROME")
        if not grey or file.name in CANNOT_BE_READ:
            with pytest.raises(UnreadableFilm, match=CANNOT_BE_READ.get(file.name, OF_NO_GREY)):
                read(file.read_bytes(), SIZE, any_modality=True)
            return
        ours, theirs = (pydicom.dcmread(file) for _ in range(2))

        values = stored_values(ours)

        if theirs.file_meta.TransferSyntaxUID == pydicom.uid.JPEGExtended12Bit:
            # pydicom has no decoder of 12 bits; what another one gives, to a level of 4096.
            assert (values.shape, values.min(), values.max()) == ((1024, 256), 0, 264)
            assert values.mean() == pytest.approx(3770427 / values.size, rel=1e-3)
        else:
            np.testing.assert_array_equal(values, theirs.pixel_array)
        assert read(file.read_bytes(), SIZE, any_modality=True).std() > 0


@pytest.mark.parametrize(
    ("syntax", "bits", "off"),
    [
        ("JPEGLosslessProcess14", 12, 0),
        *(("JPEGLosslessProcess14_1", bits, 0) for bits in (8, 12, 16)),
        *(("JPEGLSLossless", bits, 0) for bits in (8, 12, 16)),
        *(("JPEG2000Lossless", bits, 0) for bits in (8, 12, 16)),
        *(("RLELossless", bits, 0) for bits in (8, 12, 16)),
        ("DeflatedExplicitVRLittleEndian", 12, 0),
        ("JPEGBaselineProcess1", 8, 1),
        ("JPEGExtendedProcess2_4", 8, 1),
        ("JPEGExtendedProcess2_4", 12, 2),
        ("JPEGLSNearLossless", 12, 4),
        ("JPEG2000", 12, 8),
    ],
)
def test_a_compressed_film_is_the_film(syntax: str, bits: int, off: int, tmp_path: Path) -> None:
    plain = dicom(smooth(bits), bits=bits)

    image = read(compressed(plain, syntax, tmp_path), SIZE)

    np.testing.assert_allclose(image, read(plain, SIZE), atol=off / (2**bits - 1) + 1e-6)


def test_a_left_aligned_film_is_aligned_by_what_its_compression_says(tmp_path: Path) -> None:
    from pydicom import dcmread

    made = dataset(smooth(12) << 4, bits=16)
    content = compressed(written(made), "JPEGLosslessProcess14_1", tmp_path)
    told = dcmread(io.BytesIO(content))
    told.BitsStored, told.HighBit = 12, 15

    np.testing.assert_array_equal(read(written(told), SIZE), read(dicom(smooth(12), bits=12), SIZE))


def test_values_beyond_the_bits_that_the_file_says_are_refused(tmp_path: Path) -> None:
    from pydicom import dcmread

    content = compressed(dicom(smooth(12), bits=12), "JPEGLosslessProcess14_1", tmp_path)
    told = dcmread(io.BytesIO(content))
    told.BitsStored, told.HighBit = 10, 9

    with pytest.raises(UnreadableFilm, match=r"Bits Stored \(0028,0101\) is 10, but"):
        read(written(told), SIZE)


class TestNoDecoder:
    def test_what_to_install_is_said(self) -> None:
        from pydicom.encaps import encapsulate
        from pydicom.uid import HTJ2KLossless

        made = dataset(film(8), bits=8)
        made.file_meta.TransferSyntaxUID = HTJ2KLossless
        made.PixelData = encapsulate([b"\xff\x4f\xff\x51"])
        made["PixelData"].is_undefined_length = True

        said = f"({re.escape(HTJ2KLossless)}).* needs a decoder. Install .*pylibjpeg"
        with pytest.raises(UnreadableFilm, match=said):
            read(written(made), SIZE)

    def test_what_nobody_decodes_is_to_be_written_again(self, tmp_path: Path) -> None:
        content = compressed(dicom(smooth(8), bits=8), "JPEG2000Part2", tmp_path)

        with pytest.raises(UnreadableFilm, match=r"has no decoder here.*gdcmconv --raw"):
            read(content, SIZE)

    def test_gdcm_is_named_by_its_package(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        content = compressed(dicom(smooth(8), bits=8), "JPEGLosslessProcess14_1", tmp_path)
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

        with pytest.raises(UnreadableFilm, match=r"JPEG Lossless.*pip install python-gdcm"):
            read(content, SIZE)


DAMAGED = ("JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEGExtendedProcess2_4")


@pytest.mark.parametrize("syntax", [*DAMAGED, "JPEG2000Lossless", "RLELossless"])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_compressed_data_that_end_early_are_refused(
    syntax: str, end: bytes, tmp_path: Path
) -> None:
    bits = 12
    content = compressed(dicom(smooth(bits), bits=bits), syntax, tmp_path)

    with pytest.raises(UnreadableFilm, match="cannot be decoded"):
        read(with_frame(content, lambda frame: frame[: len(frame) // 2] + end), SIZE)


def test_a_jpeg_in_a_dicom_file_whose_data_end_early_is_refused(tmp_path: Path) -> None:
    content = compressed(dicom(smooth(8), bits=8), "JPEGBaselineProcess1", tmp_path)

    with pytest.raises(UnreadableFilm, match="its compressed data end early"):
        read(with_frame(content, lambda frame: frame[: len(frame) // 2] + b"\xff\xd9"), SIZE)


@pytest.mark.slow("each frame is a process, and some 30 damaged ones are needed to end GDCM's")
@pytest.mark.parametrize("syntax", DAMAGED)
def test_damaged_data_end_nothing_but_their_own_film(syntax: str, tmp_path: Path) -> None:
    content = compressed(dicom(smooth(12), bits=12), syntax, tmp_path)
    random = np.random.default_rng(0)

    def damage(frame: bytes) -> bytes:
        damaged = bytearray(frame)
        for place in random.integers(0, min(len(frame), 200), 4):
            damaged[place] = random.integers(256)
        return bytes(damaged)

    refused = 0
    for _ in range(15):
        try:
            read(with_frame(content, damage), SIZE)
        except UnreadableFilm as error:
            refused += "cannot be decoded" in str(error)
    assert refused


def with_frame(content: bytes, change: Any) -> bytes:
    from pydicom import dcmread
    from pydicom.encaps import encapsulate, generate_frames

    made = dcmread(io.BytesIO(content))
    frame = next(generate_frames(made.PixelData, number_of_frames=1))
    made.PixelData = encapsulate([change(frame)])
    return written(made)


def test_a_file_without_its_preamble_is_said_to_be_one() -> None:
    content = dicom(film(8), bits=8)

    for begun in (content[132:], content[128:]):
        with pytest.raises(UnreadableFilm, match=r"DICOM without the preamble.*save_as"):
            read(begun, SIZE)


def test_a_data_set_without_any_head_is_said_to_be_one() -> None:
    (file,) = (it for it in IN_PYDICOM if it.name == "ExplVR_LitEndNoMeta.dcm")
    content = file.read_bytes()

    with pytest.raises(UnreadableFilm, match="DICOM without the preamble"):
        read(content, SIZE)

"""A DICOM file gives the image that training makes of the same film as a PNG file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml.data.preparation import UnreadableFilm, decode, read
from tests.plugin.dicom_files import dicom, film, png, table

SIZE = 28


@pytest.mark.parametrize("bits", [8, 16])
def test_it_is_the_same_tensor_as_of_a_png(bits: int) -> None:
    pixels = film(bits)

    np.testing.assert_array_equal(read(dicom(pixels, bits=bits), SIZE), decode(png(pixels), SIZE))


def test_the_lowest_value_of_monochrome1_is_white() -> None:
    pixels = film(8)

    inverted = read(dicom(255 - pixels, bits=8, interpretation="MONOCHROME1"), SIZE)

    np.testing.assert_array_equal(inverted, decode(png(pixels), SIZE))


def test_twelve_bits_fill_the_whole_range() -> None:
    pixels = film(12)

    image = read(dicom(pixels, bits=12), SIZE)

    wide = np.rint(pixels / 4095 * 65535).astype(np.uint16)
    np.testing.assert_array_equal(image, decode(png(wide), SIZE))


def test_a_window_is_looked_through() -> None:
    """Center 128 and width 128 show 64 to 191 from black to white (DICOM PS3.3, C.11.2.1.2.1)."""
    pixels = film(8)

    image = read(dicom(pixels, bits=8, WindowCenter=128, WindowWidth=128), SIZE)

    share = (pixels.astype(float) - 127.5) / 127 + 0.5
    expected = np.rint(share.clip(0, 1) * 255).astype(np.uint8)
    np.testing.assert_array_equal(image, decode(png(expected), SIZE))


def test_of_several_windows_the_first_counts() -> None:
    pixels = film(8)
    one = dicom(pixels, bits=8, WindowCenter=100, WindowWidth=80)
    several = dicom(pixels, bits=8, WindowCenter=[100, 200], WindowWidth=[80, 20])

    np.testing.assert_array_equal(read(several, SIZE), read(one, SIZE))


def test_a_window_is_in_units_after_the_rescale() -> None:
    pixels = film(12)
    tags = {"RescaleSlope": 1, "RescaleIntercept": -1024}

    rescaled = dicom(pixels, bits=12, WindowCenter=0, WindowWidth=1000, **tags)

    plain = dicom(pixels, bits=12, WindowCenter=1024, WindowWidth=1000)
    np.testing.assert_allclose(read(rescaled, SIZE), read(plain, SIZE), atol=1e-4)


def test_signed_values_start_with_the_lowest() -> None:
    pixels = film(12)
    signed = (pixels.astype(np.int32) - 2048).astype(np.int16)

    np.testing.assert_array_equal(
        read(dicom(signed, bits=12), SIZE), read(dicom(pixels, bits=12), SIZE)
    )


def test_a_voi_lut_goes_before_a_window() -> None:
    pixels = film(8)
    lut = table(list(range(255, -1, -1)), [256, 0, 8])

    image = read(dicom(pixels, bits=8, VOILUTSequence=[lut], WindowCenter=9, WindowWidth=3), SIZE)

    np.testing.assert_array_equal(image, decode(png(255 - pixels), SIZE))


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"interpretation": "RGB"}, "photometric interpretation is 'RGB'"),
        ({"NumberOfFrames": 7}, "holds 7 frames"),
        ({"PixelData": b"\0\0"}, "number of bytes of pixel data is less"),
        ({"WindowCenter": 1, "WindowWidth": 0}, "Window Width"),
    ],
)
def test_what_is_no_single_grey_film_is_refused(tags: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableFilm, match=reason):
        read(dicom(film(8), bits=8, **tags), SIZE)


@pytest.mark.parametrize("length", [132, 140, 400])
def test_a_file_that_ends_too_early_is_refused(length: int) -> None:
    with pytest.raises(UnreadableFilm):
        read(dicom(film(8), bits=8)[:length], SIZE)


@pytest.mark.parametrize("content", [b"", b"no film", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_film_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFilm):
        read(content, SIZE)

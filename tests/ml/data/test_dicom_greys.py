"""What a DICOM film's tags make of its values: as a viewer that follows the standard shows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml.data.preparation import UnreadableFilm, decode, read
from tests.plugin.dicom_files import dataset, dicom, film, png, table, written

SIZE = 28


def expected(share: np.ndarray[Any, Any], bits: int) -> np.ndarray[Any, Any]:
    """The image of a film with these shares of white."""
    grey = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    return decode(png(np.rint(share * np.iinfo(grey).max).astype(grey)), SIZE)


class TestRescale:
    @pytest.mark.parametrize(("bits", "slope"), [(8, -10), (8, -0.5), (12, -1), (16, -3)])
    def test_a_negative_slope_inverts(self, bits: int, slope: float) -> None:
        pixels = film(bits)

        image = read(dicom(pixels, bits=bits, RescaleSlope=slope, RescaleIntercept=3000), SIZE)

        np.testing.assert_allclose(image, expected(1 - pixels / (2**bits - 1), bits), atol=1e-6)

    def test_a_window_is_looked_through_after_a_negative_slope(self) -> None:
        pixels = film(8)
        tags = {"RescaleSlope": -10, "RescaleIntercept": 3000}

        image = read(dicom(pixels, bits=8, WindowCenter=1725.5, WindowWidth=2551, **tags), SIZE)

        np.testing.assert_allclose(image, expected(1 - pixels / 255, 8), atol=1e-6)

    @pytest.mark.parametrize("lacking", ["RescaleSlope", "RescaleIntercept"])
    def test_one_of_its_tags_alone_leaves_the_picture(self, lacking: str) -> None:
        pixels = film(12)
        tags = {"RescaleSlope": 2, "RescaleIntercept": -100}
        del tags[lacking]

        np.testing.assert_array_equal(
            read(dicom(pixels, bits=12, **tags), SIZE), read(dicom(pixels, bits=12), SIZE)
        )

    @pytest.mark.parametrize(
        ("tags", "said"),
        [
            ({"RescaleSlope": 0}, r"Rescale Slope \(0028,1053\) is 0"),
            ({"RescaleSlope": ""}, r"Rescale Slope \(0028,1053\) is there, but empty"),
            ({"RescaleSlope": None}, None),
            ({"RescaleSlope": [1, 2]}, r"Rescale Slope \(0028,1053\) has 2 values"),
            ({"RescaleIntercept": ""}, r"Rescale Intercept \(0028,1052\) is there, but empty"),
            ({"RescaleIntercept": [1, 2, 3]}, r"Rescale Intercept \(0028,1052\) has 3 values"),
            ({"WindowCenter": 5}, r"Window Width \(0028,1051\) has no value"),
            ({"WindowWidth": 5, "WindowCenter": ""}, r"Window Center \(0028,1050\) has no value"),
            ({"BitsStored": None}, r"Bits Stored \(0028,0101\) is missing"),
            ({"HighBit": 3}, r"High Bit \(0028,0102\) is 3"),
            ({"PixelRepresentation": None}, r"Pixel Representation \(0028,0103\) is missing"),
        ],
    )
    def test_what_is_wrong_is_said_with_its_tag(self, tags: dict[str, Any], said: str) -> None:
        made = dataset(film(8), bits=8, RescaleIntercept=0, RescaleSlope=1)
        for keyword, value in tags.items():
            if value is None:
                del made[keyword]
            else:
                setattr(made, keyword, value)

        if said is None:
            read(written(made), SIZE)
        else:
            with pytest.raises(UnreadableFilm, match=said):
                read(written(made), SIZE)

    def test_a_number_that_is_none_is_said_with_its_tag(self) -> None:
        content = dicom(film(8), bits=8, RescaleSlope="1.25", RescaleIntercept=0)

        with pytest.raises(UnreadableFilm, match=r"Rescale Slope \(0028,1053\) is no number"):
            read(content.replace(b"1.25", b"1,25"), SIZE)

    def test_empty_tags_of_a_window_are_no_window(self) -> None:
        pixels = film(8)
        empty = {"WindowCenter": "", "WindowWidth": ""}

        np.testing.assert_array_equal(
            read(dicom(pixels, bits=8, **empty), SIZE), decode(png(pixels), SIZE)
        )


class TestTables:
    """A modality LUT and a VOI LUT are described alike (PS3.3, C.11.1 and C.11.2)."""

    @pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
    @pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
    @pytest.mark.parametrize("vr", ["US", "OW"])
    def test_entries_are_of_8_to_16_bits(self, sequence: str, bits: int, vr: str) -> None:
        pixels, white = film(12), 2**bits - 1
        entries = [white - white * it // 4095 for it in range(4096)]
        lut = table(entries, [4096, 0, bits], vr)

        image = read(dicom(pixels, bits=12, **{sequence: [lut]}), SIZE)

        shares = np.array(entries)[pixels] / white
        np.testing.assert_allclose(image, expected(shares, 12), atol=1e-6)

    @pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
    @pytest.mark.parametrize("count", [4096, 4095])
    def test_entries_of_8_bits_may_be_two_to_a_word(self, sequence: str, count: int) -> None:
        pixels = np.minimum(film(12), count - 1)
        entries = bytes(255 - it // 16 for it in range(count))
        lut = table(entries + bytes(count % 2), [count, 0, 8], "OW")

        image = read(dicom(pixels, bits=12, **{sequence: [lut]}), SIZE)

        shares = np.frombuffer(entries, np.uint8)[pixels] / 255
        np.testing.assert_allclose(image, expected(shares, 12), atol=1e-6)

    def test_packed_entries_may_be_written_as_numbers(self) -> None:
        pixels = film(8)
        words = np.arange(255, -1, -1).astype(np.uint8).view("<u2").tolist()

        image = read(dicom(pixels, bits=8, VOILUTSequence=[table(words, [256, 0, 8])]), SIZE)

        np.testing.assert_array_equal(image, decode(png(255 - pixels), SIZE))

    def test_0_entries_are_65536(self) -> None:
        pixels = film(16)
        lut = table(np.arange(65535, -1, -1).tolist(), [0, 0, 16], "OW")

        image = read(dicom(pixels, bits=16, VOILUTSequence=[lut]), SIZE)

        np.testing.assert_array_equal(image, decode(png(65535 - pixels), SIZE))

    def test_values_outside_the_table_are_those_at_its_ends(self) -> None:
        pixels = film(8)
        lut = table([0, 128, 255], [3, 100, 8])

        image = read(dicom(pixels, bits=8, VOILUTSequence=[lut]), SIZE)

        shown = np.select([pixels <= 100, pixels == 101], [0, 128], 255).astype(np.uint8)
        np.testing.assert_array_equal(image, decode(png(shown), SIZE))

    @pytest.mark.parametrize("as_unsigned", [False, True])
    def test_the_first_value_may_be_negative(self, as_unsigned: bool) -> None:
        signed = (film(12).astype(np.int32) - 2048).astype(np.int16)
        lut = table([it * 16 for it in range(4096)], [4096, -2048, 16])
        if as_unsigned:
            lut = table([it * 16 for it in range(4096)], [4096, 2**16 - 2048, 16])

        image = read(dicom(signed, bits=12, VOILUTSequence=[lut]), SIZE)

        shares = (signed.astype(float) + 2048) * 16 / 65535
        np.testing.assert_allclose(image, expected(shares, 12), atol=1e-6)

    def test_a_voi_table_is_looked_up_after_the_rescale(self) -> None:
        pixels = film(12)
        lut = table([255 - it // 16 for it in range(4096)], [4096, 2**16 - 1024, 8])
        tags = {"RescaleSlope": 1, "RescaleIntercept": -1024, "VOILUTSequence": [lut]}

        image = read(dicom(pixels, bits=12, **tags), SIZE)

        np.testing.assert_allclose(image, expected((255 - pixels // 16) / 255, 12), atol=1e-6)

    def test_a_table_in_the_other_order_of_bytes_is_read(self) -> None:
        from pydicom.uid import ExplicitVRBigEndian

        pixels = film(8)
        packed = np.arange(255, -1, -1).astype(np.uint8).view("<u2").astype(">u2").tobytes()
        made = dataset(pixels, bits=8, VOILUTSequence=[table(packed, [256, 0, 8], "OW")])
        made.file_meta.TransferSyntaxUID = ExplicitVRBigEndian

        image = read(written(made), SIZE)

        np.testing.assert_array_equal(image, decode(png(255 - pixels), SIZE))

    @pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
    @pytest.mark.parametrize(
        ("lut", "said"),
        [
            (table([1, 2], [256, 0, 8]), r"LUT Data \(0028,3006\) in .* has 2 words for 256"),
            (table([1, 2], [2, 0, 32]), r"LUT Descriptor \(0028,3002\) in .* is \[2, 0, 32\]"),
            (table([1, 2], [2, 0]), r"LUT Descriptor \(0028,3002\) in .* is \[2, 0\]"),
        ],
    )
    def test_a_table_that_is_none_is_said_with_its_tag(
        self, sequence: str, lut: Any, said: str
    ) -> None:
        with pytest.raises(UnreadableFilm, match=said):
            read(dicom(film(8), bits=8, **{sequence: [lut]}), SIZE)


class TestBits:
    @pytest.mark.parametrize(("bits", "high"), [(12, 15), (10, 13), (8, 15), (12, 12)])
    def test_values_may_lie_above_the_lowest_bits_of_their_cell(self, bits: int, high: int) -> None:
        pixels = film(bits).astype(np.uint16)
        shifted = pixels << (high + 1 - bits)

        image = read(dicom(shifted, bits=bits, HighBit=high), SIZE)

        np.testing.assert_array_equal(image, read(dicom(pixels, bits=bits), SIZE))

    def test_signed_values_may_lie_there_too(self) -> None:
        signed = (film(12).astype(np.int32) - 2048).astype(np.int16)

        image = read(dicom(signed << 4, bits=12, HighBit=15), SIZE)

        np.testing.assert_array_equal(image, read(dicom(signed, bits=12), SIZE))

    @pytest.mark.parametrize("bits", [8, 12, 16])
    def test_signed_values_may_use_their_whole_range(self, bits: int) -> None:
        pixels = film(bits)
        signed = pixels.astype(np.int64) - 2 ** (bits - 1)

        image = read(dicom(signed.astype(np.int8 if bits == 8 else np.int16), bits=bits), SIZE)

        np.testing.assert_allclose(image, expected(pixels / (2**bits - 1), bits), atol=1e-6)

    @pytest.mark.parametrize("used", [9, 10, 12, 14, 16])
    def test_16_bits_stored_are_as_many_as_the_values_need(self, used: int) -> None:
        pixels = film(used)

        image = read(dicom(pixels, bits=16), SIZE)

        np.testing.assert_array_equal(image, read(dicom(pixels, bits=used), SIZE))

    def test_padding_counts_for_no_bits(self) -> None:
        pixels = film(12)
        pixels[:, 60:] = 65535

        image = read(dicom(pixels, bits=16, PixelPaddingValue=65535), SIZE)

        whole = np.where(pixels == 65535, 4095, pixels)
        np.testing.assert_array_equal(image, read(dicom(whole, bits=12), SIZE))

    def test_a_dark_film_of_fewer_bits_stays_dark(self) -> None:
        pixels = film(12) // 8

        image = read(dicom(pixels, bits=12), SIZE)

        np.testing.assert_allclose(image, expected(pixels / 4095, 12), atol=1e-6)

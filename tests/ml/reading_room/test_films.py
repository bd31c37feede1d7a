"""What a reader gets to see of a film's file."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ml.data.image_id import image_id_in
from ml.reading_room.films import NoPicture, picture_of_file, picture_of_request
from tests.plugin.dicom_files import dicom
from tests.plugin.films import Arrays


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_a_request_of_our_client_names_its_film() -> None:
    from ml.data.image_id import image_id_of, new_request_id

    image_id = image_id_of(b"a film")

    assert image_id_in(new_request_id(image_id)) == image_id
    assert image_id_in(f"{new_request_id(image_id)}#2") == image_id


@pytest.mark.parametrize("request_id", ["", "study-7", "a" * 32, f"{'A' * 32}-{'0' * 12}"])
def test_a_request_of_another_client_names_none(request_id: str) -> None:
    assert image_id_in(request_id) is None


def test_what_was_sent_is_shown_as_it_was_sent(bundled: Arrays) -> None:
    film = bundled["val_images"][0]
    sent = json.dumps((film[..., np.newaxis] / 255).tolist())

    with Image.open(io.BytesIO(picture_of_request(sent))) as shown:
        assert np.array_equal(np.asarray(shown), film)


@pytest.mark.parametrize("sent", ["[[1, 2], [3, 4]]", "[[[1]], [[1], [1]]]", '"x"', "nonsense"])
def test_what_is_no_image_is_not_shown(sent: str) -> None:
    with pytest.raises(NoPicture):
        picture_of_request(sent)


def test_nothing_but_pixels_comes_out_of_a_file(bundled: Arrays) -> None:
    said = PngImagePlugin.PngInfo()
    said.add_text("Title", "person7_bacteria_3.jpeg")
    image = Image.fromarray(bundled["val_images"][0])
    exif = Image.Exif()
    exif[0x010E] = "PNEUMONIA, person 7"

    for content in (saved(image, "PNG", pnginfo=said), saved(image, "JPEG", exif=exif)):
        shown = picture_of_file(content)
        with Image.open(io.BytesIO(shown)) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (28, 28))
            assert picture.info == {}
        assert b"PNEUMONIA" not in shown
        assert b"person" not in shown


def test_a_film_of_16_bits_keeps_its_shades() -> None:
    ramp = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)

    with Image.open(io.BytesIO(picture_of_file(saved(Image.fromarray(ramp), "PNG")))) as shown:
        greys = np.asarray(shown).astype(int).ravel()

    assert greys[0] == 0
    assert greys[-1] == 254
    assert (np.diff(greys) >= 0).all()


def test_a_file_that_cannot_be_decoded_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(NoPicture, match="cannot be decoded"):
        picture_of_file(b"\xff\xd8\xff no film")


def test_a_dicom_film_is_shown_through_its_window_and_without_its_patient() -> None:
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    content = dicom(pixels, bits=12, WindowCenter=2048, WindowWidth=1024, Modality="CT")

    shown = picture_of_file(content)

    with Image.open(io.BytesIO(shown)) as picture:
        greys = np.asarray(picture).astype(int).ravel()
    assert (greys[0], greys[1500], greys[2600], greys[4095]) == (0, 0, 255, 255)
    assert (np.diff(greys) >= 0).all()
    assert b"Doe" not in shown

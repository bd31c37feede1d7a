"""One preparation for every film, whatever its size and mode."""

import numpy as np
import pytest
from PIL import Image

from ml.data.preparation import prepare


def test_a_film_of_the_wanted_size_is_not_changed(bundled):
    film = bundled["val_images"][0]

    np.testing.assert_allclose(prepare(Image.fromarray(film), 28)[..., 0], film / 255, atol=1e-6)


@pytest.mark.parametrize("size", [16, 28, 64, 224])
def test_the_image_has_the_models_shape_and_range(bundled, size):
    image = prepare(Image.fromarray(bundled["val_images"][1]).resize((201, 157)), size)

    assert image.shape == (size, size, 1)
    assert image.dtype == np.float32
    assert image.min() >= 0
    assert image.max() <= 1


def test_the_long_edge_is_cropped_about_the_centre():
    film = np.zeros((20, 60), np.uint8)
    film[:, 20:40] = 255

    assert prepare(Image.fromarray(film), 20).min() == 1


@pytest.mark.parametrize(
    ("film", "size", "box"),
    [
        ((100, 60), (30, 20), (30, 0, 70, 60)),  # width x height, height x width
        ((60, 100), (30, 20), (0, 5, 60, 95)),
        ((40, 60), (60, 40), (0, 0, 40, 60)),
    ],
)
def test_of_another_shape_the_largest_centre_is_taken(film, size, box):
    greys = np.random.default_rng(0).integers(0, 256, film[::-1], dtype=np.uint8)
    picture = Image.fromarray(greys)

    image = prepare(picture, size)

    assert image.shape == (*size, 1)
    expected = picture.crop(box).resize(size[::-1], Image.Resampling.BICUBIC)
    np.testing.assert_allclose(image[..., 0] * 255, np.asarray(expected), atol=1e-3)


def test_colour_becomes_grey(bundled):
    grey = Image.fromarray(bundled["val_images"][2])

    np.testing.assert_array_equal(prepare(grey.convert("RGB"), 28), prepare(grey, 28))


def test_a_sixteen_bit_film_keeps_its_grey_levels(bundled):
    film = bundled["val_images"][3]
    deep = Image.fromarray(film.astype(np.uint16) * 257)

    np.testing.assert_allclose(prepare(deep, 28)[..., 0], film / 255, atol=1e-4)


def test_a_turned_film_is_turned_upright(bundled, tmp_path):
    upright = Image.fromarray(bundled["val_images"][4])
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6  # "rotate by 90 degrees clockwise to show"
    turned.save(tmp_path / "film.png", exif=turned.getexif())

    with Image.open(tmp_path / "film.png") as film:
        np.testing.assert_array_equal(prepare(film, 28), prepare(upright, 28))

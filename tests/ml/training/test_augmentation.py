"""What training films go through."""

import numpy as np
import pytest

from ml.training.augmentation import Augmentation

NOTHING = Augmentation(rotation=0, scale=0, shift=0, gamma=0, contrast=0, brightness=0)


@pytest.fixture
def films(bundled):
    return bundled["train_images"][:50, ..., np.newaxis].astype(np.float32) / 255


def random():
    return np.random.default_rng(0)


def test_it_keeps_shape_type_and_range(films):
    augmented = Augmentation().apply(films, random())

    assert augmented.shape == films.shape
    assert augmented.dtype == np.float32
    assert augmented.min() >= 0
    assert augmented.max() <= 1


def test_without_any_range_the_films_stay_as_they_are(films):
    np.testing.assert_allclose(NOTHING.apply(films, random()), films, atol=1e-5)


def test_the_films_that_come_in_are_not_written_to(films):
    before = films.copy()

    Augmentation().apply(films, random())

    np.testing.assert_array_equal(films, before)


def test_the_same_generator_gives_the_same_films(films):
    first, second = (Augmentation().apply(films, random()) for _ in range(2))

    np.testing.assert_array_equal(first, second)


def test_every_film_is_changed_in_its_own_way(films):
    same = np.repeat(films[:1], 20, axis=0)

    augmented = Augmentation().apply(same, random())

    assert len({film.tobytes() for film in augmented}) == 20


def test_moving_agrees_with_scipys_affine_transformation(films):
    """Against scipy.ndimage, with the parameters that the generator gives."""
    from dataclasses import replace

    from scipy.ndimage import affine_transform

    augmentation = replace(NOTHING, rotation=9, scale=0.12, shift=0.14)
    drawn = random()
    angle, scale, down, right = (
        drawn.uniform(-width, width, (50, 1, 1))[:, 0, 0] for width in (9, 0.12, 0.14, 0.14)
    )

    moved = augmentation.apply(films, random())[..., 0]

    centre = np.array([13.5, 13.5])
    for i in range(5):
        cosine, sine = np.cos(np.deg2rad(angle[i])), np.sin(np.deg2rad(angle[i]))
        matrix = np.array([[cosine, sine], [-sine, cosine]]) / (1 + scale[i])
        offset = centre - matrix @ centre + np.array([down[i], right[i]]) * 28
        expected = affine_transform(films[i, ..., 0], matrix, offset, order=1, mode="nearest")
        np.testing.assert_allclose(moved[i], expected, atol=2e-3)

"""The recipe that both arms share."""

import io

import numpy as np
import pytest
from rich.console import Console

from ml.data.films import Films
from ml.training.augmentation import Augmentation
from ml.training.fitting import Batches, Watch
from ml.training.recipe import Recipe


@pytest.fixture
def films(few_films):
    return Films(
        images=few_films["train_images"][..., np.newaxis].astype(np.float32) / 255,
        labels=few_films["train_labels"][:, 0],
    )


def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing():
    recipe = Recipe()
    rates = [recipe.learning_rate(step, 100) for step in range(100)]

    assert rates[0] == pytest.approx(2e-4)
    assert rates[9] == pytest.approx(2e-3) == max(rates)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 <= rates[-1] < 1e-5


def test_one_step_is_enough_for_a_learning_rate():
    assert Recipe().learning_rate(0, 1) == 2e-3


def test_every_batch_has_the_same_size(films):
    batches = Batches(films, Recipe(epochs=3))

    assert len(batches) == 2
    assert batches.steps == 6
    assert {len(batches.batch(0, index).images) for index in range(2)} == {128}


def test_fewer_films_than_a_batch_are_one_batch(films):
    batches = Batches(films.take(np.arange(40)), Recipe())

    assert len(batches) == 1
    assert len(batches.batch(0, 0).images) == 40


def test_no_film_comes_twice_in_an_epoch(films):
    plain = Augmentation(rotation=0, scale=0, shift=0, gamma=0, contrast=0, brightness=0)
    unique = films.take(np.unique(films.images, axis=0, return_index=True)[1])
    batches = Batches(unique, Recipe(augmentation=plain))

    seen = np.concatenate([batches.batch(0, index).images for index in range(len(batches))])

    assert len(np.unique(seen, axis=0)) == len(seen)


def test_epochs_differ_in_order_and_augmentation(films):
    batches = Batches(films, Recipe())

    assert not np.array_equal(batches.batch(0, 0).images, batches.batch(1, 0).images)


def test_a_batch_is_the_same_whoever_asks_and_however_often(films):
    first, second = Batches(films, Recipe(seed=5)), Batches(films, Recipe(seed=5))
    second.batch(0, 0)

    for ours, theirs in zip(first.batch(1, 1), second.batch(1, 1), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_another_seed_gives_another_batch(films):
    first, second = (Batches(films, Recipe(seed=seed)).batch(0, 0) for seed in (1, 2))

    assert not np.array_equal(first.images, second.images)


def test_both_classes_weigh_the_same_in_the_loss(films):
    everything = Batches(films, Recipe(batch_size=len(films))).batch(0, 0)
    sick = everything.targets > 0.5

    assert everything.weights[sick].sum() == pytest.approx(
        everything.weights[~sick].sum(), rel=1e-4
    )
    assert everything.weights.mean() == pytest.approx(1, rel=1e-4)


def test_labels_are_smoothed(films):
    targets = Batches(films, Recipe()).batch(0, 0).targets

    assert np.unique(targets) == pytest.approx([0.025, 0.975])
    assert targets.shape == (128, 1)


def watched(films, terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with Watch(films, Recipe(epochs=1), console) as watch:
        watch.step(0, 0.7, steps=1)
        watch.epoch(0, 0.7, films.labels[:, np.newaxis].astype(np.float32))
    return watch, console.file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_loss_and_validation_auc_are_shown(films, terminal):
    watch, shown = watched(films, terminal)

    assert watch.aucs == [1.0]
    assert "loss 0.700" in shown
    assert "validation AUC 1.0000" in shown

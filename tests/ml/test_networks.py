"""Both architectures, by the same specification."""

import io
import subprocess
import sys

import numpy as np
import pytest

PARAMETERS = {"keras_bottleneck": 201_985, "torch_residual": 240_033}


@pytest.fixture(params=PARAMETERS, scope="module")
def module(request):
    from importlib import import_module

    return import_module(f"ml.models.{request.param}")


@pytest.fixture(scope="module")
def films(few_films):
    from ml.data.films import Films

    return Films(
        images=few_films["train_images"][:128, ..., np.newaxis].astype(np.float32) / 255,
        labels=few_films["train_labels"][:128, 0],
    )


def fit(module, films, seed, epochs=1):
    from rich.console import Console

    from ml.training import Batches, Recipe, Watch

    recipe = Recipe(epochs=epochs, seed=seed, batch_size=64)
    network = module.Network(28, seed)
    with Watch(films, recipe, Console(file=io.StringIO())) as watch:
        network.fit(Batches(films, recipe), recipe, watch)
    return network, watch


@pytest.fixture(scope="module")
def fitted(module, films):
    return fit(module, films, seed=3)


def test_the_number_of_parameters(module):
    name = module.__name__.rsplit(".", 1)[-1]

    assert module.Network(28, 0).parameters == PARAMETERS[name]


@pytest.mark.parametrize("size", [16, 28, 65])
def test_any_image_size_gives_one_probability_an_image(module, size):
    images = np.random.default_rng(0).random((3, size, size, 1), dtype=np.float32)

    probabilities = module.Network(size, 0).predict(images)

    assert probabilities.shape == (3, 1)
    assert probabilities.dtype == np.float32
    assert ((probabilities > 0) & (probabilities < 1)).all()


def test_no_image_gives_no_probability(module):
    assert module.Network(28, 0).predict(np.empty((0, 28, 28, 1), np.float32)).shape == (0, 1)


def test_the_same_seed_gives_the_same_network(module, films, fitted):
    again, _ = fit(module, films, seed=3)

    np.testing.assert_array_equal(again.predict(films.images), fitted[0].predict(films.images))


def test_another_seed_gives_another_network(module, films, fitted):
    other, _ = fit(module, films, seed=4)

    assert not np.array_equal(other.predict(films.images), fitted[0].predict(films.images))


def test_it_learns_from_a_few_films(module, films):
    _, watch = fit(module, films, seed=0, epochs=12)

    assert watch.aucs[-1] > 0.9


def test_what_was_watched_last_is_what_is_kept(films, fitted):
    from ml.evaluation import evaluate

    network, watch = fitted

    assert evaluate(network.predict(films.images), films.labels).auc.value == watch.aucs[-1]


@pytest.mark.parametrize(
    ("command", "foreign"),
    [("ml.train_keras", "torch"), ("ml.train_torch", "tensorflow")],
)
def test_an_arm_imports_its_own_framework_alone(trained, command, foreign):
    imported = trained.runs[command].out.rpartition("imported:")[2].split()

    assert len(imported) == 1
    assert foreign not in imported
    assert "jsii" not in imported


def test_the_augmented_batches_reach_keras_in_the_recipes_order(films):
    """Keras asks a data set ahead of the epochs; each batch must be that of its own epoch."""
    program = """
import io, sys
import numpy as np
from rich.console import Console
from ml.data.films import Films
from ml.models.keras_bottleneck import Network
from ml.training import Batches, Recipe, Watch

class Recorded(Batches):
    asked = []
    def batch(self, epoch, index):
        self.asked.append((epoch, index))
        return super().batch(epoch, index)

images = np.random.default_rng(0).random((96, 16, 16, 1), dtype=np.float32)
films = Films(images=images, labels=np.arange(96, dtype=np.uint8) % 2)
recipe = Recipe(epochs=3, batch_size=32)
batches = Recorded(films, recipe)
network = Network(16, 0)
with Watch(films, recipe, Console(file=io.StringIO())) as watch:
    network.fit(batches, recipe, watch)
trained_on = batches.asked[-9:]
assert trained_on == [(e, i) for e in range(3) for i in range(3)], batches.asked
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 0, done.stderr

"""What one architecture does, written down for test_networks.py.

A process of its own: TensorFlow and PyTorch together in one abort it (PyTorch's compiler loads a
library that TensorFlow has loaded in another version).
"""

import io
import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
from rich.console import Console

from ml.data.films import Films
from ml.evaluation.measures import evaluate
from ml.training.fitting import Batches, Watch
from ml.training.recipe import Recipe

module = import_module(f"ml.training.networks.{sys.argv[1]}")
data, folder = map(Path, sys.argv[2:])

with np.load(data) as archive:
    films = Films(
        images=archive["train_images"][:128, ..., np.newaxis].astype(np.float32) / 255,
        labels=archive["train_labels"][:128, 0],
    )


class Recorded(Batches):
    """Writes down which batch is asked for."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.asked = []

    def batch(self, epoch, index):
        self.asked.append((epoch, index))
        return super().batch(epoch, index)


def fit(seed, epochs=1):
    recipe = Recipe(epochs=epochs, seed=seed, batch_size=64)
    network, batches = module.Network(28, seed), Recorded(films, recipe)
    with Watch(films, recipe, Console(file=io.StringIO())) as watch:
        network.fit(batches, recipe, watch)
    return network.predict(films.images), watch, batches


answers = {
    f"size {size}": module.Network(size, 0).predict(
        np.random.default_rng(0).random((3, size, size, 1), dtype=np.float32)
    )
    for size in (16, 28, 65)
}
answers["seed 3"], watch, _ = fit(3)
answers["seed 3 again"], _, _ = fit(3)
answers["seed 4"], _, _ = fit(4)
_, long, batches = fit(0, epochs=40)
np.savez(folder / "answers.npz", **answers)
facts = {
    "parameters": module.Network(28, 0).parameters,
    "watched auc": watch.aucs[-1],
    "kept auc": evaluate(answers["seed 3"], films.labels).auc.value,
    "auc after 40 epochs": long.aucs[-1],
    "batches": batches.asked,
}
(folder / "facts.json").write_text(json.dumps(facts))

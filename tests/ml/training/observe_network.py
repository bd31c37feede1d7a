"""What one architecture does, written down for test_networks.py.

`python observe_network.py NETWORK FILMS FOLDER SEED:EPOCHS ...` trains it so often.

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
data, folder = map(Path, sys.argv[2:4])
trainings = [tuple(map(int, training.split(":"))) for training in sys.argv[4:]]

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


def fit(seed, epochs):
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
trained = [fit(seed, epochs) for seed, epochs in trainings]
for number, (probabilities, _, _) in enumerate(trained):
    answers[f"training {number}"] = probabilities
np.savez(folder / "answers.npz", **answers)
facts = {
    "parameters": module.Network(28, 0).parameters,
    "watched aucs": [watch.aucs[-1] for _, watch, _ in trained],
    "kept aucs": [
        evaluate(probabilities, films.labels).auc.value for probabilities, _, _ in trained
    ],
    "batches": [batches.asked for _, _, batches in trained],
}
(folder / "facts.json").write_text(json.dumps(facts))

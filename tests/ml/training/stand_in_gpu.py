"""Trains and asks the challenger's network on PyTorch's device `meta`, in place of a GPU.

Its tensors have shapes and no memory; what mixes them with the host's is refused, as on a GPU.
"""

import json

import numpy as np
import torch

from ml.data.films import Films
from ml.training.fitting import Batches
from ml.training.networks.torch_residual import Network
from ml.training.recipe import Recipe


class Watch:
    validation_images = np.zeros((3, 28, 28, 1), np.float32)

    def step(self, *_: object) -> None: ...

    def epoch(self, *_: object) -> None: ...


asked: list[str] = []


def read(tensor: torch.Tensor) -> torch.Tensor:
    """Stands for the copy to the host, which a tensor without memory cannot make."""
    asked.append(tensor.device.type)
    return torch.zeros(tensor.shape)


films = Films(
    images=np.random.default_rng(0).random((16, 28, 28, 1), np.float32),
    labels=np.arange(16, dtype=np.uint8) % 2,
)
recipe = Recipe(epochs=1, batch_size=8)
torch.Tensor.item = lambda _: 0.5
torch.Tensor.cpu = read
torch.Tensor.numpy = lambda tensor: np.zeros(tuple(tensor.shape), np.float32)
network = Network(28, 0, device="meta")
network.fit(Batches(films, recipe), recipe, Watch())
devices = {parameter.device.type for parameter in network.served.parameters()}
print(json.dumps({"asked": asked, "weights": sorted(devices)}))

"""The challenger's architecture: a small residual network in PyTorch.

A strided stem, since full resolution costs three times as much and gains nothing, and the average
and the maximum over the film before the classifier (docs/reference/training.md#architectures).
"""

import os
from typing import Any

# Both are read when PyTorch starts. A thread that waits for the others on a busy machine sleeps,
# rather than spin away the time that they need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# cuBLAS is deterministic on a GPU only with this.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, layer_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ml.data.films import Images
from ml.data.prepared import PreparedImages
from ml.training.fitting import Batches, Watch
from ml.training.recipe import SMALLEST_VARIANCE, Recipe

_PREDICTED_AT_ONCE = 128


def accelerator() -> str | None:
    """The name of the GPU that PyTorch computes on; None where it finds none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


class ConvolutionBlock(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvolutionBlock(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Features [n, c, h, w] of the same shape."""
        return torch.relu(x + self.norm(self.second(self.first(x))))


class ResidualClassifier(nn.Module):
    """Images [n, h, w, 1] in [0, 1] to logits of PNEUMONIA [n, 1]; any height and width."""

    def __init__(self, widths: tuple[int, int, int] = (32, 64, 96)) -> None:
        super().__init__()
        narrow, middle, wide = widths
        self.stem = ConvolutionBlock(1, narrow, kernel=5, stride=2)
        self.blocks = nn.Sequential(
            ConvolutionBlock(narrow, middle),
            nn.MaxPool2d(2),
            ConvolutionBlock(middle, wide),
            ResidualBlock(wide),
        )
        self.head = nn.Linear(2 * wide, 1)

    def forward_features(self, images: Tensor) -> Tensor:
        """Pooled features [n, c] of images [n, h, w, 1]."""
        images = layer_norm(images, images.shape[1:], eps=SMALLEST_VARIANCE)
        # One grey channel: the permuted tensor is in both memory layouts at once.
        x: Tensor = self.blocks(self.stem(images.permute(0, 3, 1, 2)))
        return x

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, 1] of images [n, h, w, 1]."""
        x = self.forward_features(images)
        logits: Tensor = self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1))
        return logits


class ServedClassifier(nn.Module):
    """The serving contract: images [n, h, w, 1] in [0, 1] to probabilities [n, 1]."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities of PNEUMONIA [n, 1] for images [n, h, w, 1] in [0, 1]."""
        return torch.sigmoid(self.classifier(images))


class Network:
    """The residual classifier with its training; see `ml.training.fitting.Network`."""

    def __init__(self, image_size: int, seed: int, device: str = "cpu") -> None:
        torch.manual_seed(seed)
        # As use_deterministic_algorithms does, but that imports PyTorch's compiler first. Where
        # CUDA has no deterministic kernel, it says so and goes on.
        torch.set_deterministic_debug_mode("error" if device == "cpu" else "warn")
        torch.backends.cudnn.deterministic = True
        # Only what reads memory before it writes it would notice; filling costs 5 %.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        self._image_size = image_size
        self._device = torch.device(device)
        # Drawn on the CPU, so that a seed starts from the same weights on every device.
        classifier = ResidualClassifier().to(memory_format=torch.channels_last)
        self.classifier = classifier.to(self._device)
        self.served = ServedClassifier(self.classifier).eval()

    @property
    def parameters(self) -> int:
        """Trainable parameters."""
        return sum(p.numel() for p in self.classifier.parameters() if p.requires_grad)

    def fit(self, batches: Batches, recipe: Recipe, watch: Watch) -> None:
        """Trains; afterwards the network has the averaged weights."""
        optimizer = _adamw(self.classifier, recipe)
        averaged = AveragedModel(
            self.classifier,
            multi_avg_fn=get_ema_multi_avg_fn(recipe.average_decay),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        self.served = ServedClassifier(averaged.module).eval()
        for epoch in range(recipe.epochs):
            self.classifier.train()
            total = 0.0
            for index in range(len(batches)):
                step = epoch * len(batches) + index
                for group in optimizer.param_groups:
                    group["lr"] = recipe.learning_rate(step, batches.steps)
                images, targets, weights = map(self._moved, batches.batch(epoch, index))
                loss = binary_cross_entropy_with_logits(self.classifier(images), targets, weights)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                averaged.update_parameters(self.classifier)
                total += loss.item()
                watch.step(epoch, total / (index + 1), batches.steps)
            watch.epoch(epoch, total / len(batches), self.predict(watch.validation_images))

    def predict(self, images: Images | PreparedImages) -> NDArray[np.float32]:
        """Probabilities of PNEUMONIA [n, 1] for images [n, h, w, 1] in [0, 1]."""
        self.served.eval()
        with torch.inference_mode():
            probabilities: NDArray[np.float32] = np.concatenate(
                [
                    self.served(self._moved(images[start : start + _PREDICTED_AT_ONCE]))
                    .cpu()
                    .numpy()
                    for start in range(0, len(images), _PREDICTED_AT_ONCE)
                ]
            )
        return probabilities

    def _moved(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def log(self, name: str, **contract: Any) -> Any:
        """As an exported program: it needs no source code of ours where it is loaded."""
        import mlflow.pytorch

        # An exported program keeps its device, and it is served on CPUs.
        self._device = torch.device("cpu")
        return mlflow.pytorch.log_model(
            self.served.to(self._device), name=name, serialization_format="pt2", **contract
        )


def _adamw(classifier: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """No weight decay on norms and biases, which have one dimension."""
    parameters = list(classifier.parameters())
    return torch.optim.AdamW(
        [
            {
                "params": [p for p in parameters if p.ndim > 1],
                "weight_decay": recipe.weight_decay,
            },
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=recipe.peak_learning_rate,
    )

"""The recipe that both arms are trained by.

The figures are those that were measured to carry over to films of another distribution
(docs/reference/training.md#what-carried-over).
"""

import math
from dataclasses import dataclass, field
from typing import Final

from ml.training.augmentation import Augmentation

SMALLEST_VARIANCE: Final = 4e-4
"""Added to that of a film's pixels where a network standardizes it: a spread of 0.02 from black to
white, so that a film of hardly any contrast is not all noise.

Both networks do so first: the exposure of another X-ray machine is no finding
(docs/reference/training.md#what-carried-over).
"""

_LARGEST_IN_FULL: Final = 128
"""Pixels."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a network learns, but its architecture and the films."""

    epochs: int = 15
    seed: int = 0
    batch_size: int = 128
    """Of films up to 128 pixels; see `films_at_once`."""
    peak_learning_rate: float = 2e-3
    warm_up: float = 0.1
    """Share of all steps in which the learning rate rises to its peak; then a cosine falls to 0."""
    weight_decay: float = 0.05
    """Of AdamW, on the weights of convolutions and dense layers alone."""
    label_smoothing: float = 0.05
    average_decay: float = 0.98
    """Of the exponential moving average of the weights, which is what is kept."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    def films_at_once(self, image_size: int) -> int:
        """In a batch; of large films half as many, whose layers would take 3.6 GB otherwise."""
        return self.batch_size if image_size <= _LARGEST_IN_FULL else max(1, self.batch_size // 2)

    def learning_rate(self, step: int, steps: int) -> float:
        """Of one optimizer step, counted from 0."""
        rising = max(1, round(steps * self.warm_up))
        if step < rising:
            return self.peak_learning_rate * (step + 1) / rising
        done = (step - rising) / max(1, steps - rising)
        return self.peak_learning_rate * (1 + math.cos(math.pi * done)) / 2

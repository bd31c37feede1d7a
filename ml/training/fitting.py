"""What training in both frameworks shares: the batches, and what is watched.

What a framework does itself (gradients, AdamW, the moving average of the weights) is in
`ml.training.networks`.
"""

from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import TaskID, TextColumn

from ml.contract.serving import LABELS
from ml.data.films import Films, Images, Labels
from ml.data.prepared import PreparedImages
from ml.evaluation.measures import auc
from ml.terminal.progress import bar
from ml.training.recipe import Recipe


class Batch(NamedTuple):
    """Augmented films with their smoothed targets and the weights that balance the classes."""

    images: Images
    """[n, h, w, 1]"""
    targets: NDArray[np.float32]
    """[n, 1]"""
    weights: NDArray[np.float32]
    """[n, 1], 1 on average over the training films"""


class Batches:
    """The training films in the order of every epoch.

    Each batch depends on the seed, the epoch and its index alone: whoever asks, and however
    often, gets the same one. All have one size (TensorFlow would trace its graph once more for
    another), so that an epoch leaves out a few films, others each time.
    """

    def __init__(self, films: Films, recipe: Recipe) -> None:
        self.films = films
        """All of them, unchanged: for what learns from them at once."""
        self._recipe = recipe
        self._size = min(recipe.films_at_once(films.images.shape[1]), len(films))
        self._of_class = len(films) / (
            len(LABELS) * np.bincount(films.labels, minlength=len(LABELS))
        )

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.films) // self._size

    @property
    def steps(self) -> int:
        """Batches in all epochs."""
        return len(self) * self._recipe.epochs

    def chosen(self, epoch: int, index: int) -> NDArray[np.intp]:
        """Which films are in the batch of that number in an epoch."""
        random = np.random.default_rng([self._recipe.seed, epoch])
        order = random.permutation(len(self.films))
        return order[index * self._size : (index + 1) * self._size]

    def batch(self, epoch: int, index: int) -> Batch:
        """The batch of that number in an epoch: the same films and changes on every run."""
        seed = self._recipe.seed
        films = self.films.take(self.chosen(epoch, index))
        smoothing = self._recipe.label_smoothing
        targets = films.labels * (1 - smoothing) + smoothing / 2
        random = np.random.default_rng([seed, epoch, index])
        return Batch(
            images=self._recipe.augmentation.apply(np.asarray(films.images), random),
            targets=targets.astype(np.float32)[:, np.newaxis],
            weights=self._of_class[films.labels].astype(np.float32)[:, np.newaxis],
        )


class Network(Protocol):
    """One architecture in one framework."""

    @property
    def parameters(self) -> int:
        """Trainable parameters."""

    def fit(self, batches: Batches, recipe: Recipe, watch: "Watch") -> None:
        """Trains; afterwards the network has the weights that are kept."""

    def predict(self, images: Images | PreparedImages) -> NDArray[np.float32]:
        """Probabilities of PNEUMONIA, [n, 1], for images [n, h, w, 1] in [0, 1].

        Of images in a file, few are in memory at once.
        """

    def log(self, name: str, **contract: Any) -> Any:
        """Logs the network to the current MLflow run; returns MLflow's ModelInfo.

        ``contract`` is the signature, input_example and pip_requirements.
        """


class Watch:
    """Shows the loss and the validation AUC while a network trains.

    A bar where the console is a terminal; one line an epoch elsewhere.
    """

    def __init__(self, validation: Films, recipe: Recipe, console: Console) -> None:
        self._labels: Labels = validation.labels
        self._epochs = recipe.epochs
        self._console = console
        self._progress = bar(
            console, TextColumn("loss {task.fields[loss]:.3f}  validation AUC {task.fields[auc]}")
        )
        self._task: TaskID | None = None
        self.validation_images = validation.images
        self.aucs: list[float] = []
        """The validation AUC after each epoch."""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def step(self, epoch: int, loss: float, steps: int) -> None:
        """After a batch; ``loss`` is the mean of the epoch so far."""
        if self._task is None:
            self._task = self._progress.add_task("", total=steps, loss=loss, auc="...")
        description = f"epoch {epoch + 1}/{self._epochs}"
        self._progress.update(self._task, advance=1, loss=loss, description=description)

    def epoch(self, epoch: int, loss: float, probabilities: NDArray[np.float32]) -> None:
        """After an epoch; ``probabilities`` [n, 1] are those of the validation films."""
        scores = probabilities[:, 0].astype(np.float64)
        sick = self._labels == LABELS.index("PNEUMONIA")
        found = auc(scores, sick)
        if found is None:
            raise ValueError("validation needs films of both classes")
        self.aucs.append(found.value)
        if self._task is not None:
            self._progress.update(self._task, auc=f"{found.value:.4f}")
        if not self._console.is_terminal:
            self._console.print(
                f"epoch {epoch + 1}/{self._epochs}  loss {loss:.3f}"
                f"  validation AUC {found.value:.4f}"
            )

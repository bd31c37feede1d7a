"""A third challenger for the films: gradient-boosted trees, of another framework, without epochs.

    python -m ml.train examples/boosted_challenger/boosted.py

It sees a film as the means of a grid of fields, and how much the greys change within each.
reference: Friedman, Greedy function approximation, Ann. Statist. 29, 2001.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
from mlflow.pyfunc.model import PythonModel
from sklearn.ensemble import HistGradientBoostingClassifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.data.films import Images
    from ml.data.prepared import PreparedImages
    from ml.training.fitting import Batches, Watch
    from ml.training.recipe import Recipe

FIELDS = 14
"""Of the grid, along each edge."""
LEVELS = 254
"""Of greys and changes: as many as the trees tell apart, so that no quantile is searched, which
took ten times as long as all else."""
STEEPEST = 0.5
"""A change from pixel to pixel; steeper ones are alike."""


def features(images: Images | PreparedImages) -> NDArray[np.float32]:
    """Films [n, h, w, 1] in [0, 1] to means and changes of fields [n, 2 * FIELDS * FIELDS]."""
    grey = np.asarray(images)[..., 0]
    down, across = np.gradient(grey, axis=(1, 2))
    changes = np.minimum(_fields(np.hypot(down, across)) / STEEPEST, 1)
    found: NDArray[np.float32] = np.rint(LEVELS * np.concatenate([_fields(grey), changes], axis=1))
    return found


def _fields(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over a grid of FIELDS x FIELDS, whatever the size [n, h, w] is."""
    n, height, width = values.shape
    rows = np.arange(FIELDS) * height // FIELDS
    columns = np.arange(FIELDS) * width // FIELDS
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=1), columns, axis=2)
    sizes = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    return np.asarray(sums / sizes, np.float32).reshape(n, -1)


class Served(PythonModel):
    """The serving contract: images [n, h, w, 1] in [0, 1] to probabilities [n, 1]."""

    def __init__(self, model: HistGradientBoostingClassifier) -> None:
        self.model = model

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
        """Probabilities of PNEUMONIA [n, 1]."""
        images = np.asarray(model_input, np.float32)
        return self.model.predict_proba(features(images))[:, 1:].astype(np.float32)


class Network:
    """The trees with their training; see `ml.training.fitting.Network`."""

    def __init__(self, image_size: int, seed: int) -> None:  # noqa: ARG002 - fits any size
        self.model = HistGradientBoostingClassifier(
            max_iter=100, max_leaf_nodes=15, class_weight="balanced", random_state=seed
        )

    @property
    def parameters(self) -> int:
        """Leaves of all trees."""
        return sum(tree.get_n_leaf_nodes() for (tree,) in self.model._predictors)

    def fit(self, batches: Batches, recipe: Recipe, watch: Watch) -> None:  # noqa: ARG002
        """Trains on all films at once."""
        self.model.fit(features(batches.films.images), batches.films.labels)

    def predict(self, images: Images | PreparedImages) -> NDArray[np.float32]:
        """Probabilities of PNEUMONIA [n, 1]."""
        found: NDArray[np.float32] = Served(self.model).predict(None, images)
        return found

    def log(self, name: str, **contract: Any) -> Any:
        """Logs the trees to the current MLflow run; returns MLflow's ModelInfo."""
        return mlflow.pyfunc.log_model(
            name=name, python_model=Served(self.model), code_paths=[__file__], **contract
        )


def _arm() -> Any:
    # Here, because a served version has this file and nothing else of the project.
    from ml.contract.arms import Arm

    return Arm(
        command=f"ml.train {__file__}",
        model="pneumonia_boosted",
        framework="scikit-learn",
        network=__name__,
        architecture="gradient-boosted trees",
        packages=("scikit-learn", "mlflow", "numpy"),
        about="Pneumonia in a chest X-ray: gradient-boosted trees, in scikit-learn.",
        epochs=False,
    )


def __getattr__(name: str) -> Any:
    if name == "ARM":
        return _arm()
    raise AttributeError(name)

"""A model that answers slowly and wrongly: `python -m infra.local.demo.slow_model FOLDER` saves it.

This file goes with the model, as the module that MLflow loads it by.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECONDS: Final = 1.5


class SlowModel:
    """Calls a film by how bright its first row is, which says nothing of a lung."""

    def predict(self, films: NDArray[np.float32], params: object = None) -> NDArray[np.float32]:  # noqa: ARG002
        """Answers [n, 1], 0 or 1, for films [n, h, w, 1] in [0, 1]."""
        time.sleep(SECONDS)
        brightness = np.asarray(films)[:, 0].mean(axis=(1, 2))
        answers: NDArray[np.float32] = (brightness > np.float32(0.5)).astype(np.float32)
        return answers[:, None]


def _load_pyfunc(_folder: str) -> SlowModel:
    """What MLflow calls."""
    return SlowModel()


def _save(folder: str) -> None:
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import Schema, TensorSpec

    films = TensorSpec(np.dtype("float32"), (-1, 28, 28, 1))
    answers = TensorSpec(np.dtype("float32"), (-1, 1))
    save_model(
        folder,
        loader_module=Path(__file__).stem,
        code_paths=[__file__],
        input_example=np.full((1, 28, 28, 1), 0.5, np.float32),
        signature=ModelSignature(Schema([films]), Schema([answers])),
        pip_requirements=[],
    )


if __name__ == "__main__":
    _save(sys.argv[1])

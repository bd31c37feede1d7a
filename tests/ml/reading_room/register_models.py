"""Registers the arm of these tests: `python register_models.py REGISTRY ARTIFACTS NAME`.

Its probability is the mean grey of the film, so that a test decides what is called PNEUMONIA.
"""

from __future__ import annotations

import sys
from typing import Any

import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec


class Brightness(mlflow.pyfunc.PythonModel):
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
        return np.asarray(model_input).mean(axis=(1, 2, 3), dtype=np.float32)[:, np.newaxis]


if __name__ == "__main__":
    registry, artifacts, name = sys.argv[1:]
    mlflow.set_tracking_uri(registry)
    mlflow.create_experiment("arms", artifact_location=artifacts)
    mlflow.set_experiment("arms")
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="brightness",
            python_model=Brightness(),
            signature=ModelSignature(
                inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 28, 28, 1))]),
                outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 1))]),
            ),
            registered_model_name=name,
            pip_requirements=[],
        )

"""Registers what the serving tests serve: `python register_models.py REGISTRY ARTIFACTS KIND`.

A script of its own, so that no test process loads TensorFlow or PyTorch.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

IMAGE = (28, 28, 1)
CONTRACT = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype("float32"), (-1, *IMAGE))]),
    outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 1))]),
)


class Probe(mlflow.pyfunc.PythonModel):
    """Does what a request asks for, so that a test can see what serving makes of it."""

    def load_context(self, context: Any) -> None:  # noqa: ARG002
        """Where the variable LOADS_WITH names a file, not before there is one."""
        file = os.environ.get("LOADS_WITH")
        while file and not Path(file).exists():
            time.sleep(0.01)

    def predict(self, context: Any, model_input: Any, params: Any = None) -> list[str]:  # noqa: ARG002
        return [self._act(*action.partition(":")[::2], params) for action in model_input["action"]]

    def _act(self, action: str, argument: str, params: Any) -> str:
        match action:
            case "echo":
                return argument
            case "pid":
                return str(os.getpid())
            case "environment":
                return os.environ.get(argument, "")
            case "modules":
                return ",".join(name for name in argument.split(",") if name in sys.modules)
            case "importable":
                import importlib.util

                return str(importlib.util.find_spec(argument) is not None)
            case "parameter":
                return str((params or {}).get("suffix"))
            case "sleep":
                time.sleep(float(argument))
                return "slept"
            case "hold":
                folder = Path(argument)
                (folder / f"held-{uuid.uuid4()}").touch()
                while not (folder / "go").exists():
                    time.sleep(0.01)
                return "released"
            case "long":
                return "x" * int(argument)
            case "die":
                os._exit(7)
            case "die_once":
                try:
                    os.close(os.open(argument, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    return "alive"
                os._exit(7)
            case _:
                raise ValueError(f"no such action: {action}")


class Brightness(mlflow.pyfunc.PythonModel):
    """Takes and answers what the real models do, without a framework that takes seconds to load."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
        return model_input.mean(axis=(1, 2))


class Contrast(mlflow.pyfunc.PythonModel):
    """Another one, of which there are two versions."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
        return model_input.std(axis=(1, 2))


def register_probe() -> None:
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "action")]),
        outputs=Schema([ColSpec(DataType.string)]),
        params=ParamSchema([ParamSpec("suffix", DataType.string, "default")]),
    )
    for name in ("probe", "probe", "pending", "broken"):
        mlflow.pyfunc.log_model(
            name=name,
            python_model=Probe(),
            signature=signature,
            registered_model_name=f"local.models.{name}",
            pip_requirements=[],
        )
    for model in (Brightness(), Contrast(), Contrast()):
        name = type(model).__name__.lower()
        mlflow.pyfunc.log_model(
            name=name,
            python_model=model,
            signature=CONTRACT,
            registered_model_name=f"local.models.{name}",
            pip_requirements=[],
        )


def register_feedback() -> None:
    """As the command does it for an environment with the catalog `local`."""
    from ml.register_feedback import main

    file = Path("feedback.toml")
    file.write_text(
        'catalog = "local"\n'
        '[ab_test]\nendpoint = "ab-test"\n[ab_test.champion]\nmodel = "keras"\nversion = 1\n'
    )
    status = main(["--environment", str(file), "--registry", mlflow.get_tracking_uri()])
    assert status == 0


def register_torch() -> None:
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(28 * 28, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)
    ).append(torch.nn.Sigmoid())
    for _ in range(2):
        mlflow.pytorch.log_model(
            model.eval(),
            name="torch",
            signature=CONTRACT,
            input_example=np.zeros((2, *IMAGE), dtype=np.float32),
            serialization_format="pt2",
            registered_model_name="local.models.torch",
            pip_requirements=[],
        )


def register_keras() -> None:
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input(IMAGE),
            keras.layers.Conv2D(4, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    mlflow.tensorflow.log_model(
        model,
        name="keras",
        signature=CONTRACT,
        registered_model_name="local.models.keras",
        pip_requirements=[],
    )


if __name__ == "__main__":
    registry, artifacts, kind = sys.argv[1:]
    mlflow.set_tracking_uri(registry)
    if mlflow.get_experiment_by_name(kind) is None:
        mlflow.create_experiment(kind, artifact_location=artifacts)
    mlflow.set_experiment(kind)
    with mlflow.start_run():
        {"probe": register_probe, "torch": register_torch, "keras": register_keras}[kind]()
    if kind == "probe":
        os.environ["MLFLOW_EXPERIMENT_NAME"] = kind
        register_feedback()

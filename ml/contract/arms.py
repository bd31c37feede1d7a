"""The models that this project trains, each said once: a further one is a module and an entry here.

Whoever creates, trains, serves or names them takes them from here. Standard library only.
"""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A model that can be champion or challenger."""

    command: str
    """What trains it, behind `python -m`: a module of its own, or `ml.train` and a name."""
    model: str
    """Its registered name, without catalog and schema."""
    framework: str
    """For people; the distribution's name is its lower case."""
    network: str
    """The module with its architecture: a class `Network` (`ml.training.fitting.Network`)."""
    architecture: str
    packages: tuple[str, ...]
    """What a served version needs, to be pinned; the framework first."""
    about: str
    """What people read about the registered model."""
    epochs: bool = True
    """Whether it sees the training films again and again, as networks do."""

    @property
    def framework_version(self) -> str:
        """The version that is installed here."""
        return version(self.packages[0])


ARMS: Final = (
    Arm(
        command="ml.train_keras",
        model="pneumonia_poc_classifier",
        framework="TensorFlow",
        network="ml.training.networks.keras_dense",
        architecture="densely connected network",
        packages=("tensorflow", "keras", "mlflow", "numpy"),
        about="Pneumonia in a chest X-ray: the champion's architecture, in Keras.",
    ),
    Arm(
        command="ml.train_torch",
        model="pneumonia_poc_classifier_pytorch",
        framework="PyTorch",
        network="ml.training.networks.torch_residual",
        architecture="residual network",
        packages=("torch", "mlflow", "numpy"),
        about="Pneumonia in a chest X-ray: the challenger's architecture, in PyTorch.",
    ),
)

KERAS, PYTORCH = ARMS[0], ARMS[1]

TRAINING: Final = tuple(f"python -m {arm.command}" for arm in ARMS)
"""What trains them, as one types it."""

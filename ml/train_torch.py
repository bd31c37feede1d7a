"""Trains the challenger, in PyTorch, and registers it: ``python -m ml.train_torch``."""

import sys
from collections.abc import Sequence

from ml.contract.serving import PYTORCH_MODEL
from ml.terminal.command import NOTHING_REGISTERED, run
from ml.training.session import Arm, train

ARM = Arm(
    command="ml.train_torch",
    model=PYTORCH_MODEL,
    framework="PyTorch",
    network="ml.training.networks.torch_residual",
    architecture="residual network",
    packages=("torch", "mlflow", "numpy"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return train(ARM, arguments)


if __name__ == "__main__":
    sys.exit(run(ARM.command, main, interrupted=NOTHING_REGISTERED))

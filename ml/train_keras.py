"""Trains the champion, in Keras on TensorFlow, and registers it: ``python -m ml.train_keras``."""

import sys
from collections.abc import Sequence

from ml.contract.arms import KERAS as ARM
from ml.terminal.command import NOTHING_REGISTERED, run
from ml.training.session import train


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return train(ARM, arguments)


if __name__ == "__main__":
    sys.exit(run(ARM.command, main, interrupted=NOTHING_REGISTERED))

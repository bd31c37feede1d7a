"""The films of a test, counted: all that sensitivity and specificity depend on."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ml.verdict.statistics.betting import Floats


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Films [i] with a truth, those that are alike counted together.

    A live film was answered by one arm, drawn with a known propensity; a replayed one by both.
    """

    look: NDArray[np.intp]
    """Index of the day."""
    arm: NDArray[np.int8]
    """0 champion, 1 challenger."""
    propensity: Floats
    """The probability with which the challenger had been drawn."""
    called: NDArray[np.bool_]
    sick: NDArray[np.bool_]
    sampling: Floats
    """The probability with which a reader was given the answer."""
    n: Floats

    @property
    def weight(self) -> Floats:
        """Inverse probability: the films that each film stands for, itself and those unread."""
        return 1 / self.sampling

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """The cells of a selection."""
        return type(self)(**{name: values[chosen] for name, values in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Films [i] with a truth that both arms answered, those that are alike counted together."""

    look: NDArray[np.intp]
    champion_called: NDArray[np.bool_]
    challenger_called: NDArray[np.bool_]
    sick: NDArray[np.bool_]
    sampling: Floats
    n: Floats

"""How near probabilities are to what is true: film by film, and in bins of equal width."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 10


def squared_errors(
    probability: NDArray[np.float64], sick: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The squared distance of probability and truth of films [i]; its mean is the Brier score."""
    return np.asarray((probability - sick) ** 2)


def bins_of(probability: NDArray[np.float64]) -> NDArray[np.intp]:
    """The bin of each film [i], 0 to BINS - 1."""
    return np.digitize(probability, np.linspace(0, 1, BINS + 1)[1:-1])


def expected_error(gaps: Any, masses: Any) -> Any:
    """The expected calibration error: the mean of the bins' gaps [bin, ...], by their films."""
    return np.average(gaps, axis=0, weights=masses)

"""How near probabilities are to what is true: film by film, and in bins of equal width."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 10
_LONG: Final = 10_000


def squared_errors(
    probability: NDArray[np.float64], sick: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The squared distance of probability and truth of films [i]; its mean is the Brier score."""
    return np.asarray((probability - sick) ** 2)


def bins_of(probability: NDArray[np.float64]) -> NDArray[np.intp]:
    """The bin of each film [i], 0 to BINS - 1."""
    return np.digitize(probability, np.linspace(0, 1, BINS + 1)[1:-1])


def middle_of_bin(probability: float) -> float:
    """The middle of the bin that a probability, or the mean of those in one bin, lies in."""
    # A mean of equal values may come out a bit below them, and that below the bin's edge.
    return float((bins_of(np.array([round(probability, 9)]))[0] + 0.5) / BINS)


def short(n: int) -> str:
    """A number of films in the four characters that there is room for under a bin."""
    if n < _LONG:
        return str(n)
    thousands = round(n / 1e3)
    if thousands < 1e3:
        return f"{thousands}k"
    millions = round(n / 1e6, 1)
    return f"{millions:.1f}M" if millions < 10 else f"{millions:.0f}M"


def expected_error(gaps: Any, masses: Any) -> Any:
    """The expected calibration error: the mean of the bins' gaps [bin, ...], by their films."""
    return np.average(gaps, axis=0, weights=masses)

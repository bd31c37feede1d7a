"""Confidence sequences of figures that are means only in the limit: AUC, Brier score, calibration.

The time-uniform counterpart of value +- z sqrt(variance): valid at all looks together as the films
grow in number. No verdict depends on it.

reference: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Ann. Statist. 52(6), 2024; the boundary
is that of the library `ville`.
"""

from functools import lru_cache
from typing import Final

from ville import best_rho, normal_mixture

from ml.verdict.statistics.betting import Interval

FEWEST: Final = 30
"""Films from which the limit is a fair description; with fewer the interval is all there is."""


def asymptotic(
    value: float,
    variance: float,
    n: int,
    *,
    alpha: float,
    narrowest_at: int,
    lowest: float,
    highest: float,
) -> Interval:
    """The interval of an estimate with this variance from n films."""
    if n < FEWEST:
        return Interval(value=value, low=lowest, high=highest, n=n)
    boundary = float(normal_mixture(n, alpha, _precision(narrowest_at, alpha)))
    radius = (variance / n) ** 0.5 * boundary
    return Interval(
        value=value, low=max(lowest, value - radius), high=min(highest, value + radius), n=n
    )


@lru_cache
def _precision(narrowest_at: int, alpha: float) -> float:
    return float(best_rho(narrowest_at, alpha))

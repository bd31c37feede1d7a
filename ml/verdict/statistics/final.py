"""A test for one look that was fixed before: Wald's, of the same estimating equation.

Its alpha is a part of the experiment's, and the looks before it have the rest (Bonferroni's bound
over the two), so that nothing has to be known of how they depend on each other.

Wald's interval is of many films: where a handful decides (an arm that hardly errs, audits of one in
a hundred) errors that nobody happened to see make it far too narrow. So its spread has four more
units that say the most that one can say, two of them for each arm (Agresti and Coull, Am. Stat.
52(2), 1998), and an end moves outwards by the units' skewness (Johnson, J. Am. Stat. Assoc. 73,
1978), inwards never.
"""

from typing import Final

import numpy as np
from scipy.stats import norm

from ml.verdict.statistics.betting import Evidence, Floats

_UNSEEN: Final = 4


def wald(found: Evidence, alpha: float) -> tuple[float, float] | None:
    """The two-sided interval of the last look; None where nothing is said.

    Units are independent of each other; of what is within them nothing is assumed.
    """
    if not found.counts.size:
        return None
    low, high = limits(found.last, alpha)
    return None if np.isnan(low[-1]) else (float(low[-1]), float(high[-1]))


def limits(found: Evidence, alpha: float) -> tuple[Floats, Floats]:
    """Per look: the two-sided interval, as if it were the last; NaN where nothing is said."""
    slope = found.counts @ found.v
    with np.errstate(divide="ignore", invalid="ignore"):
        estimates = np.where(slope > 0, found.estimates, np.nan)
        said = found.u - estimates[:, None] * found.v
        # The bound is one for every estimand from -1 to 1; here there is the estimate.
        most = found.bound.max() - (1 - np.minimum(np.abs(estimates), 1)) * found.v.max()
        variance = (found.counts * said**2).sum(axis=1) + _UNSEEN * most**2
        third = (found.counts * said**3).sum(axis=1)
        quantile = float(norm.ppf(1 - alpha / 2))
        skewed = (1 + 2 * quantile**2) / 6 * third / variance / slope
        radius = quantile * np.sqrt(variance) / slope
    return (
        np.asarray(estimates - radius + np.minimum(skewed, 0)),
        np.asarray(estimates + radius + np.maximum(skewed, 0)),
    )

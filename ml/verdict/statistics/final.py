"""A test for one look that was fixed before: Wald's, of the same estimating equation.

Its alpha is a part of the experiment's, and the looks before it have the rest (Bonferroni's bound
over the two), so that nothing has to be known of how they depend on each other.
"""

from scipy.stats import norm

from ml.verdict.statistics.betting import Evidence


def wald(found: Evidence, alpha: float) -> tuple[float, float] | None:
    """The two-sided interval of the last look; None where the units say nothing of their spread.

    Units are independent of each other; of what is within them nothing is assumed.
    """
    last = found.last
    if not last.counts.size:
        return None
    counts, estimate = last.counts[-1], float(last.estimates[-1])
    slope = float(counts @ last.v)
    spread = float(counts @ (last.u - estimate * last.v) ** 2) ** 0.5
    if not slope > 0 or not spread:
        return None
    radius = float(norm.ppf(1 - alpha / 2)) * spread / slope
    return estimate - radius, estimate + radius

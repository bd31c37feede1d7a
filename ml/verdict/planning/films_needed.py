"""How many more films a promotion would take, if they kept coming as they did."""

from collections.abc import Mapping

import numpy as np

from ml.verdict.statistics.betting import Evidence
from ml.verdict.statistics.metrics import Metric

MOST: float = 1e7
"""Times what there is; beyond it the answer is: never."""


def multiple(
    evidence: Mapping[Metric, Evidence], limits: Mapping[Metric, float], alpha: float
) -> float | None:
    """By what the films of the last look must be multiplied for each estimand to be shown above
    its limit; None where no number suffices.

    The films are taken to come in the proportions that they came in, so that it is the number for
    a test that is neither lucky nor unlucky.
    """
    each = [_multiple(evidence[name], limit, alpha) for name, limit in limits.items()]
    known = [needed for needed in each if needed is not None]
    return max(known) if len(known) == len(each) else None


def _multiple(evidence: Evidence, limit: float, alpha: float) -> float | None:
    factors = np.geomspace(1e-7, MOST, 4001)
    last = evidence.counts[-1:] if evidence.counts.size else np.zeros((1, 0))
    grown = Evidence(
        u=evidence.u, v=evidence.v, bound=evidence.bound, counts=factors[:, None] * last
    )
    shown = grown.exceeds(limit, alpha)
    return float(factors[shown.argmax()]) if shown.any() else None

"""How likely a promotion still is by `maximum_labels`, after what was seen.

What the remaining units will be is drawn from what came so far, with weights that are drawn too
(Bayesian bootstrap), so that little evidence promises little. It says whether to go on; no verdict
depends on it.

reference: D. B. Rubin, The Bayesian Bootstrap, Ann. Statist. 9(1), 1981; predictive probability of
success: D. J. Spiegelhalter, L. S. Freedman and P. R. Blackburn, Control. Clin. Trials 7, 1986.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ml.verdict.gains import level
from ml.verdict.planning.simulation import wald_exceeds
from ml.verdict.rule import promotion_limits
from ml.verdict.statistics.betting import Evidence
from ml.verdict.statistics.metrics import Metric

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

UNLIKELY: Final = 0.1
"""Below it people are told."""

_DRAWS, _SEED = 400, 0


def chance_of_promotion(
    experiment: "Experiment", found: Mapping[Metric, Evidence], labels: float
) -> float | None:
    """By the maximum of labels; None before the first label, and with the last.

    ``labels`` are those that count towards the maximum. The metrics' evidence is drawn apart from
    each other, which makes the smallest chance an upper bound of all together.
    """
    if not 0 < labels < experiment.maximum_labels:
        return None
    growth = experiment.maximum_labels / labels - 1
    random = np.random.default_rng(_SEED)
    chances = []
    for metric, limit in promotion_limits(experiment).items():
        evidence = found[metric]
        counts = evidence.counts[-1] if evidence.counts.size else np.empty(0)
        if not counts.sum():
            return None
        weights = random.gamma(counts, size=(_DRAWS, counts.size))
        further = random.poisson(
            growth * counts.sum() * weights / weights.sum(axis=1, keepdims=True)
        )
        grown = {metric: replace(evidence, counts=counts + further)}
        shown = grown[metric].exceeds(limit, level(experiment) / 2)
        if experiment.final_test:
            once = experiment.alpha * experiment.final_test.share
            shown |= wald_exceeds(grown, {metric: limit}, once)
        chances.append(float(shown.mean()))
    return min(chances)

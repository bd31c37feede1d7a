"""Whether probabilities are too high as a whole, and too extreme: calibration intercept and slope.

The truth is regressed on the logit of the probability. The slope is 1 where the probabilities
spread as they should, below 1 where they are too extreme. The intercept is that of a slope of 1,
"calibration in the large": 0 where they are right on average, below 0 where they are too high.

reference: Cox, Biometrika 45, 1958; Van Calster et al., J. Clin. Epidemiol. 74, 2016, whose
definitions TRIPOD+AI (Collins et al., BMJ 385, 2024) asks for.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ml.evaluation.discrimination import Scores
from ml.verdict.statistics.asymptotic import FEWEST
from ml.verdict.statistics.betting import Floats, Interval
from ml.verdict.statistics.summaries import Figures, in_the_limit

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

NEAREST: Final = 1e-8
"""To 0 and to 1: what lies nearer counts as this, because 0 and 1 have no logit."""

FEWEST_OF_A_CLASS: Final = 10
"""Films for a coefficient (Peduzzi et al., J. Clin. Epidemiol. 49, 1996)."""

_CLOSE_ENOUGH: Final = 1e-9
"""Of the coefficients: beyond the decimals of a decision."""


@dataclass(frozen=True, kw_only=True)
class Recalibration:
    """What a logistic recalibration of one arm would correct."""

    intercept: Interval | None
    slope: Interval | None
    not_estimable: str = ""
    """Why one of them, or both, is None."""

    @property
    def figures(self) -> Figures:
        """Both by name."""
        return {"calibration intercept": self.intercept, "calibration slope": self.slope}


def recalibration(experiment: "Experiment", scores: Scores) -> Recalibration:
    """The recalibration of one arm, films counting with the inverse of their sampling probability.

    The intervals are asymptotic confidence sequences of the robust variance.
    """
    classes = [int(scores.of(sick).n.sum()) for sick in (True, False)]
    if min(classes) < FEWEST_OF_A_CLASS or sum(classes) < FEWEST:
        return Recalibration(
            intercept=None,
            slope=None,
            not_estimable=f"not estimable from {classes[0]} films with and {classes[1]} without "
            f"PNEUMONIA: it takes {FEWEST_OF_A_CLASS} of each, and {FEWEST} in all",
        )
    logit = _logit(scores.probability)
    ones = np.ones(logit.size)
    intercept = _coefficient(experiment, scores, ones[:, None], offset=logit)
    why = _separated(logit, scores)
    slope = None if why else _coefficient(experiment, scores, np.column_stack([logit, ones]))
    if not why and (intercept is None or slope is None):
        why = "not estimable: the regression does not converge"
    return Recalibration(intercept=intercept, slope=slope, not_estimable=why)


def _logit(probability: Floats) -> Floats:
    # Each tail by its own distance, which 1 - NEAREST would round.
    above, below = (np.maximum(tail, NEAREST) for tail in (probability, 1 - probability))
    return np.asarray(np.log(above) - np.log(below))


def _separated(logit: Floats, scores: Scores) -> str:
    """Whether a threshold tells all films apart, so that the steepest slope fits best."""
    sick, others = logit[scores.sick], logit[~scores.sick]
    if sick.min() < others.max() and others.min() < sick.max():
        return ""
    return "slope not estimable: a threshold tells all films with PNEUMONIA from all others"


def _coefficient(
    experiment: "Experiment", scores: Scores, design: Floats, *, offset: Floats | None = None
) -> Interval | None:
    """The design's first coefficient; None where the likelihood has no maximum that is found."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    model = GLM(
        scores.sick.astype(np.float64),
        design,
        family=Binomial(),
        offset=offset,
        # n films like this one, each with its weight: the robust variance is theirs.
        freq_weights=scores.n,
        var_weights=scores.weight,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say is asked for in the next line
        fitted = model.fit(cov_type="HC0", tol_criterion="params", tol=_CLOSE_ENOUGH)
    value, variance = float(fitted.params[0]), float(fitted.cov_params()[0, 0])
    if not fitted.converged or not np.isfinite([value, variance]).all():
        return None
    return in_the_limit(
        experiment, value, variance, int(scores.n.sum()), lowest=-np.inf, highest=np.inf
    )

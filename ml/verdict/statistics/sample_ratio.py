"""Sample-ratio mismatch: whether the arms got the requests that the split had promised them.

A sequential test, so that it may be looked at after every request: the evidence against the split
is a Bayes factor, the likelihood of the counts under a Beta mixture around the promised propensity
over that under the propensity itself. It starts at 1 and ever exceeds 1 / alpha with probability
alpha at most. Each split of the traffic has a factor of its own; their product is the evidence.

reference: Lindon and Malek, Anytime-Valid Inference For Multinomial Count Data, NeurIPS 2022.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, binom, chi2

from ml.verdict.statistics.betting import Floats, Moments
from ml.verdict.statistics.cells import CHALLENGER, Cells

CONCENTRATION: Final = 100.0
"""Of the mixture around the propensity; the paper's authors' choice."""


@dataclass(frozen=True, kw_only=True)
class SampleRatio:
    """The evidence against the split, by look."""

    log_evidence: Floats
    requests: Floats
    """Of both arms so far."""
    challenger: Floats
    """Requests of the challenger so far."""
    promised: Floats
    """Requests that the split had promised the challenger so far."""
    chi_square_p: float
    """At the last look, of the test for one look only; no decision is taken by it."""

    @property
    def worst(self) -> int:
        """The index of the look at which the split was least to be believed."""
        return int(self.log_evidence.argmax())

    @property
    def p(self) -> float:
        """Anytime-valid: the smallest alpha at which the split would ever have been refused."""
        return float(min(1.0, np.exp(-self.log_evidence.max(initial=0.0))))


def sample_ratio(
    look: NDArray[np.intp], propensity: Floats, champion: Floats, challenger: Floats, looks: int
) -> SampleRatio:
    """Of requests [i] by look and split. A split that draws one arm only promises it everything."""
    log_evidence, promised, all_counts = np.zeros(looks), np.zeros(looks), np.zeros((looks, 2))
    statistic, degrees = 0.0, 0
    for p in np.unique(propensity):
        here = propensity == p
        counts = np.zeros((looks, 2))
        np.add.at(counts, (look[here], 0), champion[here])
        np.add.at(counts, (look[here], 1), challenger[here])
        so_far = counts.cumsum(axis=0)
        drawn, n = so_far[:, 1], so_far.sum(axis=1)
        promised += p * n
        all_counts += so_far
        if not 0 < p < 1:
            wrong = so_far[:, 0] if p == 1 else drawn
            log_evidence += np.where(wrong > 0, np.inf, 0.0)
            continue
        a, b = CONCENTRATION * p, CONCENTRATION * (1 - p)
        log_evidence += betabinom.logpmf(drawn, n, a, b) - binom.logpmf(drawn, n, p)
        if n[-1]:
            statistic += float((drawn[-1] - n[-1] * p) ** 2 / (n[-1] * p * (1 - p)))
            degrees += 1
    return SampleRatio(
        log_evidence=log_evidence,
        requests=all_counts.sum(axis=1),
        challenger=all_counts[:, 1],
        promised=promised,
        chi_square_p=float(chi2.sf(statistic, degrees)) if degrees else 1.0,
    )


def by_patient(ratio: SampleRatio, films: Cells) -> SampleRatio:
    """The same with the evidence of patients: a client may draw an arm for a patient and keep it,
    or for each film anew. Either way a patient's mean share of the challenger is on average what
    was promised, and patients are independent of each other where films are not.

    What contradicts the split whoever came, a request to an arm that was to have none, stays.
    """
    looks = ratio.log_evidence.size
    drawn = (films.arm == CHALLENGER) - films.propensity
    found = films.evidence(
        Moments(u=drawn, v=np.ones(drawn.size), bound=np.ones(drawn.size)), looks
    )
    every, none = np.arange(looks), np.zeros(looks)
    capital = [found.log_capital(none, direction, every) for direction in (+1, -1)]
    evidence = np.logaddexp(*capital) - np.log(2)
    return replace(ratio, log_evidence=np.where(np.isinf(ratio.log_evidence), np.inf, evidence))

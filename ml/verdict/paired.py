"""Both arms on the same films: every difference is between two answers to one film.

A film is labelled once and says something of both arms, so that a replay takes a fraction of the
labels of live traffic. The films count in the order of their ids, which are hashes: a random order.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar

from ml.contract.serving import DECISION_THRESHOLD
from ml.evaluation.discrimination import Scores, area, paired_area_difference
from ml.verdict.planning.films_needed import multiple
from ml.verdict.readers import ReaderErrors, reader_errors_of_pairs
from ml.verdict.rule import Ruling, promotion_limits, rule
from ml.verdict.statistics.betting import Evidence, Floats, at_one_look, evidence
from ml.verdict.statistics.calibration import Calibration, calibration
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION, NORMAL, PNEUMONIA, Cells, Pairs
from ml.verdict.statistics.metrics import (
    METRICS,
    Metric,
    gain,
    of_arm,
    paired_difference,
    share,
)
from ml.verdict.statistics.recalibration import Recalibration, recalibration
from ml.verdict.statistics.summaries import Figures, auc, brier

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

LOOKS: Final = 40
"""At most; for the plot of the intervals over the films."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Films [i] that both arms answered, by their ids."""

    film: Sequence[str]
    sick: NDArray[np.bool_]
    sampling: Floats
    """The probability with which the film's truth was asked for."""
    champion: Floats
    challenger: Floats

    def in_order(self) -> "Answers":
        """Sorted by id."""
        order = np.argsort(np.asarray(self.film, dtype=str), kind="stable")
        return Answers(
            film=[self.film[at] for at in order],
            sick=self.sick[order],
            sampling=self.sampling[order],
            champion=self.champion[order],
            challenger=self.challenger[order],
        )

    @property
    def probabilities(self) -> tuple[Floats, Floats]:
        """Of champion and challenger."""
        return self.champion, self.challenger

    @property
    def digest(self) -> str:
        """SHA-256 over films, truths and answers."""
        hashed = hashlib.sha256("\0".join(self.film).encode())
        for values in (self.sick, self.sampling, self.champion, self.challenger):
            hashed.update(np.ascontiguousarray(values).tobytes())
        return hashed.hexdigest()

    def pairs(self) -> Pairs:
        """The calls, at the threshold, in as many looks as are shown."""
        n = self.sick.size
        return Pairs(
            look=np.arange(n) * min(LOOKS, n) // max(n, 1),
            champion_called=self.champion >= DECISION_THRESHOLD,
            challenger_called=self.challenger >= DECISION_THRESHOLD,
            sick=self.sick,
            sampling=self.sampling,
            n=np.ones(n),
        )

    def scores(self, arm: int) -> Scores:
        """The probabilities of one arm."""
        return Scores(
            probability=self.probabilities[arm],
            sick=self.sick,
            weight=1 / self.sampling,
            n=np.ones(self.sick.size),
        )


@dataclass(frozen=True, kw_only=True)
class Discordance:
    """Films that only one arm called right, and McNemar's exact test of them.

    For one look: no verdict depends on it.
    """

    champion_only: int
    challenger_only: int
    n: int
    p: float


@dataclass(frozen=True, kw_only=True)
class PairedJudgement:
    """What a replay says."""

    films: int
    positives: int
    figures: tuple[Figures, Figures]
    calibrations: tuple[Calibration | None, Calibration | None]
    recalibrations: tuple[Recalibration, Recalibration]
    gains: Figures
    discordance: Mapping[Metric, Discordance]
    auc_p: float | None
    """Of DeLong's paired test, for one look; no verdict depends on it."""
    evidence: Mapping[Metric, Evidence]
    labels_needed: int | None
    """Films that a promotion takes in all, if they keep being like these."""
    reader_errors: ReaderErrors
    ruling: Ruling


def judge_pairs(experiment: "Experiment", answers: Answers) -> PairedJudgement:
    """Judges films that are `in_order`."""
    pairs, alpha = answers.pairs(), experiment.alpha
    n = answers.sick.size
    smallest = float(answers.sampling.min(initial=1.0))
    found = {
        metric: evidence(
            paired_difference(pairs, metric, smallest), pairs.look, pairs.n, min(LOOKS, max(n, 1))
        )
        for metric in METRICS
    }
    gains: Figures = {metric: gain(each, alpha) for metric, each in found.items()}
    errors = reader_errors_of_pairs(experiment, pairs, smallest)
    # Nothing is drawn, and nothing can get lost: there is no gate.
    ruling = rule(experiment, gains, labels=(n, n), total=n, gates=(), further=errors.findings)
    difference = paired_area_difference(*answers.probabilities, answers.sick, 1 / answers.sampling)
    times = multiple(found, promotion_limits(experiment), alpha / 2)
    recalibrations = (
        recalibration(experiment, answers.scores(CHAMPION)),
        recalibration(experiment, answers.scores(CHALLENGER)),
    )
    return PairedJudgement(
        films=n,
        positives=int(answers.sick.sum()),
        figures=(
            _figures(experiment, answers, CHAMPION) | recalibrations[CHAMPION].figures,
            _figures(experiment, answers, CHALLENGER) | recalibrations[CHALLENGER].figures,
        ),
        calibrations=(
            calibration(answers.scores(CHAMPION), experiment, alpha),
            calibration(answers.scores(CHALLENGER), experiment, alpha),
        ),
        recalibrations=recalibrations,
        gains=gains
        | {
            "auc": auc(experiment, difference, lowest=-1.0),
        },
        discordance=_discordance(pairs) if (answers.sampling == 1).all() else {},
        auc_p=float(2 * norm.sf(abs(difference.value) / difference.variance**0.5))
        if difference and difference.variance
        else None,
        evidence=found,
        labels_needed=int(np.ceil(times * n)) if times and n else None,
        reader_errors=errors,
        ruling=ruling,
    )


def _figures(experiment: "Experiment", answers: Answers, arm: int) -> Figures:
    n = answers.sick.size
    films = Cells(
        look=np.zeros(n, np.intp),
        arm=np.full(n, arm, np.int8),
        propensity=np.full(n, 0.5),
        called=answers.probabilities[arm] >= DECISION_THRESHOLD,
        truth=np.where(answers.sick, PNEUMONIA, NORMAL).astype(np.int8),
        sampling=answers.sampling,
        n=np.ones(n),
    )
    smallest = float(answers.sampling.min(initial=1.0))
    figures: Figures = {
        metric: share(at_one_look(of_arm(films, arm, metric, smallest), films.n), experiment.alpha)
        for metric in METRICS
    }
    scores = answers.scores(arm)
    figures["auc"] = auc(experiment, area(scores), lowest=0.0)
    figures["brier"] = brier(experiment, scores)
    return figures


def _discordance(pairs: Pairs) -> dict[Metric, Discordance]:
    right = [called == pairs.sick for called in (pairs.champion_called, pairs.challenger_called)]
    concerned: dict[Metric, NDArray[np.bool_]] = {
        "sensitivity": pairs.sick,
        "specificity": ~pairs.sick,
        "accuracy": np.ones_like(pairs.sick),
    }
    found = {}
    for metric, films in concerned.items():
        champion, challenger = (arm[films] for arm in right)
        only = int((champion & ~challenger).sum()), int((challenger & ~champion).sum())
        both = int((champion & challenger).sum())
        neither = int(films.sum()) - both - sum(only)
        found[metric] = Discordance(
            champion_only=only[0],
            challenger_only=only[1],
            n=int(films.sum()),
            p=float(mcnemar([[both, only[0]], [only[1], neither]], exact=True).pvalue),
        )
    return found

"""Both arms on the same films: every difference is between two answers to one film.

A film is labelled once and says something of both arms, so that a replay takes a fraction of the
labels of live traffic. Films of one patient are not independent: where patients' keys are known, a
patient is one observation, the mean of what his films say. Patients, and films of which no patient
is known, count in the order of their keys and ids, which are hashes: a random order.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar

from ml.contract.task import PNEUMONIA as PNEUMONIA_TASK
from ml.evaluation.discrimination import Scores, area, paired_area_difference
from ml.verdict.gains import between, level
from ml.verdict.planning.films_needed import multiple
from ml.verdict.ramp import early_step
from ml.verdict.readers import ReaderErrors, reader_errors_of_pairs
from ml.verdict.returning import whoever_came_again
from ml.verdict.rule import Finding, Ruling, promotion_limits, rule
from ml.verdict.statistics.betting import Evidence, Floats
from ml.verdict.statistics.calibration import Calibration, calibration
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION, NORMAL, PNEUMONIA, Cells, Pairs
from ml.verdict.statistics.metrics import (
    METRICS,
    Metric,
    labels,
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
_PATIENTS_A_LOOK: Final = 25
"""Where truths come one after the other."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Films [i] that both arms answered, by their ids."""

    film: Sequence[str]
    sick: NDArray[np.bool_]
    sampling: Floats
    """The probability with which the film's truth was asked for."""
    champion: Floats
    challenger: Floats
    patient_key: Sequence[str | None] | None = None
    """The same for films of one patient; None for a film, or for all, where it is not known."""
    threshold: float = PNEUMONIA_TASK.threshold
    """From which probability on an arm calls a film positive."""
    known_since: Sequence[str] | None = None
    """When the truth of each film came; None where all are there at once."""

    def in_order(self) -> "Answers":
        """Sorted by patient, and by id; a film of which no patient is known by its id. Where truths
        come one after the other, patients stand in the order of their first: who looks again later
        adds to what was seen before."""
        keys = self.patient_key or [None] * len(self.film)
        names = [key or film for key, film in zip(keys, self.film, strict=True)]
        times = self.known_since or [""] * len(self.film)
        first: dict[str, str] = {}
        for name, time in zip(names, times, strict=True):
            first[name] = min(first.get(name, time), time)
        order = [
            (first[name], name, time, film)
            for name, time, film in zip(names, times, self.film, strict=True)
        ]
        return self.take(sorted(range(len(order)), key=order.__getitem__))

    def take(self, chosen: Sequence[int]) -> "Answers":
        """The films at these indices, in their order."""
        at = np.asarray(chosen, np.intp)
        return Answers(
            film=[self.film[it] for it in at],
            sick=self.sick[at],
            sampling=self.sampling[at],
            champion=self.champion[at],
            challenger=self.challenger[at],
            patient_key=[self.patient_key[it] for it in at] if self.patient_key else None,
            threshold=self.threshold,
            known_since=[self.known_since[it] for it in at] if self.known_since else None,
        )

    @cached_property
    def unit(self) -> NDArray[np.intp]:
        """What is independent of each other, by the first film of each: a patient, or a film."""
        keys = self.patient_key or [None] * len(self.film)
        numbers: dict[tuple[bool, str], int] = {}
        return np.array(
            [
                numbers.setdefault((key is None, key or film), len(numbers))
                for key, film in zip(keys, self.film, strict=True)
            ],
            np.intp,
        )

    @property
    def repeated(self) -> bool:
        """Whether any patient has several films."""
        return np.unique(self.unit).size < len(self.film)

    @property
    def size(self) -> Floats:
        """By how much what a film says is divided, so that a patient is one observation.

        Where all films were read, the number of the patient's. Where readers saw a sample, that
        depends on what they happened to see, and would distort the weights that undo the sampling:
        then it is the largest such number, for all.
        """
        films = np.bincount(self.unit)[self.unit].astype(np.float64) if self.film else np.ones(0)
        return films if (self.sampling == 1).all() else np.full(films.size, films.max())

    def one_a_patient(self) -> "Answers":
        """The first film of each patient: films that are independent."""
        return self.take(np.unique(self.unit, return_index=True)[1].tolist())

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
        if self.patient_key:
            hashed.update("\0".join(key or "" for key in self.patient_key).encode())
        if self.known_since:
            hashed.update("\0".join(self.known_since).encode())
        return hashed.hexdigest()

    def pairs(self) -> Pairs:
        """The calls, at the threshold, in as many looks as are shown."""
        return Pairs(
            look=self._look,
            champion_called=self.champion >= self.threshold,
            challenger_called=self.challenger >= self.threshold,
            sick=self.sick,
            sampling=self.sampling,
            n=np.ones(self.sick.size),
        )

    def films(self, arm: int) -> Cells:
        """What one arm answered, by patient."""
        n = self.sick.size
        return Cells(
            look=self._look,
            arm=np.full(n, arm, np.int8),
            propensity=np.full(n, 0.5),
            called=self.probabilities[arm] >= self.threshold,
            truth=np.where(self.sick, PNEUMONIA, NORMAL).astype(np.int8),
            sampling=self.sampling,
            n=np.ones(n),
            unit=self.unit,
            within=np.ones(n),
            size=self.size,
        )

    @property
    def looks(self) -> int:
        """As many as are shown; of truths that come, one every so many patients."""
        last = int(self.unit.max(initial=0))
        return last // _PATIENTS_A_LOOK + 1 if self.known_since else min(LOOKS, max(1, last + 1))

    @property
    def _look(self) -> NDArray[np.intp]:
        unit = self.unit
        if self.known_since:  # the same looks, however many patients come behind
            return np.asarray(unit // _PATIENTS_A_LOOK, np.intp)
        return np.asarray(unit * self.looks // (unit.max(initial=0) + 1), np.intp)

    def scores(self, arm: int) -> Scores:
        """The probabilities of one arm."""
        return Scores(
            probability=self.probabilities[arm],
            sick=self.sick,
            weight=1 / (self.sampling * self.size),
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
    p: float | None
    """None where a patient has several films: the test takes films for independent."""


@dataclass(frozen=True, kw_only=True)
class PairedJudgement:
    """What a replay says."""

    films: int
    patients: int | None
    """Of all films that have a patient's key; None where none has."""
    without_key: int
    """Films of which no patient is known, which count as patients of their own."""
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
    early_step: Finding


def judge_pairs(experiment: "Experiment", answers: Answers) -> PairedJudgement:
    """Judges films that are `in_order`; after a final test no further ones."""
    final = experiment.final_test is not None and len(answers.film) >= experiment.maximum_labels
    if final:
        answers = answers.take(list(range(experiment.maximum_labels)))
    pairs, films, alpha = answers.pairs(), answers.films(CHAMPION), experiment.alpha
    alone = answers.one_a_patient()
    unit = answers.unit if answers.repeated else None
    n = answers.sick.size
    smallest = float(answers.sampling.min(initial=1.0))
    found = {
        metric: films.evidence(paired_difference(pairs, metric, smallest), answers.looks)
        for metric in METRICS
    }
    gains: Figures = {
        metric: between(experiment, each, labels(films, metric), final=final)
        for metric, each in found.items()
    }
    errors = reader_errors_of_pairs(experiment, pairs, films, smallest, final=final)
    # Nothing is drawn, and nothing can get lost: there is no gate.
    again = whoever_came_again(
        experiment, films, lambda metric: paired_difference(pairs, metric, smallest), final=final
    )
    ruling = rule(
        experiment,
        gains,
        labels=(n, n),
        total=n,
        gates=(),
        further=(*again, *errors.findings),
    )
    difference = paired_area_difference(
        *answers.probabilities, answers.sick, answers.scores(CHAMPION).weight, unit
    )
    times = multiple(found, promotion_limits(experiment), level(experiment) / 2)
    recalibrations = (
        recalibration(experiment, alone.scores(CHAMPION)),
        recalibration(experiment, alone.scores(CHALLENGER)),
    )
    return PairedJudgement(
        films=n,
        patients=len({*answers.patient_key} - {None}) if answers.patient_key else None,
        without_key=answers.patient_key.count(None) if answers.patient_key else n,
        positives=int(answers.sick.sum()),
        figures=(
            _figures(experiment, answers, CHAMPION) | recalibrations[CHAMPION].figures,
            _figures(experiment, answers, CHALLENGER) | recalibrations[CHALLENGER].figures,
        ),
        calibrations=(
            calibration(alone.scores(CHAMPION), experiment, alpha),
            calibration(alone.scores(CHALLENGER), experiment, alpha),
        ),
        recalibrations=recalibrations,
        gains=gains
        | {
            "auc": auc(experiment, difference, lowest=-1.0),
        },
        discordance=_discordance(pairs, independent=unit is None)
        if (answers.sampling == 1).all()
        else {},
        auc_p=float(2 * norm.sf(abs(difference.value) / difference.variance**0.5))
        if difference and difference.variance
        else None,
        evidence=found,
        labels_needed=int(np.ceil(times * n)) if times and n else None,
        reader_errors=errors,
        ruling=ruling,
        early_step=early_step(experiment, gains, ruling, labels=(n, n)),
    )


def _figures(experiment: "Experiment", answers: Answers, arm: int) -> Figures:
    films, unit = answers.films(arm), answers.unit if answers.repeated else None
    smallest = float(answers.sampling.min(initial=1.0))
    figures: Figures = {
        metric: share(
            films.evidence(of_arm(films, arm, metric, smallest)),
            experiment.alpha,
            films=labels(films, metric),
        )
        for metric in METRICS
    }
    scores = answers.scores(arm)
    figures["auc"] = auc(experiment, area(scores, unit), lowest=0.0)
    figures["brier"] = brier(experiment, scores, unit)
    return figures


def _discordance(pairs: Pairs, *, independent: bool = True) -> dict[Metric, Discordance]:
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
            p=float(mcnemar([[both, only[0]], [only[1], neither]], exact=True).pvalue)
            if independent
            else None,
        )
    return found

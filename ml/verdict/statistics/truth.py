"""What a truth would look like: the films that an experiment is expected to bring."""

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ml.verdict.statistics.betting import Floats
from ml.verdict.statistics.cells import (
    CHALLENGER,
    CHAMPION,
    NORMAL,
    NOT_CHOSEN,
    PNEUMONIA,
    Cells,
    Pairs,
)
from ml.verdict.statistics.metrics import Metric

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Truth:
    """How good the arms are, and on whom. Pairs are champion, challenger."""

    prevalence: float
    sensitivity: tuple[float, float]
    specificity: tuple[float, float]

    @classmethod
    def expected(cls, experiment: "Experiment") -> Self:
        """What the experiment's file believes."""
        believed = experiment.expected
        arms = believed.champion, believed.challenger
        return cls(
            prevalence=believed.prevalence,
            sensitivity=(arms[0].sensitivity, arms[1].sensitivity),
            specificity=(arms[0].specificity, arms[1].specificity),
        )

    def of(self, metric: Metric) -> tuple[float, float]:
        """A metric of champion and challenger."""
        match metric:
            case "sensitivity":
                return self.sensitivity
            case "specificity":
                return self.specificity
            case "accuracy":
                champion, challenger = (
                    self.prevalence * sensitivity + (1 - self.prevalence) * specificity
                    for sensitivity, specificity in zip(
                        self.sensitivity, self.specificity, strict=True
                    )
                )
                return champion, challenger

    def sick_among(self, arm: NDArray[np.int8], called: NDArray[np.bool_]) -> Floats:
        """The share of PNEUMONIA among what the arms [i] call so [i]."""
        chances = [
            np.array(
                [
                    [self._calls(side, sick, call) for call in (False, True)]
                    for side in (CHAMPION, CHALLENGER)
                ]
            )
            * (self.prevalence if sick else 1 - self.prevalence)
            for sick in (False, True)
        ]
        with np.errstate(invalid="ignore"):
            shares = np.nan_to_num(chances[1] / (chances[0] + chances[1]), nan=0.5)
        return np.asarray(shares[arm, called.astype(np.intp)])

    def live(self, propensity: float, review_share: float, audit_share: float) -> Cells:
        """Kinds of films, with the share of all films that each is (`n`).

        The review share of the answers PNEUMONIA is read, and the audit share of the others.
        """
        kinds = [
            (arm, truth if read else NOT_CHOSEN, called, chance * (share if read else 1 - share))
            for arm, truth, called in product(
                (CHAMPION, CHALLENGER), (PNEUMONIA, NORMAL), (True, False)
            )
            for chance in [
                (propensity if arm == CHALLENGER else 1 - propensity)
                * (self.prevalence if truth == PNEUMONIA else 1 - self.prevalence)
                * self._calls(arm, truth == PNEUMONIA, called)
            ]
            for share in [review_share if called else audit_share]
            for read in ((True, False) if share < 1 else (True,))
        ]
        arms, truths, called, n = map(np.array, zip(*kinds, strict=True))
        return Cells(
            look=np.zeros(len(kinds), np.intp),
            arm=arms.astype(np.int8),
            propensity=np.full(len(kinds), propensity),
            called=called,
            truth=truths.astype(np.int8),
            sampling=np.where(called, review_share, audit_share),
            n=n,
        )

    def replayed(self, agreement: float) -> Pairs:
        """Kinds of films that both arms answer, with the share of all films that each is (`n`).

        `agreement` is 0 where the arms err independently of each other, and 1 where their errors
        overlap as far as their rates allow.
        """
        kinds = []
        for sick in (True, False):
            right = self.sensitivity if sick else self.specificity
            independent = (1 - right[0]) * (1 - right[1])
            both_wrong = independent + agreement * (1 - max(right) - independent)
            shares = {
                (False, False): both_wrong,
                (True, False): 1 - right[1] - both_wrong,
                (False, True): 1 - right[0] - both_wrong,
            }
            shares[True, True] = 1 - sum(shares.values())
            prevalence = self.prevalence if sick else 1 - self.prevalence
            kinds += [
                (correct[0] == sick, correct[1] == sick, sick, prevalence * share)
                for correct, share in shares.items()
            ]
        champion, challenger, is_sick, n = map(np.array, zip(*kinds, strict=True))
        return Pairs(
            look=np.zeros(len(kinds), np.intp),
            champion_called=champion,
            challenger_called=challenger,
            sick=is_sick,
            sampling=np.ones(len(kinds)),
            n=n,
        )

    def _calls(self, arm: int, sick: bool, called: bool) -> float:
        right = (self.sensitivity if sick else self.specificity)[arm]
        return right if called == sick else 1 - right

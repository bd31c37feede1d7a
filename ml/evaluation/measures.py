"""How good a model is on labelled films, or rows: figures with their uncertainty.

The probability is that of the task's positive label, which sensitivity is about. A figure that the
films cannot give, such as specificity without a negative film, is None; ``Evaluation.undefined``
says why.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from ml.contract.errors import InvalidData
from ml.contract.task import PNEUMONIA, Task
from ml.data.films import Labels
from ml.evaluation.calibration import bins_of, expected_error, squared_errors
from ml.evaluation.discrimination import area, equally_weighted

CONFIDENCE = 0.95

Probabilities: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Proportion:
    """A share of n films with its Wilson interval."""

    value: float
    low: float
    high: float
    count: int
    n: int


@dataclass(frozen=True, kw_only=True)
class Auc:
    """The area under the ROC curve with its DeLong interval, cut to [0, 1].

    The interval has no width where the films are separated without an error: it then says
    nothing, however few films there are.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """The films whose predicted probability falls into one bin."""

    mean_predicted: float
    observed: float
    low: float
    high: float
    """Wilson's interval of the observed share."""
    n: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The figures of one model on one part of a data set, at the task's threshold."""

    task: Task
    n: int
    n_negative: int
    n_positive: int
    threshold: float
    accuracy: Proportion | None
    sensitivity: Proportion | None
    specificity: Proportion | None
    auc: Auc | None
    brier: float | None
    calibration_error: float | None
    calibration: tuple[CalibrationBin, ...]
    undefined: tuple[str, ...]

    def figures(self) -> dict[str, float]:
        """The point estimates that the films give, by name."""
        with_interval = {
            "auc": self.auc,
            "sensitivity": self.sensitivity,
            "specificity": self.specificity,
            "accuracy": self.accuracy,
        }
        plain = {"brier": self.brier, "calibration_error": self.calibration_error}
        return {name: figure.value for name, figure in with_interval.items() if figure} | {
            name: value for name, value in plain.items() if value is not None
        }

    def tags(self) -> dict[str, str]:
        """What a registered version is tagged with."""
        figures = {f"validation_{name}": f"{it:.4f}" for name, it in self.figures().items()}
        return figures | {"validation_films": str(self.n)}

    def as_dict(self) -> dict[str, Any]:
        """Every figure for JSON, with the confidence of the intervals."""
        names = {
            "n_negative": f"n_{_key(self.task.negative)}",
            "n_positive": f"n_{_key(self.task.positive)}",
        }
        known = asdict(self).items()
        figures = {names.get(name, name): value for name, value in known if name != "task"}
        return figures | {"confidence": CONFIDENCE}


def evaluate(probabilities: NDArray[Any], labels: Labels, task: Task = PNEUMONIA) -> Evaluation:
    """Judges probabilities [n] or [n, 1] by labels [n], an index into the task's.

    Raises InvalidData where the two do not fit or a probability is none.
    """
    scores = np.asarray(probabilities, dtype=np.float64).reshape(-1)
    if scores.shape != labels.shape:
        raise InvalidData(
            task.said(
                f"{scores.size} probabilities for {labels.size} films: the model must give one per "
                "film, shape [n, 1]."
            )
        )
    wrong = np.flatnonzero(~((scores >= 0) & (scores <= 1)))
    if wrong.size:
        raise InvalidData(
            f"prediction {wrong[0]} is {scores[wrong[0]]}, which is no probability: the model does "
            "not keep the serving contract (sigmoid inside)."
        )
    sick = labels == task.labels.index(task.positive)
    called = scores >= task.threshold
    n, n_sick = sick.size, int(sick.sum())
    bins = _calibration(scores, sick)
    return Evaluation(
        task=task,
        n=n,
        n_negative=n - n_sick,
        n_positive=n_sick,
        threshold=task.threshold,
        accuracy=_wilson(int((called == sick).sum()), n),
        sensitivity=_wilson(int((called & sick).sum()), n_sick),
        specificity=_wilson(int((~called & ~sick).sum()), n - n_sick),
        auc=auc(scores, sick),
        brier=float(squared_errors(scores, sick).mean()) if n else None,
        calibration_error=_calibration_error(bins) if n else None,
        calibration=bins,
        undefined=tuple(task.said(it) for it in _undefined(n, n_sick)),
    )


def _key(label: str) -> str:
    """A label as part of a key in JSON."""
    return re.sub(r"\W+", "_", label.lower())


def auc(scores: Probabilities, sick: NDArray[np.bool_]) -> Auc | None:
    """The AUC of films [n] with its DeLong interval; None without films of both classes."""
    found = area(equally_weighted(scores, sick))
    if found is None:
        return None
    margin = float(norm.ppf((1 + CONFIDENCE) / 2)) * found.variance**0.5
    return Auc(
        value=found.value, low=max(0.0, found.value - margin), high=min(1.0, found.value + margin)
    )


def _wilson(count: int, n: int) -> Proportion | None:
    if not n:
        return None
    low, high = proportion_confint(count, n, alpha=1 - CONFIDENCE, method="wilson")
    return Proportion(value=count / n, low=float(low), high=float(high), count=count, n=n)


def _calibration(scores: Probabilities, sick: NDArray[np.bool_]) -> tuple[CalibrationBin, ...]:
    """The bins that have films."""
    index = bins_of(scores)
    found = []
    for bin_ in np.unique(index):
        inside = index == bin_
        if share := _wilson(int(sick[inside].sum()), int(inside.sum())):
            found.append(
                CalibrationBin(
                    mean_predicted=float(scores[inside].mean()),
                    observed=share.value,
                    low=share.low,
                    high=share.high,
                    n=share.n,
                )
            )
    return tuple(found)


def _calibration_error(bins: tuple[CalibrationBin, ...]) -> float:
    gaps = [abs(bin_.mean_predicted - bin_.observed) for bin_ in bins]
    return float(expected_error(gaps, [bin_.n for bin_ in bins]))


def _undefined(n: int, n_sick: int) -> tuple[str, ...]:
    if not n:
        return ("There is no film: no figure is defined.",)
    if not n_sick:
        return ("There is no PNEUMONIA film: sensitivity and AUC are not defined.",)
    if n_sick == n:
        return ("There is no NORMAL film: specificity and AUC are not defined.",)
    return ()

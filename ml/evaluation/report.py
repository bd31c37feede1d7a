"""An evaluation for people and for programs: Markdown, JSON, and two plots."""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from ml.contract.task import PNEUMONIA, Task
from ml.data.films import DataSet, Labels, Source
from ml.evaluation.calibration import middle_of_bin, short
from ml.evaluation.measures import CONFIDENCE, Auc, Evaluation, Proportion, evaluate

_LISTED = 20  # films of one reason on the console and in Markdown; JSON has them all

_LONGEST_LINE = 40  # characters, of what stands in a plot

_PERCENT = f"{CONFIDENCE:.0%}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """One model on one part of a data set."""

    model: str
    """Name and version, or what the model is before it has one."""
    data: Source
    part: str | None
    """None of rows, which come in one."""
    evaluation: Evaluation
    probabilities: NDArray[np.float64]
    labels: Labels

    def as_dict(self) -> dict[str, Any]:
        """The content of report.json."""
        return {
            "model": self.model,
            "data": {
                "source": self.data.source,
                "sha256": self.data.digest,
                "part": self.part,
                **(
                    {"image_size": size} if (size := getattr(self.data, "image_size", None)) else {}
                ),
                "remarks": list(self.data.remarks),
                "excluded": [
                    {"film": film.film, "reason": film.reason} for film in self.data.excluded
                ],
            },
            "figures": self.evaluation.as_dict(),
        }

    @property
    def counted(self) -> str:
        """What it was judged on, and how many cases of each label there are."""
        task, evaluation = self.evaluation.task, self.evaluation
        of_part = f"the part '{self.part}' of " if self.part else ""
        return (
            f"{of_part}{self.data.source}: {evaluation.n} {task.words.case[1]}, "
            f"{evaluation.n_negative} {task.negative} and {evaluation.n_positive} {task.positive}"
        )

    def markdown(self) -> str:
        """The content of report.md."""
        lines = [
            f"# {self.model}",
            "",
            f"Judged on {self.counted}. A probability of at least {self.evaluation.threshold} "
            f"calls {self.evaluation.task.positive}.",
            "",
            *figures_table(self.evaluation),
            "",
            *(f"- {remark}" for remark in (*self.evaluation.undefined, *self.data.remarks)),
            *(f"- {line}" for line in exclusions(self.data)),
            "",
            "![ROC curve](roc.png) ![Calibration](calibration.png)",
            "",
            "Research and education only: not a medical device.",
            "",
        ]
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Writes report.md, report.json, roc.png and calibration.png."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.md").write_text(self.markdown())
        (folder / "report.json").write_text(json.dumps(self.as_dict(), indent=2) + "\n")
        _save(self._roc(), folder / "roc.png")
        _save(self._calibration(), folder / "calibration.png")

    def _roc(self) -> Figure:
        figure, axes = _square("1 − specificity", "sensitivity")
        auc = self.evaluation.auc
        if auc is None:
            _say(axes, self.evaluation.undefined)
            return figure
        sick = self.labels == 1
        false_positive, true_positive, _ = roc_curve(sick, self.probabilities)
        axes.plot(false_positive, true_positive, label=f"AUC {auc_text(auc)}")
        sensitivity, specificity = self.evaluation.sensitivity, self.evaluation.specificity
        if sensitivity and specificity:
            axes.plot(
                1 - specificity.value,
                sensitivity.value,
                "o",
                label=f"threshold {self.evaluation.threshold}",
            )
        axes.set_title(
            f"ROC curve, {self.evaluation.n} {self.evaluation.task.words.case[1]}\n"
            f"{_PERCENT} interval of the AUC",
            fontsize=10,
        )
        axes.legend(loc="lower right")
        return figure

    def _calibration(self) -> Figure:
        task = self.evaluation.task
        figure, axes = _square("predicted probability", f"observed share of {task.positive}")
        if not self.evaluation.n:
            _say(axes, self.evaluation.undefined)
            return figure
        bins = self.evaluation.calibration
        # No line: it would join bins of four films as if they said as much as the others.
        axes.errorbar(
            [bin_.mean_predicted for bin_ in bins],
            [bin_.observed for bin_ in bins],
            [
                [max(0.0, bin_.observed - bin_.low) for bin_ in bins],
                [max(0.0, bin_.high - bin_.observed) for bin_ in bins],
            ],
            fmt="o",
            capsize=2,
        )
        for bin_ in bins:
            # Above the plot, where no interval is, and where no number meets another.
            place = (middle_of_bin(bin_.mean_predicted), 1)
            axes.annotate(
                short(bin_.n),
                place,
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                textcoords="offset points",
                fontsize=8,
                ha="center",
            )
        axes.set_title(
            f"Calibration, expected error {self.evaluation.calibration_error:.3f}\n"
            f"{_PERCENT} intervals; on top, the {task.words.case[1]} of each point",
            fontsize=10,
            pad=14,
        )
        return figure


def report(model: str, data: DataSet, part: str, probabilities: NDArray[Any]) -> Report:
    """Judges the probabilities [n, 1] of a part's films."""
    return of_labels(model, data, part, data.parts[part].labels, probabilities, PNEUMONIA)


def of_labels(
    model: str,
    data: Source,
    part: str | None,
    labels: Labels,
    probabilities: NDArray[Any],
    task: Task,
) -> Report:
    """Judges the probabilities [n] of cases with labels [n], an index into the task's."""
    return Report(
        model=model,
        data=data,
        part=part,
        evaluation=evaluate(probabilities, labels, task),
        probabilities=np.asarray(probabilities, np.float64).reshape(-1),
        labels=labels,
    )


def figures_table(evaluation: Evaluation) -> Iterator[str]:
    """A Markdown table: the figure, its interval, the films behind it."""
    yield f"| figure | value | {_PERCENT} interval | {evaluation.task.words.case[1]} |"
    yield "|---|---|---|---|"
    for name, value, interval, films in rows(evaluation):
        yield f"| {name} | {value} | {interval} | {films} |"


def rows(evaluation: Evaluation) -> Iterator[tuple[str, str, str, str]]:
    """Name, value, interval and films of each figure."""
    figures, auc, films = evaluation.figures(), evaluation.auc, str(evaluation.n)
    interval = f"{_interval(auc)} (DeLong)" if auc else ""
    yield "AUC", _number(figures.get("auc")), interval, films
    for name, share in (
        ("sensitivity", evaluation.sensitivity),
        ("specificity", evaluation.specificity),
        ("accuracy", evaluation.accuracy),
    ):
        yield name, _number(figures.get(name)), *_share(share)
    yield "Brier score", _number(evaluation.brier), "", films
    yield "calibration error", _number(evaluation.calibration_error), "", films


def exclusions(data: Source) -> Iterator[str]:
    """Every reason for which films are left out, with their number and names."""
    for reason, films in data.exclusions():
        names = ", ".join(films[:_LISTED])
        more = f" and {len(films) - _LISTED} more" if len(films) > _LISTED else ""
        yield f"{len(films)} left out, {reason}: {names}{more}"


def auc_text(auc: Auc) -> str:
    """The AUC with its interval, three decimals."""
    return f"{auc.value:.3f} ({_interval(auc)})"


def _interval(auc: Auc) -> str:
    """DeLong's; where films are separated without an error it has no width, and says nothing."""
    if auc.low == auc.high:
        return "no interval: no error"
    return f"{auc.low:.3f} to {auc.high:.3f}"


def _share(share: Proportion | None) -> tuple[str, str]:
    if share is None:
        return "", "0"
    return f"{share.low:.3f} to {share.high:.3f} (Wilson)", f"{share.count} of {share.n}"


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _square(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5, 5), layout="constrained")
    FigureCanvasAgg(figure)  # draws without a display
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    return figure, axes


def _say(axes: Axes, lines: tuple[str, ...]) -> None:
    shown = "\n".join(part for line in lines for part in textwrap.wrap(line, _LONGEST_LINE))
    ground = {"facecolor": "white", "edgecolor": "none"}
    axes.text(0.5, 0.5, shown, ha="center", va="center", bbox=ground)


def _save(figure: Figure, path: Path) -> None:
    """Without the date and the version of the library, so that equal plots are equal files."""
    figure.savefig(path, metadata={"Software": None})

"""The plots of a report, as SVG that is the same for the same figures."""

import io
from collections.abc import Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ml.contract.serving import LABELS
from ml.evaluation.discrimination import Scores, curve
from ml.verdict.gates import Coverage
from ml.verdict.judgement import Path
from ml.verdict.statistics.betting import Floats
from ml.verdict.statistics.calibration import Calibration

CHAMPION_COLOUR: Final = "#1f5a99"
CHALLENGER_COLOUR: Final = "#c2571a"
COLOURS: Final = (CHAMPION_COLOUR, CHALLENGER_COLOUR)
_MOST_POINTS: Final = 500
"""Of a curve; more would not be seen."""
_STYLE: Final[Any] = {
    "svg.hashsalt": "champion-challenger",  # else ids are random
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def intervals(path: Path, step: float, unit: str, limits: Sequence[tuple[float, str]]) -> str:
    """A gain at each look, `step` units apart, and what it has to be shown above."""
    figure, axes = _axes(7.2, 3.2)
    x = step * np.arange(1, path.estimates.size + 1)
    axes.fill_between(
        x,
        path.low,
        path.high,
        color=CHALLENGER_COLOUR,
        alpha=0.25,
        linewidth=0,
        label="confidence sequence",
    )
    axes.plot(x, path.estimates, color=CHALLENGER_COLOUR, marker=".", label="estimate")
    for limit, name in limits:
        axes.axhline(limit, color="0.3", linewidth=1, linestyle="--" if limit else "-")
        axes.annotate(
            name,
            (x[-1], limit),
            xytext=(0, 2),
            textcoords="offset points",
            fontsize=8,
            ha="right",
        )
    finite = path.high[np.isfinite(path.high)]
    reach = max(0.1, float(np.abs(finite[-1:]).max(initial=0.1)) * 4)
    axes.set(ylim=(-reach, reach), xlabel=unit, ylabel=f"gain in {path.metric}")
    axes.legend(loc="upper right", frameon=False)
    return _svg(figure)


def roc(scores: Sequence[Scores], names: Sequence[str]) -> str:
    """Both arms' ROC curves."""
    figure, axes = _axes(4.2, 4.0)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for arm, name, colour in zip(scores, names, COLOURS, strict=True):
        if arm.sick.any() and not arm.sick.all():
            false_positive, true_positive = curve(arm)
            at = _some(false_positive.size)
            axes.plot(false_positive[at], true_positive[at], color=colour, label=name)
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", aspect="equal")
    _legend(axes)
    return _svg(figure)


def calibration(found: Sequence[Calibration | None], names: Sequence[str]) -> str:
    """The observed share of pneumonia by predicted probability, with its interval."""
    figure, axes = _axes(4.2, 4.0)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for arm, name, colour in zip(found, names, COLOURS, strict=True):
        if arm is None:
            continue
        observed = [bin_.observed for bin_ in arm.bins]
        reach = np.array(
            [[it.value - it.low for it in observed], [it.high - it.value for it in observed]]
        )
        axes.errorbar(
            [bin_.predicted for bin_ in arm.bins],
            [it.value for it in observed],
            np.maximum(reach, 0),
            color=colour,
            marker="o",
            capsize=2,
            label=name,
        )
    axes.set(xlabel="predicted probability", ylabel="observed share", aspect="equal")
    _legend(axes)
    return _svg(figure)


def traffic(daily: Sequence[Floats], promised: Floats, days: Sequence[str]) -> str:
    """Requests by day, and the challenger's share beside what the split promised."""
    figure = _figure(7.2, 3.6)
    above, below = figure.subplots(2, 1, sharex=True)
    x = np.arange(1, len(days) + 1)
    above.bar(x, daily[0], color=CHAMPION_COLOUR, label="champion")
    above.bar(x, daily[1], bottom=daily[0], color=CHALLENGER_COLOUR, label="challenger")
    total = daily[0] + daily[1]
    above.set(ylabel="requests", ylim=(0, 1.5 * total.max()))
    _legend(above)
    below.plot(x, daily[1] / total, ".-", color=CHALLENGER_COLOUR, label="challenger's share")
    below.step(x, promised, where="mid", color="0.3", linewidth=1, label="split in force")
    below.set(ylim=(0, 1), ylabel="share", xlabel=f"day ({days[0]} is 1)")
    _legend(below)
    return _svg(figure)


def coverage(found: Sequence[Coverage], names: Sequence[str]) -> str:
    """What readers have resolved of each arm's answers, beside all of them."""
    figure, axes = _axes(7.2, 2.6)
    rows = [f"{names[it.arm]}: {LABELS[it.called]}" for it in found]
    axes.barh(rows, [it.films for it in found], color="0.85", label="mature answers")
    axes.barh(
        rows,
        [it.resolved for it in found],
        color=[COLOURS[it.arm] for it in found],
        label="with a truth",
    )
    axes.invert_yaxis()
    axes.set(xlabel="films")
    return _svg(figure)


def chances(
    curves: Sequence[tuple[str, Floats, Floats]], x: str, target: float, maximum: float
) -> str:
    """The chance of a promotion by the number of labels, one curve each."""
    figure, axes = _axes(7.2, 3.6)
    for number, (name, labels, chance) in enumerate(curves):
        # Each way of testing has a colour; what may be looked at once only is dotted.
        way, once = divmod(number, 2)
        axes.plot(labels, chance, color=COLOURS[way], linestyle=":" if once else "-", label=name)
    axes.axvline(maximum, color="0.3", linewidth=1, linestyle="--")
    axes.axhline(target, color="0.3", linewidth=1, linestyle="--")
    axes.set(xlabel=x, ylabel="chance of a promotion", ylim=(0, 1.02), xlim=(0, None))
    _legend(axes)
    return _svg(figure)


def _figure(width: float, height: float) -> Figure:
    with mpl.rc_context(_STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _figure(width, height)
    with mpl.rc_context(_STYLE):
        return figure, figure.add_subplot()


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _some(size: int) -> Floats:
    return np.unique(np.linspace(0, size - 1, min(size, _MOST_POINTS)).astype(int))


def _svg(figure: Figure) -> str:
    """Without a date, and without what only a file of its own needs."""
    out = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]

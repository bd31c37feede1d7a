"""The plots of a report, as SVG that is the same for the same figures."""

import io
import textwrap
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ml.evaluation.calibration import middle_of_bin, short
from ml.evaluation.discrimination import Scores, curve
from ml.verdict.gates import Coverage
from ml.verdict.judgement import Path
from ml.verdict.report.table import text
from ml.verdict.statistics.betting import Floats, Interval
from ml.verdict.statistics.calibration import Calibration
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION

CHAMPION_COLOUR: Final = "#1f5a99"
CHALLENGER_COLOUR: Final = "#c2571a"
QUIET_COLOUR: Final = "#4d4d4d"
LINE_COLOUR: Final = "#b3b3b3"
REST_COLOUR: Final = "#d9d9d9"
GROUND_COLOUR: Final = "#ffffff"
"""Exact, so that a page can tell them: matplotlib's own greys are rounded as they are written."""
COLOURS: Final = (CHAMPION_COLOUR, CHALLENGER_COLOUR)
_MOST_POINTS: Final = 500
"""Of a curve; more would not be seen."""
_FEWEST_FOR_A_BAND: Final = 3
"""Looks. A band of one has no width."""
_LARGEST_GAIN: Final = 1.05
"""A gain is a difference of shares; and some room."""
_WIDE: Final = (4.6, 3.4)
"""Inches. Its texts can be read on a phone that is 60 mm wide."""
_LONGEST_LINE: Final = 46
"""Characters of a legend, whose lines have room above a plot of 4 inches."""
_FLAT: Final = 0.01
"""A curve that rises by less has no more to show."""
_LINE: Final = 0.15
"""Inches that a further line of the legend takes."""
_MANY_DAYS: Final = 60
"""Bars with gaps between them would shimmer."""
_SHARES: Final = (-0.03, 1.03)
_APART: Final = 0.012
"""Of both arms' points."""
_INTERVAL: Final = "interval, all looks together"
_STYLE: Final[Any] = {
    "svg.hashsalt": "champion-challenger",  # else ids are random
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def intervals(
    path: Path,
    step: float,
    unit: str,
    limits: Sequence[tuple[float, str]],
    at: Floats | None = None,
) -> str:
    """A gain at each look, `step` units apart or `at` [look], and what it has to be shown above."""
    figure, axes = _axes(*_WIDE)
    looks = path.estimates.size
    x = step * np.arange(1, looks + 1) if at is None else at
    if looks < _FEWEST_FOR_A_BAND:
        axes.vlines(
            x, path.low, path.high, color=CHALLENGER_COLOUR, alpha=0.4, linewidth=6, label=_INTERVAL
        )
    else:
        axes.fill_between(
            x,
            path.low,
            path.high,
            color=CHALLENGER_COLOUR,
            alpha=0.25,
            linewidth=0,
            label=_INTERVAL,
        )
    axes.plot(x, path.estimates, color=CHALLENGER_COLOUR, marker=".", label="estimate")
    for limit, name in sorted(limits, reverse=True):
        axes.axhline(
            limit,
            color=QUIET_COLOUR,
            linewidth=1,
            linestyle="--" if limit else "-",
            label=f"{name} {limit:+g}" if limit else name,
        )
    last = np.abs([path.low[-1], path.high[-1], *(limit for limit, _ in limits)])
    reach = min(_LARGEST_GAIN, max(0.1, 2 * float(last[np.isfinite(last)].max())))
    axes.set(ylim=(-reach, reach), xlabel=unit, ylabel=f"gain in {path.metric}")
    _whole_steps(axes, step, x[-1])
    _legend(axes)
    return _svg(figure)


def roc(scores: Sequence[Scores], areas: Sequence[Interval | None], names: Sequence[str]) -> str:
    """Both arms' ROC curves, with the areas under them."""
    figure, axes = _axes(4.2, 4.0)
    axes.plot([0, 1], [0, 1], color=LINE_COLOUR, linewidth=1)
    for arm, auc, name, colour in zip(scores, areas, names, COLOURS, strict=True):
        found = f"AUC {text(auc)}" if auc else f"no AUC, n = {arm.n.sum():.0f}"
        label = _lines(f"{name}:", found)
        if arm.sick.any() and not arm.sick.all():
            false_positive, true_positive = curve(arm)
            at = _some(false_positive.size)
            axes.plot(false_positive[at], true_positive[at], color=colour, label=label)
        else:
            axes.plot([], [], color=colour, label=label)
    if not any(areas):
        _say(axes, "No arm has films of both classes\nwith a truth yet.")
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", aspect="equal")
    _legend(axes)
    return _svg(figure)


def calibration(found: Sequence[Calibration | None], names: Sequence[str]) -> str:
    """The observed share of positives by predicted probability, with its interval and films."""
    figure, (axes, below) = _two(4.2, 4.6, height_ratios=(9, 1))
    below.set_axis_off()
    below.set_ylim(1.5, -0.5)
    axes.plot([0, 1], [0, 1], color=LINE_COLOUR, linewidth=1)
    for row, (arm, name, colour) in enumerate(zip(found, names, COLOURS, strict=True)):
        films = arm.error.n if arm else 0
        axes.plot([], [], "o", color=colour, label=_lines(f"{name},", f"n = {films}"))
        if arm is None:
            continue
        observed = [bin_.observed for bin_ in arm.bins]
        reach = np.array(
            [[it.value - it.low for it in observed], [it.high - it.value for it in observed]]
        )
        axes.errorbar(
            # Beside each other: both arms' points may have the same place.
            [bin_.predicted + (row - 0.5) * _APART for bin_ in arm.bins],
            [it.value for it in observed],
            np.maximum(reach, 0),
            color=colour,
            marker="o",
            linestyle="none",
            capsize=2,
        )
        for bin_ in arm.bins:
            # Points of two bins may lie on each other; the middles of the bins do not.
            place = middle_of_bin(bin_.predicted)
            below.text(place, row, short(bin_.observed.n), color=colour, fontsize=8, ha="center")
    if not any(found):
        _say(axes, "No film has a truth yet.")
    axes.set(xlabel="predicted probability", ylabel="observed share", xlim=_SHARES, ylim=_SHARES)
    axes.tick_params(labelbottom=True)
    _legend(axes)
    return _svg(figure)


def traffic(daily: Sequence[Floats], promised: Floats, days: Sequence[str]) -> str:
    """Requests by day, and the challenger's share beside what the split promised."""
    figure, (above, below) = _two(*_WIDE)
    x = of_days(days)
    width = 0.8 if x[-1] <= _MANY_DAYS else 1.0
    above.bar(x, daily[CHAMPION], width, color=CHAMPION_COLOUR, label="champion")
    above.bar(
        x,
        daily[CHALLENGER],
        width,
        bottom=daily[CHAMPION],
        color=CHALLENGER_COLOUR,
        label="challenger",
    )
    total = daily[CHAMPION] + daily[CHALLENGER]
    above.set(ylabel="requests")
    above.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    _legend(above, columns=2)
    asked = total > 0
    share = daily[CHALLENGER][asked] / total[asked]
    below.plot(x[asked], share, ".-", color=CHALLENGER_COLOUR, label="challenger's share")
    # The whole of each day: a line from point to point would show nothing of a single one.
    below.hlines(
        promised, x - 0.5, x + 0.5, colors=QUIET_COLOUR, linewidth=1, label="split in force"
    )
    below.set(ylim=(0, 1), ylabel="share", xlabel=f"day ({days[0]} is 1)")
    _whole_steps(below, 1, x[-1])
    _legend(below, columns=2)
    return _svg(figure)


def of_days(days: Sequence[str]) -> Floats:
    """The number of each day, the first one's being 1; days without a request are left out."""
    ordinal = np.array([date.fromisoformat(day).toordinal() for day in days], np.float64)
    return ordinal - ordinal[:1] + 1


def coverage(found: Sequence[Coverage], labels: tuple[str, str]) -> str:
    """What readers have resolved of each arm's answers, beside all of them."""
    figure, axes = _axes(*_WIDE)
    arms = {CHAMPION: "champion", CHALLENGER: "challenger"}
    rows = [f"{arms[it.arm]}:\n{labels[it.called]}" for it in found]
    all_ = axes.barh(rows, [it.films for it in found], color=REST_COLOUR)
    axes.barh(
        rows,
        [it.resolved for it in found],
        color=[COLOURS[it.arm] for it in found],
    )
    axes.bar_label(all_, [f"{it.resolved} of {it.films}" for it in found], padding=3, fontsize=9)
    axes.margins(x=0.3)  # for what stands beside the longest bar
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set(xlabel="films")
    if not found:
        axes.set(xticks=[], yticks=[])
        _say(axes, "No answer is mature yet.")
    return _svg(figure)


def chances(
    curves: Sequence[tuple[str, Floats, Floats]], x: str, target: float, maximum: float
) -> str:
    """The chance of a promotion by the number of labels, one curve each."""
    figure, axes = _axes(7.2, 3.6)
    shown = 1.15 * maximum
    for number, (name, labels, chance) in enumerate(curves):
        # Each way of testing has a colour; what may be looked at once only is dotted.
        way, once = divmod(number, 2)
        axes.plot(labels, chance, color=COLOURS[way], linestyle=":" if once else "-", label=name)
        rising = labels[chance < chance.max(initial=0) - _FLAT]
        shown = max(shown, 1.15 * rising.max(initial=0))
    axes.axvline(maximum, color=QUIET_COLOUR, linewidth=1, linestyle="--")
    axes.axhline(target, color=QUIET_COLOUR, linewidth=1, linestyle="--")
    axes.set(xlabel=x, ylabel="chance of a promotion", ylim=(0, 1.02), xlim=(0, shown))
    axes.annotate(
        f"maximum_labels\n{maximum:g}",
        (maximum, 0),
        xytext=(3, 3),
        textcoords="offset points",
        fontsize=8,
    )
    axes.annotate(
        f"wanted: {target:.0%}",
        (1, target),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        fontsize=8,
        va="center",
    )
    _legend(axes)
    return _svg(figure)


def _figure(width: float, height: float) -> Figure:
    with mpl.rc_context(_STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _figure(width, height)
    with mpl.rc_context(_STYLE):
        return figure, figure.add_subplot()


def _two(width: float, height: float, **given: Any) -> tuple[Figure, tuple[Axes, Axes]]:
    """One above the other."""
    figure = _figure(width, height)
    with mpl.rc_context(_STYLE):
        above, below = figure.subplots(2, 1, sharex=True, **given)
    return figure, (above, below)


def _legend(axes: Axes, columns: int = 1) -> None:
    """Above the plot: inside, it would cover what some data show."""
    labels = axes.get_legend_handles_labels()[1]
    if labels:
        more = sum(label.count("\n") for label in labels)
        figure = axes.get_figure(root=True)
        assert figure is not None  # noqa: S101 - these axes are in one
        figure.set_figheight(figure.get_figheight() + more * _LINE)
        axes.legend(
            frameon=False,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.2,
            ncols=columns,
            fontsize=9,
        )


def _whole_steps(axes: Axes, step: float, last: float) -> None:
    """Room around one day, too, and ticks at whole numbers."""
    axes.set_xlim(0.4 * step, max(last, 5 * step) + 0.6 * step)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _say(axes: Axes, why: str) -> None:
    """Why there is nothing to see."""
    ground = {"facecolor": GROUND_COLOUR, "edgecolor": "none"}
    axes.text(0.5, 0.2, why, ha="center", va="center", transform=axes.transAxes, bbox=ground)


def _lines(name: str, found: str) -> str:
    """An entry of a legend: in one line, or, where that is wider than the plot, in several."""
    together = f"{name} {found}"
    if len(together) <= _LONGEST_LINE:
        return together
    return "\n".join([*textwrap.wrap(name, _LONGEST_LINE), found])


def _some(size: int) -> Floats:
    return np.unique(np.linspace(0, size - 1, min(size, _MOST_POINTS)).astype(int))


def _svg(figure: Figure) -> str:
    """Without a date, and without what only a file of its own needs."""
    out = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]

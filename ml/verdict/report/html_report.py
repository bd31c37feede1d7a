"""The report for people: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ml.contract.decision import Decision
from ml.contract.task import Task
from ml.verdict.counting.tally import ARMS, Tally
from ml.verdict.judgement import Judgement
from ml.verdict.report.conclusion import on_early_step
from ml.verdict.report.safeguards import BREACHED
from ml.verdict.report.table import BETTER, WORSE, Section
from ml.verdict.report.tabular import EACH_ARM, GAINS, ROWS, needed, sections
from ml.verdict.rule import promotion_limits
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

CALIBRATION: Final = (
    "Calibration: the share of PNEUMONIA by predicted probability, with its interval; below, how "
    "many films each point has."
)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """An SVG with what it shows."""

    svg: str
    caption: str


def report(experiment: "Experiment", judgement: Judgement, tally: Tally, decision: Decision) -> str:
    """The report of a judgement of live traffic."""
    from ml.verdict.report import plots  # imports matplotlib, which only a report needs

    names = [arm.name for arm in judgement.arms]
    days = [day.isoformat() for day in judgement.days]
    limits = {
        "sensitivity": (-experiment.margins.sensitivity, "non-inferiority margin"),
        "specificity": (-experiment.margins.specificity, "non-inferiority margin"),
    }
    wanted = promotion_limits(experiment)
    paths = [
        Plot(
            svg=plots.intervals(
                path,
                1,
                f"day ({days[0]} is 1)",
                [
                    (0.0, "no difference"),
                    *([limits[path.metric]] if path.metric in limits else []),
                ],
                plots.of_days(days),
            ),
            caption=f"The gain in {path.metric} with its interval at the end of each day.",
        )
        for path in judgement.paths
        if path.metric in wanted
    ]
    of_each = [
        Plot(
            svg=plots.roc(
                [tally.scores(arm) for arm in ARMS],
                [arm.figures.get("auc") for arm in judgement.arms],
                names,
            ),
            caption="ROC curves of the mature films that have a truth.",
        ),
        Plot(
            svg=plots.calibration([arm.calibration for arm in judgement.arms], names),
            caption=CALIBRATION,
        ),
    ]
    coverage = Plot(
        svg=plots.coverage(judgement.coverage, experiment.task.labels),
        caption="Mature answers: with a truth (coloured), and without one (grey).",
    )
    traffic = Plot(
        svg=plots.traffic(
            [tally.daily_requests(arm) for arm in (CHAMPION, CHALLENGER)],
            tally.daily_propensity(),
            days,
        ),
        caption="Requests by day, and the challenger's share of both arms' requests beside the "
        "split that they were drawn by.",
    )
    return page(
        decision,
        list(sections(judgement)),
        {GAINS: [paths], EACH_ARM: [of_each], ROWS: [[coverage, traffic]]},
        remark=remark(judgement),
        task=experiment.task,
    )


def remark(judgement: Judgement) -> str:
    """What the next step takes; empty where there is none to take."""
    if judgement.ruling.verdict != "INCONCLUSIVE" or judgement.ruling.stopped:
        return ""
    return needed(judgement.needed, sum(arm.labels for arm in judgement.arms))


def page(
    decision: Decision,
    sections: Sequence[Section],
    plots: Mapping[str, Sequence[Sequence[Plot]]],
    *,
    remark: str,
    task: Task,
) -> str:
    """The page around sections, in the task's words; `plots` has rows of plots by the title of
    their section."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("ml.verdict.report.html_report"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    templates.filters |= {"unbroken": _unbroken, "in_page": _in_page}
    written = templates.get_template("report.html").render(
        decision=decision,
        sections=sections,
        plots=plots,
        needed=remark,
        early_step=on_early_step(decision, decision.early_step) if decision.early_step else "",
        percent=f"{1 - float(decision.method['alpha']):.0%}",
        said={BETTER: "good", WORSE: "bad", BREACHED: "bad"},
    )
    return task.said(written)


def _unbroken(cell: str) -> str:
    """Without a line's end within an interval."""
    return cell.replace(" to ", "\u00a0to\u00a0").replace("n = ", "n\u00a0=\u00a0")


def _in_page(plot: Plot) -> str:
    """The SVG in the colours of the page, which are others in the dark, and with a name."""
    from markupsafe import Markup, escape

    from ml.verdict.report import plots

    colours = {
        plots.CHAMPION_COLOUR: "var(--champion)",
        plots.CHALLENGER_COLOUR: "var(--challenger)",
        "#000000": "currentColor",
        plots.GROUND_COLOUR: "var(--ground)",
        plots.QUIET_COLOUR: "var(--quiet)",
        plots.LINE_COLOUR: "var(--line)",
        plots.REST_COLOUR: "var(--line)",
    }
    svg = plot.svg.replace("<svg", f'<svg role="img" aria-label="{escape(plot.caption)}"', 1)
    for colour, variable in colours.items():
        svg = svg.replace(f": {colour}", f": {variable}")
    return Markup(svg)  # noqa: S704 - drawn here; matplotlib escapes the names in it

"""The report for people: one HTML file that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml.contract.decision import Decision
from ml.verdict.counting.tally import ARMS, Tally
from ml.verdict.judgement import Judgement
from ml.verdict.report.table import Table
from ml.verdict.report.tabular import needed, tables
from ml.verdict.rule import promotion_limits
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment


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
            ),
            caption=f"The gain in {path.metric} with its interval at the end of each day.",
        )
        for path in judgement.paths
        if path.metric in wanted
    ]
    return page(
        decision,
        list(tables(judgement)),
        [
            *([path] for path in paths),
            [
                Plot(
                    svg=plots.roc([tally.scores(arm) for arm in ARMS], names),
                    caption="ROC curves of the mature films that have a truth.",
                ),
                Plot(
                    svg=plots.calibration([arm.calibration for arm in judgement.arms], names),
                    caption="Calibration: the share of pneumonia by predicted probability.",
                ),
            ],
            [
                Plot(
                    svg=plots.traffic(
                        [tally.daily_requests(arm) for arm in (CHAMPION, CHALLENGER)],
                        tally.daily_propensity(),
                        days,
                    ),
                    caption="Requests by day, and the split that they were drawn by.",
                )
            ],
            [
                Plot(
                    svg=plots.coverage(judgement.coverage, names),
                    caption="What readers have given a truth, of all mature answers (grey).",
                )
            ],
        ],
        remark=remark(judgement),
    )


def remark(judgement: Judgement) -> str:
    """What the next step takes; empty where there is none to take."""
    if judgement.ruling.verdict != "INCONCLUSIVE" or judgement.ruling.stopped:
        return ""
    return needed(judgement.needed, sum(arm.labels for arm in judgement.arms))


def page(
    decision: Decision,
    found: Sequence[Table],
    shown: Sequence[Sequence[Plot]],
    *,
    remark: str,
) -> str:
    """The page around tables and rows of plots."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("ml.verdict.report.html_report"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    return templates.get_template("report.html").render(
        decision=decision,
        tables=found,
        plots=shown,
        needed=remark,
        percent=f"{1 - float(decision.method['alpha']):.0%}",
    )

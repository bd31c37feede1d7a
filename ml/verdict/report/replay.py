"""A replay for machines and for people: its decision, its tables, its report."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ml.contract.decision import DataRecord, Decision
from ml.verdict.judgement import Path
from ml.verdict.paired import Answers, PairedJudgement
from ml.verdict.report.decision_record import (
    arms_and_experiment,
    errors_of_readers,
    figures,
    finding_of,
    method,
    software,
)
from ml.verdict.report.html_report import CALIBRATION, Plot, page
from ml.verdict.report.safeguards import reader_errors
from ml.verdict.report.table import Section, Table, compared, name_of, parts, text
from ml.verdict.report.tabular import EACH_ARM, GAINS, RELIANCE, not_estimable
from ml.verdict.rule import promotion_limits
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment


def decision(
    experiment: "Experiment",
    judgement: PairedJudgement,
    answers: Answers,
    *,
    environment: str | None,
    source: str,
) -> Decision:
    """The record of a replay."""
    return Decision(
        verdict=judgement.ruling.verdict,
        reason=experiment.task.said(judgement.ruling.reason),
        environment=environment,
        mode="replay",
        as_of=None,
        **arms_and_experiment(experiment),
        splits=(),
        data=DataRecord(
            origin={"films": source}, digest=answers.digest, query_digest="", assumed=()
        ),
        method={
            **{
                key: method(experiment)[key]
                for key in ("intervals", "verdict", "calibration intercept, slope")
            },
            "differences": "paired: both arms answered every film",
            "independent": independence(judgement),
            "auc": "paired DeLong, asymptotic confidence sequence; no condition of the verdict",
            "McNemar, DeLong p": "exact, and normal; for one look; no condition of the verdict",
            "alpha": f"{experiment.alpha:g}",
        },
        software=software(),
        findings=tuple(finding_of(experiment, it) for it in judgement.ruling.findings),
        early_step=finding_of(experiment, judgement.early_step),
        numbers=_numbers(judgement),
    )


def tables(experiment: "Experiment", judgement: PairedJudgement) -> Iterator[Table]:
    """What people read of a replay."""
    for section in _sections(experiment, judgement):
        yield from section.tables


def _sections(experiment: "Experiment", judgement: PairedJudgement) -> list[Section]:
    names = (
        experiment.champion.served_entity_name,
        experiment.challenger.served_entity_name,
    )
    p_values: dict[str, float] = {
        metric: found.p
        for metric, found in judgement.discordance.items()
        if found.p is not None and found.n
    }
    if judgement.auc_p is not None:
        p_values["auc"] = judgement.auc_p
    of_both = [
        Table(
            title="Challenger minus champion, film by film",
            heads=("figure", "gain", "interval", "n", "challenger is", "p for one look"),
            rows=[
                (
                    name_of(name),
                    *parts(value, signed=True),
                    compared(name, value),
                    f"{p_values[name]:.2g}" if name in p_values else "",
                )
                for name, value in judgement.gains.items()
            ],
            note=f"{judgement.films} films, of them {judgement.positives} PNEUMONIA. "
            f"{independence(judgement)} The p are McNemar's and DeLong's.",
        ),
        Table(
            title="Films that only one arm called right",
            heads=("films", "champion only", "challenger only", "n"),
            rows=[
                (metric, str(it.champion_only), str(it.challenger_only), str(it.n))
                for metric, it in judgement.discordance.items()
            ],
        ),
    ]
    of_each = Table(
        title="The arms",
        heads=("figure", *names),
        rows=[
            (name_of(name), *(text(arm[name]) for arm in judgement.figures))
            for name in judgement.figures[CHAMPION]
        ],
        note=not_estimable(dict(zip(names, judgement.recalibrations, strict=True))),
    )
    return [
        Section(title=GAINS, tables=of_both),
        Section(title=EACH_ARM, tables=[of_each]),
        Section(title=RELIANCE, tables=[reader_errors(judgement.reader_errors)]),
    ]


def independence(judgement: PairedJudgement) -> str:
    """What counts as one observation, and so as independent of the others."""
    if judgement.patients is None:
        return (
            "No film has a patient's key: films count as independent, which those of one patient "
            "are not."
        )
    of_their_own = (
        f"; {judgement.without_key} films without a key count as patients of their own"
        if judgement.without_key
        else ""
    )
    return (
        f"They are of {judgement.patients} patients, each of whom is one observation"
        f"{of_their_own}. Calibration is of the first film of each patient."
    )


def report(
    experiment: "Experiment", judgement: PairedJudgement, answers: Answers, made: Decision
) -> str:
    """The report of a replay."""
    from ml.verdict.report import plots  # imports matplotlib, which only a report needs

    names = [made.champion.served_entity, made.challenger.served_entity]
    margins = experiment.margins.model_dump()
    paths = [
        Plot(
            svg=plots.intervals(
                path,
                judgement.films / path.estimates.size,
                "films",
                [
                    (0.0, "no difference"),
                    *(
                        [(-margins[path.metric], "non-inferiority margin")]
                        if path.metric in margins
                        else []
                    ),
                ],
            ),
            caption=f"The gain in {path.metric} as the films come in, in a random order.",
        )
        for path in _paths(experiment, judgement)
    ]
    both = [
        Plot(
            svg=plots.roc(
                [answers.scores(arm) for arm in (CHAMPION, CHALLENGER)],
                [arm["auc"] for arm in judgement.figures],
                names,
            ),
            caption="ROC curves of the same films.",
        ),
        Plot(svg=plots.calibration(judgement.calibrations, names), caption=CALIBRATION),
    ]
    return page(
        made,
        _sections(experiment, judgement),
        {GAINS: [paths], EACH_ARM: [both]},
        remark=remark(judgement),
        task=experiment.task,
    )


def remark(judgement: PairedJudgement) -> str:
    """What the next step takes; empty where there is none to take."""
    if judgement.ruling.verdict != "INCONCLUSIVE":
        return ""
    if judgement.labels_needed is None:
        return "Films like these would never lead to a promotion, however many."
    more = max(0, judgement.labels_needed - judgement.films)
    return f"If films keep being like these {judgement.films}, it takes about {more} more."


def _paths(experiment: "Experiment", judgement: PairedJudgement) -> list[Path]:
    paths = []
    for metric in promotion_limits(experiment):
        found = judgement.evidence[metric]
        if found.counts.size:
            low, high = found.limits(-1.0, 1.0, experiment.alpha)
            paths.append(Path(metric=metric, estimates=found.estimates, low=low, high=high))
    return paths


def _numbers(judgement: PairedJudgement) -> dict[str, Any]:
    return {
        "films": judgement.films,
        "patients": judgement.patients,
        "films without a patient's key": judgement.without_key,
        "positives": judgement.positives,
        "gains": figures(judgement.gains),
        "champion": _arm(judgement, CHAMPION),
        "challenger": _arm(judgement, CHALLENGER),
        "discordance": {name: asdict(it) for name, it in judgement.discordance.items()},
        "DeLong p": judgement.auc_p,
        "labels needed": judgement.labels_needed,
        "reader errors": errors_of_readers(judgement.reader_errors),
    }


def _arm(judgement: PairedJudgement, arm: int) -> dict[str, Any]:
    found = judgement.calibrations[arm]
    return {
        "figures": figures(judgement.figures[arm])
        | {"calibration error": asdict(found.error) if found else None},
        "recalibration": judgement.recalibrations[arm].not_estimable or "estimated",
    }

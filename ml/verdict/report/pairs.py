"""The end of a command that has both arms' answers to the same films: judge, write, show."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ml.verdict.paired import Answers, judge_pairs
from ml.verdict.report.conclusion import show, write
from ml.verdict.report.replay import decision, report, tables

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment


def conclude(
    experiment: "Experiment",
    answers: Answers,
    folder: Path,
    console: Console,
    *,
    environment: str | None,
    source: str,
    with_report: bool,
) -> Sequence[Path]:
    """Judges answers that are `in_order`; returns the files that were written. Raises UserError."""
    judgement = judge_pairs(experiment, answers)
    made = decision(experiment, judgement, answers, environment=environment, source=source)
    page = report(experiment, judgement, answers, made) if with_report else None
    written = write(folder, made, page)
    show(console, made, tables(experiment, judgement), task=experiment.task)
    return written

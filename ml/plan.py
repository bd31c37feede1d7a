"""What an experiment costs before it begins: ``python -m ml.plan EXPERIMENT``."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ml.contract.decision import DIGITS
from ml.contract.errors import UserError
from ml.terminal.command import (
    Options,
    add_experiment_argument,
    require_writable,
    run,
    whole_number,
)

if TYPE_CHECKING:
    from rich.console import Console

    from infra.declared.experiment import Experiment
    from ml.verdict.planning.climb import Step
    from ml.verdict.planning.plan import Plan
    from ml.verdict.planning.simulation import Runs
    from ml.verdict.statistics.truth import Truth

PLAN, PLOT = "plan.json", "plan.svg"

_RAMPS = 300
"""Of the runs at most: the days of a ramp need no more."""


def options() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = Options(
        prog="python -m ml.plan",
        description="Simulates an experiment, live and as a replay in which both arms answer the "
        "same cases: how many labels and days a promotion takes, and how likely it is within the "
        f"experiment's maximum. Prints a table, and writes {PLAN} and {PLOT}.",
    )
    add_experiment_argument(parser)
    for metric in ("sensitivity", "specificity"):
        parser.add_argument(
            f"--{metric}",
            nargs=2,
            type=_share,
            metavar=("CHAMPION", "CHALLENGER"),
            help="the truth to plan for. Default: [expected] of the experiment",
        )
        parser.add_argument(
            f"--margin-{metric}",
            type=_share,
            metavar="MARGIN",
            help="try another margin than the experiment's",
        )
    parser.add_argument(
        "--prevalence",
        type=_share,
        metavar="SHARE",
        help="of the positive label. Default: [expected] of the experiment",
    )
    parser.add_argument(
        "--films-per-day",
        "--cases-per-day",
        dest="films_per_day",
        type=whole_number(1, 1_000_000),
        default=100,
        metavar="N",
        help="requests of both arms together (default: %(default)s)",
    )
    parser.add_argument(
        "--agreement",
        type=_share_or_end,
        default=0.5,
        metavar="SHARE",
        help="of the arms' errors in a replay: 0, independent; 1, on the same cases as far as "
        "possible (default: %(default)s)",
    )
    parser.add_argument(
        "--power",
        type=_share,
        default=0.8,
        metavar="SHARE",
        help="the chance of a promotion to plan for (default: %(default)s)",
    )
    parser.add_argument(
        "--runs", type=whole_number(100, 100_000), default=1000, metavar="N", help="(default: 1000)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0, 2**31), default=0, metavar="N", help="(default: 0)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the files go; default: .local/plans/EXPERIMENT",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = options().parse_args(arguments)
    from rich.console import Console

    from infra.declared.experiment import load
    from ml.terminal.progress import status
    from ml.verdict.planning.climb import climb
    from ml.verdict.planning.plan import plans
    from ml.verdict.statistics.truth import Truth

    console = Console(highlight=False, markup=False)
    experiment = _with_margins(load(given.experiment), given)
    believed = Truth.expected(experiment)
    truth = Truth(
        prevalence=given.prevalence or believed.prevalence,
        sensitivity=tuple(given.sensitivity or believed.sensitivity),
        specificity=tuple(given.specificity or believed.specificity),
    )
    folder = given.output or Path(".local", "plans", experiment.name)
    require_writable(folder, "--output")
    with status(console, f"Running the experiment {given.runs} times"):
        ways = list(
            plans(
                experiment,
                truth,
                films_per_day=given.films_per_day,
                agreement=given.agreement,
                power=given.power,
                runs=given.runs,
                seed=given.seed,
            )
        )
        steps = climb(
            experiment,
            truth,
            films_per_day=given.films_per_day,
            power=given.power,
            runs=min(given.runs, _RAMPS),
            seed=given.seed,
        )
    _write(folder, experiment, truth, given, ways, steps)
    _show(console, experiment, truth, [plan for plan, _ in ways], given)
    _show_ramp(console, experiment, steps, given)
    console.print(f"Written: {folder / PLAN}, {folder / PLOT}", soft_wrap=True)
    return 0


def _with_margins(experiment: "Experiment", given: argparse.Namespace) -> "Experiment":
    margins = {
        metric: margin
        for metric in ("sensitivity", "specificity")
        if (margin := getattr(given, f"margin_{metric}")) is not None
    }
    changed = experiment.margins.model_copy(update=margins)
    return experiment.model_copy(update={"margins": changed})


def _write(
    folder: Path,
    experiment: "Experiment",
    truth: "Truth",
    given: argparse.Namespace,
    ways: "Sequence[tuple[Plan, Runs]]",
    steps: "Sequence[Step]",
) -> None:
    from ml.verdict.planning.plan import chances
    from ml.verdict.report import plots

    record = {
        "experiment": {"name": experiment.name, "digest": experiment.digest},
        "truth": asdict(truth),
        "margins": experiment.margins.model_dump(),
        "benefit": experiment.benefit,
        "alpha": experiment.alpha,
        "maximum_labels": experiment.maximum_labels,
        "films_per_day": given.films_per_day,
        "agreement": given.agreement,
        "power": given.power,
        "runs": given.runs,
        "seed": given.seed,
        "plans": [
            {
                name: round(value, DIGITS) if isinstance(value, float) else value
                for name, value in asdict(plan).items()
            }
            for plan, _ in ways
        ],
        "ramp": [asdict(step) for step in steps],
    }
    curves = [curve for plan, runs in ways for curve in chances(plan.way, runs)]
    picture = plots.chances(
        curves, f"labels (the median of {given.runs} runs)", given.power, experiment.maximum_labels
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PLAN).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        (folder / PLOT).write_text(picture, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"--output {folder}: cannot be written: {error.strerror}. Choose another folder."
        ) from error


def _show(
    console: "Console",
    experiment: "Experiment",
    truth: "Truth",
    plans: "Sequence[Plan]",
    given: argparse.Namespace,
) -> None:
    from ml.terminal.tables import table as folding

    console.print(
        f"Champion and challenger: sensitivity {truth.sensitivity[0]:g} and "
        f"{truth.sensitivity[1]:g}, specificity {truth.specificity[0]:g} and "
        f"{truth.specificity[1]:g}, prevalence {truth.prevalence:g}; margins "
        f"{experiment.margins.sensitivity:g} and {experiment.margins.specificity:g}; "
        f"{given.films_per_day} {experiment.task.words.case[1]} a day; {given.runs} runs.",
        soft_wrap=True,
    )
    if experiment.benefit:
        console.print(
            "Not to be worse by the margins is enough for a promotion, for the benefit that is "
            f'declared: "{experiment.benefit}".',
            soft_wrap=True,
        )
    table = folding("", *(plan.way for plan in plans))
    rows: list[tuple[str, Callable[[Plan], str]]] = [
        (
            f"promoted within {experiment.maximum_labels} labels",
            lambda plan: (
                f"{plan.promoted:.1%} ({plan.promoted_low:.1%} to {plan.promoted_high:.1%})"
            ),
        ),
        ("rolled back within them", lambda plan: f"{plan.rolled_back:.1%}"),
        ("labels, median", lambda plan: _or_more(plan.labels_median, experiment)),
        (
            f"labels for a chance of {given.power:.0%}",
            lambda plan: _or_more(plan.labels_for_power, experiment),
        ),
        ("days, median", lambda plan: _or_never(plan.days_median)),
        (f"days for {given.power:.0%}", lambda plan: _or_never(plan.days_for_power)),
        (
            f"labels for {given.power:.0%}, if looked at once only",
            lambda plan: _or_more(plan.labels_fixed_sample, experiment),
        ),
    ]
    for name, shown in rows:
        table.add_row(name, *map(shown, plans))
    console.print(table)
    if any(
        plan.labels_for_power is None or plan.labels_for_power > experiment.maximum_labels
        for plan in plans
    ):
        console.print(
            f"maximum_labels = {experiment.maximum_labels} is too small for a chance of "
            f"{given.power:.0%}, for one way at least.",
            soft_wrap=True,
        )


def _show_ramp(
    console: "Console",
    experiment: "Experiment",
    steps: "Sequence[Step]",
    given: argparse.Namespace,
) -> None:
    from infra.declared.ramp import RAMP
    from ml.terminal.tables import table as folding

    chance = f"{given.power:.0%}"
    table = folding(
        f"from {RAMP[0]} percent to",
        "asks for",
        "reached",
        f"by day, for {chance}",
        f"labels, for {chance}",
        title=f"The ramp, at {given.films_per_day} {experiment.task.words.case[1]} a day",
    )
    for step in steps:
        table.add_row(
            f"{step.percent}",
            "no harm" if step.early else "PROMOTE",
            f"{step.reached:.0%}",
            "more than two years" if step.days is None else str(step.days),
            "" if step.labels is None else str(step.labels),
        )
    console.print(table)
    if not all(step.early for step in steps):
        console.print(
            f"Labels of the steps to no harm do not spend maximum_labels = "
            f"{experiment.maximum_labels}.",
            soft_wrap=True,
        )


def _or_more(labels: float | None, experiment: "Experiment") -> str:
    from ml.verdict.planning.plan import BEYOND

    if labels is None:
        return f"more than {BEYOND * experiment.maximum_labels}"
    return f"{labels:.0f}"


def _or_never(days: int | None) -> str:
    return "more than was simulated" if days is None else str(days)


def _share(text: str) -> float:
    return _between(text, inside=True)


def _share_or_end(text: str) -> float:
    return _between(text, inside=False)


def _between(text: str, *, inside: bool) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (0 < value < 1 if inside else 0 <= value <= 1):
        ends = "without" if inside else "with"
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a share from 0 to 1, {ends} its ends; write 0.9 for 90 %"
        )
    return value


if __name__ == "__main__":
    sys.exit(run("ml.plan", main))

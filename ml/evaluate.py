"""Judges a registered version on labelled films, or rows: ``python -m ml.evaluate``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml.contract.errors import UserError
from ml.contract.serving import KERAS_MODEL
from ml.contract.task import TableInput
from ml.registration.judged import Labelled, add_labelled_options, require
from ml.terminal.command import (
    Options,
    add_registry_options,
    add_test_option,
    require_writable,
    run,
    whole_number,
)

if TYPE_CHECKING:
    from rich.console import Console

    from ml.evaluation.report import Report


def options() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = Options(
        prog="python -m ml.evaluate",
        description="Judges a registered version on labelled films, or rows: prints the figures "
        "with their intervals, and writes report.md, report.json, roc.png and calibration.png.",
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="NAME",
        help="the registered name; without catalog and schema, those of the environment",
    )
    parser.add_argument(
        "--version",
        required=True,
        type=whole_number(1, sys.maxsize),
        metavar="N",
        help="its number, as registration printed it",
    )
    add_labelled_options(parser, "the bundled films")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the report goes; default: .local/evaluations/NAME-N-PART, of rows NAME-N",
    )
    add_registry_options(parser)
    add_test_option(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = options().parse_args(arguments)
    from infra.declared.environment import load

    environment = load(given.environment, given.test)
    name = _full_name(given.model, environment.full_model_name)
    task = environment.about_models(name.rpartition(".")[2]).ab_test.task
    require(given.data, task, part=given.part, truth=given.truth)
    require_writable(given.output or Path(".local"), "--output")

    from rich.console import Console

    from ml.registration.registry import LOCAL_FOLDER, Registry, image_size
    from ml.terminal.progress import silenced_natives, status
    from ml.workspace.connection import is_local

    console = Console(highlight=False)
    known = None
    if isinstance(task.input, TableInput):
        known = Labelled.read(given.data, task, None, truth=given.truth)
    with status(console, f"Loading {name} version {given.version}"), silenced_natives():
        model = Registry(given.registry, local=is_local(environment)).load(name, given.version)
    if known is None:
        with status(console, f"Reading {given.data or 'the bundled films'}"):
            known = Labelled.read(given.data, task, image_size(model, name), part=given.part)
    with status(console, f"Judging {len(known.labels)} {task.words.case[1]}"), silenced_natives():
        judged = known.report(model, f"{name} version {given.version}", task)
    output = given.output or LOCAL_FOLDER / "evaluations" / "-".join(
        [name.rsplit(".", 1)[-1], str(given.version), *([known.part] if known.part else [])]
    )
    _write(judged, output)
    _show(judged, output, console)
    return 0


def _full_name(model: str, in_environment: Callable[[str], str]) -> str:
    levels = model.split(".")
    if len(levels) not in {1, 3} or not all(levels):
        raise UserError(
            f"--model {model}: a name has one level, such as {KERAS_MODEL}, or the three of "
            f"{in_environment(KERAS_MODEL)}"
        )
    return model if len(levels) == 3 else in_environment(model)


def _write(judged: "Report", folder: Path) -> None:
    try:
        judged.write(folder)
    except OSError as error:
        raise UserError(
            f"cannot write the report to {folder}: {error.strerror}. Choose another --output."
        ) from error


def _show(judged: "Report", folder: Path, console: "Console") -> None:
    from ml.evaluation.report import exclusions, rows
    from ml.terminal.tables import table as folding

    evaluation = judged.evaluation
    console.print(f"{judged.model} on {judged.counted}", markup=False, soft_wrap=True)
    if judged.part == "train":
        console.print("These are training films: if the model saw them, it knows them by heart.")
    for line in (*evaluation.undefined, *judged.data.remarks, *exclusions(judged.data)):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    table = folding("figure", "value", "95 % interval", evaluation.task.words.case[1])
    for row in rows(evaluation):
        table.add_row(*row)
    console.print(table)
    console.print(f"Written: {folder}/report.md, report.json, roc.png, calibration.png")


if __name__ == "__main__":
    sys.exit(run("ml.evaluate", main))

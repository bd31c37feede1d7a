"""Judges a registered version on labelled films: ``python -m ml.evaluate``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.contract.errors import UserError
from ml.contract.serving import KERAS_MODEL
from ml.data import loading
from ml.data.films import PARTS, Images
from ml.data.prepared import PreparedImages
from ml.terminal.command import (
    Options,
    add_data_option,
    add_registry_options,
    require_writable,
    run,
    whole_number,
)

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel
    from rich.console import Console

    from ml.evaluation.report import Report

_PREDICTED_AT_ONCE = 256


def options() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = Options(
        prog="python -m ml.evaluate",
        description="Judges a registered version on labelled films: prints the figures with their "
        "intervals, and writes report.md, report.json, roc.png and calibration.png.",
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
    add_data_option(parser)
    parser.add_argument(
        "--part",
        choices=PARTS,
        help="which part of the data to judge on; default: test where there is one, else val",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the report goes; default: .local/evaluations/NAME-N-PART",
    )
    add_registry_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = options().parse_args(arguments)
    from infra.declared.environment import load

    environment = load(given.environment)
    name = _full_name(given.model, environment.full_model_name)
    path = given.data or loading.BUNDLED
    loading.require(path)
    require_writable(given.output or Path(".local"), "--output")

    from rich.console import Console

    from ml.evaluation.report import report
    from ml.registration.registry import LOCAL_FOLDER, Registry, image_size
    from ml.terminal.progress import silenced_natives, status
    from ml.workspace.connection import is_local

    console = Console(highlight=False)
    with status(console, f"Loading {name} version {given.version}"), silenced_natives():
        model = Registry(given.registry, local=is_local(environment)).load(name, given.version)
    with status(console, f"Reading {path}"):
        data = loading.load(path, image_size(model, name))
    part = loading.part_to_judge(data, given.part)
    with status(console, f"Judging {len(data.parts[part])} films"), silenced_natives():
        judged = report(
            f"{name} version {given.version}",
            data,
            part,
            predict(model, data.parts[part].images),
        )
    output = given.output or LOCAL_FOLDER / "evaluations" / (
        f"{name.rsplit('.', 1)[-1]}-{given.version}-{part}"
    )
    _write(judged, output)
    _show(judged, output, console)
    return 0


def predict(model: "PyFuncModel", images: Images | PreparedImages) -> NDArray[np.float64]:
    """Probabilities [n] of any registered version for images [n, h, w, 1]."""
    probabilities = np.empty(len(images))
    for start in range(0, len(images), _PREDICTED_AT_ONCE):
        batch = slice(start, start + _PREDICTED_AT_ONCE)
        probabilities[batch] = np.asarray(model.predict(images[batch])).reshape(-1)
    return probabilities


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
    console.print(
        f"{judged.model} on the part '{judged.part}' of {judged.data.source}: "
        f"{evaluation.n} films, {evaluation.n_normal} normal and "
        f"{evaluation.n_pneumonia} with pneumonia",
        soft_wrap=True,
    )
    if judged.part == "train":
        console.print("These are training films: if the model saw them, it knows them by heart.")
    for line in (*evaluation.undefined, *judged.data.remarks, *exclusions(judged.data)):
        console.print(f"  {line}", soft_wrap=True)
    table = folding("figure", "value", "95 % interval", "films")
    for row in rows(evaluation):
        table.add_row(*row)
    console.print(table)
    console.print(f"Written: {folder}/report.md, report.json, roc.png, calibration.png")


if __name__ == "__main__":
    sys.exit(run("ml.evaluate", main))

"""A model judged on cases whose truth is known, of any task: films, or rows."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from ml.contract.errors import UserError
from ml.contract.task import PNEUMONIA, ImageInput, Size, TableInput, Task
from ml.data import loading
from ml.data.films import PARTS, Images, Labels, Source
from ml.data.prepared import PreparedImages
from ml.prediction import labelled_rows
from ml.prediction.rows import RowOfFile
from ml.terminal.command import add_data_option

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel
    from numpy.typing import NDArray

    from ml.evaluation.report import Report


def add_labelled_options(
    parser: argparse.ArgumentParser,
    default: str,
    among: "argparse._MutuallyExclusiveGroup | None" = None,
) -> None:
    """`--data`, perhaps among others, `--part` and `--truth`: cases with a known truth."""
    rows = "Of a task of rows: a CSV or Parquet file with its columns and their truth. "
    add_data_option(among or parser, rows, default)
    parser.add_argument(
        "--part",
        choices=PARTS,
        help="which part of the films to judge on; default: test where there is one, else val",
    )
    parser.add_argument(
        "--truth",
        metavar="COLUMN",
        help=f"of rows, the column that holds their label. Default: {labelled_rows.TRUTH}",
    )


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What a model is judged on."""

    data: Source
    part: str | None
    """Which part of the films; None of rows."""
    cases: Images | PreparedImages | Sequence[RowOfFile]
    labels: Labels
    patients: tuple[str | None, ...] | None = None
    """As far as the films' source tells them apart."""

    @property
    def source(self) -> str:
        """For people."""
        return f"the part '{self.part}' of {self.data.source}" if self.part else self.data.source

    @classmethod
    def read(
        cls,
        path: Path | None,
        task: Task,
        size: Size | None,
        *,
        part: str | None = None,
        truth: str | None = None,
    ) -> Self:
        """Of films prepared at a size, or rows with their ``truth``. Raises UserError."""
        path = require(path, task, part=part, truth=truth)
        if isinstance(task.input, TableInput):
            rows = labelled_rows.read(path, task, task.input, truth or labelled_rows.TRUTH)
            return cls(data=rows, part=None, cases=rows.rows, labels=rows.labels)
        films = loading.load(path, size, task.labels)
        chosen = loading.part_to_judge(films, part)
        found = films.parts[chosen]
        return cls(
            data=films,
            part=chosen,
            cases=found.images,
            labels=found.labels,
            patients=found.patients,
        )

    def measured(self) -> dict[str, "NDArray[np.float64]"]:
        """What monitoring measures of each case, each [n]: a film's exposure, a row's numbers."""
        from ml.monitoring import inputs

        if isinstance(self.cases, np.ndarray | PreparedImages):
            return inputs.of_many_images(self.cases)
        found = inputs.of_columns([row.asking.checked(row.row) for row in self.cases])
        names = dict.fromkeys(name for row in found for name in row)
        return {name: np.array([row[name] for row in found if name in row]) for name in names}

    def report(self, model: "PyFuncModel", name: str, task: Task) -> "Report":
        """The model's figures. Raises UserError, naming the model so."""
        from ml.evaluation.report import of_labels
        from ml.registration.scoring import probabilities

        found = probabilities(model, self.cases, name, task)
        return of_labels(name, self.data, self.part, self.labels, found, task)


def write_evidence(folder: Path, known: Labelled, judged: "Report") -> None:
    """What a version was judged by, in its folder: the report, and the reference of a drift."""
    from ml.monitoring import reference

    judged.write(folder / "evaluation")
    answers = {reference.PROBABILITY: judged.probabilities}
    reference.write(folder, answers | known.measured())


def require(
    path: Path | None, task: Task, *, part: str | None = None, truth: str | None = None
) -> Path:
    """The path where something of the task can be read. Cheap enough to ask before all else.

    Raises UserError.
    """
    if isinstance(task.input, ImageInput):
        if truth is not None:
            raise UserError(f"--truth is of rows, and the task {task.name} is of films.")
        if path is None and task.labels != PNEUMONIA.labels:
            raise UserError(
                f"--data is missing: the bundled films are of pneumonia, and the task {task.name} "
                "is not. Name an .npz or a folder of labelled films."
            )
        path = path or loading.BUNDLED
        loading.require(path)
        return path
    if part is not None:
        raise UserError(f"--part is of films, and the task {task.name} is of rows. Leave it out.")
    if path is None or not path.is_file():
        said = "--data is missing" if path is None else f"--data {path}: there is no such file"
        columns = [*([task.input.id] if task.input.id else []), *task.input.columns]
        raise UserError(
            f"{said}. Name a CSV or Parquet file of rows with the columns of the task {task.name}: "
            f"{', '.join(columns[:8])}{', ...' if len(columns) > 8 else ''}, and "
            f"{truth or labelled_rows.TRUTH}."
        )
    return path

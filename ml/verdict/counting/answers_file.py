"""Both arms' answers to the same films, as a replay keeps them: `answers.csv`."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from ml.contract.decision import ANSWERS_FILE
from ml.contract.errors import InvalidData, UserError
from ml.contract.task import PNEUMONIA, Task
from ml.data.text_file import NotText, sheet_in
from ml.verdict.paired import Answers

_COLUMNS: Final = ("film", "ground_truth", "sampling_probability", "champion", "challenger")
_PATIENT: Final = "patient_key"
"""A column that may be left out, and a cell that may be empty."""
_SINCE: Final = "known_since"
"""A column of truths that came one after the other."""


def write(file: Path, answers: Answers, task: Task = PNEUMONIA) -> None:
    """Writes a line for each film. Raises UserError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            keys = answers.patient_key
            times = answers.known_since
            further = [*([_PATIENT] if keys else []), *([_SINCE] if times else [])]
            rows.writerow((*_COLUMNS, *further))
            for film, sick, key, time, *numbers in zip(
                answers.film,
                answers.sick,
                keys or [None] * len(answers.film),
                times or [""] * len(answers.film),
                answers.sampling,
                answers.champion,
                answers.challenger,
                strict=True,
            ):
                known = [*([key or ""] if keys else []), *([time] if times else [])]
                truth = task.labels[int(sick)]
                rows.writerow((film, truth, *map(float, numbers), *known))
    except OSError as error:
        raise UserError(
            f"{file}: cannot be written: {error.strerror}. Choose another --output."
        ) from error


def read(file: Path, task: Task = PNEUMONIA) -> Answers:
    """Reads such a file. Raises UserError or InvalidData, with file, line and value."""
    try:
        rows = list(sheet_in(file, (*_COLUMNS, _PATIENT, _SINCE)))
    except (NotText, csv.Error) as error:
        raise UserError(f"--answers {file}: cannot be read: {error}") from error
    lacking = [name for name in _COLUMNS if not rows or name not in rows[0]]
    if lacking:
        raise UserError(
            f"--answers {file}: no column {', '.join(lacking)}, or no row. python -m ml.replay "
            f"writes such a file, {ANSWERS_FILE}."
        )
    _refuse_repetition(file, [row["film"] for row in rows])
    numbers = {
        name: [_share(file, row, name, line) for line, row in enumerate(rows, start=2)]
        for name in _COLUMNS[2:]
    }
    return Answers(
        film=[row["film"] for row in rows],
        sick=np.array([_truth(file, row, line, task) for line, row in enumerate(rows, start=2)]),
        sampling=np.array(numbers["sampling_probability"]),
        champion=np.array(numbers["champion"]),
        challenger=np.array(numbers["challenger"]),
        patient_key=[(row[_PATIENT] or "").strip() or None for row in rows]
        if _PATIENT in rows[0]
        else None,
        threshold=task.threshold,
        known_since=[row[_SINCE] or "" for row in rows] if _SINCE in rows[0] else None,
    )


def _refuse_repetition(file: Path, films: list[str]) -> None:
    first: dict[str, int] = {}
    for line, film in enumerate(films, start=2):
        if first.setdefault(film, line) != line:
            raise InvalidData(
                f"{file}, line {line}: film {film!r} is in line {first[film]} already; a film "
                "counts once. Keep one of the lines, or make the file again with python -m "
                "ml.replay."
            )


def _share(file: Path, row: Mapping[str, str], name: str, line: int) -> float:
    try:
        value = float(row[name])
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value <= 1 or (name == "sampling_probability" and value == 0):
        raise InvalidData(
            f"{file}, line {line}: {name} = {row[name]!r} is no number from 0 to 1. Make the file "
            "again with python -m ml.replay."
        )
    return value


def _truth(file: Path, row: Mapping[str, str], line: int, task: Task) -> bool:
    if row["ground_truth"] not in task.labels:
        raise InvalidData(
            f"{file}, line {line}: ground_truth = {row['ground_truth']!r} is none of "
            f"{', '.join(task.labels)}."
        )
    return row["ground_truth"] == task.positive

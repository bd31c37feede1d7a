"""Rows of a file whose truth is known: to judge models by, or to ask two arms about."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ml.contract.errors import InvalidData
from ml.contract.task import INDETERMINATE, TableInput, Task
from ml.data.file_name import printable
from ml.data.films import Excluded, Labels, Source
from ml.prediction.rows import RowOfFile, rows_in

TRUTH: Final = "ground_truth"
"""The column of truths, named as in a sheet of feedback, unless another is named."""


@dataclass(frozen=True, kw_only=True)
class LabelledRows(Source):
    """The rows of a file, each with a label."""

    rows: tuple[RowOfFile, ...]
    labels: Labels
    """uint8 [n], an index into the task's labels."""


def read(file: Path, task: Task, columns: TableInput, truth: str = TRUTH) -> LabelledRows:
    """The rows that have a truth; the others are left out, and said. Raises UserError."""
    all_rows = rows_in(file, columns, truth)
    excluded, kept, labels = [], [], []
    digest = hashlib.sha256()
    for line, row in enumerate(all_rows, start=1):
        if row.truth in (None, INDETERMINATE):
            excluded.append(Excluded(film=row.name, reason="without a truth"))
            continue
        if row.truth not in task.labels:
            raise InvalidData(
                f"{printable(file)}, row {line}: {truth} = {row.truth!r} is no label of the task "
                f"{task.name}. Write {' or '.join(task.labels)}, or leave it empty."
            )
        kept.append(row)
        labels.append(task.labels.index(row.truth))
        digest.update(row.read() + f" {row.truth}\n".encode())
    if not kept:
        raise InvalidData(
            f"{printable(file)}: no row has a truth in {truth}. Fill the column with "
            f"{' or '.join(task.labels)}."
        )
    return LabelledRows(
        source=printable(file),
        digest=digest.hexdigest(),
        rows=tuple(kept),
        labels=np.array(labels, np.uint8),
        excluded=tuple(excluded),
    )

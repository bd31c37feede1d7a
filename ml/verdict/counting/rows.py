"""The rows of a file that a verdict is made of: one for each answer and each reading of it.

An answer that nobody has read has one row without a `ground_truth`; a verdict whose prediction is
not in the log has one without `request_time` and `arm`. Whatever has these columns can be judged:
a Parquet file, a table of DuckDB.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ml.contract.errors import UserError
from ml.contract.tables import SIMULATION


@dataclass(frozen=True, kw_only=True)
class RowColumn:
    """A column with its Databricks SQL type, and what counts where the rows do not have it."""

    name: str
    type: str
    meaning: str
    default: str | None = None
    """An SQL expression; None for a column that the rows must have."""


COLUMNS: Final = (
    RowColumn(name="prediction_id", type="STRING", meaning="identifies the answer"),
    RowColumn(name="request_time", type="TIMESTAMP", meaning="when it was asked for"),
    RowColumn(name="arm", type="STRING", meaning="the served entity that answered"),
    RowColumn(name="probability", type="DOUBLE", meaning="of PNEUMONIA; NULL: no answer"),
    RowColumn(
        name="ground_truth",
        type="STRING",
        meaning="what a reader says: NORMAL, PNEUMONIA, or neither; NULL: unread",
    ),
    RowColumn(
        name="radiologist_id",
        type="STRING",
        meaning="the reader, of whose blind readings the latest counts; where none is named, each "
        "reading is another reader's",
        default="NULL",
    ),
    RowColumn(
        name="decided_at", type="TIMESTAMP", meaning="when the reader said it", default="NULL"
    ),
    RowColumn(
        name="blind",
        type="BOOLEAN",
        meaning="whether the reader had not seen the answer; others do not count",
        default="TRUE",
    ),
    RowColumn(name="feedback_id", type="STRING", meaning="identifies the reading", default="NULL"),
    RowColumn(
        name="supersedes",
        type="STRING",
        meaning="the feedback_id of the same reader's reading that this one corrects",
        default="NULL",
    ),
    RowColumn(
        name="written_at",
        type="TIMESTAMP",
        meaning="when the reading was written: of two decided at once, the later one counts",
        default="NULL",
    ),
    RowColumn(
        name="feedback_source",
        type="STRING",
        meaning=f"where the reading was given; '{SIMULATION}' counts nowhere but locally",
        default="NULL",
    ),
    RowColumn(
        name="sampling_probability",
        type="DOUBLE",
        meaning="with which the answer was given to readers; where it is not logged: the "
        "experiment's review_share for an answer PNEUMONIA, its audit_share for the others",
        default="NULL",
    ),
    RowColumn(
        name="chosen",
        type="BOOLEAN",
        meaning="whether the answer was chosen for readers, read or not; NULL: not logged, and "
        "known only of what was read and of what is always read",
        default="NULL",
    ),
    RowColumn(
        name="patient_key",
        type="STRING",
        meaning="equal for films of one patient; NULL: not known, and the film counts by itself",
        default="NULL",
    ),
    RowColumn(
        name="propensity",
        type="DOUBLE",
        meaning="with which the challenger was drawn; where it is not logged: that of the split "
        "in force",
        default="NULL",
    ),
    RowColumn(
        name="answer_number",
        type="INT",
        meaning="counts the answers to one request id from the last, which is judged",
        default="1",
    ),
    RowColumn(
        name="image_index",
        type="INT",
        meaning="counts the images of one request; the first is judged, because an arm is drawn "
        "for a request",
        default="0",
    ),
    RowColumn(name="status_code", type="INT", meaning="HTTP status of the answer", default="200"),
    RowColumn(
        name="execution_duration_ms",
        type="BIGINT",
        meaning="the model's own time in milliseconds",
        default="NULL",
    ),
)


def projection(there: Sequence[str], subgroups: Sequence[str]) -> str:
    """The declared columns out of those that are there, as the list of a SELECT."""
    known = {name.lower() for name in there}
    return ",\n  ".join(
        [
            *(f"{_expression(column, known)} AS {column.name}" for column in COLUMNS),
            *as_subgroups(subgroups),
        ]
    )


def of_subgroups(subgroups: Sequence[str]) -> tuple[str, ...]:
    """What the columns are called while they are counted: whatever their own names are, they are
    no other column's."""
    return tuple(f"subgroup_{number}" for number in range(len(subgroups)))


def as_subgroups(subgroups: Sequence[str]) -> list[str]:
    """The columns by these names, as parts of a SELECT."""
    return [
        f"CAST(`{column}` AS STRING) AS {name}"
        for column, name in zip(subgroups, of_subgroups(subgroups), strict=True)
    ]


def refuse_subgroups(subgroups: Sequence[str]) -> None:
    """Raises UserError where an experiment names a column that says what was answered and read:
    a subgroup is of films that were alike before."""
    own = [name for name in subgroups if any(name == column.name for column in COLUMNS)]
    if own:
        raise UserError(
            f"The experiment names {', '.join(own)} in subgroups, which says what was answered or "
            "read of a film: both arms' would be other films. Name columns of what was known "
            "before, such as site, device_maker, view, age_band or sex."
        )


def missing(there: Sequence[str], subgroups: Sequence[str]) -> tuple[str, ...]:
    """The columns that the rows must have and have not."""
    known = {name.lower() for name in there}
    required = [column.name for column in COLUMNS if column.default is None]
    return tuple(name for name in (*required, *subgroups) if name not in known)


def assumed(there: Sequence[str]) -> tuple[str, ...]:
    """The columns whose default counts, because the rows do not have them."""
    known = {name.lower() for name in there}
    return tuple(column.name for column in COLUMNS if column.name not in known)


def _expression(column: RowColumn, known: set[str]) -> str:
    if column.name not in known:
        return f"CAST({column.default} AS {column.type})"
    value = f"CAST({column.name} AS {column.type})"
    return value if column.default in (None, "NULL") else f"COALESCE({value}, {column.default})"

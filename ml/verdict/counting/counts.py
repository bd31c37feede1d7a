"""Where the labelled rows are: a workspace's views, or a file. Counted there, not here.

Both run the same statements; `ml.verdict.counting.labelled_file` has those of a file.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ml.contract.errors import UserError
from ml.verdict.counting.queries import Extent, Queries, Relations, of_a_workspace, used
from ml.verdict.counting.rows import COLUMNS, assumed, refuse_subgroups

if TYPE_CHECKING:
    from infra.declared.analysis import Analysis
    from ml.workspace.warehouse import Warehouse

Counted = Mapping[str, NDArray[Any]]
"""A result by column."""

_NOT_LOGGED: Final = ("propensity",)
"""What a workspace does not say of an answer."""

_IDS_AT_ONCE: Final = 10_000
"""Of at most some 50 letters each: half a megabyte."""

_TYPES: Final[Mapping[str, str]] = {
    "propensity": "float64",
    "sampling": "float64",
    "probability": "float64",
    "called": "bool",
    "mature": "bool",
    "keyed": "bool",
    "rounded": "float64",
    "weight": "float64",
    "distance": "float64",
    "counted": "str",
    "films": "str",
}
"""The type of a result's column; every other one is a whole number."""


class Rows(Protocol):
    """Labelled rows that can be counted."""

    @property
    def relations(self) -> Relations:
        """The rows, as SELECTs."""

    @property
    def assumed(self) -> tuple[str, ...]:
        """The columns that the rows do not have, and whose default counts."""

    @property
    def origin(self) -> Mapping[str, str]:
        """What the rows are, for the record."""

    def extent(self, queries: Queries, as_of: datetime | None) -> Counted:
        """How much there is until a moment, and the second in which the last thing happened."""

    def counts(self, queries: Queries, parameters: Mapping[str, str]) -> dict[str, Counted]:
        """What the queries count."""

    def logged(self, queries: Queries, ids: Sequence[str]) -> set[str]:
        """Those of the ids under which a request is logged."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What was counted of the rows, as of a moment."""

    as_of: datetime
    query_digest: str
    """SHA-256 over the statements and the values of their parameters."""
    tables: Mapping[str, Counted]

    @property
    def digest(self) -> str:
        """SHA-256 over everything that was counted: equal for rows that count equally."""
        hashed = hashlib.sha256()
        for name, table in self.tables.items():
            for column, values in table.items():
                hashed.update(f"{name}.{column}:{len(values)}\0".encode())
                text = values.dtype.kind in "UO"
                content = "\0".join(values.tolist()).encode() if text else values.tobytes()
                hashed.update(content)
        return hashed.hexdigest()


def count(rows: Rows, queries: Queries, as_of: datetime | None) -> Counts:
    """Counts the rows up to a moment; by default to the last thing that happened.

    Raises UserError where there is no row, or one that cannot be judged.
    """
    extent = Extent(
        # The last moment of no row is none.
        **{
            name: 0 if values[0] in (None, np.ma.masked) else int(values[0])
            for name, values in rows.extent(queries, as_of).items()
        }
    )
    if not extent.observations and as_of is not None:
        raise UserError(
            f"{_named(rows)}: no row from {queries.experiment.start.isoformat()}, when the "
            f"experiment {queries.experiment.name} starts, to {as_of.isoformat()}. Give a later "
            "--as-of, or none."
        )
    if not extent.observations:
        raise UserError(
            f"{_named(rows)}: no row since {queries.experiment.start.isoformat()}, when the "
            f"experiment {queries.experiment.name} starts. Is it the right experiment?"
        )
    if as_of is None:
        as_of = datetime.fromtimestamp(extent.last_second, UTC)
    tables = rows.counts(queries, queries.parameters(as_of, extent))
    _refuse(rows, queries, tables["standings"])
    if not tables["requests"]["day"].size:
        arms = queries.experiment.champion, queries.experiment.challenger
        raise UserError(
            f"{_named(rows)}: no request to {' or '.join(arm.served_entity_name for arm in arms)} "
            f"from {queries.experiment.start.isoformat()} to {as_of.isoformat()}. Does the "
            "experiment name the versions that are served, and is --as-of late enough?"
        )
    return Counts(as_of=as_of, query_digest=queries.digest(as_of, extent), tables=tables)


def _refuse(rows: Rows, queries: Queries, standings: Counted) -> None:
    experiment = queries.experiment
    shares = {"review_share": experiment.review_share, "audit_share": experiment.audit_share}
    rules = {
        "no_probability": "probability is no number from 0 to 1: the model does not keep the "
        "serving contract",
        "no_sampling": "sampling_probability is not above 0 and at most 1: log the probability "
        "with which the queue chose the answer, as a share",
        **{
            f"below_{key}": f"sampling_probability is below the experiment's {key} ({share:g}), "
            "which bounds the weight of a film: the experiment must declare the smallest one"
            for key, share in shares.items()
        },
        "no_propensity": "propensity is no number from 0 to 1: log the challenger's share of the "
        "traffic",
    }
    broken = [f"{n} rows: {rule}" for name, rule in rules.items() if (n := standings[name].sum())]
    if broken:
        raise UserError(f"{_named(rows)}: " + "\n".join(broken))


class WorkspaceViews:
    """Labelled rows in the views of an environment's workspace."""

    def __init__(
        self, warehouse: "Warehouse", analysis: "Analysis", subgroups: Sequence[str]
    ) -> None:
        refuse_subgroups(subgroups)
        self.warehouse, self.analysis = warehouse, analysis
        view = analysis.full_name("answers")
        contexts = self._columns(analysis.full_name("contexts"))
        if "recorded_at" not in contexts:
            raise UserError(
                f"{analysis.full_name('contexts')}: no column recorded_at: the view is older than "
                "this version of the software. Deploy the analysis stack again."
            )
        there = dict.fromkeys((*self._columns(view), *contexts))
        lacking = [name for name in subgroups if name not in there]
        if lacking:
            raise UserError(
                f"{view}: no column {', '.join(lacking)}, which the experiment names as "
                f"subgroups; it has {', '.join(there)}."
            )
        self.relations = of_a_workspace(analysis, subgroups)
        unknown = _NOT_LOGGED if analysis.reading else ("chosen", *_NOT_LOGGED)
        self.assumed = assumed([it.name for it in COLUMNS if it.name not in unknown])

    @property
    def origin(self) -> Mapping[str, str]:
        """What the rows are from."""
        return {
            "view": self.analysis.full_name("answers"),
            "readings": self.analysis.feedback,
        }

    def extent(self, queries: Queries, as_of: datetime | None) -> Counted:
        """How much there is, and until when. Raises WorkspaceError."""
        return counted(self.warehouse, queries.extent, queries.of_the_extent(as_of))

    def counts(self, queries: Queries, parameters: Mapping[str, str]) -> dict[str, Counted]:
        """The counts of the cases, by name. Raises WorkspaceError."""
        cases = f"WITH cases AS ({queries.cases}) "
        units = counted(self.warehouse, cases + queries.units, parameters)
        counts = counted(self.warehouse, cases + queries.counts, parameters)
        return by_name(queries, counts, units)

    def logged(self, queries: Queries, ids: Sequence[str]) -> set[str]:
        """Those of the ids that the rows have. Raises WorkspaceError."""
        return {
            str(row["prediction_id"])
            for text in texts(ids)
            for row in self.warehouse.execute(queries.logged, ids=text)
        }

    def _columns(self, table: str) -> tuple[str, ...]:
        described = self.warehouse.execute(f"DESCRIBE TABLE {table}")
        return tuple(str(row["col_name"]).lower() for row in described)


def counted(warehouse: "Warehouse", statement: str, parameters: Mapping[str, str]) -> Counted:
    """The result of a statement by column. Raises WorkspaceError."""
    rows = warehouse.execute(statement, **used(statement, parameters))
    return {
        name: np.array([_value(name, row[name]) for row in rows], dtype=object)
        for name in _selected(statement)
    }


def _selected(statement: str) -> tuple[str, ...]:
    """The columns of a result, which an empty one does not tell."""
    import sqlglot

    query = sqlglot.parse_one(statement, read="databricks")
    return tuple(query.named_selects) if isinstance(query, sqlglot.exp.Query) else ()


def _value(name: str, text: str | None) -> object:
    if text is None:
        return None
    match _type(name):
        case "bool":
            return text == "true"
        case "float64":
            return float(text)
        case "int64":
            return int(text)
        case _:
            return text


def by_name(queries: Queries, counts: Counted, units: Counted) -> dict[str, Counted]:
    """The result of `counts.sql` and that of `units.sql` as tables with typed columns, in order."""
    return _apart(units, queries.tables_of_patients()) | _apart(counts, queries.tables())


def _apart(counted: Counted, tables: Mapping[str, Mapping[str, str]]) -> dict[str, Counted]:
    found: dict[str, Counted] = {}
    for table, columns in tables.items():
        here = np.flatnonzero(counted["counted"] == table)
        values = typed({name: counted[column][here] for name, column in columns.items()})
        order = np.lexsort([*values.values()][::-1])
        found[table] = {name: column[order] for name, column in values.items()}
    return found


def texts(ids: Sequence[str]) -> Iterator[str]:
    """The ids as values of a parameter, each of a size that a statement takes."""
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield " ".join(ids[start : start + _IDS_AT_ONCE])


def typed(table: Counted) -> Counted:
    """The columns in their types."""
    return {name: np.asarray(values).astype(_type(name)) for name, values in table.items()}


def _type(name: str) -> str:
    return "str" if name.startswith("subgroup") else _TYPES.get(name, "int64")


def _named(rows: Rows) -> str:
    return next(iter(rows.origin.values()))

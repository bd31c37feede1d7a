"""The statements that count the rows, in Databricks SQL: one text for a warehouse and for DuckDB.

Each result is small, however many rows there are. Values travel as named parameters.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import dropwhile
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from ml.contract.serving import DECISION_THRESHOLD, LABELS

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment, Split

_SQL: Final = Path(__file__).parent / "queries"
REPLAY_PREFIX: Final = "replay-"
"""Of the client's id of a request that names its arm."""

_DECIMALS, _FEW_DECIMALS, _MANY_ROWS = 6, 4, 1_000_000
"""Of the probabilities that AUC, Brier score and calibration are made of: of millions of films,
four decimals move them by less than a tenth of what chance does. Near 0 and 1 there are more."""

COUNTS: Final = (
    "violations",
    "standings",
    "requests",
    "films",
    "units",
    "scores",
    "latencies",
    "readings",
    "lags",
)
"""What is counted of the cases, by the name of its file."""

OF_A_SUBGROUP: Final = ("subgroup", "subgroup_requests")
"""What is counted by each column of the subgroups."""


@dataclass(frozen=True, kw_only=True)
class Queries:
    """The statements of one verdict over `rows`, a SELECT of the declared columns."""

    rows: str
    experiment: "Experiment"
    splits: Sequence["Split"]

    @property
    def extent(self) -> str:
        """How many rows there are, and when the last thing happened."""
        return _filled_in("extent", rows=self.rows)

    @property
    def logged(self) -> str:
        """Which of the ids in `:ids`, with spaces between them, the rows have."""
        return _filled_in("logged", rows=self.rows)

    @property
    def cases(self) -> str:
        """The rows, with what the readers of an answer agree on."""
        subgroups = self.experiment.subgroups
        # The latest split first: the first WHEN that is true counts.
        whens = "\n      ".join(
            f"WHEN request_time >= CAST(:since_{number} AS TIMESTAMP) "
            f"THEN CAST(:propensity_{number} AS DOUBLE)"
            for number in reversed(range(len(self.splits)))
        )
        observations = _filled_in(
            "observations", rows=self.rows, splits=whens, subgroups=_listed(subgroups, "{}")
        )
        return _filled_in(
            "cases",
            observations=observations,
            negative=LABELS[0],
            positive=LABELS[1],
            subgroups=_listed(subgroups, "{}"),
            any_subgroups=_listed(subgroups, "ANY_VALUE({})"),
        )

    def counts(self) -> Mapping[str, str]:
        """The statements over `cases`, by name; a subgroup's names end with its column's."""
        return {name: _filled_in(name) for name in COUNTS} | {
            f"{what} {column}": _filled_in(what, column=column)
            for column in self.experiment.subgroups
            for what in OF_A_SUBGROUP
        }

    def parameters(self, as_of: datetime, observations: int = 0) -> dict[str, str]:
        """The values of the named parameters, for so many rows."""
        experiment = self.experiment
        values = {
            "champion": experiment.champion.served_entity_name,
            "challenger": experiment.challenger.served_entity_name,
            "start": _timestamp(experiment.start),
            "as_of": _timestamp(as_of),
            "mature_until": _timestamp(as_of - experiment.label_maturity),
            "threshold": str(DECISION_THRESHOLD),
            "review_share": str(experiment.review_share),
            "audit_share": str(experiment.audit_share),
            "decimals": str(_FEW_DECIMALS if observations > _MANY_ROWS else _DECIMALS),
        }
        for number, split in enumerate(self.splits):
            values[f"since_{number}"] = _timestamp(split.since)
            values[f"propensity_{number}"] = str(split.propensity)
        return values

    def digest(self, as_of: datetime, observations: int) -> str:
        """SHA-256 over the statements and the values of their parameters."""
        hashed = hashlib.sha256()
        for text in (
            self.cases,
            *self.counts().values(),
            *(
                f"{name}={value}"
                for name, value in sorted(self.parameters(as_of, observations).items())
            ),
        ):
            hashed.update(text.encode())
            hashed.update(b"\0")
        return hashed.hexdigest()


def workspace_rows(
    names: Mapping[str, str], optional: Sequence[str], orphaned: Sequence[str]
) -> str:
    """The rows of a workspace from its views, with those columns of the labelled view that it has
    and that an orphaned verdict has too, in the same order."""
    return _filled_in(
        "workspace",
        replay=REPLAY_PREFIX,
        labelled=_listed(optional, "verdict.{0} AS {0}"),
        orphaned=_listed(orphaned, "{}"),
        **names,
    )


def used(statement: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters that a statement has; DuckDB refuses others."""
    names = set(re.findall(r":(\w+)", statement))
    return {name: value for name, value in parameters.items() if name in names}


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="seconds")


def _listed(columns: Sequence[str], form: str) -> str:
    return "".join(f",\n  {form.format(column)}" for column in columns)


def _filled_in(name: str, **values: str) -> str:
    text = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    lines = dropwhile(lambda line: line.startswith("--"), text.splitlines())
    return Template("\n".join(lines)).substitute(values).strip()

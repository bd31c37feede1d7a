"""The statements that count some days of a workspace, keep them, and add all days up.

A day here ends with its midnight, which belongs to it: as of a midnight, and where labels mature
in whole days, a day has been seen whole or not at all, and is mature whole or not at all.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ml.verdict.counting.queries import (
    FINE,
    Extent,
    Queries,
    Relations,
    answered,
    answers_until,
    filled_in,
    known,
    known_of,
    listed,
    summary,
)
from ml.verdict.counting.rows import of_subgroups

if TYPE_CHECKING:
    from infra.declared.analysis import Analysis

_NOTHING: Final = Extent()
_SECONDS: Final = 86_400
_UNTIL: Final = ("as_of", "mature_until", "steps")
"""Parameters that say nothing of how a day is counted."""

KEPT: Final[Mapping[str, str]] = {
    "counted": "STRING",
    "slice": "INT",
    "day": "INT",
    "side": "INT",
    "standing": "INT",
    "propensity": "DOUBLE",
    "called": "BOOLEAN",
    "truth": "INT",
    "sampling": "DOUBLE",
    "keyed": "BOOLEAN",
    "probability": "DOUBLE",
    "milliseconds": "BIGINT",
    "hours": "BIGINT",
    "said_pneumonia": "INT",
    "said_normal": "INT",
    "said_neither": "INT",
    "patient_key": "STRING",
    "subgroup": "STRING",
    "n": "BIGINT",
    "failures": "BIGINT",
    "not_blind": "BIGINT",
    "said_again": "BIGINT",
    "changed_mind": "BIGINT",
    "simulations": "BIGINT",
    "no_probability": "BIGINT",
    "no_sampling": "BIGINT",
    "below_review_share": "BIGINT",
    "below_audit_share": "BIGINT",
    "no_propensity": "BIGINT",
    "mature": "BOOLEAN",
}
"""The columns of a cell, with their types."""

MARKS: Final[Mapping[str, str]] = {
    "experiment": "STRING",
    "prediction_id": "STRING",
    "databricks_request_id": "STRING",
    "digest": "STRING",
}
"""The further columns of the table."""


def of_days(column: str) -> str:
    """SQL of the number of the day that a moment belongs to, counted from 1970."""
    return f"CAST(FLOOR((UNIX_MICROS({column}) - 1) / {_SECONDS}000000) AS INT)"


def day_of(moment: datetime) -> int:
    """The number of the day that a moment belongs to."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since - timedelta(microseconds=1)) // timedelta(days=1)


def end_of(day: int) -> datetime:
    """The last moment of a day: a midnight."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day + 1)


@dataclass(frozen=True)
class Days:
    """Some days, as runs of days that follow each other."""

    runs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, days: Iterable[int]) -> "Days":
        """The days in order."""
        runs: list[tuple[int, int]] = []
        for day in sorted(days):
            if runs and runs[-1][1] == day - 1:
                runs[-1] = runs[-1][0], day
            else:
                runs.append((day, day))
        return cls(tuple(runs))

    def within(self, column: str) -> str:
        """SQL behind AND: a moment is in one of the days."""
        parts = [
            f"{column} > CAST(:after_{number} AS TIMESTAMP) "
            f"AND {column} <= CAST(:until_{number} AS TIMESTAMP)"
            for number in range(len(self.runs))
        ]
        return f"\n  AND ({' OR '.join(parts) or 'FALSE'})"

    @property
    def parameters(self) -> dict[str, str]:
        """The values of the named parameters of `within`."""
        values = {}
        for number, (first, last) in enumerate(self.runs):
            values[f"after_{number}"] = _midnight(first - 1)
            values[f"until_{number}"] = _midnight(last)
        return values


@dataclass(frozen=True, kw_only=True)
class DayQueries:
    """The statements over the kept days of one experiment."""

    analysis: "Analysis"
    queries: Queries
    """What is counted of a workspace at once."""

    @property
    def table(self) -> str:
        """The full name of the table of the kept days."""
        return self.analysis.full_name("verdict_days")

    @property
    def create(self) -> str:
        """Makes the table, where it is not there."""
        columns = ", ".join(f"{name} {kind}" for name, kind in {**MARKS, **KEPT}.items())
        return (
            f"CREATE TABLE IF NOT EXISTS {self.table} ({columns}) USING DELTA "
            "COMMENT 'What was counted of each day for a verdict, by python -m ml.count_days.'"
        )

    @property
    def there(self) -> str:
        """How many rows there are by now, by day and by what they are."""
        return filled_in(
            "days_there",
            payload=self.analysis.payload,
            feedback=self.analysis.feedback,
            context=self.analysis.context,
            of_request=of_days("request_time"),
            of_reading=of_days("timestamp"),
            of_context=of_days("recorded_at"),
            of_configuration=of_days("change_time"),
        )

    def named(self, days: Days, said: Days, described: Days) -> str:
        """The days that share something with ``days``, or that something was said of on the days
        ``said``, or written on the days ``described``. Parameters: those of `days_named`."""
        return filled_in(
            "days_named",
            payload=self.analysis.payload,
            slice=of_days("request_time"),
            days=days.within("request_time"),
            said=filled_in(
                "days_said",
                feedback=self.analysis.feedback,
                context=self.analysis.context,
                said=_renamed(said.within("timestamp"), "said"),
                described=_renamed(described.within("recorded_at"), "described"),
            ),
        )

    @staticmethod
    def named_parameters(days: Days, said: Days, described: Days) -> dict[str, str]:
        """The values of the named parameters of `named`, but the moment."""
        return {
            **days.parameters,
            **{f"said_{name}": value for name, value in said.parameters.items()},
            **{f"described_{name}": value for name, value in described.parameters.items()},
        }

    def cells(self, days: Days) -> str:
        """What is counted of some days."""
        of = answered(
            self.analysis,
            self.queries.experiment.subgroups,
            with_readings="LEFT",
            days=days.within("request_time"),
        )
        return self._cells_of(of)

    def read(self, days: Days) -> str:
        """The predictions of some days that readers have said something of."""
        within = days.within("request_time")
        return filled_in(
            "days_read",
            slice=of_days("request_time"),
            answers=answers_until(self.analysis, within),
            readings=known(self.analysis, within),
            payload=self.analysis.payload,
            days=within,
            feedback=self.analysis.feedback,
        )

    @cached_property
    def kept(self) -> str:
        """The cells of all days."""
        return filled_in(
            "days_kept",
            columns=",\n  ".join(name for name in KEPT if name != "mature"),
            days=self.table,
        )

    @property
    def of_no_day(self) -> str:
        """The cells of readings whose prediction no day has."""
        named = filled_in("days_named_requests", days=self.table)
        readings = known_of(self.analysis, named)
        nobody = filled_in(
            "answered_by_nobody",
            summary=summary(readings, "prediction_id", self.analysis.task),
            days=self.table,
            subgroups=listed(
                of_subgroups(self.queries.experiment.subgroups), "CAST(NULL AS STRING) AS {}"
            ),
        )
        return filled_in("days_orphans", columns=",\n  ".join(KEPT), orphans=self._cells_of(nobody))

    @property
    def counts(self) -> str:
        """What `Queries.counts` counts, out of the kept days."""
        numbers = range(len(self.queries.experiment.subgroups))
        total = filled_in(
            "days_sum",
            rounded=filled_in("rounded"),
            subgroup_columns="".join(f",\n  subgroup AS subgroup_{number}" for number in numbers),
        )
        return f"WITH cells AS ({self.kept} UNION ALL {self.of_no_day}) {total}"

    @property
    def units(self) -> str:
        """What `Queries.units` counts, out of the kept days."""
        units = filled_in("units", kinds=filled_in("kinds_in_days", **FINE), **FINE)
        return f"WITH cells AS ({self.kept}) {units}"

    def digest(self, day: int) -> str:
        """SHA-256 over everything that says how a day is counted, but not when."""
        splits = [split for split in self.queries.splits if split.since <= end_of(day)]
        queries = replace(self.queries, splits=splits or self.queries.splits[:1])
        of_day = replace(self, queries=queries)
        parameters = queries.parameters(end_of(day), _NOTHING)
        hashed = hashlib.sha256()
        for text in (
            of_day.cells(Days(())),
            of_day.read(Days(())),
            str(queries.experiment.label_maturity),
            *(f"{name}={it}" for name, it in sorted(parameters.items()) if name not in _UNTIL),
        ):
            hashed.update(f"{text}\0".encode())
        return hashed.hexdigest()

    def _cells_of(self, answers: str) -> str:
        queries = replace(self.queries, rows=Relations(answered=answers, moments="", ids=""))
        columns = self.queries.experiment.subgroups
        numbers = [str(number) for number in range(len(columns))]
        values = ", ".join(f"subgroup_{number}" for number in numbers)
        return filled_in(
            "days_cells",
            sums=filled_in("sums"),
            marks=filled_in("marks"),
            cases=queries.cases_with(f",\n  {of_days('request_time')} AS slice"),
            subgroup=f"COALESCE({values})" if values else "CAST(NULL AS STRING)",
            subgroup_names="".join(
                f"\n    WHEN GROUPING(of_subgroup_{number}) = 0 THEN 'subgroup {column}'"
                f"\n    WHEN GROUPING(of_requests_{number}) = 0 THEN 'subgroup_requests {column}'"
                f"\n    WHEN GROUPING(of_patients_{number}) = 0 THEN 'patients by {column}'"
                for number, column in enumerate(columns)
            ),
            subgroups="".join(
                f",\n    CASE WHEN standing = 0 THEN TRUE END AS of_subgroup_{number}"
                f",\n    CASE WHEN side IS NOT NULL AND image_index = 0 THEN TRUE END "
                f"AS of_requests_{number},\n    CASE WHEN standing = 0 AND patient_key IS NOT NULL "
                f"THEN TRUE END AS of_patients_{number},\n    COALESCE(subgroup_{number}, '') "
                f"AS subgroup_{number}"
                for number in numbers
            ),
            subgroup_sets=listed(
                numbers,
                "(of_subgroup_{0}, slice, subgroup_{0}, side, propensity, called, truth, sampling, "
                "keyed, mature),\n  (of_requests_{0}, slice, subgroup_{0}, propensity, side),\n  "
                "(of_patients_{0}, slice, patient_key, subgroup_{0}, propensity, side, called, "
                "truth, sampling, mature)",
            ),
            subgroup_marks="".join(
                f"\n  OR of_subgroup_{number} OR of_requests_{number} OR of_patients_{number}"
                for number in numbers
            ),
        )


def _renamed(condition: str, prefix: str) -> str:
    return condition.replace(":", f":{prefix}_")


def _midnight(day: int) -> str:
    return end_of(day).isoformat(sep=" ", timespec="seconds")

"""The days that were counted already, kept in a table of the workspace: a verdict adds them up.

A day is counted again when something of it has changed: a request that was logged late, a reading
or a context that came since, an answer to an id that had one, a configuration that says which arm
it was, the declaration of the experiment, or films that became mature in the middle of it. Which
days these are is told by how many rows there are of each day, because the tables are only added
to, and by the ids that the new rows name. What is kept gives the verdict that the log gives.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from ml.verdict.counting.counts import Counted, WorkspaceViews, by_name, counted
from ml.verdict.counting.day_queries import KEPT, DayQueries, Days, day_of, end_of
from ml.verdict.counting.queries import Extent, Queries, filled_in, used

if TYPE_CHECKING:
    from infra.declared.analysis import Analysis
    from ml.workspace.warehouse import Warehouse

_UNKNOWN_ARM: Final = 6
"""The standing of an answer whose arm is not known."""

_LONGEST: Final = timedelta(hours=36)
"""Since its midnight, a table is what a verdict without a moment is of."""

There = Mapping[tuple[str, int], int]
"""How many rows there are, by what they are and by day."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What the table says of itself."""

    until: datetime | None
    """The moment that it is of; None where the last run was not finished."""
    latest: int
    """The last second that any of its days was counted until."""
    there: There
    digests: Mapping[int, str]
    """How each day was counted."""
    of_unknown_arms: frozenset[int]
    """The days with answers whose arm was not known."""


class VerdictDays:
    """The kept days of one experiment. Raises WorkspaceError."""

    def __init__(self, warehouse: "Warehouse", analysis: "Analysis", queries: Queries) -> None:
        self._warehouse = warehouse
        self._sql = DayQueries(analysis=analysis, queries=queries)

    @property
    def table(self) -> str:
        """Its full name."""
        return self._sql.table

    def count(self, as_of: datetime) -> tuple[int, ...]:
        """Counts the days until a moment, and none again of which nothing has changed; returns
        those that were counted, as numbers from 1970 on."""
        self._run(self._sql.create)
        kept, there = self._kept(), self._there(as_of)
        days = self._changed(kept, there, as_of)
        if not days and kept.until == as_of and kept.there == there:
            return ()
        # A run that is cut off leaves its mark, and its days without what says that they are known:
        # the next one counts them.
        some = Days.of(days)
        self._change("days_begun", second=str(int(as_of.timestamp())))
        self._change("days_gone", days=" ".join(map(str, sorted(days))) or "0")
        if days:
            values = {**self._parameters(as_of), **some.parameters}
            for columns, rows in (
                (tuple(KEPT), self._sql.cells(some)),
                (
                    ("counted", "slice", "prediction_id", "databricks_request_id"),
                    self._sql.read(some),
                ),
            ):
                self._run(
                    filled_in("days_added", days=self.table, columns=", ".join(columns), rows=rows),
                    **values,
                )
        self._note(there, as_of)
        return tuple(sorted(days))

    def fresh(self, as_of: datetime | None, now: datetime) -> datetime | str:
        """The moment that the table is of, or why it does not say what the log says as of a
        moment; None: as of the table's own, if that is not long ago."""
        kept = self._kept()
        if kept.until is None:
            return "has no count of this experiment that was finished"
        of = f"is of {kept.until.isoformat()}"
        if (as_of or kept.until) != kept.until or (not as_of and now - kept.until > _LONGEST):
            return of
        if kept.there != self._there(kept.until):
            return f"{of}, and more has come of the time before"
        if any(digest != self._sql.digest(day) for day, digest in kept.digests.items()):
            return f"{of}, and counted by another declaration or another version"
        return kept.until

    def counts(self, queries: Queries, parameters: Mapping[str, str]) -> dict[str, Counted]:
        """What the queries count of all cases at once."""
        sql = replace(self._sql, queries=queries)
        values = {**parameters, "experiment": self._name}
        units = counted(self._warehouse, sql.units, values)
        return by_name(queries, counted(self._warehouse, sql.counts, values), units)

    def extent(self, queries: Queries, as_of: datetime) -> Counted:
        """How many readings there are, and how they were drawn."""
        moments = filled_in("moments_of_readings", feedback=self._sql.analysis.feedback)
        of_readings = replace(queries, rows=replace(queries.rows, moments=moments))
        found = counted(self._warehouse, of_readings.extent, queries.of_the_extent(as_of))
        # The days have rows, whether anything was said of them or not.
        return {**found, "observations": np.array([1])}

    def _changed(self, kept: Kept, there: There, as_of: datetime) -> set[int]:
        """The days to be counted, with all that share an id with one of them."""
        asked = {day for what, day in there if what == "requests"}
        came = {key for key in {*there, *kept.there} if there.get(key) != kept.there.get(key)}
        days = {day for what, day in came if what == "requests"}
        days |= {day for day in asked if kept.digests.get(day) != self._sql.digest(day)}
        if as_of.timestamp() < kept.latest:  # what is mature by then is not known any more
            days |= asked
        half_mature = as_of - self._sql.queries.experiment.label_maturity
        if end_of(day_of(half_mature)) != half_mature:
            days.add(day_of(half_mature))
        configured = [day for what, day in came if what == "configurations"]
        if configured:
            days |= {day for day in asked if day >= min(configured)} | kept.of_unknown_arms
        days &= {*asked, *kept.digests}
        said = Days.of({day for what, day in came if what == "readings"})
        described = Days.of({day for what, day in came if what == "contexts"})
        while True:
            some = Days.of(days)
            named = {
                int(str(row["slice"]))
                for row in self._run(
                    self._sql.named(some, said, described),
                    **self._parameters(as_of),
                    **self._sql.named_parameters(some, said, described),
                )
            }
            if named <= days:
                return days
            days |= named

    def _kept(self) -> Kept:
        rows = self._run(filled_in("days_known", days=self.table, unknown=str(_UNKNOWN_ARM)))
        there, digests = {}, {}
        until: int | None = None
        begun: set[int] = set()
        of_unknown_arms = set()
        for row in rows:
            what, n = str(row["counted"]).removeprefix("known "), int(str(row["n"]))
            if what == "until":
                until = n
                continue
            if what == "begun":
                begun.add(n)
                continue
            day = int(str(row["slice"]))
            if what == "standings":
                of_unknown_arms.add(day)
                continue
            there[what, day] = n
            if what == "requests":
                digests[day] = str(row["digest"])
        return Kept(
            until=None if until is None or begun else datetime.fromtimestamp(until, UTC),
            latest=max(begun | {until or 0}),
            there=there,
            digests=digests,
            of_unknown_arms=frozenset(of_unknown_arms),
        )

    def _there(self, as_of: datetime) -> There:
        rows = self._run(self._sql.there, **self._parameters(as_of))
        return {(str(row["known"]), int(str(row["slice"]))): int(str(row["n"])) for row in rows}

    def _note(self, there: There, as_of: datetime) -> None:
        rows: list[dict[str, object]] = [
            {
                "counted": f"known {what}",
                "slice": day,
                "n": n,
                "digest": self._sql.digest(day) if what == "requests" else None,
            }
            for (what, day), n in there.items()
        ]
        rows.append({"counted": "known until", "n": int(as_of.timestamp())})
        self._change("days_unknown")
        self._change("days_noted", rows=json.dumps(rows))

    def _change(self, name: str, **parameters: str) -> None:
        self._run(filled_in(name, days=self.table), **parameters)

    @property
    def _name(self) -> str:
        return self._sql.queries.experiment.name

    def _parameters(self, as_of: datetime) -> dict[str, str]:
        return self._sql.queries.parameters(as_of, Extent())

    def _run(self, statement: str, **parameters: str) -> list[dict[str, str | None]]:
        values = used(statement, {**parameters, "experiment": self._name})
        return self._warehouse.execute(statement, **values)


class CountedDays:
    """Labelled rows of a workspace whose days were counted before."""

    def __init__(self, views: WorkspaceViews, days: VerdictDays, until: datetime) -> None:
        self._views, self._days, self._until = views, days, until
        self.relations, self.assumed = views.relations, views.assumed

    @property
    def origin(self) -> Mapping[str, str]:
        """What the rows are from: what was counted of them is the same."""
        return self._views.origin

    def extent(self, queries: Queries, as_of: datetime | None) -> Counted:
        """How much there is, and until when. Raises WorkspaceError."""
        return self._days.extent(queries, as_of or self._until)

    def counts(self, queries: Queries, parameters: Mapping[str, str]) -> dict[str, Counted]:
        """The counts of the cases, by name. Raises WorkspaceError."""
        return self._days.counts(queries, parameters)

    def logged(self, queries: Queries, ids: Sequence[str]) -> set[str]:
        """Those of the ids that the rows have. Raises WorkspaceError."""
        return self._views.logged(queries, ids)

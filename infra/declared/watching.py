"""What is watched of a test: views over its inference table, and the alerts that read them.

Pure values; knows no cdktf. Every statement runs unchanged on Databricks SQL and on the local
workspace; docs/monitoring.md says what each alert means and what to do about it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from infra.declared.analysis import Analysis, View, text_of
from infra.declared.endpoint import ABTest
from infra.declared.environment import Environment
from infra.declared.monitoring import Monitoring
from ml.contract.tables import INPUT_MEASURES, REFERENCE_DISTRIBUTIONS, VERDICTS
from ml.contract.task import Task

WATCHED: Final = (
    View(
        name="health",
        comment="Failures, latency and share of the traffic by arm, in the window of the watch.",
        reads=("requests", "predictions"),
    ),
    View(
        name="drift",
        comment="How far an arm's answers and inputs have moved from its version's validation.",
        reads=("predictions", "contexts"),
    ),
    View(
        name="waiting",
        comment="Positive answers by arm that are due for a reader and have none.",
        reads=("predictions",),
    ),
    View(name="unlogged", comment="Answered requests that the inference table lacks."),
)
"""The views of the watch, in a stack that has a `[monitoring]`."""

_ALERTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "error_rate": (
        "error_rate",
        "requests fail",
        "See the arm's logs; python -m infra.rollout guard steps back.",
    ),
    "latency_p95_ms": (
        "latency_p95_ms",
        "answers are slow",
        "See the arm's workload size; python -m infra.rollout guard steps back.",
    ),
    "share_deviation": (
        "share_deviation",
        "the traffic is not split as declared",
        "Compare file and endpoint: python -m infra.rollout status.",
    ),
    "unlogged": (
        "unlogged_share",
        "answered requests are not logged",
        "No verdict counts what the inference table lacks: see its errors.",
    ),
    "drift": (
        "psi",
        "the answers have drifted",
        "Another mix of patients, or another device: see the page of the drift.",
    ),
    "input_drift": (
        "psi",
        "the inputs have drifted",
        "Films come otherwise than in training: see the page of the drift.",
    ),
    "positive_share": (
        "positive_share",
        "many answers are positive",
        "More illness, or an arm that calls too much: see the page of the drift.",
    ),
    "waiting": (
        "waiting",
        "films wait for a reader",
        "Without truth there is no verdict: see the reading room.",
    ),
    "rollback": (
        "rollbacks",
        "the verdict is ROLLBACK",
        "python -m infra.rollout guard writes the change that steps back.",
    ),
}
"""By the limit's key: the column that is compared, the title, the advice. The statement is in
`views/alerts`."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One limit: a statement whose rows are looked at, and the number that none may exceed."""

    name: str
    """The limit's key in the file."""
    title: str
    query: str
    column: str
    limit: float
    advice: str
    """What to do, in the message that is sent."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """The watch over one test."""

    analysis: Analysis
    test: ABTest
    monitoring: Monitoring
    catalog: str

    @classmethod
    def of(cls, environment: Environment) -> "Watch | None":
        """The watch over an environment's test; None where nothing is watched, or logged."""
        analysis = Analysis.of(environment)
        if analysis is None or environment.monitoring is None:
            return None
        return cls(
            analysis=analysis,
            test=environment.ab_test,
            monitoring=environment.monitoring,
            catalog=environment.catalog,
        )

    @property
    def task(self) -> Task:
        """The task of the test."""
        return self.analysis.task

    def query(self, view: str) -> str:
        """The query behind a view of the watch."""
        return self.analysis.filled_in(text_of(f"watch/{view}"), self._names)

    def filled_in(self, sql: str) -> str:
        """A text of SQL with the names of the analysis and of the watch in it."""
        return self.analysis.filled_in(sql, self._names)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """One alert for each limit that the file has."""
        return tuple(self._alerts())

    def _alerts(self) -> Iterator[Alert]:
        for name, title, limit in self._limits():
            column, _, advice = _ALERTS[name]
            yield Alert(
                name=name,
                title=f"{self.test.endpoint}: {title}",
                query=self.filled_in(text_of(f"alerts/{name}")),
                column=column,
                limit=limit,
                advice=advice,
            )

    def _limits(self) -> Iterator[tuple[str, str, float]]:
        """The limit's key, what it is of, the number."""
        for name, (_, title, _) in _ALERTS.items():
            limit = getattr(self.monitoring.limits, name)
            if limit is not None and limit is not False:
                yield name, title, 0.0 if limit is True else float(limit)

    @property
    def _names(self) -> Mapping[str, str]:
        watch = self.monitoring
        split = self.test.split
        names = {
            "window_minutes": str(watch.window_minutes),
            "drift_hours": str(watch.drift_hours),
            "muted_minutes": str(watch.muted_minutes),
            "slow_ms": str(watch.guard.latency_p95_ms),
            "late_minutes": str(watch.late_minutes),
            "due_hours": str(watch.due_hours),
            "minimum_requests": str(watch.minimum_requests),
            "minimum_films": str(watch.minimum_films),
            "endpoint": self.test.endpoint,
            "champion": self.test.champion.served_entity_name,
            "challengers": ", ".join(f"'{it.served_entity_name}'" for it in self.test.challengers)
            or "''",
            "verdicts": VERDICTS.full_name(self.catalog),
        }
        return {
            **names,
            **{
                part: self.analysis.filled_in(text_of(f"watch/{part}"), names)
                for part in ("since", "rollbacks")
            },
            "declared_shares": "\n  UNION ALL ".join(
                f"SELECT '{route.served_entity}' AS arm, {route.percent / 100:.2f}D AS share"
                for route in split.routes
            ),
            "limits": "\n  UNION ALL ".join(
                f"SELECT '{name}' AS name, '{what}' AS what, {float(limit)}D AS limit_value"
                for name, what, limit in self._limits()
            )
            or "SELECT 'none' AS name, 'no limit is declared' AS what, 0.0D AS limit_value",
            "reference": REFERENCE_DISTRIBUTIONS.full_name(self.catalog),
            "input_measures": INPUT_MEASURES.full_name(self.catalog),
            **{view.name: self.analysis.full_name(view.name) for view in WATCHED},
        }

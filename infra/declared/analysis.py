"""The views that analysis reads: SQL in `views/*.sql`, with the names of an environment filled in.

Pure values; knows no cdktf. Every statement runs unchanged on Databricks SQL and on the local
workspace. A view is named like the inference table: `<prefix>_predictions` beside
`<prefix>_payload`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Final

from infra.declared.environment import Environment
from infra.declared.local_workspace import is_on_this_machine
from infra.declared.naming import payload_table
from infra.declared.reading import ReadingPlan
from ml.contract.tables import (
    PREDICTION_CONTEXT,
    PREDICTION_FEEDBACK,
    REPLAY_MARK,
    SHADOW_MARK,
    SIMULATION,
)
from ml.contract.task import PNEUMONIA, Task

_SQL: Final = Path(__file__).parents[1] / "views"

_SIMULATED: Final = ("local", "demo")


def may_simulate(environment: Environment) -> bool:
    """Whether readings of a simulation are labels there: in the environment of this machine and in
    the demo's, whose workspace is on it too, and nowhere else."""
    here = is_on_this_machine(environment.workspace.host or "")
    return here and environment.name in _SIMULATED


def analyses(environment: Environment) -> Mapping[str, "Analysis"]:
    """The analysis of every A/B test that logs, by the test's name."""
    found = {it.test: Analysis.of(it) for it in environment.about_each()}
    return {name: analysis for name, analysis in found.items() if analysis}


@dataclass(frozen=True, kw_only=True)
class View:
    """A view: its name behind the prefix, what people read about it, the views that it reads."""

    name: str
    comment: str
    reads: tuple[str, ...] = ()


VIEWS: Final = (
    View(name="requests", comment="One row per logged request, with the arm that answered it."),
    View(
        name="answers",
        comment="One row per image of a request, answered or not, with the arm and its version.",
        reads=("requests",),
    ),
    View(
        name="predictions",
        comment="One row per image: the probability of PNEUMONIA, the arm and its version.",
        reads=("answers",),
    ),
    View(
        name="contexts",
        comment="What is known of a prediction's film without naming anybody, one row each.",
    ),
    View(
        name="labelled",
        comment="Predictions with what each reader said blind, and what after the reveal.",
        reads=("predictions", "contexts"),
    ),
    View(
        name="traffic",
        comment="Requests, share of the traffic, failures and latency by arm and hour.",
        reads=("requests",),
    ),
    View(
        name="outcomes",
        comment="True and false positives and negatives by arm, from agreeing verdicts.",
        reads=("predictions", "labelled"),
    ),
)
"""Each behind the ones that it reads."""


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """The views over one inference table."""

    catalog: str
    schema: str
    prefix: str
    feedback: str
    """The full name of the table of the verdicts."""
    context: str
    """The full name of the table of what is known of a prediction's film."""
    simulations_count: bool = False
    """Whether readings that a simulation gave are labels, as where nobody reads at all."""
    task: Task = PNEUMONIA
    """What the models answer, and its words."""
    reading: ReadingPlan | None = None
    """How films are chosen for readers; None where the environment does not say it."""

    @classmethod
    def of(cls, environment: Environment) -> "Analysis | None":
        """The analysis of the A/B test that is meant; None where nothing is logged, or tested.

        Raises NoSuchTest where several are declared, and none is meant.
        """
        logged = environment.ab_test.inference_table if environment.tests else None
        if logged is None:
            return None
        return cls(
            catalog=logged.catalog or environment.catalog,
            schema=logged.schema_name,
            prefix=logged.prefix,
            feedback=PREDICTION_FEEDBACK.full_name(environment.catalog),
            context=PREDICTION_CONTEXT.full_name(environment.catalog),
            simulations_count=may_simulate(environment),
            task=environment.ab_test.task,
            reading=environment.reading if "reading" in environment.model_fields_set else None,
        )

    @property
    def payload(self) -> str:
        """The full name of the inference table."""
        return payload_table(self.catalog, self.schema, self.prefix)

    def view_name(self, view: str) -> str:
        """The view's name without catalog and schema."""
        return f"{self.prefix}_{view}"

    def full_name(self, view: str) -> str:
        """The view's three-level name."""
        return f"{self.catalog}.{self.schema}.{self.view_name(view)}"

    def comment(self, view: View) -> str:
        """What people read about a view, in the words of the task."""
        return self.task.said(view.comment)

    def query(self, view: str) -> str:
        """The query behind a view, as `CREATE VIEW ... AS` takes it and Unity Catalog keeps it:
        from its first word."""
        return self.filled_in(text_of(view))

    def filled_in(self, sql: str, others: Mapping[str, str] = MappingProxyType({})) -> str:
        """A text of SQL with the names of this analysis in the place of `$payload`, `$outcomes`...
        and with the other names that are given.

        Raises KeyError for a `$name` that there is not.
        """
        return Template(sql).substitute(self._names, **others).strip()

    @property
    def readings(self) -> str:
        """The query of everything that readers have sent, as `standing` takes it."""
        return self.readings_with(self.payload)

    def readings_with(self, logged: str) -> str:
        """The same, where ``logged`` has both ids of the requests and their status: a table, or a
        query in parentheses."""
        return Template(text_of("parts/readings")).substitute(
            feedback=self.feedback,
            payload=logged,
            simulation=SIMULATION,
            simulations_count=str(self.simulations_count).upper(),
        )

    @property
    def _names(self) -> Mapping[str, str]:
        return {
            "payload": self.payload,
            "feedback": self.feedback,
            "context": self.context,
            "replay_mark": REPLAY_MARK,
            "shadow_mark": SHADOW_MARK,
            "standing": standing(self.readings, "prediction_id"),
            "threshold": str(self.task.threshold),
            "negative": self.task.negative,
            "positive": self.task.positive,
            "answer_type": self.task.answer_type,
            "found_probability": self.task.probability_of("answer"),
            **{view.name: self.full_name(view.name) for view in VIEWS},
        }


def standing(readings: str, key: str) -> str:
    """The query of those of the readings that stand: the rule of the reference standard.

    ``readings`` is a query, and ``key`` the columns that identify a prediction in it.
    """
    return Template(text_of("parts/standing")).substitute(readings=readings, key=key)


def text_of(name: str) -> str:
    """A file of SQL from its first word, without the remarks at its head."""
    sql = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    return "\n".join(dropwhile(lambda line: line.startswith("--"), sql.splitlines()))

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

from ml.contract.tables import REPLAY_MARK, SIMULATION
from ml.contract.task import PNEUMONIA, Task
from ml.verdict.counting.chosen import chosen
from ml.verdict.counting.rows import as_subgroups, of_subgroups

if TYPE_CHECKING:
    from infra.declared.analysis import Analysis
    from infra.declared.experiment import Experiment, Split

_SQL: Final = Path(__file__).parent / "queries"


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "standings": _same(
        *("standing", "side", "mature", "truth", "n", "not_blind", "said_again", "changed_mind"),
        *("simulations", "no_probability", "no_sampling", "below_review_share"),
        *("below_audit_share", "no_propensity"),
    ),
    "requests": {**_same("day", "propensity", "side"), "requests": "n", "failures": "failures"},
    "films": _same("day", "propensity", "side", "called", "truth", "sampling", "keyed", "n"),
    "scores": {
        **_same("side", "propensity", "truth", "sampling", "keyed"),
        "probability": "rounded",
        "n": "n",
    },
    "latencies": _same("side", "milliseconds", "n"),
    "readings": _same("said_pneumonia", "said_normal", "said_neither", "n"),
    "lags": _same("side", "hours", "n"),
}
"""What is counted, by name: its columns in order, and what they are called in `counts.sql`."""

PATIENTS: Final[Mapping[str, Mapping[str, str]]] = {
    "units": _same("day", "films", "n"),
    "distances": _same("side", "weight", "distance", "n"),
}
"""The same of `units.sql`."""

MOST_SCORES: Final = 20_000
"""How many kinds of films AUC, Brier score and calibration are made of, at most: of more readings,
those of nearly the same probability are counted together."""

FINE: Final[Mapping[str, str]] = {
    "probability": "ROUND(1e9 * LEAST(GREATEST(probability, 0), 1))",
    "sampling": "LEAST(GREATEST(sampling, 1e-6), 1)",
}
"""Of patients, probabilities are added up as whole numbers, whose sum is the same in any order: of
all rows, or of days one by one. Rows whose numbers are none from 0 to 1 are refused later."""

_AT_ANY_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC)

_LOGITS: Final = 33
"""From -16.2 to 16.2, whichever side they are rounded to."""


@dataclass(frozen=True, kw_only=True)
class Relations:
    """Rows in the forms in which they are asked for, each a SELECT."""

    answered: str
    """One row per answer, with what its readers say."""
    moments: str
    """When everything happened."""
    ids: str
    """The ids of what was asked."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much there is, and until when."""

    observations: int = 0
    last_second: int = 0
    readings: int = 0
    samplings: int = 0
    propensities: int = 0

    def steps(self, splits: int) -> float:
        """Of the probabilities, for one logit; 0: each film may keep its own."""
        if self.readings <= MOST_SCORES:
            return 0.0
        # Arms, truths, with a patient or without, and the shares that the rows have or the
        # declaration gives them.
        kinds = 2 * 2 * 2 * (self.samplings + 2) * (self.propensities + splits)
        return max(MOST_SCORES // kinds - 1, _LOGITS) / _LOGITS


@dataclass(frozen=True, kw_only=True)
class Queries:
    """The statements of one verdict over `rows`, a SELECT of the declared columns."""

    rows: Relations
    experiment: "Experiment"
    splits: Sequence["Split"]
    simulations_count: bool = False
    """Whether readings that a simulation gave are labels."""

    @property
    def extent(self) -> str:
        """How many rows there are, and when the last thing happened."""
        return filled_in("extent", moments=self.rows.moments)

    @property
    def logged(self) -> str:
        """Which of the ids in `:ids`, with spaces between them, the rows have."""
        return filled_in("logged", ids=self.rows.ids)

    @property
    def cases(self) -> str:
        """One row per answer, with what its readers agree on."""
        return self.cases_with()

    def cases_with(self, further: str = "") -> str:
        """The cases with further columns, each behind a comma."""
        # The latest split first: the first WHEN that is true counts.
        whens = "\n        ".join(
            f"WHEN request_time >= CAST(:since_{number} AS TIMESTAMP) "
            f"THEN CAST(:propensity_{number} AS DOUBLE)"
            for number in reversed(range(len(self.splits)))
        )
        return filled_in(
            "cases",
            answered=self.rows.answered,
            splits=whens,
            subgroups=listed(of_subgroups(self.experiment.subgroups), "{}"),
            further=further,
        )

    @property
    def counts(self) -> str:
        """Everything that is counted of `cases`; `tables` takes the result apart."""
        columns = self.experiment.subgroups
        numbers = [str(number) for number in range(len(columns))]
        return filled_in(
            "counts",
            sums=filled_in("sums"),
            marks=filled_in("marks"),
            subgroup_names="".join(
                f"\n    WHEN GROUPING(of_subgroup_{number}) = 0 THEN 'subgroup {column}'"
                f"\n    WHEN GROUPING(of_requests_{number}) = 0 THEN 'subgroup_requests {column}'"
                for number, column in enumerate(columns)
            ),
            subgroup_columns=listed(numbers, "subgroup_{}"),
            subgroups="".join(
                f",\n    CASE WHEN standing = 0 AND mature THEN TRUE END AS of_subgroup_{number}"
                f",\n    CASE WHEN side IS NOT NULL AND image_index = 0 THEN TRUE END "
                f"AS of_requests_{number},\n    COALESCE(subgroup_{number}, '') "
                f"AS subgroup_{number}"
                for number in numbers
            ),
            subgroup_sets=listed(
                numbers,
                "(of_subgroup_{0}, subgroup_{0}, side, propensity, called, truth, sampling, keyed)"
                ",\n  (of_requests_{0}, subgroup_{0}, propensity, side)",
            ),
            subgroup_marks="".join(
                f"\n  OR of_subgroup_{number} OR of_requests_{number}" for number in numbers
            ),
            rounded=filled_in("rounded"),
        )

    @property
    def units(self) -> str:
        """The patients of `cases`."""
        columns = self.experiment.subgroups
        numbers = [str(number) for number in range(len(columns))]
        names = "".join(
            f"WHEN GROUPING(subgroup_{number}) = 0 THEN 'patients by {column}' "
            for number, column in enumerate(columns)
        )
        kinds = filled_in(
            "kinds_in_cases",
            what=f"CASE {names}ELSE 'units' END" if names else "'units'",
            values=listed(numbers, "subgroup_{}"),
            subgroups=listed(numbers, "COALESCE(subgroup_{0}, '') AS subgroup_{0}"),
            sets=listed(
                numbers,
                "(patient_key, subgroup_{}, propensity, side, called, truth, sampling)",
            ),
            **FINE,
        )
        return filled_in("units", kinds=kinds, **FINE)

    def tables_of_patients(self) -> Mapping[str, Mapping[str, str]]:
        """The counts of the patients by name, as `tables` has them."""
        return {
            **PATIENTS,
            **{
                f"patients by {column}": _same("subgroup", "films", "n")
                for column in self.experiment.subgroups
            },
        }

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """The counts by name: their columns, and what those are called in the result."""
        return {
            **TABLES,
            **{
                f"subgroup {column}": {
                    "subgroup": f"subgroup_{number}",
                    **_same("side", "propensity", "called", "truth", "sampling", "keyed", "n"),
                }
                for number, column in enumerate(self.experiment.subgroups)
            },
            **{
                f"subgroup_requests {column}": {
                    "subgroup": f"subgroup_{number}",
                    **_same("propensity", "side"),
                    "requests": "n",
                }
                for number, column in enumerate(self.experiment.subgroups)
            },
        }

    def parameters(self, as_of: datetime, extent: Extent) -> dict[str, str]:
        """The values of the named parameters."""
        experiment = self.experiment
        values = {
            "champion": experiment.champion.served_entity_name,
            "challenger": experiment.challenger.served_entity_name,
            "start": _timestamp(experiment.start),
            "as_of": _timestamp(as_of),
            "mature_until": _timestamp(as_of - experiment.label_maturity),
            "threshold": str(experiment.task.threshold),
            "review_share": str(experiment.review_share),
            "audit_share": str(experiment.audit_share),
            "simulations_count": str(self.simulations_count).lower(),
            "steps": str(extent.steps(len(self.splits))),
        }
        for number, split in enumerate(self.splits):
            values[f"since_{number}"] = _timestamp(split.since)
            values[f"propensity_{number}"] = str(split.propensity)
        return values

    def of_the_extent(self, as_of: datetime | None) -> dict[str, str]:
        """The values of the named parameters of `extent`; without a moment, of all there is."""
        return self.parameters(as_of or _AT_ANY_TIME, Extent())

    def digest(self, as_of: datetime, extent: Extent) -> str:
        """SHA-256 over the statements and the values of their parameters."""
        hashed = hashlib.sha256()
        parameters = sorted(self.parameters(as_of, extent).items())
        for text in (
            *(self.cases, self.counts, self.units),
            *(f"{name}={value}" for name, value in parameters),
        ):
            hashed.update(text.encode())
            hashed.update(b"\0")
        return hashed.hexdigest()


def of_a_file(
    rows: str,
    subgroups: Sequence[str],
    task: Task = PNEUMONIA,
    identity: str = "prediction_id",
) -> Relations:
    """What is asked of a file's ``rows``, a SELECT of the declared columns; ``identity``: by what
    predictions with several readings are looked for, equal where the ids are."""
    return Relations(
        answered=filled_in(
            "answered_in_rows",
            observations=filled_in("observations", rows=rows, simulation=SIMULATION),
            summary=summary(
                "SELECT * FROM again WHERE known", "prediction_id, answer_number", task
            ),
            subgroups=listed(of_subgroups(subgroups), "{}"),
            any_subgroups=listed(of_subgroups(subgroups), "ANY_VALUE({0}) AS {0}"),
            identity=identity,
            **_labels(task),
        ),
        moments=filled_in("moments_in_rows", rows=rows),
        ids=rows,
    )


def of_a_workspace(analysis: "Analysis", subgroups: Sequence[str]) -> Relations:
    """What is asked of the views of a workspace."""
    return Relations(
        answered=answered(analysis, subgroups, with_readings="FULL OUTER"),
        moments=filled_in(
            "moments_in_views",
            requests=analysis.full_name("requests"),
            feedback=analysis.feedback,
            context=analysis.context,
            replay=REPLAY_MARK,
        ),
        ids=filled_in("ids_in_views", answers=analysis.full_name("answers"), replay=REPLAY_MARK),
    )


def answered(
    analysis: "Analysis", subgroups: Sequence[str], *, with_readings: str, days: str = ""
) -> str:
    """The answers in a workspace, all or those of some ``days``, with their readings; ``FULL
    OUTER``: also with readings that have no answer."""
    was_chosen, share = chosen(analysis.reading, analysis.task.threshold)
    return filled_in(
        "answered_in_views",
        answers=answers_until(analysis, days),
        summary=summary(known(analysis, days), "prediction_id", analysis.task),
        with_readings=with_readings,
        subgroups=listed(as_subgroups(subgroups), "{}"),
        contexts=analysis.full_name("contexts"),
        chosen=was_chosen,
        share=share,
        replay=REPLAY_MARK,
    )


def answers_until(analysis: "Analysis", days: str = "") -> str:
    """The answers until a moment, all or those of some days, which ``days`` says behind AND."""
    return filled_in("answers_until", answers=analysis.full_name("answers"), days=days)


def known(analysis: "Analysis", days: str = "") -> str:
    """The readings until a moment; those by Databricks' ids are of the requests that were logged by
    then, all or those of some days."""
    logged = filled_in("logged_until", payload=analysis.payload, days=days)
    return known_of(analysis, logged)


def known_of(analysis: "Analysis", logged: str) -> str:
    """The readings until a moment, with both ids of the requests from ``logged``, a SELECT."""
    return filled_in("known_in_views", readings=analysis.readings_with(f"({logged})"))


def summary(known: str, key: str, task: Task) -> str:
    """What readers say together, out of the readings that are ``known``."""
    from infra.declared.analysis import standing

    return filled_in("summary", standing=standing(known, key), key=key, **_labels(task))


def _labels(task: Task) -> dict[str, str]:
    return {"negative": task.negative, "positive": task.positive}


def used(statement: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters that a statement has; DuckDB refuses others."""
    names = set(re.findall(r":(\w+)", statement))
    return {name: value for name, value in parameters.items() if name in names}


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="seconds")


def listed(columns: Sequence[str], form: str) -> str:
    """The columns in a form, each behind a comma."""
    return "".join(f",\n  {form.format(column)}" for column in columns)


def filled_in(name: str, **values: str) -> str:
    """A file of SQL from its first word, with the values in their places."""
    text = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    lines = dropwhile(lambda line: line.startswith("--"), text.splitlines())
    return Template("\n".join(lines)).substitute(values).strip()

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
from ml.contract.tables import SIMULATION
from ml.verdict.counting.chosen import chosen

if TYPE_CHECKING:
    from infra.declared.analysis import Analysis
    from infra.declared.experiment import Experiment, Split

_SQL: Final = Path(__file__).parent / "queries"
REPLAY_PREFIX: Final = "replay-"
"""Of the client's id of a request that names its arm."""

_LABELS: Final = dict(zip(("negative", "positive"), LABELS, strict=True))


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
        **_same("side", "propensity", "truth", "sampling"),
        "probability": "rounded",
        "n": "n",
    },
    "latencies": _same("side", "milliseconds", "n"),
    "readings": _same("said_pneumonia", "said_normal", "said_neither", "n"),
    "lags": _same("side", "hours", "n"),
}
"""What is counted, by name: its columns in order, and what they are called in `counts.sql`."""

MOST_SCORES: Final = 20_000
"""How many kinds of films AUC, Brier score and calibration are made of, at most: of more readings,
those of nearly the same probability are counted together."""

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
        # Arms, truths, and the shares that the rows have or the declaration gives them.
        kinds = 2 * 2 * (self.samplings + 2) * (self.propensities + splits)
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
            subgroups=listed(self.experiment.subgroups, "{}"),
            further=further,
        )

    @property
    def counts(self) -> str:
        """Everything that is counted of `cases`; `tables` takes the result apart."""
        columns = self.experiment.subgroups
        numbers = [str(number) for number in range(len(columns))]
        return filled_in(
            "counts",
            subgroup_names="".join(
                f"\n    WHEN GROUPING(of_subgroup_{number}) = 0 THEN 'subgroup {column}'"
                f"\n    WHEN GROUPING(of_requests_{number}) = 0 THEN 'subgroup_requests {column}'"
                for number, column in enumerate(columns)
            ),
            subgroup_columns=listed(numbers, "subgroup_{}"),
            subgroups="".join(
                f",\n    CASE WHEN standing = 0 AND mature THEN TRUE END AS of_subgroup_{number}"
                f",\n    CASE WHEN side IS NOT NULL AND image_index = 0 THEN TRUE END "
                f"AS of_requests_{number},\n    COALESCE(CAST({column} AS STRING), '') "
                f"AS subgroup_{number}"
                for number, column in enumerate(columns)
            ),
            subgroup_sets=listed(
                numbers,
                "(of_subgroup_{0}, subgroup_{0}, side, propensity, called, truth, sampling)"
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
        return filled_in("units", kinds=filled_in("kinds_in_cases"))

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """The counts by name: their columns, and what those are called in the result."""
        return {
            **TABLES,
            **{
                f"subgroup {column}": {
                    "subgroup": f"subgroup_{number}",
                    **_same("side", "propensity", "called", "truth", "sampling", "n"),
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
            "threshold": str(DECISION_THRESHOLD),
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


def of_a_file(rows: str, subgroups: Sequence[str]) -> Relations:
    """What is asked of a file's ``rows``, a SELECT of the declared columns."""
    return Relations(
        answered=filled_in(
            "answered_in_rows",
            observations=filled_in("observations", rows=rows, simulation=SIMULATION),
            summary=summary("SELECT * FROM again WHERE known", "prediction_id, answer_number"),
            subgroups=listed(subgroups, "{}"),
            any_subgroups=listed(subgroups, "ANY_VALUE({0}) AS {0}"),
            **_LABELS,
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
            replay=REPLAY_PREFIX,
        ),
        ids=filled_in("ids_in_views", answers=analysis.full_name("answers"), replay=REPLAY_PREFIX),
    )


def answered(
    analysis: "Analysis", subgroups: Sequence[str], *, with_readings: str, days: str = ""
) -> str:
    """The answers in a workspace, all or those of some ``days``, with their readings; ``FULL
    OUTER``: also with readings that have no answer."""
    was_chosen, share = chosen(analysis.reading)
    return filled_in(
        "answered_in_views",
        answers=answers_until(analysis, days),
        summary=summary(known(analysis), "prediction_id"),
        with_readings=with_readings,
        subgroups=listed(subgroups, "{0}"),
        contexts=analysis.full_name("contexts"),
        chosen=was_chosen,
        share=share,
        replay=REPLAY_PREFIX,
    )


def answers_until(analysis: "Analysis", days: str = "") -> str:
    """The answers until a moment, all or those of some days, which ``days`` says behind AND."""
    return filled_in("answers_until", answers=analysis.full_name("answers"), days=days)


def known(analysis: "Analysis") -> str:
    """The readings until a moment."""
    return filled_in("known_in_views", readings=analysis.readings)


def summary(known: str, key: str) -> str:
    """What readers say together, out of the readings that are ``known``."""
    from infra.declared.analysis import standing

    return filled_in("summary", standing=standing(known, key), key=key, **_LABELS)


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

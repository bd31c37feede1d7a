"""What was counted, in the form that the statistics take."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.discrimination import Scores
from ml.verdict.counting.counts import Counted, Counts
from ml.verdict.counting.journals import Journaled
from ml.verdict.counting.units import (
    films_alike,
    films_alone,
    films_at_one_look,
    films_of_patients,
)
from ml.verdict.statistics.betting import Floats
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION, NORMAL, PNEUMONIA, Cells, overlap
from ml.verdict.statistics.sample_ratio import SampleRatio, by_patient, sample_ratio
from ml.verdict.statistics.summaries import Deviations

ARMS = (CHAMPION, CHALLENGER)


class Standing(IntEnum):
    """What a row of the log, or a verdict, is to the experiment; as `cases.sql` numbers them."""

    FILM = 0
    OF_AN_UNDIVIDED_SPLIT = 1
    WITHOUT_AN_ANSWER = 2
    FURTHER_IMAGE = 3
    SECOND_ANSWER = 4
    OF_ANOTHER_ARM = 5
    WITHOUT_AN_ARM = 6
    WITHOUT_A_PREDICTION = 7

    def __str__(self) -> str:
        return _NAMES[self]


_NAMES = {
    Standing.FILM: "films that are compared",
    Standing.OF_AN_UNDIVIDED_SPLIT: "answers while one arm had all requests",
    Standing.WITHOUT_AN_ANSWER: "requests without an answer in the log",
    Standing.FURTHER_IMAGE: "further images of one request",
    Standing.SECOND_ANSWER: "second answers to one request id",
    Standing.OF_ANOTHER_ARM: "answers of other arms",
    Standing.WITHOUT_AN_ARM: "answers whose arm is not known",
    Standing.WITHOUT_A_PREDICTION: "verdicts whose prediction is not in the log",
}


@dataclass(frozen=True, kw_only=True)
class Reveals:
    """Readers who had read blind, and said something again when they had seen the answer."""

    said_again: int
    changed_mind: int
    """Those of them who said something else. What they had said blind counts."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Everything that was counted of an experiment."""

    counts: Counts
    journaled: Journaled | None = None
    """What the journals of clients know; None where none was given."""
    choice_logged: bool = True
    """Whether the rows say of unread answers which were chosen for readers."""

    @cached_property
    def days(self) -> tuple[date, ...]:
        """The days on which something was asked for; a look at each one's end."""
        days = np.unique(self._table("requests")["day"])
        return tuple(datetime.fromtimestamp(int(day) * 86400, UTC).date() for day in days)

    def films(self) -> Cells:
        """The mature films, with a truth or without, by patient where that is known."""
        days = np.unique(self._table("requests")["day"])
        alone = films_alone(self._table("films"), days)
        return alone.and_(films_of_patients(self._table("units"), days)) if self.patients else alone

    @property
    def patients(self) -> int:
        """Patients that are known; the films of others count as if they were independent."""
        return int(self._table("units")["n"].sum())

    def scores(self, arm: int, *, beside: bool = False) -> Scores:
        """The probabilities of one arm's mature films that have a truth; ``beside`` the other arm's
        where both are compared.

        Films of one patient are taken as if all said the same, the most that they can be alike: as
        many as a patient has on average count as one, of as much as they weigh together.
        """
        scores = self._table("scores")
        chosen = scores["side"] == arm
        sick = scores["truth"][chosen] == PNEUMONIA
        weight = overlap(scores["propensity"][chosen], arm) / scores["sampling"][chosen]
        alike = np.ones(weight.size)
        if self.patients:
            several = films_alike(self._table("units"), arm, ARMS if beside else (arm,))
            alike = np.where(scores["keyed"][chosen], several[sick.astype(np.intp)], 1.0)
        return Scores(
            probability=scores["probability"][chosen],
            sick=sick,
            weight=weight * alike,
            n=scores["n"][chosen] / alike,
        )

    def deviations(self, arm: int) -> Deviations:
        """How far one arm's probabilities are from the truths, by patient where that is known."""
        scores, patients = self._table("scores"), self._table("distances")
        alone = (scores["side"] == arm) & ~scores["keyed"]
        weight = overlap(scores["propensity"][alone], arm) / scores["sampling"][alone]
        here = patients["side"] == arm
        sick = scores["truth"][alone] == PNEUMONIA
        return Deviations(
            u=np.concatenate(
                [weight * (scores["probability"][alone] - sick), patients["distance"][here]]
            ),
            v=np.concatenate([weight, patients["weight"][here]]),
            n=np.concatenate([scores["n"][alone], patients["n"][here]]).astype(np.float64),
            films=int(scores["n"][scores["side"] == arm].sum()),
        )

    def subgroup(self, column: str) -> dict[str, Cells]:
        """The mature films, with a truth or without, by the values of a column, and by patient
        where that is known: with those films alone that have the value."""
        films, patients = self._table(f"subgroup {column}"), self._table(f"patients by {column}")
        return {
            str(value): films_at_one_look(_with(films, value), _with(patients, value))
            for value in np.unique(films["subgroup"])
        }

    def subgroup_sample_ratio(self, column: str) -> dict[str, SampleRatio]:
        """Whether the requests came as the split had promised, by the values of a column, and by
        patient where that is known."""
        requests = self._table(f"subgroup_requests {column}")
        n, films = requests["requests"].astype(np.float64), self.subgroup(column)
        found = {}
        for value in np.unique(requests["subgroup"]):
            here = requests["subgroup"] == value
            ratio = sample_ratio(
                np.zeros(here.sum(), np.intp),
                requests["propensity"][here],
                np.where(requests["side"][here] == CHAMPION, n[here], 0.0),
                np.where(requests["side"][here] == CHALLENGER, n[here], 0.0),
                looks=1,
            )
            of_patients = self.patients and value in films
            found[str(value)] = by_patient(ratio, films[str(value)]) if of_patients else ratio
        return found

    def labels(self, arm: int) -> int:
        """Mature films of an arm that have a truth."""
        films = self._table("films")
        return int(films["n"][(films["side"] == arm) & (films["truth"] >= NORMAL)].sum())

    def mature(self, arm: int, called: bool, truth: int | None = None) -> Counted:
        """The mature films of an arm that it called so, by truth and sampling probability."""
        films = self._table("films")
        chosen = (films["side"] == arm) & (films["called"] == called)
        if truth is not None:
            chosen &= films["truth"] == truth
        return {name: values[chosen] for name, values in films.items()}

    def sample_ratio(self) -> SampleRatio:
        """Whether the requests came as the split had promised, day by day."""
        requests = self._table("requests")
        n = requests["requests"].astype(np.float64)
        ratio = sample_ratio(
            self._look(requests["day"]),
            requests["propensity"],
            np.where(requests["side"] == CHAMPION, n, 0.0),
            np.where(requests["side"] == CHALLENGER, n, 0.0),
            len(self.days),
        )
        return by_patient(ratio, self.films()) if self.patients else ratio

    def daily_requests(self, arm: int) -> Floats:
        """Requests of an arm by day."""
        requests = self._table("requests")
        daily = np.zeros(len(self.days))
        here = requests["side"] == arm
        np.add.at(daily, self._look(requests["day"][here]), requests["requests"][here])
        return daily

    def daily_propensity(self) -> Floats:
        """The challenger's promised share of both arms' requests, by day."""
        requests = self._table("requests")
        promised, n = np.zeros(len(self.days)), np.zeros(len(self.days))
        look = self._look(requests["day"])
        np.add.at(promised, look, requests["requests"] * requests["propensity"])
        np.add.at(n, look, requests["requests"])
        return np.asarray(promised / n)

    def requests(self, arm: int) -> tuple[int, int]:
        """Requests of an arm, and how many of them failed."""
        requests = self._table("requests")
        here = requests["side"] == arm
        return int(requests["requests"][here].sum()), int(requests["failures"][here].sum())

    def latencies(self, arm: int) -> tuple[Floats, NDArray[np.int64]]:
        """Milliseconds, ascending, and how many answers took so long."""
        table = self._table("latencies")
        here = table["side"] == arm
        return table["milliseconds"][here].astype(np.float64), table["n"][here]

    def lags(self, arm: int) -> tuple[Floats, NDArray[np.int64]]:
        """Hours from request to verdict, ascending, and how many verdicts took so long."""
        table = self._table("lags")
        here = table["side"] == arm
        return table["hours"][here].astype(np.float64), table["n"][here]

    def readings(self) -> NDArray[np.int64]:
        """Films with several readers [i]: how many said PNEUMONIA, NORMAL, neither; how many
        such films."""
        table = self._table("readings")
        return np.stack(
            [table[name] for name in ("said_pneumonia", "said_normal", "said_neither", "n")], axis=1
        )

    def standing(self, standing: Standing) -> int:
        """Rows of a standing."""
        table = self._table("standings")
        return int(table["n"][table["standing"] == standing].sum())

    def verdicts_without_a_prediction(self, truth: int) -> int:
        """Verdicts of a truth whose prediction is not in the log."""
        table = self._table("standings")
        chosen = (table["standing"] == Standing.WITHOUT_A_PREDICTION) & (table["truth"] == truth)
        return int(table["n"][chosen].sum())

    def pending(self, arm: int) -> int:
        """Films of an arm that are too young to be judged."""
        table = self._table("standings")
        chosen = (table["standing"] == Standing.FILM) & (table["side"] == arm) & ~table["mature"]
        return int(table["n"][chosen].sum())

    def not_blind(self) -> int:
        """Verdicts of readers who had seen the answer; they do not count."""
        return int(self._table("standings")["not_blind"].sum())

    def reveals(self, arm: int) -> Reveals:
        """What became of blind readings of an arm's answers when the answer was shown."""
        table = self._table("standings")
        here = table["side"] == arm
        return Reveals(
            said_again=int(table["said_again"][here].sum()),
            changed_mind=int(table["changed_mind"][here].sum()),
        )

    def simulations(self) -> int:
        """Verdicts that a simulation gave where readers read; they do not count."""
        return int(self._table("standings")["simulations"].sum())

    def _table(self, name: str) -> Counted:
        return self.counts.tables[name]

    def _look(self, days: NDArray[np.int64]) -> NDArray[np.intp]:
        return np.searchsorted(np.unique(self._table("requests")["day"]), days)


def _with(counted: Counted, value: str) -> Counted:
    here = counted["subgroup"] == value
    return {name: values[here] for name, values in counted.items()}

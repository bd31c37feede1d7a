"""Tests that are run in a clinic on paper: films come, arms answer, readers speak late or never.

A run is looked at on every day by the evidence and the conditions of the product. What it knows
on a day is what the readers have said until then.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binomtest

from infra.declared.experiment import Experiment
from infra.declared.safeguards import Missing
from ml.verdict.gains import last_look, of_the_test
from ml.verdict.missing import assumptions, with_those_that_are_late
from ml.verdict.rule import promotes
from ml.verdict.statistics.cells import NORMAL, NOT_CHOSEN, PNEUMONIA, UNREAD, Cells

if TYPE_CHECKING:
    from collections.abc import Callable

NEVER = 10**6


def an_experiment(
    *, audit: float = 1.0, maximum: int = 6000, prevalence: float = 0.3, **keys: object
) -> Experiment:
    """For a benefit, with margins of .03 and .05."""
    return Experiment.model_validate(
        {
            "name": "clinic",
            "champion": {"model": "keras", "version": 1},
            "challenger": {"model": "torch", "version": 1},
            "split": {"since": "2026-01-01T00:00:00Z", "champion": 50, "challenger": 50},
            "primary_metric": "sensitivity",
            "benefit": "it answers in half the time",
            "margins": {"sensitivity": 0.03, "specificity": 0.05},
            "maximum_labels": maximum,
            "minimum_per_arm": 100,
            "audit_share": audit,
            "expected": {
                "prevalence": prevalence,
                "champion": {"sensitivity": 0.9, "specificity": 0.9},
                "challenger": {"sensitivity": 0.9, "specificity": 0.9},
            },
            **keys,
        },
        strict=False,
        by_name=True,
    )


@dataclass(frozen=True, kw_only=True)
class Films:
    """Films [i] of one run, in the order in which they came."""

    day: np.ndarray
    arm: np.ndarray
    propensity: np.ndarray
    sick: np.ndarray
    called: np.ndarray
    sampling: np.ndarray
    chosen: np.ndarray
    read_on: np.ndarray
    """The day from which its truth is known; NEVER."""

    def known_on(self, today: int, maturity: int = 3) -> Cells:
        """What counts on a day, those that are alike counted together."""
        there = self.day <= today - maturity
        truth = np.where(
            self.read_on <= today,
            np.where(self.sick, PNEUMONIA, NORMAL),
            np.where(self.chosen, UNREAD, NOT_CHOSEN),
        )
        codes = ((self.day * 2 + self.arm) * 2 + self.called) * 8 + truth + 3
        _, first, n = np.unique(codes[there], return_index=True, return_counts=True)
        kinds = np.flatnonzero(there)[first]
        return Cells(
            look=self.day[kinds].astype(np.intp),
            arm=self.arm[kinds].astype(np.int8),
            propensity=self.propensity[kinds],
            called=self.called[kinds],
            truth=truth[kinds].astype(np.int8),
            sampling=self.sampling[kinds],
            n=n.astype(float),
        )


@dataclass(frozen=True, kw_only=True)
class Clinic:
    """How films come, how good the arms are, and how readers work."""

    sensitivity: tuple[float, float] = (0.9, 0.87)
    specificity: tuple[float, float] = (0.9, 0.9)
    prevalence: float = 0.3
    films_per_day: int = 100
    days: int = 63
    audit: float = 1.0
    propensity: Callable[[np.ndarray], np.ndarray] = field(
        default=lambda day: np.full(day.size, 0.5)
    )
    read_on: Callable[[np.random.Generator, dict[str, np.ndarray]], np.ndarray] | None = None
    """The day on which the truth of a chosen film is known; at once where it is None."""

    def run(self, random: np.random.Generator) -> Films:
        """One run."""
        n = self.films_per_day * self.days
        day = np.arange(n) // self.films_per_day
        propensity = self.propensity(day)
        arm = (random.random(n) < propensity).astype(int)
        sick = random.random(n) < self.prevalence
        right = np.where(sick, np.take(self.sensitivity, arm), np.take(self.specificity, arm))
        called = (random.random(n) < right) == sick
        sampling = np.where(called, 1.0, self.audit)
        chosen = random.random(n) < sampling
        films = {"day": day, "arm": arm, "sick": sick, "called": called}
        read_on = self.read_on(random, films) if self.read_on else day
        return Films(
            day=day,
            arm=arm,
            propensity=propensity,
            sick=sick,
            called=called,
            sampling=sampling,
            chosen=chosen,
            read_on=np.where(chosen, read_on, NEVER),
        )


def promoted(experiment: Experiment, films: Cells, *, choice_logged: bool = True) -> bool:
    """Whether the evidence of a look says so."""
    if not choice_logged:
        not_said = (films.truth == UNREAD) & (films.sampling < 1)
        films = replace(films, truth=np.where(not_said, NOT_CHOSEN, films.truth))
    here = of_the_test(experiment, films)
    final = last_look(experiment, films) is not None
    if not promotes(experiment, here, final=final):
        return False
    model = experiment.missing or Missing()
    hidden = not choice_logged and model.model == "worst"
    late = with_those_that_are_late(here, hidden=hidden)
    return not late.missing.any() or all(
        promotes(experiment, imputed, final=final) for _, imputed in assumptions(model, late)
    )


def ever_promoted(
    experiment: Experiment, films: Films, every: int = 1, *, choice_logged: bool = True
) -> bool:
    """Whether any day's look says so, until the labels are spent."""
    for today in range(5, int(films.day.max()) + 4, every):
        cells = films.known_on(today)
        labels = cells.n[cells.labelled].sum()
        if labels >= 200 and promoted(experiment, cells, choice_logged=choice_logged):
            return True
        if labels >= experiment.maximum_labels:
            break
    return False


@dataclass(frozen=True, kw_only=True)
class Share:
    """Of runs, with the interval of 95 % (Clopper and Pearson)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%})"


def share(happened: list[bool]) -> Share:
    """The share of the runs in which it happened."""
    interval = binomtest(sum(happened), len(happened)).proportion_ci()
    return Share(
        value=sum(happened) / len(happened), low=float(interval.low), high=float(interval.high)
    )


def promotions(experiment: Experiment, clinic: Clinic, runs: int, seed: int) -> Share:
    """The share of the runs that are ever promoted."""
    random = np.random.default_rng(seed)
    return share([ever_promoted(experiment, clinic.run(random)) for _ in range(runs)])

"""All figures of an experiment, and the verdict: from what was counted to what is reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from ml.evaluation.calibration import squared_errors
from ml.evaluation.discrimination import area
from ml.verdict.bounds import Bounds, bounds
from ml.verdict.counting.journals import Journaled
from ml.verdict.counting.tally import Reveals, Standing, Tally
from ml.verdict.gates import (
    Coverage,
    coverage_of,
    few_orphans,
    readers_saw_what_was_chosen,
    split_is_intact,
)
from ml.verdict.planning.films_needed import multiple
from ml.verdict.planning.truth import Truth
from ml.verdict.rule import Ruling, promotion_limits, rule
from ml.verdict.statistics.betting import Evidence, Floats, Interval, at_one_look, evidence
from ml.verdict.statistics.calibration import Calibration, calibration
from ml.verdict.statistics.cells import Cells
from ml.verdict.statistics.metrics import (
    CHALLENGER,
    CHAMPION,
    METRICS,
    Metric,
    difference,
    gain,
    of_arm,
    share,
)
from ml.verdict.statistics.recalibration import Recalibration, recalibration
from ml.verdict.statistics.sample_ratio import SampleRatio
from ml.verdict.statistics.summaries import (
    Figures,
    brier,
    frequency,
    in_the_limit,
    mean,
    mean_and_variance,
    quantile,
)

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment, Split


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm's figures. Those that its films cannot give are None."""

    name: str
    requests: int
    labels: int
    positives: int
    pending: int
    figures: Figures
    calibration: Calibration | None
    recalibration: Recalibration


@dataclass(frozen=True, kw_only=True)
class Path:
    """A gain's interval at the end of each day."""

    metric: Metric
    estimates: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Of films that several readers saw."""

    share: Interval
    kappa: float | None
    """Fleiss' kappa of the films with as many readers as most have."""


@dataclass(frozen=True, kw_only=True)
class Needed:
    """Labels of both arms together that a promotion takes in all; None: no number suffices."""

    as_observed: int | None
    as_expected: int | None


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is known of an experiment."""

    arms: tuple[Arm, Arm]
    gains: Figures
    bounds: Mapping[str, Bounds]
    sample_ratio: SampleRatio
    coverage: tuple[Coverage, ...]
    agreement: Agreement | None
    standings: Mapping[Standing, int]
    not_blind: int
    reveals: tuple[Reveals, Reveals]
    """What readers said when they had seen the answer, by arm."""
    simulations: int
    journaled: Journaled | None
    subgroups: Mapping[str, Mapping[str, tuple[Figures, ...]]]
    days: tuple[date, ...]
    paths: tuple[Path, ...]
    needed: Needed
    ruling: Ruling


def judge(experiment: "Experiment", splits: Sequence["Split"], tally: Tally) -> Judgement:
    """Judges what was counted."""
    films, looks = tally.films(), len(tally.days)
    smallest, alpha = experiment.smallest_sampling, experiment.alpha
    arms = tuple(_arm(experiment, tally, arm) for arm in (CHAMPION, CHALLENGER))
    truth = Truth.expected(experiment)
    gained = {
        metric: evidence(
            difference(films, metric, truth.of(metric), smallest), films.look, films.n, looks
        )
        for metric in METRICS
    }
    gains: Figures = {
        metric: gain(found, _estimated(arms, metric), alpha) for metric, found in gained.items()
    }
    ratio, coverage = tally.sample_ratio(), coverage_of(experiment, tally)
    labels = (arms[0].labels, arms[1].labels)
    gates = (
        split_is_intact(experiment, ratio, tally.days),
        *readers_saw_what_was_chosen(experiment, coverage),
        *few_orphans(experiment, tally),
    )
    return Judgement(
        arms=(arms[0], arms[1]),
        gains=gains | _asymptotic_gains(experiment, tally),
        bounds=bounds(experiment, tally),
        sample_ratio=ratio,
        coverage=coverage,
        agreement=_agreement(tally, alpha),
        standings={standing: tally.standing(standing) for standing in Standing},
        not_blind=tally.not_blind(),
        reveals=(tally.reveals(CHAMPION), tally.reveals(CHALLENGER)),
        simulations=tally.simulations(),
        journaled=tally.journaled,
        subgroups={
            column: {
                value: tuple(_figures_of(experiment, cells, arm) for arm in (CHAMPION, CHALLENGER))
                for value, cells in tally.subgroup(column).items()
            }
            for column in experiment.subgroups
        },
        days=tally.days,
        paths=tuple(
            _path(metric, gained[metric], alpha) for metric in METRICS if gained[metric].counts.size
        ),
        needed=_needed(experiment, splits[-1].propensity, gained, sum(labels)),
        ruling=rule(experiment, gains, labels=labels, total=sum(labels), gates=gates),
    )


def _arm(experiment: "Experiment", tally: Tally, arm: int) -> Arm:
    films, scores, alpha = tally.films(), tally.scores(arm), experiment.alpha
    requests, failures = tally.requests(arm)
    figures = _figures_of(experiment, films, arm)
    found = area(scores)
    figures["auc"] = (
        in_the_limit(experiment, found.value, found.variance, found.n, lowest=0.0, highest=1.0)
        if found
        else None
    )
    figures["brier"] = brier(experiment, scores)
    figures["predicted minus observed"] = mean(
        experiment, scores.probability - scores.sick, scores, lowest=-1.0
    )
    recalibrated = recalibration(experiment, scores)
    figures |= recalibrated.figures
    figures["latency p50 ms"] = quantile(*tally.latencies(arm), 0.5, alpha)
    figures["latency p95 ms"] = quantile(*tally.latencies(arm), 0.95, alpha)
    figures["label lag p50 h"] = quantile(*tally.lags(arm), 0.5, alpha)
    figures["error rate"] = frequency(failures, requests, alpha)
    served = (experiment.champion, experiment.challenger)[arm]
    return Arm(
        name=served.served_entity_name,
        requests=requests,
        labels=tally.labels(arm),
        positives=int(films.n[(films.arm == arm) & films.sick].sum()),
        pending=tally.pending(arm),
        figures=figures,
        calibration=calibration(scores, experiment, alpha),
        recalibration=recalibrated,
    )


def _figures_of(experiment: "Experiment", films: Cells, arm: int) -> Figures:
    smallest = experiment.smallest_sampling
    return {
        metric: share(at_one_look(of_arm(films, arm, metric, smallest), films.n), experiment.alpha)
        for metric in METRICS
    }


def _estimated(arms: Sequence[Arm], metric: Metric) -> float | None:
    champion, challenger = (arm.figures[metric] for arm in arms)
    return challenger.value - champion.value if champion and challenger else None


def _asymptotic_gains(experiment: "Experiment", tally: Tally) -> Figures:
    """Differences of what the arms' films say independently of each other."""
    champion, challenger = tally.scores(CHAMPION), tally.scores(CHALLENGER)
    areas = area(champion), area(challenger)
    gains: Figures = {"auc": None, "brier": None}
    if areas[0] and areas[1]:
        gains["auc"] = in_the_limit(
            experiment,
            areas[1].value - areas[0].value,
            areas[0].variance + areas[1].variance,
            min(areas[0].n, areas[1].n),
            lowest=-1.0,
            highest=1.0,
        )
    if champion.n.sum() and challenger.n.sum():
        means = [
            mean_and_variance(squared_errors(it.probability, it.sick), it)
            for it in (champion, challenger)
        ]
        gains["brier"] = in_the_limit(
            experiment,
            means[1][0] - means[0][0],
            means[0][1] + means[1][1],
            int(min(champion.n.sum(), challenger.n.sum())),
            lowest=-1.0,
            highest=1.0,
        )
    return gains


def _agreement(tally: Tally, alpha: float) -> Agreement | None:
    from statsmodels.stats.inter_rater import fleiss_kappa

    readings = tally.readings()
    if not len(readings):
        return None
    votes, n = readings[:, :3], readings[:, 3]
    alike = votes.max(axis=1) == votes.sum(axis=1)
    agreed = frequency(int(n[alike].sum()), int(n.sum()), alpha)
    assert agreed is not None  # noqa: S101 - there are films
    sizes = votes.sum(axis=1)
    usual = np.bincount(sizes, weights=n).argmax()
    table = np.repeat(votes[sizes == usual], n[sizes == usual], axis=0)
    kappa = float(fleiss_kappa(table)) if (table.sum(axis=0) > 0).sum() > 1 else None
    return Agreement(share=agreed, kappa=kappa)


def _path(metric: Metric, found: Evidence, alpha: float) -> Path:
    low, high = found.limits(-1.0, 1.0, alpha)
    return Path(metric=metric, estimates=found.estimates, low=low, high=high)


def _needed(
    experiment: "Experiment",
    propensity: float,
    gained: Mapping[Metric, Evidence],
    labels: int,
) -> Needed:
    limits = promotion_limits(experiment)
    observed = multiple(gained, limits, experiment.alpha / 2)
    if not 0 < propensity < 1:
        return Needed(as_observed=None, as_expected=None)
    truth = Truth.expected(experiment)
    films = truth.live(propensity, experiment.review_share, experiment.audit_share)
    smallest = experiment.smallest_sampling
    foreseen = {
        metric: at_one_look(difference(films, metric, truth.of(metric), smallest), films.n)
        for metric in METRICS
    }
    expected = multiple(foreseen, limits, experiment.alpha / 2)
    fewest = 2 * experiment.minimum_per_arm
    return Needed(
        as_observed=max(fewest, int(np.ceil(observed * labels))) if observed and labels else None,
        as_expected=max(fewest, int(np.ceil(expected * films.n.sum()))) if expected else None,
    )

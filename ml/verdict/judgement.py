"""All figures of an experiment, and the verdict: from what was counted to what is reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ml.contract.task import Task
from ml.evaluation.discrimination import area
from ml.verdict.bounds import Bounds, bounds
from ml.verdict.counting.journals import Journaled
from ml.verdict.counting.tally import ARMS, Reveals, Standing, Tally
from ml.verdict.gains import Gain, gains, last_look, level, of_the_test, spent
from ml.verdict.gates import (
    Coverage,
    coverage_of,
    few_orphans,
    readers_saw_what_was_chosen,
    split_is_intact,
)
from ml.verdict.guardrails import Guardrail, guardrails
from ml.verdict.missing import MissingTruth, missing_truth
from ml.verdict.planning.films_needed import multiple
from ml.verdict.planning.futility import chance_of_promotion
from ml.verdict.ramp import early_step
from ml.verdict.readers import ReaderErrors, agree, agree_enough, reader_errors
from ml.verdict.returning import whoever_came_again
from ml.verdict.rule import Finding, Ruling, promotes, promotion_limits, rule, whatever_is_missing
from ml.verdict.statistics.betting import Evidence, Floats, Interval
from ml.verdict.statistics.calibration import Calibration, calibration
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION, UNREAD, Cells
from ml.verdict.statistics.metrics import METRICS, Metric, difference, labels, of_arm, share
from ml.verdict.statistics.recalibration import Recalibration, recalibration
from ml.verdict.statistics.sample_ratio import SampleRatio
from ml.verdict.statistics.summaries import (
    Figures,
    auc,
    brier,
    deviation,
    frequency,
    gains_in_the_limit,
    quantile,
)
from ml.verdict.statistics.truth import Truth
from ml.verdict.subgroups import Subgroups, subgroups
from ml.verdict.turning import Turn, finding, turns

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
    chance: float | None
    """Of a promotion by the declared maximum; None where there is nothing to tell it by."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is known of an experiment."""

    task: Task
    """Whose words the figures are reported in."""
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
    guardrails: tuple[Guardrail, ...]
    turns: tuple[Turn, ...]
    reader_errors: ReaderErrors
    subgroups: Subgroups
    days: tuple[date, ...]
    paths: tuple[Path, ...]
    missing: MissingTruth
    patients: int
    """That are known; other films count as if they were independent of each other."""
    needed: Needed
    ruling: Ruling
    early_step: Finding


def judge(experiment: "Experiment", splits: Sequence["Split"], tally: Tally) -> Judgement:
    """Judges what was counted."""
    alpha = experiment.alpha
    counted = tally.films()
    films, looks = of_the_test(experiment, counted), len(tally.days)
    final = last_look(experiment, counted) is not None
    arms = tuple(_arm(experiment, tally, films, arm) for arm in ARMS)
    gained = gains(experiment, films, looks=looks, final=final)
    said = partial(
        difference,
        films,
        belief=Truth.expected(experiment),
        smallest_sampling=experiment.smallest_sampling,
    )
    intervals: Figures = {
        metric: _adding_up(gain.interval, arms, metric) for metric, gain in gained.items()
    }
    missing = missing_truth(
        experiment,
        films.and_(_unlogged(experiment, splits[-1].propensity, tally)),
        lambda imputed: promotes(experiment, imputed, final=final),
        final=final,
        choice_logged=tally.choice_logged,
    )
    agreement = _agreement(tally, alpha)
    agreed = agreement.share if agreement else None
    ratio, coverage = tally.sample_ratio(), coverage_of(experiment, tally)
    read = (arms[0].labels, arms[1].labels)
    gates = (
        split_is_intact(experiment, ratio, tally.days),
        *readers_saw_what_was_chosen(experiment, coverage),
        *few_orphans(experiment, tally),
        *agree(experiment, agreed),
    )
    total = spent(experiment, counted).sum()
    guarded = guardrails(experiment, tally)
    turned = turns(experiment, {it: gain.evidence for it, gain in gained.items()}, tally.days)
    errors = reader_errors(experiment, films, final=final)
    ruling = rule(
        experiment,
        intervals,
        labels=read,
        total=int(total),
        gates=gates,
        guardrails=guarded,
        further=(
            whatever_is_missing(experiment, missing),
            *whoever_came_again(experiment, films, said, final=final),
            finding(turned),
            *errors.findings,
            *agree_enough(experiment, agreed),
        ),
    )
    return Judgement(
        task=experiment.task,
        arms=(arms[0], arms[1]),
        gains={
            **intervals,
            **gains_in_the_limit(experiment, *(tally.scores(arm, beside=True) for arm in ARMS)),
        },
        bounds=bounds(experiment, tally),
        sample_ratio=ratio,
        coverage=coverage,
        agreement=agreement,
        standings={standing: tally.standing(standing) for standing in Standing},
        not_blind=tally.not_blind(),
        reveals=(tally.reveals(CHAMPION), tally.reveals(CHALLENGER)),
        simulations=tally.simulations(),
        journaled=tally.journaled,
        guardrails=guarded,
        turns=turned,
        reader_errors=errors,
        subgroups=subgroups(experiment, tally),
        days=tally.days,
        paths=tuple(
            _path(metric, gain.evidence, level(experiment))
            for metric, gain in gained.items()
            if gain.interval
        ),
        missing=missing,
        patients=tally.patients,
        needed=_needed(experiment, splits[-1].propensity, gained, sum(read), total),
        ruling=ruling,
        early_step=early_step(
            experiment,
            intervals,
            ruling,
            labels=read,
            safe=[*(it.finding for it in guarded), finding(turned)],
        ),
    )


def _arm(experiment: "Experiment", tally: Tally, films: Cells, arm: int) -> Arm:
    scores, alpha = tally.scores(arm), experiment.alpha
    requests, failures = tally.requests(arm)
    figures = _figures_of(experiment, films, arm)
    figures["auc"] = auc(experiment, area(scores), lowest=0.0)
    figures["brier"] = brier(experiment, scores)
    figures["predicted minus observed"] = deviation(
        tally.deviations(arm), experiment.smallest_sampling, alpha
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
    belief, here = Truth.expected(experiment), films.where(films.arm == arm)
    return {
        metric: share(
            here.evidence(of_arm(here, arm, metric, experiment.smallest_sampling, belief)),
            experiment.alpha,
            films=labels(here, metric),
        )
        for metric in METRICS
    }


def _adding_up(gain: Interval | None, arms: Sequence[Arm], metric: Metric) -> Interval | None:
    """The interval with the difference of both arms' figures as its value, so that what people
    read adds up; where that lies outside, with its own."""
    champion, challenger = (arm.figures[metric] for arm in arms)
    if gain and champion and challenger:
        value = challenger.value - champion.value
        return replace(gain, value=value) if gain.low <= value <= gain.high else gain
    return gain


def _unlogged(experiment: "Experiment", propensity: float, tally: Tally) -> Cells:
    """The answers that only clients' journals know: nobody could read them."""
    served = experiment.champion, experiment.challenger
    kinds = [
        (arm, called, tally.journaled.lost(served[arm].served_entity_name, called=called))
        for arm in (CHAMPION, CHALLENGER)
        for called in (False, True)
        if tally.journaled
    ]
    arms, called, n = np.array(kinds).reshape(-1, 3).T
    return Cells(
        look=np.full(n.size, len(tally.days) - 1),
        arm=arms.astype(np.int8),
        propensity=np.full(n.size, propensity),
        called=called.astype(np.bool_),
        truth=np.full(n.size, UNREAD, np.int8),
        sampling=np.ones(n.size),
        n=n.astype(np.float64),
    ).where(n > 0)


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
    gained: Mapping[Metric, Gain],
    labels: int,
    spending: float,
) -> Needed:
    limits, alpha = promotion_limits(experiment), level(experiment) / 2
    found = {metric: gain.evidence for metric, gain in gained.items()}
    observed = multiple(found, limits, alpha)
    chance = chance_of_promotion(experiment, found, spending)
    if not 0 < propensity < 1:
        return Needed(as_observed=None, as_expected=None, chance=chance)
    truth = Truth.expected(experiment)
    films = truth.live(propensity, experiment.review_share, experiment.audit_share)
    foreseen = {metric: gain.evidence for metric, gain in gains(experiment, films).items()}
    expected = multiple(foreseen, limits, alpha)
    fewest, read = 2 * experiment.minimum_per_arm, films.n[films.labelled].sum()
    return Needed(
        as_observed=max(fewest, int(np.ceil(observed * labels))) if observed and labels else None,
        as_expected=max(fewest, int(np.ceil(expected * read))) if expected else None,
        chance=chance,
    )

"""A judgement as numbers for machines: plain mappings, each figure with its n and interval."""

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from ml.contract.decision import ArmRecord, DataRecord, Decision, ExperimentRecord, FindingRecord
from ml.verdict.counting.journals import UNLOGGED, Journaled
from ml.verdict.judgement import Arm, Judgement
from ml.verdict.readers import ReaderErrors
from ml.verdict.rule import Finding
from ml.verdict.statistics.betting import Interval
from ml.verdict.subgroups import Subgroup

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment, Split

METHOD: Final = {
    "intervals": "confidence sequences by betting, two-sided, all looks together "
    "(Waudby-Smith and Ramdas 2024; mixture of constant bets, Orabona and Jun 2024)",
    "differences": "overlap weights of the split in force, per request (Li, Morgan and Zaslavsky "
    "2018); inverse sampling probability of the reading, per film, augmented by what the call "
    "foretells (Robins, Rotnitzky and Zhao 1994)",
    "units": "a patient's mean where the patient is known; else a film",
    "films without a truth": "pattern mixture with a declared odds ratio, and alike in both arms "
    "whatever it is (National Research Council 2010)",
    "auc": "asymptotic confidence sequence (Waudby-Smith et al. 2024) of DeLong's variance, from "
    "30 films of each class; no condition of the verdict",
    "brier, predicted minus observed": "confidence sequences by betting of bounded means",
    "calibration intercept, slope": "logistic recalibration, the intercept at a slope of 1 (Van "
    "Calster et al. 2016); asymptotic confidence sequences of the robust variance; no condition "
    "of the verdict",
    "latency, label lag": "order statistics, for one look; no condition of the verdict",
    "verdict": "intersection-union of two non-inferiorities and one superiority (Berger 1982)",
    "sample ratio": "sequential multinomial test (Lindon and Malek 2022)",
    "guardrails": "betting, as the intervals; all limits together at alpha / 2",
    "turned": "e-detector over the days that a loss could have begun with (Shin, Ramdas and "
    "Rinaldo 2023); all metrics together at alpha",
    "reader errors": "linear correction of each film's truth; a promotion holds with every "
    "error up to the declared one",
    "subgroups": "all intervals that are shown together at alpha (Bonferroni); no condition of the "
    "verdict",
}

_BY_BENEFIT: Final = (
    "intersection-union of two non-inferiorities (Berger 1982); a benefit that was declared before "
    "the test stands in for a superiority"
)
_PACKAGES: Final = ("duckdb", "numpy", "scipy", "statsmodels", "ville")


def software() -> dict[str, str]:
    """The versions that numbers may depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def method(experiment: "Experiment") -> Mapping[str, str]:
    """How a verdict on the experiment is reached."""
    final = experiment.final_test
    return (
        METHOD
        | ({"verdict": _BY_BENEFIT} if experiment.benefit else {})
        | (
            {
                "looks": f"{1 - final.share:.0%} of alpha for the daily looks, {final.share:.0%} "
                "for Wald's test on the day that has maximum_labels (union bound)"
            }
            if final
            else {}
        )
    )


def decision(
    experiment: "Experiment",
    splits: Sequence["Split"],
    judgement: Judgement,
    *,
    environment: str | None,
    as_of: Any,
    data: DataRecord,
) -> Decision:
    """The record of a judgement of live traffic."""
    return Decision(
        verdict=judgement.ruling.verdict,
        reason=experiment.task.said(judgement.ruling.reason),
        environment=environment,
        mode="live",
        as_of=as_of,
        **arms_and_experiment(experiment),
        splits=tuple(split.model_dump(mode="json") for split in splits),
        data=data,
        method={**method(experiment), "alpha": f"{experiment.alpha:g}"},
        software=software(),
        findings=tuple(finding_of(experiment, it) for it in judgement.ruling.findings),
        early_step=finding_of(experiment, judgement.early_step),
        numbers=numbers(judgement),
    )


def finding_of(experiment: "Experiment", found: Finding) -> FindingRecord:
    """A condition of the rule, in the words of the experiment's task."""
    said = experiment.task.said
    return FindingRecord(
        condition=said(found.condition), holds=found.holds, because=said(found.because)
    )


def arms_and_experiment(experiment: "Experiment") -> dict[str, Any]:
    """The fields of a decision that say what was compared."""
    return {
        "experiment": ExperimentRecord(name=experiment.name, digest=experiment.digest),
        **{
            name: ArmRecord(
                served_entity=arm.served_entity_name, model=arm.model, version=arm.version
            )
            for name, arm in (
                ("champion", experiment.champion),
                ("challenger", experiment.challenger),
            )
        },
    }


def numbers(judgement: Judgement) -> dict[str, Any]:
    """Every figure of a judgement."""
    ratio = judgement.sample_ratio
    return {
        "gains": figures(judgement.gains),
        "bounds of the estimates": {
            name: asdict(bounds) for name, bounds in judgement.bounds.items()
        },
        "films without a truth": {
            "films": judgement.missing.films,
            "tipping point, odds ratio": judgement.missing.tipping_point,
            "scenarios": [
                {"assumed": judgement.task.said(scenario.assumed), "gains": figures(scenario.gains)}
                for scenario in judgement.missing.scenarios
            ],
        },
        "patients": judgement.patients,
        "champion": _arm(judgement.arms[0]),
        "challenger": _arm(judgement.arms[1]),
        "labels needed": asdict(judgement.needed),
        "sample ratio": {
            "champion": int(ratio.requests[-1] - ratio.challenger[-1]),
            "challenger": int(ratio.challenger[-1]),
            "promised to the challenger": float(ratio.promised[-1]),
            "anytime-valid p": ratio.p,
            "chi-square p, for one look": ratio.chi_square_p,
        },
        "verification": [
            {
                "arm": ("champion", "challenger")[cover.arm],
                "answer": judgement.task.labels[cover.called],
                "films": cover.films,
                "resolved": cover.resolved,
                "unresolved": cover.unresolved,
                "share of what was promised": asdict(cover.share),
            }
            for cover in judgement.coverage
        ],
        "readers": {
            "films with several readers": asdict(judgement.agreement)
            if judgement.agreement
            else None,
            "verdicts that were not blind": judgement.not_blind,
            "read again after the answer was shown": {
                arm: {"readings": found.said_again, "changed": found.changed_mind}
                for arm, found in zip(("champion", "challenger"), judgement.reveals, strict=True)
            },
            "verdicts of a simulation, not counted": judgement.simulations,
        },
        "rows": {str(standing): n for standing, n in judgement.standings.items()},
        **({"journals": _journaled(judgement.journaled)} if judgement.journaled else {}),
        "guardrails": [
            {
                "name": judgement.task.said(it.name),
                "figure": asdict(it.figure) if it.figure else None,
                "limit": it.limit,
                "breached": it.breached,
            }
            for it in judgement.guardrails
        ],
        "turned": [{**asdict(turn), "since": turn.since.isoformat()} for turn in judgement.turns],
        "reader errors": errors_of_readers(judgement.reader_errors),
        "subgroups": {
            column: {value: _subgroup(found) for value, found in values.items()}
            for column, values in judgement.subgroups.items()
        },
        "days": [day.isoformat() for day in judgement.days],
        "intervals by day": {
            path.metric: {"low": path.low.tolist(), "high": path.high.tolist()}
            for path in judgement.paths
        },
    }


def figures(values: Mapping[Any, Interval | None]) -> dict[str, Any]:
    """Figures by name; null for one that the films cannot give."""
    return {name: asdict(value) if value else None for name, value in values.items()}


def errors_of_readers(found: ReaderErrors) -> dict[str, Any]:
    """What the gains would be if readers were wrong."""
    return {
        "declared": found.declared,
        "tipping point": found.tipping_point,
        "gains": {f"{error:g}": figures(gains) for error, gains in found.gains.items()},
    }


def _subgroup(found: Subgroup) -> dict[str, Any]:
    ratio = found.sample_ratio
    return {
        "sample ratio": {
            "champion": int(ratio.requests[-1] - ratio.challenger[-1]),
            "challenger": int(ratio.challenger[-1]),
            "promised to the challenger": float(ratio.promised[-1]),
            "anytime-valid p, of all subgroups together": found.sample_ratio_p,
        }
        if ratio
        else None,
        **{
            metric: {
                "films": dict(zip(("champion", "challenger"), it.films, strict=True)),
                "films of each arm that a gain takes": it.needed,
                **figures({"gain": it.gain, "champion": it.champion, "challenger": it.challenger}),
            }
            for metric, it in found.figures.items()
        },
    }


def _journaled(journaled: Journaled) -> dict[str, Any]:
    arms = Counter(it.arm or "arm not known" for it in journaled.unlogged)
    return {
        "answers": journaled.answers,
        UNLOGGED: len(journaled.unlogged),
        "by arm": dict(sorted(arms.items())),
    }


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        "requests": arm.requests,
        "labels": arm.labels,
        "positives": arm.positives,
        "films too young": arm.pending,
        "figures": figures(arm.figures)
        | {"calibration error": asdict(arm.calibration.error) if arm.calibration else None},
        "calibration": [asdict(bin_) for bin_ in arm.calibration.bins] if arm.calibration else [],
        "recalibration": arm.recalibration.not_estimable or "estimated",
    }

"""A judgement as numbers for machines: plain mappings, each figure with its n and interval."""

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from ml.contract.decision import ArmRecord, DataRecord, Decision, ExperimentRecord, FindingRecord
from ml.contract.serving import LABELS
from ml.verdict.counting.journals import UNLOGGED, Journaled
from ml.verdict.judgement import Arm, Judgement
from ml.verdict.statistics.betting import Interval

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment, Split

METHOD: Final = {
    "intervals": "confidence sequences by betting, two-sided, all looks together "
    "(Waudby-Smith and Ramdas 2024; mixture of constant bets, Orabona and Jun 2024)",
    "differences": "inverse propensity of the split in force, per request; inverse sampling "
    "probability of the reading, per film (Horvitz and Thompson 1952)",
    "auc, brier, predicted minus observed": "asymptotic confidence sequences "
    "(Waudby-Smith et al. 2024) of DeLong's and of weighted means; no condition of the verdict",
    "calibration intercept, slope": "logistic recalibration, the intercept at a slope of 1 (Van "
    "Calster et al. 2016); asymptotic confidence sequences of the robust variance; no condition "
    "of the verdict",
    "latency, label lag": "order statistics, for one look; no condition of the verdict",
    "verdict": "intersection-union of two non-inferiorities and one superiority (Berger 1982)",
    "sample ratio": "sequential multinomial test (Lindon and Malek 2022)",
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
    return METHOD | {"verdict": _BY_BENEFIT} if experiment.benefit else METHOD


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
        reason=judgement.ruling.reason,
        environment=environment,
        mode="live",
        as_of=as_of,
        **arms_and_experiment(experiment),
        splits=tuple(split.model_dump(mode="json") for split in splits),
        data=data,
        method={**method(experiment), "alpha": f"{experiment.alpha:g}"},
        software=software(),
        findings=tuple(FindingRecord(**asdict(finding)) for finding in judgement.ruling.findings),
        numbers=numbers(judgement),
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
                "answer": LABELS[cover.called],
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
        "subgroups": {
            column: {
                value: {"champion": figures(arms[0]), "challenger": figures(arms[1])}
                for value, arms in values.items()
            }
            for column, values in judgement.subgroups.items()
        },
        "days": [day.isoformat() for day in judgement.days],
        "intervals by day": {
            path.metric: {"low": path.low.tolist(), "high": path.high.tolist()}
            for path in judgement.paths
        },
    }


def figures(values: Mapping[str, Interval | None]) -> dict[str, Any]:
    """Figures by name; null for one that the films cannot give."""
    return {name: asdict(value) if value else None for name, value in values.items()}


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

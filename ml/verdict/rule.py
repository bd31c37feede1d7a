"""The rule by which intervals become PROMOTE, KEEP, ROLLBACK or INCONCLUSIVE.

PROMOTE is an intersection of three: sensitivity and specificity not inferior by more than their
margins, and the primary metric superior. Each holds at its own alpha, because all are needed
(intersection-union test; Berger 1982). In the place of the superiority an experiment may declare a
benefit outside of the metrics before the test begins; then the other two are the intersection.
docs/reference/statistics.md#the-rule
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ml.contract.decision import Verdict
from ml.verdict.gains import exceeds
from ml.verdict.numbers import decimal, span
from ml.verdict.statistics.betting import Interval
from ml.verdict.statistics.cells import Cells
from ml.verdict.statistics.metrics import Metric

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment
    from ml.verdict.missing import MissingTruth


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One condition of the rule, and whether it holds."""

    condition: str
    holds: bool
    because: str


class Guarded(Protocol):
    """A limit of the challenger that no gain makes up for, as ml.verdict.guardrails judges it."""

    @property
    def finding(self) -> Finding:
        """Whether it holds: is not shown to be breached."""

    @property
    def by_readers(self) -> bool:
        """Whether it rests on truths, so that it says nothing where a gate does not hold."""


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """The verdict, and what it rests on."""

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...]
    stopped: bool
    """Whether a gate does not hold, so that no number of labels would help."""


def rule(
    experiment: "Experiment",
    gains: Mapping[str, Interval | None],
    *,
    labels: tuple[int, int],
    total: int,
    gates: tuple[Finding, ...],
    guardrails: tuple[Guarded, ...] = (),
    further: tuple[Finding, ...] = (),
) -> Ruling:
    """The ruling on the gains, challenger minus champion, on the labels of each arm, and on the
    total of them: of a replay, a label serves both arms.

    A gate that does not hold means that the data are not what the test assumes: it stops
    everything but a rollback for what needs no truth. A further condition is one of a promotion
    alone.
    """
    conditions = (
        *gates,
        *(guardrail.finding for guardrail in guardrails),
        *_conditions(experiment, gains, labels),
        *further,
    )
    verdict, reason = _verdict(experiment, gains, total, conditions, gates, guardrails, further)
    return Ruling(
        verdict=verdict,
        reason=reason,
        findings=conditions,
        stopped=not all(gate.holds for gate in gates),
    )


def _verdict(
    experiment: "Experiment",
    gains: Mapping[str, Interval | None],
    total: int,
    conditions: tuple[Finding, ...],
    gates: tuple[Finding, ...],
    guardrails: tuple[Guarded, ...],
    further: tuple[Finding, ...],
) -> tuple[Verdict, str]:
    broken = [gate for gate in gates if not gate.holds]
    for guardrail in guardrails:
        if not guardrail.finding.holds and not (broken and guardrail.by_readers):
            return Verdict.ROLLBACK, guardrail.finding.because
    if broken:
        return Verdict.INCONCLUSIVE, f"The test stops: {broken[0].because}"
    sensitivity, specificity = gains["sensitivity"], gains["specificity"]
    primary = gains[experiment.primary_metric]
    for metric, gain, margin in (
        ("sensitivity", sensitivity, experiment.margins.sensitivity),
        ("specificity", specificity, experiment.margins.specificity),
    ):
        if gain and gain.high < -margin:
            return (
                Verdict.ROLLBACK,
                f"The challenger's {metric} is worse by more than its margin.",
            )
    if all(condition.holds for condition in conditions):
        if experiment.benefit:
            return Verdict.PROMOTE, (
                "The promotion rests on non-inferiority: neither metric is worse by its margin. "
                f'The benefit that was declared before the test: "{experiment.benefit}".'
            )
        return Verdict.PROMOTE, (
            f"Neither metric is worse by its margin, and {experiment.primary_metric} is better."
        )
    if primary and primary.high < 0:
        return Verdict.KEEP, f"The challenger's {experiment.primary_metric} is not better."
    open_ = next(condition for condition in conditions if not condition.holds)
    if total >= experiment.maximum_labels:
        over = f"The test is over with {total} labels"
        # What films say may suffice, and what is not known of them be in the way.
        if open_ in further:
            return Verdict.KEEP, f"{over}. {open_.because}"
        return Verdict.KEEP, (
            f"{over}, and the challenger has not been shown "
            + ("not to be worse by a margin." if experiment.benefit else "to be better.")
        )
    return Verdict.INCONCLUSIVE, open_.because


def _conditions(
    experiment: "Experiment", gains: Mapping[str, Interval | None], labels: tuple[int, int]
) -> tuple[Finding, ...]:
    margins, fewest = experiment.margins, experiment.minimum_per_arm
    return (
        Finding(
            condition=f"each arm has {fewest} labels",
            holds=min(labels) >= fewest,
            because=f"The champion has {labels[0]} labels and the challenger {labels[1]}; each "
            f"needs {fewest}.",
        ),
        _above("sensitivity", gains, -margins.sensitivity, "not inferior"),
        _above("specificity", gains, -margins.specificity, "not inferior"),
        Finding(
            condition="a benefit was declared before the test",
            holds=True,
            because=experiment.benefit,
        )
        if experiment.benefit
        else _above(experiment.primary_metric, gains, 0.0, "superior"),
    )


def _above(metric: str, gains: Mapping[str, Interval | None], limit: float, what: str) -> Finding:
    gain = gains[metric]
    if gain is None:
        return Finding(
            condition=f"{metric} {what}",
            holds=False,
            because=f"No film says anything of {metric} yet.",
        )
    shown = "above" if gain.low > limit else "not yet above"
    return Finding(
        condition=f"{metric} {what}",
        holds=gain.low > limit,
        because=f"The gain in {metric} is {span(gain.low, gain.high, signed=True)}: {shown} "
        f"{decimal(limit, signed=True)}.",
    )


def promotes(experiment: "Experiment", films: Cells, *, final: bool) -> bool:
    """Whether the films show what a promotion has to be shown; `final` as in `gains`."""
    return all(
        exceeds(experiment, films, metric, limit, final=final)
        for metric, limit in promotion_limits(experiment).items()
    )


def whatever_is_missing(experiment: "Experiment", missing: "MissingTruth") -> Finding:
    """Whether a promotion would hold in each scenario of the films without a truth."""
    condition = "a promotion holds whatever the films without a truth are"
    hidden = missing.at_most > missing.films
    may = (
        f"as many as {missing.at_most:.0f} may lack theirs, for the rows do not say which unread "
        'answers were chosen: the model "worst" counts them'
    )
    if not missing.scenarios:
        because = "every film has the truth it needs" + (f", or {may}." if hidden else "")
        return Finding(condition=condition, holds=True, because=because)
    limits = promotion_limits(experiment)
    lack = f"{missing.films:.0f} films lack the truth that they were chosen for" + (
        f" ({may})" if hidden else ""
    )
    for scenario in missing.scenarios:
        for metric, limit in limits.items():
            gain = scenario.gains[metric]
            if gain is None or gain.low <= limit:
                lies = f"is {span(gain.low, gain.high, signed=True)}" if gain else "is not known"
                return Finding(
                    condition=condition,
                    holds=False,
                    because=f"{lack}. If they are as the declared model allows "
                    f"({scenario.assumed}), the gain in {metric} {lies}: not above "
                    f"{decimal(limit, signed=True)}. Let readers resolve them"
                    + (", and log what is chosen." if hidden else "."),
                )
    return Finding(
        condition=condition,
        holds=True,
        because=f"{lack}; the promotion holds "
        + (
            "whatever they are."
            if missing.tipping_point is None
            else "up to an odds ratio of a wrong answer, between them and the others, of "
            f"{missing.tipping_point:.3g}."
        ),
    )


def promotion_limits(experiment: "Experiment") -> dict[Metric, float]:
    """What each gain has to be shown above for a promotion."""
    limits: dict[Metric, float] = {
        "sensitivity": -experiment.margins.sensitivity,
        "specificity": -experiment.margins.specificity,
    }
    return limits if experiment.benefit else limits | {experiment.primary_metric: 0.0}

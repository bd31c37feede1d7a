"""What readers' own errors do to a verdict: whether they agree, and what if they are wrong.

A reader who says the opposite of the truth with probability e, whatever the arm and its answer,
puts films of one class among those of the other, and draws sensitivities together. What films say
of a gain is linear in their truth, so that

    ((1 - e) what they say - e what they would say by the opposite truth) / (1 - 2 e)

has the mean of what they would say by the true one. Its spread is larger, and the bound of a bet is
divided by 1 - 2 e. A promotion holds with every error from 0 to the declared one, because too large
a correction is no safer than too small a one.

reference: Buonaccorsi, Measurement Error, 2010, chapter 2 (the correction of a proportion; here of
each film, so that the evidence stays valid at every look).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from infra.declared.safeguards import Readers
from ml.verdict.gains import between, is_above
from ml.verdict.rule import Finding, promotion_limits
from ml.verdict.statistics.betting import Evidence, Interval, Moments
from ml.verdict.statistics.cells import Cells, Pairs
from ml.verdict.statistics.metrics import (
    METRICS,
    Metric,
    difference,
    labels,
    paired_difference,
)
from ml.verdict.statistics.truth import Truth

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

SHOWN: Final = (0.02, 0.05, 0.10)
"""Errors for which the gains are shown, beside the declared one."""

_STEP: Final = 0.005
"""Between the errors with which a promotion has to hold."""

_LARGEST: Final = 0.45
"""Beyond it readers say next to nothing."""


@dataclass(frozen=True, kw_only=True)
class ReaderErrors:
    """What the gains would be if readers were wrong so often."""

    declared: float
    gains: Mapping[float, Mapping[Metric, Interval | None]]
    """By the error of a reader."""
    tipping_point: float | None
    """The largest error up to which the conditions of a promotion hold; None where they do not
    hold with readers who are always right."""

    @property
    def hold(self) -> bool:
        """Whether the conditions of a promotion hold with every error up to the declared one."""
        return self.tipping_point is not None and self.tipping_point >= self.declared

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The declared error as a condition of a promotion; none where none is declared."""
        if not self.declared:
            return ()
        if self.tipping_point is None:
            because = "The gains are not those of a promotion, even if readers are always right."
        else:
            because = (
                f"A promotion would hold if readers are wrong of up to {self.tipping_point:.1%} of "
                f"the films; the experiment assumes {self.declared:.1%}."
            )
        return (
            Finding(
                condition=f"a promotion holds if readers are wrong of {self.declared:.1%} of films",
                holds=self.hold,
                because=because,
            ),
        )


def reader_errors(experiment: "Experiment", films: Cells, *, final: bool = False) -> ReaderErrors:
    """What the declared and other errors of readers would do; `final` is as in `gains`."""
    return _errors(
        experiment,
        lambda metric, error: films.evidence(corrected(experiment, films, metric, error)),
        {metric: labels(films, metric) for metric in METRICS},
        final=final,
    )


def reader_errors_of_pairs(
    experiment: "Experiment", pairs: Pairs, films: Cells, smallest_sampling: float, *, final: bool
) -> ReaderErrors:
    """The same of films that both arms answered; ``films`` says which are of one unit."""
    opposite = replace(pairs, sick=~pairs.sick)
    said, unsaid = (
        {metric: paired_difference(it, metric, smallest_sampling) for metric in METRICS}
        for it in (pairs, opposite)
    )
    return _errors(
        experiment,
        lambda metric, error: films.evidence(_by_the_truth(said[metric], unsaid[metric], error)),
        {metric: labels(films, metric) for metric in METRICS},
        final=final,
    )


def corrected(experiment: "Experiment", films: Cells, metric: Metric, error: float) -> Moments:
    """What films say of the gain, if readers are wrong so often."""
    belief, smallest = Truth.expected(experiment), experiment.smallest_sampling
    opposite = replace(films, truth=np.where(films.labelled, 1 - films.truth, films.truth))
    said, unsaid = (difference(cells, metric, belief, smallest) for cells in (films, opposite))
    return _by_the_truth(said, unsaid, error)


def _by_the_truth(said: Moments, unsaid: Moments, error: float) -> Moments:
    """From what films say by their readers, and what they would say by the opposite."""
    certain = 1 - 2 * error
    return Moments(
        u=((1 - error) * said.u - error * unsaid.u) / certain,
        v=((1 - error) * said.v - error * unsaid.v) / certain,
        bound=said.bound / certain,
    )


def errors_up_to(error: float) -> Iterator[float]:
    """The errors with which a promotion has to hold."""
    yield from np.arange(0, error - _STEP / 2, _STEP).tolist()
    yield error


def agree(experiment: "Experiment", agreement: Interval | None) -> tuple[Finding, ...]:
    """Whether readers of one film agree as often as was declared; a gate, if it was.

    `agreement` is the share of films with several readers on which all agree. The gate does not
    hold where it is shown to be below the floor.
    """
    floor = experiment.readers.agreement if experiment.readers else None
    if floor is None:
        return ()
    condition = "readers agree with each other"
    if agreement is None:
        return (
            Finding(
                condition=condition,
                holds=True,
                because=f"No film has several readers yet, so that nothing is known of their "
                f"agreement; at least {floor:.0%} is asked for.",
            ),
        )
    holds = agreement.high >= floor
    return (
        Finding(
            condition=condition,
            holds=holds,
            because=f"all readers agreed on {agreement.value:.0%} ({agreement.low:.0%} to "
            f"{agreement.high:.0%}) of {agreement.n} films with several; at least {floor:.0%} is "
            "asked for."
            + (
                ""
                if holds
                else " Their truth is no standard to judge models by: let them settle what they "
                "call PNEUMONIA before anything else."
            ),
        ),
    )


def agree_enough(experiment: "Experiment", agreement: Interval | None) -> tuple[Finding, ...]:
    """The floor of the readers' agreement as a condition of a promotion, which asks for more than
    the gate does: that so many are seen to agree. None where none is declared."""
    floor = experiment.readers.agreement if experiment.readers else None
    if floor is None:
        return ()
    return (
        Finding(
            condition="as many films are agreed on as a promotion asks for",
            holds=agreement is not None and agreement.value >= floor,
            because=f"All readers agreed on {agreement.value:.1%} of {agreement.n} films with "
            f"several; a promotion asks for {floor:.1%}."
            if agreement
            else f"No film has several readers yet; a promotion asks for {floor:.1%} on which all "
            "agree. Have some films read twice.",
        ),
    )


def _errors(
    experiment: "Experiment",
    evidence: Callable[[Metric, float], Evidence],
    films: Mapping[Metric, float],
    *,
    final: bool,
) -> ReaderErrors:
    """From the evidence on a metric if readers are wrong so often."""
    declared = (experiment.readers or Readers()).error

    def holds(error: float) -> bool:
        # Tested at the limits themselves: with an error, the capital need not fall everywhere on
        # the way to the estimate, at which an interval ends.
        found = {metric: evidence(metric, error) for metric in limits}
        return all(
            (found[metric].last.counts @ found[metric].v > 0).all()
            and is_above(experiment, found[metric], limit, final=final)
            for metric, limit in limits.items()
        )

    limits, tipping = promotion_limits(experiment), None
    for error in sorted({*errors_up_to(_LARGEST), declared}):
        if not holds(error):
            break
        tipping = error
    return ReaderErrors(
        declared=declared,
        gains={
            error: {
                metric: between(experiment, evidence(metric, error), films[metric], final=final)
                for metric in METRICS
            }
            for error in sorted({*SHOWN, declared} - {0.0})
        },
        tipping_point=tipping,
    )

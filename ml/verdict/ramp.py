"""Whether a challenger may take an early step of the ramp: no harm is seen, and none is likely.

A promotion takes thousands of labels, which an arm with one percent of the traffic does not get
for years. An early step moves few patients, and is taken back as easily as it is made: it asks
that large losses are excluded. The steps beyond it ask for PROMOTE.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from infra.declared.safeguards import Ramp
from ml.contract.decision import Verdict
from ml.verdict.numbers import decimal, span
from ml.verdict.rule import Finding, Ruling

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment
    from ml.verdict.statistics.betting import Interval


def early_step(
    experiment: "Experiment",
    gains: Mapping[str, "Interval | None"],
    ruling: Ruling,
    *,
    labels: tuple[int, int],
    safe: Sequence[Finding] = (),
) -> Finding:
    """Whether the ruling's gains exclude the declared harm; `safe` are findings that an early step
    needs as much as a promotion does."""
    ramp = experiment.ramp or Ramp()
    condition = f"no harm, for a step to at most {ramp.early_up_to} percent"
    if ruling.stopped or ruling.verdict in (Verdict.ROLLBACK, Verdict.KEEP):
        return Finding(
            condition=condition, holds=False, because=f"{ruling.verdict}: {ruling.reason}"
        )
    if min(labels) < ramp.labels:
        return Finding(
            condition=condition,
            holds=False,
            because=f"The champion has {labels[0]} labels and the challenger {labels[1]}; an early "
            f"step needs {ramp.labels} of each.",
        )
    for finding in safe:
        if not finding.holds:
            return Finding(condition=condition, holds=False, because=finding.because)
    harms = {"sensitivity": ramp.harm.sensitivity, "specificity": ramp.harm.specificity}
    for metric, harm in harms.items():
        gain = gains[metric]
        if gain is None or gain.low < -harm:
            lies = f"{span(gain.low, gain.high, signed=True)}" if gain else "not known"
            return Finding(
                condition=condition,
                holds=False,
                because=f"The gain in {metric} is {lies}: a loss of {decimal(harm)} is not "
                "excluded.",
            )
    return Finding(
        condition=condition,
        holds=True,
        because="Losses of "
        + " and ".join(f"{decimal(harm)} in {metric}" for metric, harm in harms.items())
        + " are excluded.",
    )

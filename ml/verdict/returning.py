"""Whether a promotion rests on who came again.

A patient counts once, with the mean of what his films say. If a patient whom an arm has missed
comes again until one finds him, that mean makes little of the misses, of both arms alike, and a
loss looks smaller than it is. Counted one by one the films say the right thing, because each drew
its own arm whatever came before; they are not independent, so that their spread is that between
patients. A promotion has to hold by that, too.

reference: Hoffman, Sen and Weinberg, Biometrika 88(4), 2001 (clusters whose size says something of
the outcome).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ml.verdict.gains import level
from ml.verdict.numbers import decimal, span
from ml.verdict.rule import Finding, promotion_limits
from ml.verdict.statistics.betting import Evidence, Interval, Moments
from ml.verdict.statistics.cells import Cells
from ml.verdict.statistics.final import wald
from ml.verdict.statistics.metrics import Metric
from ml.verdict.statistics.summaries import in_the_limit

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

_ONE_BY_ONE: Final = 10
"""Films of a patient that count so; where there are more, all together count as these, so that no
patient outweighs the others."""


def whoever_came_again(
    experiment: "Experiment", films: Cells, said: Callable[[Metric], Moments], *, final: bool
) -> tuple[Finding, ...]:
    """Whether the gains are above their limits film by film; none where no patient has several.

    `said` is what the films say of a gain.
    """
    if films.size is None or films.size.max(initial=1) <= 1:
        return ()
    counted = replace(films, size=films.size / np.minimum(films.size, _ONE_BY_ONE))
    condition = "a promotion holds where the films of a patient count one by one"
    for metric, limit in promotion_limits(experiment).items():
        gain = _gain(experiment, counted.evidence(said(metric)), final=final)
        if gain is None or gain.low <= limit:
            lies = f"is {span(gain.low, gain.high, signed=True)}" if gain else "is not known"
            return (
                Finding(
                    condition=condition,
                    holds=False,
                    because=f"Film by film the gain in {metric} {lies}: not above "
                    f"{decimal(limit, signed=True)}. Patients who come again because an arm has "
                    "missed them make the mean of each patient's films too good.",
                ),
            )
    return (
        Finding(condition=condition, holds=True, because="Film by film the gains are above, too."),
    )


def _gain(experiment: "Experiment", found: Evidence, *, final: bool) -> Interval | None:
    """In the limit of many patients; in the final test by that."""
    if not found.counts.size or not (slope := float(found.counts[-1] @ found.v)) > 0:
        return None
    counts = found.counts[-1]
    value = float(counts @ found.u) / slope
    variance = float(counts @ (found.u - value * found.v) ** 2) / slope**2
    n = int(counts[found.v != 0].sum())
    daily = experiment.model_copy(update={"alpha": level(experiment)})
    interval = in_the_limit(daily, value, variance, n, lowest=-1.0, highest=1.0)
    if final and experiment.final_test:
        once = wald(found, experiment.alpha * experiment.final_test.share)
        if once:
            return replace(interval, low=max(interval.low, once[0]))
    return interval

"""Limits of the challenger that no gain makes up for: its failures, its slowness, its calibration.

Each figure is a mean, and its interval holds at every look. A limit is breached where the whole
interval lies beyond it. All limits together are wrongly found breached with a probability of
alpha / 2 at most, however often one looks (union bound over the sides that can be breached).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ml.verdict.counting.tally import Tally
from ml.verdict.numbers import decimal, span
from ml.verdict.rule import Finding
from ml.verdict.statistics.betting import Interval
from ml.verdict.statistics.cells import CHALLENGER
from ml.verdict.statistics.summaries import deviation, frequency

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

SLOWEST: Final = 0.05
"""The share of answers that may be slower than a limit of the 95th percentile."""


@dataclass(frozen=True, kw_only=True)
class Guardrail:
    """A declared limit, and what the challenger's requests say of it."""

    name: str
    figure: Interval | None
    """None while nothing is known."""
    limit: float
    two_sided: bool = False
    """Whether a figure below -limit breaches it too."""
    by_readers: bool = False
    """Whether it rests on truths, so that it says nothing where the readings' gates do not hold."""

    @property
    def breached(self) -> bool:
        """Whether the figure is shown to be beyond the limit."""
        figure = self.figure
        return figure is not None and (
            figure.low > self.limit or (self.two_sided and figure.high < -self.limit)
        )

    @property
    def finding(self) -> Finding:
        """As a condition of the verdict."""
        figure, limit = self.figure, f"{'±' if self.two_sided else ''}{self.limit:g}"
        name = f"{self.name[0].upper()}{self.name[1:]}"
        return Finding(
            condition=f"{self.name} within its limit",
            holds=not self.breached,
            because=f"{name}: nothing is known yet; the limit is {limit}."
            if figure is None
            else f"{name}: {decimal(figure.value)} ({span(figure.low, figure.high)}), n = "
            f"{figure.n}, {'beyond' if self.breached else 'not shown to be beyond'} the limit of "
            f"{limit}.",
        )


def guardrails(experiment: "Experiment", tally: Tally) -> tuple[Guardrail, ...]:
    """The limits that the experiment declares, in their order; none where it declares none."""
    declared = experiment.guardrails
    if declared is None:
        return ()
    sides = sum(
        [
            declared.error_rate is not None,
            declared.latency_p95_ms is not None,
            2 * (declared.calibration is not None),
        ]
    )
    # An interval spends half of its alpha on each of its two sides.
    alpha = experiment.alpha / max(1, sides)
    found = []
    if declared.error_rate is not None:
        requests, failures = tally.requests(CHALLENGER)
        found.append(
            Guardrail(
                name="share of the challenger's requests that fail",
                figure=frequency(failures, requests, alpha),
                limit=declared.error_rate,
            )
        )
    if declared.latency_p95_ms is not None:
        milliseconds, n = tally.latencies(CHALLENGER)
        slow = int(n[milliseconds > declared.latency_p95_ms].sum())
        found.append(
            Guardrail(
                name="share of the challenger's answers that take longer than "
                f"{declared.latency_p95_ms} ms",
                figure=frequency(slow, int(n.sum()), alpha),
                limit=SLOWEST,
            )
        )
    if declared.calibration is not None:
        found.append(
            Guardrail(
                name="the challenger's mean probability minus the share of PNEUMONIA",
                figure=deviation(tally.deviations(CHALLENGER), experiment.smallest_sampling, alpha),
                limit=declared.calibration,
                two_sided=True,
                by_readers=True,
            )
        )
    return tuple(found)

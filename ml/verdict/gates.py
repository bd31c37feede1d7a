"""Whether the data are what the test assumes. A gate that does not hold stops everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from ml.verdict.counting.journals import UNLOGGED
from ml.verdict.counting.tally import Standing, Tally
from ml.verdict.rule import Finding
from ml.verdict.statistics.betting import Interval, Moments, at_one_look
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION, NORMAL, UNRESOLVED
from ml.verdict.statistics.metrics import share
from ml.verdict.statistics.sample_ratio import SampleRatio

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of what an arm called so its readers have resolved: 1 if all that was chosen."""

    arm: int
    called: bool
    films: int
    resolved: int
    unresolved: int
    share: Interval


def coverage_of(experiment: "Experiment", tally: Tally) -> tuple[Coverage, ...]:
    """Each resolved film counts 1 / its sampling probability, each other one 0: on average 1,
    whatever the sampling probabilities are, if all that was chosen is resolved."""
    found = []
    for arm in (CHAMPION, CHALLENGER):
        for called in (True, False):
            films = tally.mature(arm, called)
            n = films["n"].astype(np.float64)
            if not n.sum():
                continue
            resolved = films["truth"] >= NORMAL
            sampled = experiment.review_share if called else experiment.audit_share
            covered = share(
                at_one_look(
                    Moments(
                        u=resolved / films["sampling"],
                        v=np.ones(n.size),
                        bound=np.full(n.size, 1 / sampled),
                    ),
                    n,
                ),
                experiment.tolerances.sample_ratio_alpha,
                highest=1 / sampled,
            )
            assert covered is not None  # noqa: S101 - there are films
            found.append(
                Coverage(
                    arm=arm,
                    called=called,
                    films=int(n.sum()),
                    resolved=int(n[resolved].sum()),
                    unresolved=int(n[films["truth"] == UNRESOLVED].sum()),
                    share=covered,
                )
            )
    return tuple(found)


def split_is_intact(experiment: "Experiment", ratio: SampleRatio, days: Sequence[date]) -> Finding:
    """Whether requests came to the arms as the split in force had promised, day by day."""
    intact = ratio.p > experiment.tolerances.sample_ratio_alpha
    # Of a mismatch, the day on which it was plainest; else the last one.
    look = -1 if intact else ratio.worst
    return Finding(
        condition="the arms got the requests that the split promised",
        holds=intact,
        because=("" if intact else "sample-ratio mismatch: ")
        + f"by {days[look].isoformat()} the challenger had got {ratio.challenger[look]:.0f} of "
        f"{ratio.requests[look]:.0f} requests; the split promised it {ratio.promised[look]:.0f} "
        f"(anytime-valid p = {ratio.p:.2g})."
        + (
            ""
            if intact
            else " The arms did not see the same films; find out why before anything else: a "
            "fallback, a client that names its arm, a split that the file of splits lacks."
        ),
    )


def readers_saw_what_was_chosen(
    experiment: "Experiment", coverage: Sequence[Coverage]
) -> tuple[Finding, ...]:
    """Whether what is known of the films is what the sampling probabilities say it is."""
    arms = ("champion", "challenger")
    tolerated = experiment.tolerances.unresolved
    short = [cover for cover in coverage if cover.share.high < 1 - tolerated]
    beyond = [cover for cover in coverage if cover.share.low > 1]
    uneven = [
        (first, second)
        for first in coverage
        for second in coverage
        if first.arm < second.arm
        and first.called == second.called
        and (first.share.high < second.share.low or second.share.high < first.share.low)
    ]
    if short:
        cover = short[0]
        because = (
            f"readers have resolved {cover.share.value:.0%} of what the sampling probabilities "
            f"promise of the {arms[cover.arm]}'s answers {experiment.task.labels[cover.called]} "
            f"({cover.resolved} of {cover.films} films have a truth); at least "
            f"{1 - tolerated:.0%} is needed. Let the readers catch up, wait longer with "
            "label_maturity_hours, or log the sampling_probability that was used."
        )
    elif beyond:
        cover = beyond[0]
        because = (
            f"readers have resolved {cover.share.value:.0%} of what the sampling probabilities "
            f"promise of the {arms[cover.arm]}'s answers {experiment.task.labels[cover.called]}: "
            "the logged probabilities are smaller than those that were used."
        )
    else:
        because = "readers have resolved what the sampling probabilities promise."
    return (
        Finding(
            condition="readers resolved what was chosen for them",
            holds=not short and not beyond,
            because=because,
        ),
        Finding(
            condition="readers saw both arms alike",
            holds=not uneven,
            because=(
                f"verification differs between the arms: of the answers "
                f"{experiment.task.labels[uneven[0][0].called]} readers resolved "
                f"{uneven[0][0].share.value:.0%} of the champion's and "
                f"{uneven[0][1].share.value:.0%} of the challenger's share."
                if uneven
                else "readers resolved the same share of both arms' answers."
            ),
        ),
    )


def few_orphans(experiment: "Experiment", tally: Tally) -> tuple[Finding, ...]:
    """Whether answers have their arm, verdicts their prediction, and the answers that journals
    know their row: of those alone, because of other clients' answers nobody knows it."""
    tolerated = experiment.tolerances.orphans
    films, labels = tally.standing(Standing.FILM), tally.labels(CHAMPION) + tally.labels(CHALLENGER)
    without_arm = tally.standing(Standing.WITHOUT_AN_ARM)
    without_prediction = tally.standing(Standing.WITHOUT_A_PREDICTION)
    orphans: list[tuple[str, str, int, int]] = [
        ("answers have their arm", str(Standing.WITHOUT_AN_ARM), without_arm, films),
        (
            "verdicts have their prediction",
            str(Standing.WITHOUT_A_PREDICTION),
            without_prediction,
            labels,
        ),
    ]
    if journaled := tally.journaled:
        unlogged = len(journaled.unlogged)
        orphans.append(
            (
                "answers have their row in the log",
                UNLOGGED,
                unlogged,
                journaled.answers - unlogged,
            )
        )
    return tuple(
        Finding(
            condition=condition,
            holds=lost <= tolerated * (lost + kept),
            because=f"{lost} {what}, beside {kept} that are whole; {tolerated:.1%} are tolerated.",
        )
        for condition, what, lost, kept in orphans
    )

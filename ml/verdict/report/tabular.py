"""What people read of a judgement: the same tables on the terminal and in the report."""

from collections.abc import Iterator, Mapping

from ml.contract.decision import NONE_GIVEN
from ml.verdict.counting.journals import UNLOGGED
from ml.verdict.counting.tally import Standing
from ml.verdict.judgement import Judgement, Needed
from ml.verdict.missing import MissingTruth
from ml.verdict.numbers import decimal, span
from ml.verdict.planning.futility import UNLIKELY
from ml.verdict.report.safeguards import guardrails, reader_errors, subgroup, turned
from ml.verdict.report.table import Section, Table, compared, name_of, parts, text
from ml.verdict.statistics.betting import Interval
from ml.verdict.statistics.recalibration import Recalibration

ARMS = ("champion", "challenger")


GAINS, RELIANCE, EACH_ARM, ROWS = (
    "The gains",
    "How far the gains can be relied on",
    "Each arm",
    "Readers and requests",
)
"""The sections that every judgement has."""


def sections(judgement: Judgement) -> Iterator[Section]:
    """Everything that was found, the most important first."""
    yield Section(
        title=GAINS,
        tables=[
            gains(judgement.gains, judgement),
            *([guardrails(judgement.guardrails)] if judgement.guardrails else []),
            *([turned(judgement.turns)] if judgement.turns else []),
        ],
    )
    yield Section(
        title=RELIANCE,
        tables=[
            *([without_truth(judgement.missing)] if judgement.missing.scenarios else []),
            reader_errors(judgement.reader_errors),
        ],
    )
    yield Section(title=EACH_ARM, tables=[arms(judgement)])
    if judgement.subgroups:
        yield Section(
            title="Subgroups",
            tables=[subgroup(column, values) for column, values in judgement.subgroups.items()],
        )
    yield Section(title=ROWS, tables=[verification(judgement), remains(judgement)])


def tables(judgement: Judgement) -> Iterator[Table]:
    """The tables of all sections."""
    for section in sections(judgement):
        yield from section.tables


def gains(values: Mapping[str, Interval | None], judgement: Judgement) -> Table:
    """Challenger minus champion."""
    return Table(
        title="Challenger minus champion",
        heads=(
            "figure",
            "gain",
            "interval",
            "n",
            "challenger is",
            "at worst and best of the unknown",
        ),
        rows=[
            (
                name_of(name),
                *parts(value, signed=True),
                compared(name, value),
                span(bounds.low, bounds.high, signed=True)
                if (bounds := judgement.bounds.get(name))
                else "",
            )
            for name, value in values.items()
        ],
        note=(
            f"{judgement.patients} patients are known; each counts once."
            if judgement.patients
            else "No patient is known: films count as if they were independent of each other. "
            "Several films of one patient make the intervals too narrow."
        )
        + " The n of the AUC and of the Brier score is that of the arm with fewer.",
    )


def without_truth(missing: MissingTruth) -> Table:
    """What the films without a truth could do."""
    return Table(
        title=f"If the {missing.judged:.0f} films without a truth were other ones",
        heads=("assumed of their answers", "gain in sensitivity", "gain in specificity"),
        rows=[
            (
                scenario.assumed,
                *(
                    text(scenario.gains[metric], signed=True).partition(", n = ")[0]
                    for metric in ("sensitivity", "specificity")
                ),
            )
            for scenario in missing.scenarios
        ],
        note=_tipping(missing.tipping_point),
    )


def _tipping(point: float | None) -> str:
    if point is None:
        return "The conditions of a promotion hold whatever these films are."
    if point == 1:
        return "The conditions of a promotion do not hold if these films are like the others."
    return (
        "The conditions of a promotion hold as long as the odds of a wrong answer are less than "
        f"{point:.3g} times those of the other films for the challenger, and more than these "
        f"divided by {point:.3g} for the champion."
    )


def arms(judgement: Judgement) -> Table:
    """Both arms' figures."""
    champion, challenger = judgement.arms
    rows: list[tuple[str, ...]] = [
        ("requests", str(champion.requests), str(challenger.requests)),
        ("mature films with a truth", str(champion.labels), str(challenger.labels)),
        (f"of them {judgement.task.positive}", str(champion.positives), str(challenger.positives)),
        ("films too young to be judged", str(champion.pending), str(challenger.pending)),
    ]
    names = list(dict.fromkeys([*champion.figures, *challenger.figures]))
    rows += [
        (name_of(name), text(champion.figures.get(name)), text(challenger.figures.get(name)))
        for name in names
    ]
    rows.append(
        (
            "calibration error",
            *(text(arm.calibration.error if arm.calibration else None) for arm in judgement.arms),
        )
    )
    return Table(
        title="The arms",
        heads=("figure", champion.name, challenger.name),
        rows=rows,
        note=not_estimable({arm.name: arm.recalibration for arm in judgement.arms}),
    )


def not_estimable(found: Mapping[str, Recalibration]) -> str:
    """Why an arm has no calibration intercept or slope; empty where every arm has both."""
    return " ".join(
        f"Calibration of {arm}: {it.not_estimable}."
        for arm, it in found.items()
        if it.not_estimable
    )


def verification(judgement: Judgement) -> Table:
    """What readers resolved."""
    agreement = judgement.agreement
    return Table(
        title="What readers saw",
        heads=("answers", "mature", "with a truth", "read, not resolved", "of what was promised"),
        rows=[
            (
                f"{ARMS[cover.arm]}: {judgement.task.labels[cover.called]}",
                str(cover.films),
                str(cover.resolved),
                str(cover.unresolved),
                text(cover.share),
            )
            for cover in judgement.coverage
        ],
        note=(
            "No answer is mature yet."
            if not judgement.coverage
            else f"Of {agreement.share.n} films with several readers, all readers agreed on "
            f"{text(agreement.share)}"
            + (
                f"; Fleiss' kappa {decimal(agreement.kappa, digits=2)}."
                if agreement.kappa is not None
                else "."
            )
            if agreement
            else ""
        ),
    )


def remains(judgement: Judgement) -> Table:
    """What became of every row."""
    return Table(
        title="Every row of the log",
        heads=("rows", "number"),
        rows=[
            *(
                (str(standing), str(n))
                for standing, n in judgement.standings.items()
                if n or standing in (Standing.WITHOUT_AN_ARM, Standing.WITHOUT_A_PREDICTION)
            ),
            ("verdicts that were not blind, and do not count", str(judgement.not_blind)),
            *(
                (
                    f"changed their mind when {arm.name}'s answer was shown; what they had said "
                    "blind counts",
                    f"{found.changed_mind} of {found.said_again} who said it again",
                )
                for arm, found in zip(judgement.arms, judgement.reveals, strict=True)
                if found.said_again
            ),
            *(
                [("verdicts of a simulation, which do not count", str(judgement.simulations))]
                if judgement.simulations
                else []
            ),
            (
                UNLOGGED,
                f"{len(found.unlogged)} of {found.answers} that journals know"
                if (found := judgement.journaled)
                else f"journals: {NONE_GIVEN}",
            ),
        ],
    )


def needed(found: Needed, labels: int) -> str:
    """How many more labels, in a sentence, and whether to hope for them."""
    return _more(found, labels) + (
        f" By the declared maximum a promotion is unlikely: {found.chance:.0%}."
        if found.chance is not None and found.chance < UNLIKELY
        else ""
    )


def _more(found: Needed, labels: int) -> str:
    if found.as_observed is not None:
        more = max(0, found.as_observed - labels)
        return (
            f"If films keep coming like these {labels}, a promotion takes about {more} more labels."
        )
    if found.as_expected is not None:
        seen = (
            "What was seen so far would never lead to a promotion"
            if labels
            else "No film has a truth yet"
        )
        if labels >= found.as_expected:
            return (
                f"{seen}. If the arms were as the experiment expects, about {found.as_expected} "
                f"labels would have led to one; there are {labels}."
            )
        return (
            f"{seen}. If the arms are as the experiment expects, a promotion takes about "
            f"{found.as_expected - labels} more labels."
        )
    return "No number of labels leads to a promotion if the arms are as the experiment expects."

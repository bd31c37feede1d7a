"""What people read of the safeguards: limits, effects that turned, readers who err, subgroups."""

from collections.abc import Mapping, Sequence
from typing import Final

from ml.verdict.guardrails import Guardrail
from ml.verdict.numbers import decimal
from ml.verdict.readers import ReaderErrors
from ml.verdict.report.table import Table, parts, text
from ml.verdict.subgroups import Subgroup, SubgroupFigure
from ml.verdict.turning import Turn

BREACHED: Final = "BREACHED"


def guardrails(found: Sequence[Guardrail]) -> Table:
    """The declared limits."""
    return Table(
        title="Limits that no gain makes up for",
        heads=("figure", "value", "interval", "n", "limit", "the limit is"),
        rows=[
            (
                it.name,
                *parts(it.figure, signed=it.two_sided),
                f"{'±' if it.two_sided else ''}{it.limit:g}",
                BREACHED if it.breached else "not shown to be breached",
            )
            for it in found
        ],
        note="All intervals together hold at every look.",
    )


def turned(found: Sequence[Turn]) -> Table:
    """Effects that have turned."""
    return Table(
        title="Effects that have turned",
        heads=("figure", "since", "gain since then", "interval", "n", "a promotion asks for"),
        rows=[
            (
                turn.metric,
                turn.since.isoformat(),
                *parts(turn.gain, signed=True),
                f"above {decimal(turn.limit, signed=True)}",
            )
            for turn in found
        ],
    )


def reader_errors(found: ReaderErrors) -> Table:
    """What the gains would be if readers were wrong."""
    metrics = list(next(iter(found.gains.values())))
    return Table(
        title="If readers are wrong",
        heads=("of films", *(f"gain in {metric}" for metric in metrics)),
        rows=[
            (
                f"{error:.1%}" + (" (declared)" if error == found.declared else ""),
                *(text(gains[metric], signed=True) for metric in metrics),
            )
            for error, gains in found.gains.items()
        ],
        note="The gains do not promote even if readers are always right."
        if found.tipping_point is None
        else "The gains promote as long as readers are wrong of no more than "
        f"{found.tipping_point:.1%}; {found.declared:.1%} is assumed.",
    )


def subgroup(column: str, values: Mapping[str, Subgroup]) -> Table:
    """The gains by the values of a column."""
    return Table(
        title=f"By {column}",
        heads=(column, "figure", "gain", "champion", "challenger", "requests, p of the split"),
        rows=[
            (
                value or "not known",
                metric,
                text(it.gain, signed=True) if it.gain else _too_few(it),
                text(it.champion) if it.champion else "",
                text(it.challenger) if it.challenger else "",
                _requests(found),
            )
            for value, found in values.items()
            for metric, it in found.figures.items()
        ],
        note="All gains that are shown hold together. No verdict depends on them.",
    )


def _too_few(found: SubgroupFigure) -> str:
    champion, challenger = found.films
    return f"too few films: {champion} and {challenger}; {found.needed} of each arm are needed"


def _requests(found: Subgroup) -> str:
    ratio = found.sample_ratio
    if ratio is None:
        return ""
    champion = ratio.requests[-1] - ratio.challenger[-1]
    return f"{champion:.0f} and {ratio.challenger[-1]:.0f}, p = {found.sample_ratio_p:.2g}"

"""Tables of text, and figures as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ml.verdict.numbers import decimal, span
from ml.verdict.statistics.betting import Interval

Rows = Sequence[Sequence[str]]

BETTER: Final = "better"
WORSE: Final = "worse"
NOT_SHOWN: Final = "not shown"

_LOWER_IS_BETTER: Final = ("brier",)
_NAMES: Final = {"auc": "AUC", "brier": "Brier score (lower is better)"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of text."""

    title: str
    heads: Sequence[str]
    rows: Rows
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """Tables that answer one question."""

    title: str
    tables: Sequence[Table]


def name_of(figure: str) -> str:
    """A figure's name for people."""
    return _NAMES.get(figure, figure)


def compared(figure: str, gain: Interval | None) -> str:
    """What a gain's interval says of the challenger; a loss in what is better low is better."""
    if gain is None or gain.low <= 0 <= gain.high:
        return NOT_SHOWN
    return BETTER if (gain.low > 0) != (figure in _LOWER_IS_BETTER) else WORSE


def text(value: Interval | None, *, signed: bool = False) -> str:
    """A figure with its interval and n."""
    number, interval, n = parts(value, signed=signed)
    return f"{number} ({interval}), n = {n}" if interval else number


def parts(value: Interval | None, *, signed: bool = False) -> tuple[str, str, str]:
    """A figure, its interval and its n."""
    if value is None:
        return "not defined", "", "0"
    digits = 0 if value.value >= 10 else 3
    return (
        decimal(value.value, signed=signed, digits=digits),
        span(value.low, value.high, signed=signed, digits=digits),
        str(value.n),
    )

"""Tables of text, and figures as text."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml.verdict.statistics.betting import Interval

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of text."""

    title: str
    heads: Sequence[str]
    rows: Rows
    note: str = ""


def text(value: Interval | None, *, signed: bool = False) -> str:
    """A figure with its interval and n."""
    number, interval, n = parts(value, signed=signed)
    return f"{number} ({interval}), n = {n}" if interval else number


def parts(value: Interval | None, *, signed: bool = False) -> tuple[str, str, str]:
    """A figure, its interval and its n."""
    if value is None:
        return "not defined", "", "0"
    sign = "+" if signed else ""
    digits = 0 if value.value >= 10 else 3
    number, low, high = (
        format(part, f"{sign}.{digits}f") for part in (value.value, value.low, value.high)
    )
    return number, f"{low} to {high}", str(value.n)

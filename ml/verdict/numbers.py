"""Numbers as people read them.

What rounds to nought is nought: "-0.000" looks like a loss that was measured.
"""


def decimal(value: float, *, signed: bool = False, digits: int = 3) -> str:
    """With so many decimals; signed, where it is a difference."""
    return f"{value:{'+' if signed else ''}z.{digits}f}"


def span(low: float, high: float, *, signed: bool = False, digits: int = 3) -> str:
    """The ends of an interval."""
    ends = (decimal(end, signed=signed, digits=digits) for end in (low, high))
    return " to ".join(ends)

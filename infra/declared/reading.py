"""What an environment file says about reading: who looks at which films. Pure values.

A queue that samples makes the estimates of sensitivity and specificity exact by design, if every
film's chance of being read is known and none is zero:
docs/reference/statistics.md#readings-that-are-a-sample.
"""

from typing import Annotated, Final

from pydantic import BeforeValidator

from infra.declared.declaration import Declaration, broken_rule
from infra.declared.rules import whole_number

MOST_READERS: Final = 2
"""A third one reads where two disagree; nobody asks for that reader in a file."""


def _share(value: object) -> object:
    # `true` is an int in Python; not a number is in no range.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise broken_rule(
            "a share above 0 and up to 1: with 0 nobody would look for what the models miss",
            "write, for example, 0.1 for every tenth of the films called NORMAL",
        )
    return float(value)


class ReadingPlan(Declaration):
    """How the films are chosen that readers look at, and how many readers look at each."""

    readers: Annotated[
        int,
        whole_number(
            1,
            MOST_READERS,
            "1 or 2: a third reader is asked only where two disagree",
            "write 1 or 2, without quotes",
        ),
    ] = 1
    audit_share: Annotated[float, BeforeValidator(_share)] = 0.1
    """Of the films that were not called PNEUMONIA; of those that were, all are read."""

    seed: Annotated[
        int,
        whole_number(0, None, "a whole number, 0 or more", "write, for example, seed = 0"),
    ] = 0
    """Another seed draws other films, and the films drawn before may never be read."""

"""What an environment file says about reading: who looks at which films. Pure values.

A queue that samples makes the estimates of sensitivity and specificity exact by design, if every
film's chance of being read is known and none is zero:
docs/reference/statistics.md#readings-that-are-a-sample.
"""

import itertools
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import BeforeValidator, Field
from pydantic_core import InitErrorDetails

from infra.declared.declaration import Declaration, Table, broken_rule, problem, read
from infra.declared.rules import number, whole_number

MOST_READERS: Final = 2
"""A third one reads where two disagree; nobody asks for that reader in a file."""


def _share(value: object) -> object:
    # `true` is an int in Python; not a number is in no range.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise broken_rule(
            "a share above 0 and up to 1: with 0 nobody would look for what the models miss",
            "write, for example, 0.1 for every tenth of the films called negative",
        )
    return float(value)


Probability = Annotated[
    float,
    number(
        0,
        1,
        "a probability between 0 and the threshold of the test's task",
        "write from = 0.2 for the films of 0.2 and more",
    ),
]


class AuditStratum(Declaration):
    """Films that were called negative, but came near it: more of them are audited."""

    start: Probability = Field(alias="from", examples=["from = 0.2"])
    """The probability from which on the share holds."""
    share: Annotated[float, BeforeValidator(_share)] = Field(examples=["share = 0.5"])


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
    """Of the films that were called negative; of those that were, all are read."""
    audit_strata: tuple[AuditStratum, ...] = Field(
        default=(), strict=False, examples=["audit_strata = [{ from = 0.2, share = 0.5 }]"]
    )
    """Other shares from a probability on, ascending."""

    seed: Annotated[
        int,
        whole_number(0, None, "a whole number, 0 or more", "write, for example, seed = 0"),
    ] = 0
    """Another seed draws other films, and the films drawn before may never be read."""

    def shares(self, threshold: float) -> tuple[tuple[float, float], ...]:
        """From which probability on which share of the films is read, ascending; those at the
        threshold of the task are all read."""
        strata = ((stratum.start, stratum.share) for stratum in self.audit_strata)
        return ((0.0, self.audit_share), *strata, (threshold, 1.0))

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """The strata ascend, so that each probability is in one."""
        yield from super().disagreements(table)
        strata = read(table, "audit_strata")
        if not isinstance(strata, list | tuple):
            return
        starts = [it.start if isinstance(it, AuditStratum) else read(it, "from") for it in strata]
        for place, (before, after) in enumerate(itertools.pairwise(starts), start=1):
            if all(type(it) in (int, float) for it in (before, after)) and after <= before:
                yield problem(
                    ("audit_strata", place, "from"),
                    after,
                    f"the strata ascend, and the one before begins at {before:g}",
                    "write them in order, each probability once",
                )

"""What an experiment declares against being wrong: missing truths, harm, early steps, readers.

Every table is optional, and what a file does not say is not in its hash: an experiment keeps the
hash that it was frozen by. The defaults are those of the tables here.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field
from pydantic_core import InitErrorDetails

from infra.declared.declaration import Declaration, Table, problem, read
from infra.declared.rules import number, one_of, whole_number

MissingModel = Literal["odds_ratio", "worst"]

OddsRatio = Annotated[
    float,
    number(
        1 - 1e-12,
        1e6,
        "a number from 1: how many times the odds of a wrong answer may be those of resolved films",
        "write odds_ratio = 5, or a larger one for films whose truth is hard to get",
    ),
]
Loss = Annotated[
    float,
    number(
        0,
        1,
        "a number between 0 and 1: the loss that an early step has to exclude",
        "write it in parts of one, for example: 0.2 for twenty percentage points",
    ),
]
Percent = Annotated[
    int,
    whole_number(0, 99, "a whole number of percent from 0 to 99", "write it without quotes: 20"),
]
Count = Annotated[
    int,
    whole_number(1, None, "a positive whole number of labels", "write it without quotes: 50"),
]
PartOfAlpha = Annotated[
    float,
    number(
        0,
        1,
        "a number between 0 and 1: the part of alpha that is kept for the last look",
        "write share = 0.8",
    ),
]
Limit = Annotated[
    float, number(0, 1, "a share between 0 and 1", "write a share, for example: 0.05 for 5 %")
]
Milliseconds = Annotated[
    int,
    whole_number(1, None, "a positive whole number of milliseconds", "write it without quotes"),
]
ReaderError = Annotated[
    float,
    number(
        -1e-12,
        0.5,
        "a share from 0, below 0.5: how often a reader says the opposite of the truth",
        "write a share, for example: 0.02",
    ),
]


class Missing(Declaration):
    """What is assumed of films that were chosen for readers and have no truth.

    docs/statistics.md#films-without-a-truth
    """

    model: Annotated[MissingModel, one_of(*get_args(MissingModel))] = "odds_ratio"
    """`odds_ratio`: the worst within it, and beyond it the worst that is alike in both arms.
    `worst`: whatever the unresolved films could be."""
    odds_ratio: OddsRatio = 5.0
    """Between unresolved and resolved films of one arm and answer: of the odds to be wrong."""

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """The worst has no odds ratio."""
        yield from super().disagreements(table)
        ratio = read(table, "odds_ratio") if isinstance(table, dict) else None
        if read(table, "model") == "worst" and ratio is not None:
            yield problem(
                ("odds_ratio",),
                ratio,
                'model = "worst" has no odds ratio',
                "remove one of the two",
            )


class Harm(Declaration):
    """Losses that an early step of the ramp has to exclude."""

    sensitivity: Loss = 0.2
    specificity: Loss = 0.2


class Ramp(Declaration):
    """Which steps of the traffic need no promotion, only that no harm is seen."""

    early_up_to: Percent = 20
    """Percent of the traffic up to which a step is an early one; 0: there is none. Labels of such
    steps are the champion's nearly all, and do not spend `maximum_labels`."""
    labels: Count = 50
    """That each arm needs before an early step."""
    harm: Harm = Harm()


class FinalTest(Declaration):
    """One test at `maximum_labels` that may not be looked at before, for a part of alpha."""

    share: PartOfAlpha = 0.8
    """Of alpha; the rest is that of all earlier looks."""


class Guardrails(Declaration):
    """Limits of the challenger that no gain makes up for; those that are not written hold none."""

    error_rate: Limit | None = Field(default=None, examples=["error_rate = 0.02"])
    """The largest share of requests that may fail."""
    latency_p95_ms: Milliseconds | None = Field(default=None, examples=["latency_p95_ms = 800"])
    """At most 5 % of the answers may take longer, by the model's own time."""
    calibration: Limit | None = Field(default=None, examples=["calibration = 0.1"])
    """The largest distance between the mean probability and the share of PNEUMONIA."""


class Readers(Declaration):
    """What is asked and assumed of those who give the truth."""

    agreement: Limit | None = Field(default=None, examples=["agreement = 0.7"])
    """The smallest share of films with several readers on which all of them agree."""
    error: ReaderError = 0.0
    """How often a reader is assumed to say the opposite of the truth; a promotion holds with it."""

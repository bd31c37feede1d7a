"""What the feedback processor is told by its served entity's environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Self

from ml.contract.serving import UNKNOWN_REQUESTS, FeedbackVariable, UnknownRequest
from ml.contract.task import INDETERMINATE, PNEUMONIA


class NotSetUp(RuntimeError):
    """A variable of the served entity is missing or wrong."""


@dataclass(frozen=True, kw_only=True)
class InferenceTable:
    """What is logged of one A/B test."""

    table: str
    answer_type: str
    """The answer to one input as a type of SQL."""
    verdicts: frozenset[str]
    """What readers may say of its predictions."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where verdicts go, and what becomes of those on unknown predictions."""

    warehouse_id: str
    table: str
    payload_table: str | None
    """The inference table, or those of several A/B tests with commas between."""
    unknown_request: UnknownRequest
    labels: tuple[str, ...] = PNEUMONIA.labels
    """Two for each inference table, or those of all."""
    answer_type: str | None = None
    """The answer to one input as a type of SQL, one for each inference table; None: as of
    pneumonia."""

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What readers may say, of any test."""
        return (*dict.fromkeys(self.labels), INDETERMINATE)

    @property
    def payloads(self) -> tuple[InferenceTable, ...]:
        """The inference tables, one by one."""
        tables = self.payload_table.split(",") if self.payload_table else []
        types = self.answer_type.split(",") if self.answer_type else []
        each = zip_longest(tables, types[: len(tables)], fillvalue=PNEUMONIA.answer_type)
        apart = len(self.labels) == 2 * len(tables)
        return tuple(
            InferenceTable(
                table=table,
                answer_type=answer_type,
                verdicts=frozenset(
                    (*(self.labels[2 * it : 2 * it + 2] if apart else self.labels), INDETERMINATE)
                ),
            )
            for it, (table, answer_type) in enumerate(each)
        )

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Self:
        """Raises NotSetUp, which names every variable that is missing or wrong."""
        told = {it: variables.get(it, "") for it in FeedbackVariable}
        problems = [
            f"{name} is not set"
            for name in (FeedbackVariable.WAREHOUSE_ID, FeedbackVariable.TABLE)
            if not told[name]
        ]
        wanted = told[FeedbackVariable.UNKNOWN_REQUEST] or UNKNOWN_REQUESTS[0]
        unknown = next((it for it in UNKNOWN_REQUESTS if it == wanted), None)
        payload_table = told[FeedbackVariable.PAYLOAD_TABLE] or None
        if unknown is None:
            problems.append(
                f"{FeedbackVariable.UNKNOWN_REQUEST} = {wanted!r}; it is one of "
                f"{', '.join(UNKNOWN_REQUESTS)}"
            )
        if unknown == "refuse" and payload_table is None:
            problems.append(
                f"{FeedbackVariable.UNKNOWN_REQUEST} = 'refuse' needs "
                f"{FeedbackVariable.PAYLOAD_TABLE}"
            )
        if problems or unknown is None:
            raise NotSetUp(
                f"the feedback processor's served entity: {'; '.join(problems)}. The serving stack "
                "sets these environment variables."
            )
        return cls(
            warehouse_id=told[FeedbackVariable.WAREHOUSE_ID],
            table=told[FeedbackVariable.TABLE],
            payload_table=payload_table,
            unknown_request=unknown,
            labels=tuple(filter(None, told[FeedbackVariable.LABELS].split(",")))
            or PNEUMONIA.labels,
            answer_type=told[FeedbackVariable.ANSWER_TYPE] or None,
        )

"""What the feedback processor is told by its served entity's environment variables.

Standard library only: `infra` sets the variables, the processor reads them. Credentials are not
among them; the Databricks SDK finds its own variables, or the token that serving passes through.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self, cast, get_args

WAREHOUSE_ID: Final = "FEEDBACK_WAREHOUSE_ID"
TABLE: Final = "FEEDBACK_TABLE"
"""The full name of the table of the verdicts."""

PAYLOAD_TABLE: Final = "FEEDBACK_PAYLOAD_TABLE"
"""The full name of the inference table that knows the predictions; absent where there is none."""

UNKNOWN_REQUEST: Final = "FEEDBACK_UNKNOWN_REQUEST"
"""One of UNKNOWN_REQUESTS."""

UnknownRequest = Literal["pending", "refuse"]
"""What becomes of a verdict on a prediction that is not in the inference table: rows arrive there
up to an hour after the answer."""

UNKNOWN_REQUESTS: Final = get_args(UnknownRequest)


class NotSetUp(RuntimeError):
    """A variable of the served entity is missing or wrong."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where verdicts go, and what becomes of those on unknown predictions."""

    warehouse_id: str
    table: str
    payload_table: str | None
    unknown_request: UnknownRequest

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Self:
        """Raises NotSetUp, which names every variable that is missing or wrong."""
        problems = [
            f"{name} is not set" for name in (WAREHOUSE_ID, TABLE) if not variables.get(name)
        ]
        unknown = variables.get(UNKNOWN_REQUEST, "pending")
        if unknown not in UNKNOWN_REQUESTS:
            problems.append(
                f"{UNKNOWN_REQUEST} = {unknown!r}; it is one of {', '.join(UNKNOWN_REQUESTS)}"
            )
        payload_table = variables.get(PAYLOAD_TABLE) or None
        if unknown == "refuse" and payload_table is None:
            problems.append(f"{UNKNOWN_REQUEST} = 'refuse' needs {PAYLOAD_TABLE}")
        if problems:
            raise NotSetUp(
                f"the feedback processor's served entity: {'; '.join(problems)}. The serving stack "
                "sets these environment variables."
            )
        return cls(
            warehouse_id=variables[WAREHOUSE_ID],
            table=variables[TABLE],
            payload_table=payload_table,
            unknown_request=cast("UnknownRequest", unknown),
        )

"""Which answers the reading room has chosen, drawn again where the answers are.

The draw of `ml.reading_room.sampler` in SQL: hexadecimal digits compare as text as they do as
numbers.
"""

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from infra.declared.reading import ReadingPlan

_DIGITS: Final = 13
_NOT_LOGGED: Final = "CAST(NULL AS BOOLEAN)", "CAST(NULL AS DOUBLE)"


def chosen(plan: "ReadingPlan | None", threshold: float) -> tuple[str, str]:
    """SQL of whether an answer was chosen, and with which probability; NULL without a plan, and of
    what nobody can read: no answer, or not the last one."""
    if plan is None:
        return _NOT_LOGGED
    draw = f"substr(sha2(concat('draw\\n{plan.seed}\\n', answer.prediction_id), 256), 1, {_DIGITS})"
    strata = list(reversed(plan.shares(threshold)))
    return (
        _cases([(start, _below(draw, share)) for start, share in strata]),
        _cases([(start, f"CAST({share!r} AS DOUBLE)") for start, share in strata]),
    )


def _cases(values: list[tuple[float, str]]) -> str:
    whens = " ".join(f"WHEN probability >= {start!r} THEN {value}" for start, value in values)
    return f"CASE WHEN answer_number > 1 THEN NULL {whens} END"


def _below(draw: str, share: float) -> str:
    # As many digits as a draw has; of a share of 1 there would be one more.
    limit = math.ceil(share * 16**_DIGITS)
    return "TRUE" if share == 1 else f"{draw} < '{limit:0{_DIGITS}x}'"

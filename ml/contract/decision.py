"""The record of a verdict, `decision.json`: what people review and what a promotion rests on.

Imports nothing heavy, so that the tools of a deployment can read it.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ml.contract.errors import UserError

FORMAT: Final = 1

DECISION_FILE: Final = "decision.json"
JOURNAL_FILE: Final = "journal.csv"
"""Beside a decision that was made with clients' journals: their answers."""
ANSWERS_FILE: Final = "answers.csv"
"""Beside the decision of a replay: both arms' answers."""

DIGITS: Final = 6
"""Decimals of the numbers: more than the data can tell, fewer than two machines could differ in."""


JOURNALS: Final = "journals"
"""Of the origin of the data: what clients' journals know of the experiment, or that none spoke."""
NONE_GIVEN: Final = "none given"

_LONGEST_LINE: Final = 300


class Verdict(StrEnum):
    """What the evidence says."""

    PROMOTE = "PROMOTE"
    KEEP = "KEEP"
    ROLLBACK = "ROLLBACK"
    INCONCLUSIVE = "INCONCLUSIVE"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArmRecord(_Record):
    """A version that was compared."""

    served_entity: str
    model: str
    version: int


class ExperimentRecord(_Record):
    """The experiment's file."""

    name: str
    digest: str
    """SHA-256 of its content, as `infra.declared.experiment` takes it."""


class DataRecord(_Record):
    """What the verdict was made of."""

    origin: Mapping[str, str]
    digest: str
    """SHA-256 of everything that was counted."""
    query_digest: str
    """SHA-256 of the statements that counted it, and of their parameters."""
    assumed: tuple[str, ...]
    """Columns that the rows did not have."""


class FindingRecord(_Record):
    """One condition of the rule, and whether it holds."""

    condition: str
    holds: bool
    because: str


class Decision(_Record):
    """A verdict, with all that it takes to make it again."""

    format: Literal[1] = FORMAT
    verdict: Verdict
    reason: str
    environment: str | None
    """The environment whose workspace it was read from; None for a file."""
    mode: Literal["live", "replay"]
    as_of: datetime | None
    """Nothing later was looked at; None for a replay."""
    experiment: ExperimentRecord
    champion: ArmRecord
    challenger: ArmRecord
    splits: tuple[Mapping[str, Any], ...]
    data: DataRecord
    method: Mapping[str, str]
    software: Mapping[str, str]
    findings: tuple[FindingRecord, ...]
    early_step: FindingRecord | None = None
    """Whether an early step of the ramp may rest on it; None of one that was made before there
    were such steps."""
    numbers: Mapping[str, Any]
    """Every figure, with its n and its interval."""

    def text(self) -> str:
        """The file's content: the same decision, the same bytes."""
        content = _rounded(self.model_dump(mode="json"))
        if self.early_step is None:
            del content["early_step"]
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def read(cls, file: Path) -> Self:
        """The decision in a file. Raises UserError."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except OSError as error:
            raise UserError(
                f"{file}: cannot be read: {error.strerror}. python -m ml.compare writes it."
            ) from error
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, details['loc'])) or 'the file'}: {details['msg']}"
                for details in error.errors(include_url=False)
            )
            raise UserError(
                f"{file}: no decision of this project: {problems}. Make it again with "
                "python -m ml.compare; it is not written by hand."
            ) from error


def differences(claimed: Decision, made: Decision) -> list[str]:
    """Where two decisions differ, a line each; the versions of the software may."""
    return list(
        _differences("", *(json.loads(it.text()) | {"software": {}} for it in (claimed, made)))
    )


def _differences(place: str, claimed: Any, made: Any) -> Iterator[str]:
    if isinstance(claimed, dict) and isinstance(made, dict):
        for key in dict.fromkeys([*claimed, *made]):
            yield from _differences(f"{place}.{key}", claimed.get(key), made.get(key))
    elif claimed != made:
        yield f"{place.removeprefix('.')}: {claimed!r} is written, {made!r} is found"[
            :_LONGEST_LINE
        ]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0  # no -0.0
    if isinstance(value, Mapping):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return value

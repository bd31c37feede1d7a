"""A reading: what one reader says about one prediction, once.

Standard library only, because the feedback processor takes it into its container. The fields are
the columns of `ml.contract.tables.PREDICTION_FEEDBACK`, in the same names; `pending` and
`written_at` are facts of the writing and not the reader's.
"""

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar

from ml.contract.task import INDETERMINATE, PNEUMONIA

__all__ = ["CONFIDENCES", "GROUND_TRUTHS", "INDETERMINATE", "InvalidReading", "Reading"]

GROUND_TRUTHS: Final = PNEUMONIA.verdicts
"""What a reader may say of a film; of another task, its `verdicts`."""
CONFIDENCES: Final = ("LOW", "MEDIUM", "HIGH")

LONGEST_ID: Final = 256
LONGEST_SOURCE: Final = 100
LONGEST_NOTES: Final = 4000
LONGEST_VERDICT: Final = 63

Row = dict[str, str | int | float | bool | None]
"""A reading as JSON has it, by field; times are ISO 8601 with their offset."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a reading, and what to do about it."""

    field: str
    value: object
    rule: str
    way_out: str

    def __str__(self) -> str:
        given = "" if self.value is None else f" = {_shown(self.value)}"
        return f"{self.field}{given}: {self.rule}; {self.way_out}"


class InvalidReading(ValueError):
    """A reading that breaks rules. `str()` lists every problem, one a line."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))

    @classmethod
    def of(cls, field: str, value: object, *, rule: str, way_out: str) -> Self:
        """With one problem."""
        return cls((Problem(field=field, value=value, rule=rule, way_out=way_out),))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One verdict of one reader. A correction is another reading, which supersedes the first.

    Raises InvalidReading.
    """

    feedback_id: str
    """The client's own; the same reading sent again has it again."""
    prediction_id: str
    """The request id of the prediction; '#' and its position for a further image of a request."""
    radiologist_id: str
    """Who read: the identity that the workspace has authenticated."""
    ground_truth: str
    """One of the verdicts of the prediction's task."""
    timestamp: datetime
    """When the reader decided."""
    blind: bool
    """Whether the reader had seen no label and no output of a model on this film."""
    confidence: str | None = None
    """One of CONFIDENCES."""
    notes: str | None = None
    supersedes: str | None = None
    """The feedback id of the same reader's reading that this one corrects."""
    feedback_source: str | None = None
    """Where it was given: the reading room, a file, a simulation."""
    sampling_probability: float | None = None
    """With which the queue drew the film for reading; in (0, 1]."""
    output_shown_at: datetime | None = None
    """When the models' output was shown to the reader; never before the decision."""

    def __post_init__(self) -> None:
        if problems := tuple(_problems(self)):
            raise InvalidReading(problems)
        for name in _TIMES:
            if (time := getattr(self, name)) is not None:
                # To the millisecond, as warehouses give times back.
                whole = time.astimezone(UTC).replace(microsecond=time.microsecond // 1000 * 1000)
                object.__setattr__(self, name, whole)

    @classmethod
    def from_row(
        cls, row: Mapping[str, Any], verdicts: Sequence[str] | None = GROUND_TRUTHS
    ) -> Self:
        """A reading from JSON; ``verdicts`` None takes those of any task.

        Raises InvalidReading with every problem of the row.
        """
        problems = [_unknown(name, row[name]) for name in row if name not in _FIELDS]
        values: dict[str, Any] = {}
        for name in _FIELDS:
            value = row.get(name)
            if name in _TIMES and isinstance(value, str):
                value = _time(value)
            if name == "sampling_probability" and type(value) is int:
                value = float(value)
            values[name] = value
        said = values["ground_truth"]
        if verdicts is not None and said is not None and said not in verdicts:
            problems.append(_no_verdict(said, verdicts))
            values["ground_truth"] = verdicts[0]  # is no second problem
        try:
            reading = cls(**values)
        except InvalidReading as invalid:
            problems += invalid.problems
        if problems:
            raise InvalidReading(tuple(problems))
        return reading

    @classmethod
    def from_text(
        cls, row: Mapping[str, str | None], verdicts: Sequence[str] | None = GROUND_TRUTHS
    ) -> Self:
        """A reading from a row of a CSV file, or of a warehouse's answer: every value is text.

        What is empty is absent. Raises InvalidReading.
        """
        return cls.from_row(
            {
                name: _TEXTS[name](value) if name in _TEXTS and value else value or None
                for name, value in row.items()
            },
            verdicts,
        )

    def as_row(self) -> Row:
        """The reading as JSON; `from_row` makes the same reading of it."""
        row: Row = {name: getattr(self, name) for name in _FIELDS}
        for name in _TIMES:
            time: datetime | None = getattr(self, name)
            row[name] = time.isoformat() if time else None
        return row


_FIELDS: Final = tuple(field.name for field in fields(Reading))
_TIMES: Final = ("timestamp", "output_shown_at")
_REQUIRED: Final = tuple(f.name for f in fields(Reading) if f.default is not None)
_LONGEST: Final = {
    "feedback_id": LONGEST_ID,
    "prediction_id": LONGEST_ID,
    "radiologist_id": LONGEST_ID,
    "supersedes": LONGEST_ID,
    "feedback_source": LONGEST_SOURCE,
    "notes": LONGEST_NOTES,
    "ground_truth": LONGEST_VERDICT,
}
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

_Value = TypeVar("_Value")


def _or_text(parse: Callable[[str], _Value]) -> Callable[[str], _Value | str]:
    """What can not be parsed stays text, and is then refused with its field and value."""

    def parsed(text: str) -> _Value | str:
        try:
            return parse(text.strip())
        except (ValueError, KeyError):
            return text

    return parsed


_TEXTS: Final[Mapping[str, Callable[[str], object]]] = {
    "blind": _or_text(lambda text: {"true": True, "false": False}[text.lower()]),
    "sampling_probability": _or_text(float),
}


def _time(text: str) -> datetime | str:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def _problems(reading: Reading) -> Iterator[Problem]:
    for name in _FIELDS:
        value = getattr(reading, name)
        if value is None:
            if name in _REQUIRED:
                yield Problem(
                    field=name, value=None, rule="is required", way_out=f"add it: {_EXAMPLES[name]}"
                )
        elif rule := _CHECKS[name](name, value):
            yield Problem(
                field=name, value=value, rule=rule, way_out=f"for example: {_EXAMPLES[name]}"
            )
    if reading.supersedes is not None and reading.supersedes == reading.feedback_id:
        yield Problem(
            field="supersedes",
            value=reading.supersedes,
            rule="a reading does not supersede itself",
            way_out="give the correction a feedback_id of its own",
        )
    decided, shown = reading.timestamp, reading.output_shown_at
    if _aware(decided) and _aware(shown) and shown is not None and shown < decided:
        yield Problem(
            field="output_shown_at",
            value=shown,
            rule="the models' output is shown after the decision",
            way_out="leave it out, and say blind = false where the reader saw the output before",
        )


def _aware(time: object) -> bool:
    return isinstance(time, datetime) and time.utcoffset() is not None


def _check_text(name: str, value: object) -> str | None:
    longest = _LONGEST[name]
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.strip():
        return f"a text of 1 to {longest} characters"
    allowed = "\n\t\r" if name == "notes" else ""
    if any((it < " " and it not in allowed) or "\ud800" <= it <= "\udfff" for it in value):
        return "no control characters"
    return None


def require_verdict(said: str, verdicts: Sequence[str]) -> None:
    """Raises InvalidReading for what a reader can not say of the task."""
    if said not in verdicts:
        raise InvalidReading((_no_verdict(said, verdicts),))


def _no_verdict(said: object, verdicts: Sequence[str]) -> Problem:
    return Problem(
        field="ground_truth",
        value=said,
        rule=f"one of {', '.join(verdicts)}",
        way_out=f"for example: {verdicts[0]}",
    )


def _check_confidence(_: str, value: object) -> str | None:
    return None if value in CONFIDENCES else f"one of {', '.join(CONFIDENCES)}"


def _check_time(_: str, value: object) -> str | None:
    if isinstance(value, datetime) and value.utcoffset() is not None:
        return None if _EARLIEST <= value < _LATEST else "a time since 2000"
    return "a time in ISO 8601 with its offset from UTC"


def _check_blind(_: str, value: object) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _check_probability(_: str, value: object) -> str | None:
    valid = type(value) is float and math.isfinite(value) and 0 < value <= 1
    return None if valid else "a probability above 0, at most 1"


_CHECKS: Final[Mapping[str, Callable[[str, object], str | None]]] = {
    **dict.fromkeys(_LONGEST, _check_text),
    **dict.fromkeys(_TIMES, _check_time),
    "confidence": _check_confidence,
    "blind": _check_blind,
    "sampling_probability": _check_probability,
}

_EXAMPLES: Final = {
    "feedback_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "prediction_id": "the client_request_id that the prediction was sent with",
    "radiologist_id": "reader@clinic.example",
    "ground_truth": GROUND_TRUTHS[0],
    "timestamp": "2026-03-02T12:00:00+00:00",
    "blind": "true",
    "confidence": "HIGH",
    "notes": "lower left lobe",
    "supersedes": "the feedback_id of the reading that this one corrects",
    "feedback_source": "reading-room",
    "sampling_probability": "0.1",
    "output_shown_at": "2026-03-02T12:00:30+00:00",
}


def _unknown(name: object, value: object) -> Problem:
    meant = difflib.get_close_matches(str(name), _FIELDS, n=1)
    return Problem(
        field=_shown(name)[1:-1] if isinstance(name, str) else _shown(name),
        value=value,
        rule="a reading has no such field",
        way_out=f"did you mean {meant[0]}?" if meant else f"its fields are {', '.join(_FIELDS)}",
    )


def _shown(value: object) -> str:
    """A value in one line; long ones cut."""
    longest = 80
    text = repr(value) if not isinstance(value, datetime) else value.isoformat()
    return text if len(text) <= longest else f"{text[:longest]}…"

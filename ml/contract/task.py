"""What two models can be compared at: one question with two answers, declared in one file.

A task says which labels there are and which is positive, from which probability on a model calls
it, what is sent and where in an answer the probability stands, and what people call a case and
whom it is of. Everything else takes its words from here. Standard library only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeGuard

from ml.contract.errors import UserError
from ml.contract.toml_file import NotToml, table_in

TASKS: Final = Path(__file__).parent / "tasks"
INDETERMINATE: Final = "INDETERMINATE"
"""A reader can not tell: a verdict of every task, and a label of none."""

_LABEL: Final = re.compile(r"[^\W_][\w .+-]{0,62}(?<! )")
"""What needs no escape in SQL, in a page, in Terraform."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_WORD: Final = re.compile(r"[^\W\d_]([^\W\d_]|[ -]){0,30}(?<! )")
_LARGEST_EDGE: Final = 4096
_MOST_COLUMNS: Final = 2000

NUMBER, TEXT = "number", "text"

Size = int | tuple[int, int]
"""Of a picture in pixels: the edge of a square, or else height and width."""

Steps = tuple[int | str, ...]
"""Steps into an answer: the position in a list, the name of a field."""


class InvalidTask(UserError):
    """A task that cannot be used; names file, key, value, rule and way out."""

    def __init__(self, file: Path | None, key: str, value: object, rule: str, way_out: str) -> None:
        self.rule, self.way_out = rule, way_out
        where = f"{file}: " if file else ""
        given = "" if value is None else f" = {value!r}"
        self.place = f"{where}{key}{given}"
        super().__init__(f"{self.place}: {rule}; {way_out}")


def size_of(height: int, width: int) -> Size:
    """The size of a picture with these edges."""
    return height if height == width else (height, width)


def edges_of(size: Size) -> tuple[int, int]:
    """Height and width of a picture.

    >>> edges_of(28), edges_of((28, 20))
    ((28, 28), (28, 20))
    """
    return (size, size) if isinstance(size, int) else size


def shown(size: Size) -> str:
    """For people.

    >>> shown((28, 20))
    '28 x 20'
    """
    height, width = edges_of(size)
    return f"{height} x {width}"


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """One grey picture, height x width x 1 floats from 0, black, to 1, white."""

    height: int
    width: int

    @property
    def size(self) -> "Size":
        """Both edges."""
        return size_of(self.height, self.width)


@dataclass(frozen=True, kw_only=True)
class TableInput:
    """One row of named columns."""

    columns: Mapping[str, str]
    """NUMBER or TEXT, by name."""
    id: str | None = None
    """A column that tells rows apart for people; it is not sent."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """What people call things, in the singular and the plural."""

    case: tuple[str, str] = ("case", "cases")
    """What one prediction is about."""
    subject: tuple[str, str] = ("subject", "subjects")
    """Whom cases are of: what a verdict counts as one observation."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A question with two answers."""

    name: str
    labels: tuple[str, str]
    """The negative one, the positive one: a label's number is its place here."""
    threshold: float
    """A probability at or above it calls the positive label."""
    input: ImageInput | TableInput
    probability: Steps = (0,)
    values: int = 1
    """How many values the list has that the last step goes into."""
    words: Words = field(default_factory=Words)

    @property
    def negative(self) -> str:
        """The label of an answer below the threshold."""
        return self.labels[0]

    @property
    def positive(self) -> str:
        """The label whose probability the models give."""
        return self.labels[1]

    @property
    def verdicts(self) -> tuple[str, str, str]:
        """What a reader may say."""
        return (*self.labels, INDETERMINATE)

    def call(self, probability: float, threshold: float | None = None) -> str:
        """The label at a threshold, the task's own unless another is given."""
        at = self.threshold if threshold is None else threshold
        return self.positive if probability >= at else self.negative

    def in_answer(self, answer: Any) -> float | None:
        """The probability in the answer to one input; None where there is none."""
        found = answer
        for step in self.probability:
            if isinstance(step, int):
                if not isinstance(found, list) or len(found) != self._length(step):
                    return None
            elif not isinstance(found, dict) or step not in found:
                return None
            found = found[step]
        number = isinstance(found, int | float) and not isinstance(found, bool)
        return float(found) if number and 0 <= found <= 1 else None

    @property
    def answer_type(self) -> str:
        """The answer to one input as a type of Databricks SQL.

        >>> PNEUMONIA.answer_type
        'ARRAY<DOUBLE>'
        """
        found = "DOUBLE"
        for step in reversed(self.probability):
            found = f"ARRAY<{found}>" if isinstance(step, int) else f"STRUCT<{step}: {found}>"
        return found

    def probability_of(self, answer: str) -> str:
        """The probability as an expression over an answer of that type; NULL where there is none.

        >>> PNEUMONIA.probability_of("answer")
        'CASE WHEN size(answer) = 1 THEN answer[0] END'
        """
        found, sizes = answer, []
        for step in self.probability:
            if isinstance(step, int):
                sizes.append(f"size({found}) = {self._length(step)}")
                found = f"{found}[{step}]"
            else:
                found = f"{found}.{step}"
        return f"CASE WHEN {' AND '.join(sizes)} THEN {found} END" if sizes else found

    def said(self, text: str) -> str:
        """A text about films, patients, NORMAL and PNEUMONIA in the words of this task."""
        return _OURS.sub(lambda found: self._words[found[0]], text)

    @cached_property
    def _words(self) -> Mapping[str, str]:
        given = (*self.labels, *self.words.case, *self.words.subject)
        known = dict(zip(_WORDS, given, strict=True))
        return known | {ours.capitalize(): its.capitalize() for ours, its in known.items()} | known

    def _length(self, step: int) -> int:
        return max(self.values, step + 1)


_WORDS: Final = ("NORMAL", "PNEUMONIA", "film", "films", "patient", "patients")
_OURS: Final = re.compile(r"\b(?:[Ff]ilms?|[Pp]atients?|NORMAL|PNEUMONIA)\b")


def load(name_or_path: str | Path, beside: Path | None = None) -> Task:
    """The task of that name in `ml/contract/tasks`, or in a file, whose path is relative to the
    folder ``beside``. Raises InvalidTask.
    """
    is_path = isinstance(name_or_path, Path) or str(name_or_path).endswith(".toml")
    file = (beside or Path()) / name_or_path if is_path else TASKS / f"{name_or_path}.toml"
    if not file.is_file():
        known = ", ".join(sorted(it.stem for it in TASKS.glob("*.toml")))
        raise InvalidTask(
            None,
            "task",
            str(name_or_path),
            f"a task's name, one of {known}, or the path of a file of your own",
            "write a path that ends in .toml, relative to the file that names it",
        )
    try:
        table = table_in(file)
    except NotToml as error:
        raise InvalidTask(file, "task", None, error.rule, error.way_out) from error
    return _File(file, table).task()


class _File:
    """One file, read key by key."""

    def __init__(self, file: Path, table: dict[str, Any]) -> None:
        self._file, self._table = file, table

    def task(self) -> Task:
        known = ("labels", "positive", "threshold", "probability", "values", "input", "words")
        self._only(self._table, known, "")
        labels = self._labels()
        path = self._path()
        return Task(
            name=self._file.stem,
            labels=labels,
            threshold=self._threshold(),
            input=self._input(),
            probability=path,
            values=self._values(path),
            words=self._words(),
        )

    def _refused(self, key: str, value: object, rule: str, way_out: str) -> InvalidTask:
        return InvalidTask(self._file, key, value, rule, way_out)

    def _only(self, table: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
        for key in table:
            if key not in known:
                rule = f"known keys here: {', '.join(known)}"
                raise self._refused(f"{place}{key}", None, rule, "remove the key")

    def _labels(self) -> tuple[str, str]:
        labels, positive = self._table.get("labels"), self._table.get("positive")
        if (
            not isinstance(labels, list)
            or len(labels) != 2
            or labels[0] == labels[1]
            or not all(isinstance(it, str) and _LABEL.fullmatch(it) for it in labels)
            or INDETERMINATE in labels
        ):
            raise self._refused(
                "labels",
                labels,
                "two different labels of up to 63 letters, digits, spaces and _ . + -, a letter "
                f"or digit first and no space last; {INDETERMINATE} is what a reader says who can "
                "not tell",
                'write, for example: labels = ["benign", "malignant"]',
            )
        if positive not in labels:
            raise self._refused(
                "positive",
                positive,
                f"the label whose probability the models give, one of {', '.join(labels)}",
                f'write, for example: positive = "{labels[1]}"',
            )
        return (labels[1 - labels.index(positive)], str(positive))

    def _threshold(self) -> float:
        value = self._table.get("threshold", 0.5)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise self._refused(
                "threshold",
                value,
                "the probability from which on a model calls the positive label, between 0 and 1",
                "write, for example: threshold = 0.5",
            )
        return float(value)

    def _path(self) -> Steps:
        path = self._table.get("probability", [0])
        steps = path if isinstance(path, list) else None
        if steps is None or not all(
            (type(it) is int and 0 <= it < _MOST_COLUMNS)
            or (isinstance(it, str) and _NAME.fullmatch(it))
            for it in steps
        ):
            raise self._refused(
                "probability",
                path,
                "where the probability stands in the answer to one input: positions in lists, "
                "from 0, and names of fields, outermost first; [] where the answer is the number",
                'write, for example: probability = [1], or probability = ["malignant"]',
            )
        return tuple(steps)

    def _values(self, path: Steps) -> int:
        last = next((it for it in reversed(path) if isinstance(it, int)), 0)
        value = self._table.get("values", last + 1)
        if type(value) is not int or not last < value <= _MOST_COLUMNS:
            raise self._refused(
                "values",
                value,
                f"how many values the list has that holds the probability, at least {last + 1}",
                f"write, for example: values = {max(2, last + 1)}",
            )
        return value

    def _input(self) -> ImageInput | TableInput:
        table = self._table.get("input")
        if not isinstance(table, dict) or ("image" in table) == ("columns" in table):
            raise self._refused(
                "input",
                None,
                "what is sent of one case: image = [height, width, 1], or columns",
                'write, for example: [input] with columns = ["age", "weight"]',
            )
        if "image" in table:
            self._only(table, ("image",), "input.")
            return self._image(table["image"])
        self._only(table, ("columns", "id"), "input.")
        return self._columns(table["columns"], table.get("id"))

    def _image(self, shape: object) -> ImageInput:
        match shape:
            case [int(height), int(width), 1] if not any(
                isinstance(edge, bool) or not 1 <= edge <= _LARGEST_EDGE for edge in (height, width)
            ):
                return ImageInput(height=height, width=width)
        raise self._refused(
            "input.image",
            shape,
            f"[height, width, 1] of a grey picture, edges of 1 to {_LARGEST_EDGE} pixels",
            "write, for example: image = [64, 64, 1]",
        )

    def _columns(self, columns: object, identity: object) -> TableInput:
        kinds = dict.fromkeys(columns, NUMBER) if _are_texts(columns) else columns
        if (
            not isinstance(kinds, dict)
            or not 0 < len(kinds) <= _MOST_COLUMNS
            or (isinstance(columns, list) and len(columns) != len(kinds))
            or not all(name.strip() and kind in (NUMBER, TEXT) for name, kind in kinds.items())
        ):
            raise self._refused(
                "input.columns",
                columns,
                f"names of columns, each once, or a table of names and {NUMBER!r} or {TEXT!r}",
                'write, for example: columns = ["age", "weight"]',
            )
        if identity is not None and (not isinstance(identity, str) or identity in kinds):
            raise self._refused(
                "input.id",
                identity,
                "a further column, which tells rows apart for people and is not sent",
                "write its name, or remove the key",
            )
        return TableInput(columns=kinds, id=identity)

    def _words(self) -> Words:
        table = self._table.get("words", {})
        known = ("case", "subject")
        self._only(table if isinstance(table, dict) else {"words": table}, known, "words.")
        found = {}
        for key, pair in table.items():
            if (
                not isinstance(pair, list)
                or len(pair) != 2
                or not all(isinstance(it, str) and _WORD.fullmatch(it) for it in pair)
            ):
                raise self._refused(
                    f"words.{key}",
                    pair,
                    "a word in the singular and the plural",
                    f'write, for example: {key} = ["sample", "samples"]',
                )
            found[key] = (pair[0], pair[1])
        return Words(**found)


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(it, str) for it in value)


PNEUMONIA: Final = load("pneumonia")
"""The task of the models that this project trains."""

"""The corpus: questions in SQL, each with Spark's answer, one a line of `corpus/*.tsv`.

A line is the question, the types of the answer's columns and its rows as JSON, or the word `error`
and Spark's error class, with tabs between them. A question that begins with no keyword of a query
is the rest of a SELECT. A row of one column is written as its value. Values are what the Statement
Execution API sends.

A question of several statements, with semicolons between them, is asked from the first to the last,
whose answer it is; the first that fails is the answer, too. They may create the tables in `TABLES`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER: Final = Path(__file__).parent / "corpus"
TABLES: Final = ("t", "u", "v")
_QUERY: Final = re.compile(r"(SELECT|WITH|VALUES|FROM)\b", re.IGNORECASE)
_CHANGE: Final = re.compile(r"CREATE (TABLE|VIEW)\b", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Question:
    """One line; `types` and `answer` are empty until Spark has answered."""

    asked: str
    types: str = ""
    answer: str = ""

    @property
    def sql(self) -> str:
        whole = _QUERY.match(self.asked) or _CHANGE.match(self.asked)
        return self.asked if whole else f"SELECT {self.asked}"

    @property
    def statements(self) -> list[str]:
        return self.sql.split("; ") if _CHANGE.match(self.asked) else [self.sql]

    @property
    def fails(self) -> bool:
        return self.types == "error"

    @property
    def rows(self) -> list[list[Any]]:
        """The rows that Spark answered; each has as many values as there are columns."""
        rows = json.loads(self.answer)
        return [row if isinstance(row, list) else [row] for row in rows]

    def answered(self, types: list[str], rows: list[list[str | None]]) -> Question:
        shown = [row[0] if len(row) == 1 else row for row in rows]
        answer = json.dumps(shown, ensure_ascii=False)
        return dataclasses.replace(self, types=", ".join(types), answer=answer)

    def refused(self, error_class: str) -> Question:
        return dataclasses.replace(self, types="error", answer=error_class)


def topics() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.tsv"))


def read(topic: str) -> Iterator[Question]:
    for line in (FOLDER / f"{topic}.tsv").read_text(encoding="utf-8").split("\n"):
        if line:
            yield Question(*line.split("\t"))


def write(topic: str, questions: Iterable[Question]) -> None:
    lines = (f"{q.asked}\t{q.types}\t{q.answer}".rstrip("\t") + "\n" for q in questions)
    (FOLDER / f"{topic}.tsv").write_text("".join(lines), encoding="utf-8")


def typed_rows() -> str:
    """The SELECT whose rows are the table `typed`."""
    return (FOLDER / "typed.sql").read_text(encoding="utf-8")

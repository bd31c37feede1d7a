"""The second half of `make spark-answers`: which forms are let through, from Spark's answers.

A form is let through where this workspace answers every question that has nothing stranger in it
as Spark does. Of a question that it answers otherwise, the form whose questions are most often
answered so is taken out, until every question is answered as Spark answers it or is refused.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from infra.local.lake import Lake
from infra.local.sql.dialect import Translator
from infra.local.sql.engine import Result, Statement
from infra.local.sql.forms import FILE
from tests.infra.local.sql import product, questions
from tests.infra.local.sql.comparing import ask, ask_product, open_engine

# What holds the parts that differ, and is rarely to blame itself.
_CLAUSES = (
    *("Select ", "From ", "Table ", "Column ", "Order", "Subquery ", "Values "),
    *("Window over", "Window order", "Window partition_by", "Window spec", "WindowSpec"),
    *("Dot(", "Tuple ", "TimeStrToTime(", "JSONPathKey", "JSONPathRoot", "Group "),
)

Judged = tuple[questions.Question, str, str, frozenset[str]]


def judge(chosen: list[str]) -> list[Judged]:
    """Each question with its outcome and its forms, everything let through."""
    seen: set[str] = set()
    # The forms are read where the engine reads them: in the middle of a translation.
    plain = Translator.prepare

    def prepare(self: Translator, expression):  # type: ignore[no-untyped-def]
        self._forms = _Everything(seen)
        return plain(self, expression)

    judged = []
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder), f"sqlite:///{folder}/registry.db")
        engine = open_engine(lake, None)
        Translator.prepare = prepare  # type: ignore[method-assign]
        try:
            for topic in chosen or questions.topics():
                for question in questions.read(topic):
                    seen.clear()
                    outcome, said = ask(engine, question)
                    judged.append((question, outcome, said, frozenset(seen)))
            for _, query in product.views():
                seen.clear()
                engine.execute(Statement(text=query))
                judged.append((questions.Question(query), "equal", "", frozenset(seen)))
            # By statement: what one of them may not use keeps no other from what it uses.
            forms: dict[str, frozenset[str]] = {}
            execute = engine.execute

            def noting(statement: Statement) -> Result:
                seen.clear()
                try:
                    return execute(statement)
                finally:
                    forms[statement.text] = frozenset(seen)

            engine.execute = noting  # type: ignore[method-assign]
            judged += [
                (question, outcome, said, forms[question.asked])
                for question, (outcome, said) in ask_product(engine)
            ]
        finally:
            Translator.prepare = plain  # type: ignore[method-assign]
            lake.close()
    return judged


class _Everything(frozenset[str]):
    """Has every form, and remembers which it was asked for."""

    def __new__(cls, _seen: set[str]) -> _Everything:
        return super().__new__(cls)

    def __init__(self, seen: set[str]) -> None:
        self._seen = seen

    def __contains__(self, form: object) -> bool:
        self._seen.add(str(form))
        return True


def _agrees(question: questions.Question, outcome: str, said: str) -> bool:
    """Whether the value is the same, or the error for the same reason."""
    return outcome == "equal" and (not question.fails or said.startswith(f"[{question.answer}]"))


def derive(judged: list[Judged]) -> frozenset[str]:
    support: Counter[str] = Counter()
    for question, outcome, said, forms in judged:
        if _agrees(question, outcome, said):
            support.update(forms)
    allowed = set(support)
    wrong = [
        (question, forms, said)
        for question, outcome, said, forms in judged
        if outcome == "other" and forms
    ]
    doubtful: Counter[str] = Counter()
    for _, forms, _ in wrong:
        doubtful.update(forms)

    def blame(form: str) -> tuple[bool, float, int, int, str]:
        share = doubtful[form] / (doubtful[form] + support[form])
        return not form.startswith(_CLAUSES), share, -support[form], len(form), form

    while True:
        blamed: dict[str, str] = {}
        for question, forms, said in wrong:
            if forms <= allowed:
                form = max(forms, key=blame)
                blamed[form] = f"{question.asked}\t{question.types} {question.answer}\t{said}"
        if not blamed:
            break
        # One at a time: the next may be without blame then.
        form = max(blamed, key=blame)
        print(f"taken out ({support[form]}): {form}\t{blamed[form]}")
        allowed.remove(form)
    # What only questions had that are refused now is not covered by any.
    while True:
        covered: set[str] = set()
        for question, outcome, said, forms in judged:
            if _agrees(question, outcome, said) and forms <= allowed:
                covered |= forms
        if covered == allowed:
            return frozenset(allowed)
        allowed = covered


def main(arguments: list[str]) -> None:
    judged = judge([argument for argument in arguments if not argument.startswith("-")])
    allowed = derive(judged)
    FILE.write_text("".join(f"{form}\n" for form in sorted(allowed)), encoding="utf-8")
    totals: Counter[str] = Counter()
    lost: dict[str, list[str]] = defaultdict(list)
    for question, outcome, said, forms in judged:
        passes = forms <= allowed
        if "\n" in question.asked and not passes:
            print("of the product, and not let through:", sorted(forms - allowed))
        totals["equal" if outcome == "equal" and passes else outcome if passes else "refused"] += 1
        if passes and outcome == "other":
            print("still other:", question, said)
        if not passes and not question.fails:
            lost[outcome].append(f"{question.asked}\t{question.types} {question.answer}\t{said}")
    print(len(judged), "questions:", dict(totals), len(allowed), "forms")
    if "--lost" in arguments:
        for outcome, lines in lost.items():
            print(f"== {outcome}: {len(lines)}")
            print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])

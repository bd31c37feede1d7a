"""What this workspace answers to a question of the corpus, beside what Spark answered."""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import TYPE_CHECKING, Any, Literal

from tests.infra.local.sql import product, product_rows
from tests.infra.local.sql.questions import TABLES, Question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.lake import Lake
    from infra.local.sql.engine import Engine

Outcome = tuple[Literal["equal", "refused", "other"], str]
"""And what was answered."""


_ORDERED = re.compile(r"ORDER BY [^()]*$", re.IGNORECASE)
"""That of the query, which is not in brackets."""


def open_engine(lake: Lake, forms: frozenset[str] | None) -> Engine:
    """An engine that lets these forms through, on a lake with the table `typed` in `base.s`."""
    import asyncio

    from minilake.models.unity_catalog import CreateCatalogRequest
    from minilake.services import unity_catalog

    from infra.local.sql.engine import Engine, Statement
    from tests.infra.local.sql.questions import typed_rows

    free = Engine(lake.database, lake.tables, lake.namespaces, lake.user)
    for schema in ("base.s", f"{product_rows.CATALOG}.gold", f"{product_rows.CATALOG}.bronze"):
        catalog = schema.partition(".")[0]
        if not lake.namespaces.has_catalog(catalog):
            asyncio.run(unity_catalog.create_catalog(CreateCatalogRequest(name=catalog)))
        free.execute(Statement(text=f"CREATE SCHEMA IF NOT EXISTS {schema}"))
    free.execute(Statement(text=f"CREATE OR REPLACE TABLE base.s.typed AS {typed_rows()}"))
    for name, rows in product_rows.tables():
        free.execute(Statement(text=f"CREATE OR REPLACE TABLE {name} AS {rows}"))
    engine = Engine(lake.database, lake.tables, lake.namespaces, lake.user, forms=forms)
    for name, query in product.views():
        engine.execute(Statement(text=f"CREATE OR REPLACE VIEW {name} AS {query}"))
    return engine


def ask_product(engine: Engine) -> Iterator[tuple[Question, Outcome]]:
    """The product's statements as questions, each with what this workspace answers."""
    from infra.local.sql.dialect import Parameter
    from infra.local.sql.engine import Statement

    recorded = {(one.statement, json.dumps(one.parameters)): one for one in product.read()}

    def execute(statement: str, parameters: dict[str, str]) -> product.Answer:
        markers = [Parameter(name=name, value=value) for name, value in parameters.items()]
        result = engine.execute(Statement(text=statement, parameters=markers))
        return product.Answer(
            names=[column.name for column in result.columns],
            types=[column.type.text for column in result.columns],
            rows=[list(row) for row in result.rows],
        )

    for asked in product.ask_everything(execute):
        theirs = recorded.get((asked.statement, json.dumps(asked.parameters)))
        question = Question(asked.statement)
        if theirs is None:
            yield question, ("other", "Spark was never asked this: `make spark-answers product`")
            continue
        question = question.answered(theirs.answer.types, theirs.answer.rows)
        ours = asked.answer
        same = (
            [name.lower() for name in ours.names] == [name.lower() for name in theirs.answer.names]
            and same_types([_plain(kind) for kind in ours.types], question.types)
            and same_rows(question, ours.rows)
        )
        yield question, ("equal" if same else "other", f"{ours.types} {ours.rows}")


def ask(engine: Engine, question: Question) -> Outcome:
    from infra.local.sql.engine import Statement
    from infra.local.sql.errors import UNSUPPORTED, StatementError

    *before, last = [
        Statement(text=text, catalog="base", schema="s") for text in question.statements
    ]
    if before:
        _drop_tables(engine)
    try:
        for statement in before:
            engine.execute(statement)
        result = engine.execute(last)
    except StatementError as error:
        if error.error_class == UNSUPPORTED:
            return "refused", str(error)
        internal = error.error_class.name == "INTERNAL_ERROR"
        return ("equal" if question.fails and not internal else "other"), str(error)
    except Exception as error:
        return "other", f"{type(error).__name__}: {error}"
    answer = f"{[column.type.text for column in result.columns]} {list(result.rows)}"
    if question.fails:
        return "other", answer
    types = [_plain(column.type.text) for column in result.columns]
    if not same_types(types, question.types):
        return "other", answer
    return ("equal" if same_rows(question, result.rows) else "other"), answer


def _drop_tables(engine: Engine) -> None:
    from infra.local.sql.engine import Statement
    from infra.local.sql.errors import StatementError

    for name in TABLES:
        for kind in ("VIEW", "TABLE"):
            with contextlib.suppress(StatementError):  # it is of the other kind
                engine.execute(Statement(text=f"DROP {kind} IF EXISTS base.s.{name}"))


def same_types(types: list[str], recorded: str) -> bool:
    """`void` is what Spark calls the type of NULL; here it is any."""
    expected = _split(_plain(recorded))
    return len(types) == len(expected) and all(
        "void" in theirs or ours == theirs for ours, theirs in zip(types, expected, strict=True)
    )


def same_rows(question: Question, rows: Any) -> bool:
    ours = [[_value(value) for value in row] for row in rows]
    theirs = [[_value(value) for value in row] for row in question.rows]
    if not _ORDERED.search(question.asked):
        ours, theirs = sorted(ours, key=repr), sorted(theirs, key=repr)
    return len(ours) == len(theirs) and all(_same(a, b) for a, b in zip(ours, theirs, strict=True))


def _plain(type_text: str) -> str:
    return type_text.lower().replace(" ", "").replace("`", "")


def _split(types: str) -> list[str]:
    parts, depth = [""], 0
    for character in types:
        depth += (character in "<(") - (character in ">)")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _value(text: str | None) -> Any:
    """A value with its numbers as numbers: how many digits are written is no difference."""
    if text is None:
        return None
    try:
        return json.loads(text, parse_int=str)
    except ValueError:
        return text


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        # Functions of a mathematical library differ in the last digits.
        return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-15) or (a != a and b != b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return bool(a == b) and type(a) is type(b)

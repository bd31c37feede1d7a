"""Which forms of SQL are let through: those that the corpus covers and nothing else.

A form is a function, an operator or a clause with the types of its operands, and with what of them
decides about the meaning: a unit, the letters of a format, the special characters of a pattern,
the sign of a position. `forms.txt` has the forms of the questions that this workspace answers as
Apache Spark does; tests/infra/local/sql/derive_forms.py makes it from Spark's recorded answers.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp
from sqlglot.errors import ParseError

from infra.local.sql.duckdb_text import READ
from infra.local.sql.errors import not_emulated
from infra.local.sql.typed import family, type_family

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE: Final = Path(__file__).parent / "forms.txt"

# Names, values and brackets: what is said of them is in the form of what holds them.
_NO_FORM: Final = (
    *(exp.Identifier, exp.Literal, exp.DataType, exp.Alias, exp.Aliases, exp.TableAlias),
    *(exp.Column, exp.Var, exp.Paren, exp.Null, exp.Boolean, exp.DataTypeParam, exp.Placeholder),
)
_PATTERNS: Final = (
    *(exp.RegexpLike, exp.RegexpExtract, exp.RegexpExtractAll, exp.RegexpReplace),
    *(exp.RegexpSplit, exp.RegexpCount, exp.RegexpInstr, exp.Split, exp.RegexpILike),
)
_SPECIAL: Final = re.compile(r"\\.|\(\?.{1,2}|[*+?}]\?|[*+?}]\+|\$\d?|[\^\[\]{}()|.*+?]")
_FORMAT: Final = re.compile(r"%%|%-?[A-Za-z]|'[^']*'|([A-Za-z])\1*")
_TYPED: Final = (
    *(exp.Func, exp.Binary, exp.Unary, exp.Predicate, exp.Bracket, exp.Lambda),
    *(exp.Where, exp.Having, exp.Interval),
)
"""What means one thing or another by the types of its operands."""
_SAME_ANYWHERE: Final = (exp.Coalesce, exp.Concat, exp.Array, exp.In, exp.Greatest, exp.Least)
"""Take any number of operands; the set of their types is the form."""


_NOT_SPARKS: Final = frozenset(
    {
        # Of the session, or different every time.
        *("CurrentCatalog()", "CurrentDatabase()", "CurrentSchema()", "CurrentUser()"),
        *("SessionUser()", "user()", "Uuid()", "Rand()", "CurrentTimestamp()", "CurrentDate()"),
        # Databricks has them, and Spark has not.
        *(
            "JSONExtract(this:string, expression:path, variant_extract)",
            "JSONPathKey(this, quoted)",
        ),
        *(
            "JSONPathWildcard()",
            "Qualify this",
            "Select qualify",
            "JSONPathKey this",
            "JSONPathRoot()",
        ),
        "JSONPathSubscript this",
        "raise_error(expressions=[expressions:string])",
    }
)
"""Forms that Spark cannot judge; their tests state what Databricks documents."""


@lru_cache(maxsize=1)
def covered() -> frozenset[str]:
    """The forms that are let through."""
    return _NOT_SPARKS | frozenset(FILE.read_text(encoding="utf-8").splitlines())


def refuse_uncovered(statement: exp.Expr, forms: frozenset[str]) -> None:
    """Raises StatementError for the innermost part of a typed statement with another form."""
    # From the inside: what holds a strange part is itself strange.
    for node in reversed(list(statement.walk())):
        if _is_frame(node, statement):
            if isinstance(node, exp.Func) and _name(node) not in _covered_names(forms):
                raise not_emulated(f"The function `{_name(node).lower()}`")
            continue
        for form in forms_of(node):
            if form not in forms:
                text = node.sql(READ)
                shown = text if len(text) < _SHOWN else f"{text[:_SHOWN]}..."
                raise not_emulated(f"`{shown}`, which has the form {form},")


_SHOWN: Final = 100
_CHANGES: Final = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_FRAME: Final = (*_CHANGES, exp.Whens, exp.When, exp.Schema, exp.Table, exp.Tuple, exp.Star)


def _is_frame(node: exp.Expr, statement: exp.Expr) -> bool:
    """Whether a node only says what is changed or defined: no query, no value, no condition.

    Spark without Delta can judge no UPDATE, DELETE and MERGE, but it can what they hold.
    """
    if isinstance(node, exp.Query) or node.find_ancestor(exp.Query) is not None:
        return False
    if not isinstance(statement, _CHANGES):
        return True
    assigned = isinstance(node, exp.EQ) and isinstance(node.parent, exp.Update)
    return assigned or isinstance(node, _FRAME)


@lru_cache(maxsize=4)
def _covered_names(forms: frozenset[str]) -> frozenset[str]:
    return frozenset(form.partition("(")[0] for form in forms)


def all_forms(statement: exp.Expr) -> set[str]:
    """Every form in a typed statement."""
    return {form for node in statement.walk() for form in forms_of(node)}


def forms_of(node: exp.Expr) -> Iterator[str]:
    """The forms of one part of a typed statement, without those of its parts."""
    if isinstance(node, _NO_FORM):
        return
    name = _name(node)
    if isinstance(node, _SAME_ANYWHERE):
        kinds = {family(part) for part in _parts(node)}
        if isinstance(node, exp.In) and node.args.get("query"):
            name += f" of a query as {'a condition' if _is_condition(node) else 'a value'}"
        yield f"{name}({' '.join(sorted(kinds))})"
    else:
        operands = [
            shown
            for key, value in node.args.items()
            if (shown := _operand(node, key, value)) is not None
        ]
        if isinstance(node, _TYPED) or not operands:
            yield f"{name}({', '.join(operands)})"
        else:
            # The parts of a clause say nothing about each other.
            yield from (f"{name} {operand}" for operand in operands)
    if isinstance(node, exp.Select) and any(family(it) == "interval" for it in node.selects):
        yield f"{name} of an interval"
    if isinstance(node, exp.WithinGroup):
        yield from (f"{name} of {family(it.this)}" for it in node.find_all(exp.Ordered))
    if isinstance(node, exp.Pivot):
        yield from (f"{name} of {_name(it)}" for it in node.find_all(exp.AggFunc))
    if isinstance(node, exp.Tuple) and isinstance(node.parent, exp.Select | exp.Alias):
        yield f"{name} as a value"
    if isinstance(node, exp.SetOperation):
        for one, other in zip(node.left.selects, node.right.selects, strict=False):
            if family(one) != family(other):
                yield f"{name} of {' and '.join(sorted((family(one), family(other))))}"
    if isinstance(node, _PATTERNS):
        for value in list(node.args.values())[1:]:
            if isinstance(value, exp.Literal) and value.is_string:
                yield from (f"{name} pattern {t}" for t in _SPECIAL.findall(value.name))
    if isinstance(node, exp.Like | exp.ILike) and isinstance(node.expression, exp.Literal):
        yield from (f"{name} pattern {t}" for t in re.findall(r"\\.?", node.expression.name))
    if isinstance(node, exp.FromJson) and isinstance(node.expression, exp.Literal):
        yield from (f"{name} schema {kind}" for kind in _schema_types(node.expression.name))
    pattern = node.args.get("format")
    if isinstance(pattern, exp.Literal):
        yield from (f"{name} format {m.group()}" for m in _FORMAT.finditer(pattern.name))


def _is_condition(node: exp.Expr) -> bool:
    """Whether rows are kept where it is true, so that NULL is as good as false."""
    node = node.parent if isinstance(node.parent, exp.Not) else node
    while isinstance(node.parent, exp.And | exp.Paren):
        node = node.parent
    return isinstance(node.parent, exp.Where)


def _name(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return node.name.lower()
    return type(node).__name__


def _parts(node: exp.Expr) -> list[exp.Expr]:
    return list(node.iter_expressions())


def _operand(node: exp.Expr, key: str, value: Any) -> str | None:
    """What the form says of one operand; None where it says nothing."""
    if value is None or value is False or value == [] or key in ("alias", "meta_this"):
        return None
    if isinstance(node, exp.Window):
        # Over what values it goes makes no difference, but whether they have an order and a frame.
        how = [it for it in ("alias", "order", "spec") if node.args.get(it)]
        return f"of {' by '.join([type(value).__name__, *how])}" if key == "this" else key
    if not isinstance(node, _TYPED):
        # A clause is the same whatever it holds.
        return f"{key}={value.upper()}" if isinstance(value, str) and key in _WORDS else key
    if isinstance(value, list):
        shown = [_value(item, key) for item in value if isinstance(item, exp.Expr)]
        if isinstance(node, exp.Func | exp.Lambda) and not isinstance(node, exp.Case):
            return f"{key}=[{', '.join(shown)}]"
        return f"{key}=[{' '.join(sorted(set(shown)))}]"
    if isinstance(value, exp.Expr):
        if isinstance(node, exp.Anonymous) and key == "this":
            return None
        return _value(value, key)
    if isinstance(node, exp.Anonymous) and key == "this":
        return None
    if isinstance(value, str):
        # Names are free; a kind, a side or a method is not.
        return f"{key}={value.upper()}" if key in _WORDS else key
    return key


_WORDS: Final = frozenset({"kind", "side", "method", "unit", "on", "how", "direction", "spec"})
_RESULTS: Final = frozenset({"this", "true", "false", "default", "ifs"})
"""Operands of which the sign decides nothing."""
_WORDS_AS_NODES: Final = frozenset({"unit", "zone"})


def _value(value: exp.Expr, key: str) -> str:
    if isinstance(value, exp.DataType):
        return f"{key}:{type_family(value)}"
    if isinstance(value, exp.Var) or (key in _WORDS_AS_NODES and isinstance(value, exp.Literal)):
        return f"{key}:{value.name.upper()}"
    if isinstance(value, exp.Placeholder):
        return f"{key}:string"
    if isinstance(value, exp.JSONPath):
        return f"{key}:path"
    if isinstance(value, exp.Lambda):
        return f"{key}:lambda of {len(value.expressions)}"
    if isinstance(value, exp.Identifier | exp.TableAlias | exp.Star):
        return f"{key}:{type(value).__name__}"
    if isinstance(value, exp.Literal) and key == "this" and isinstance(value.parent, exp.Neg):
        return f"{key}:{family(value)} literal"
    if key not in _RESULTS:
        number = value.this if isinstance(value, exp.Neg) else value
        if isinstance(number, exp.Literal) and not number.is_string:
            sign = "-" if number is not value else "0" if number.name == "0" else "+"
            return f"{key}:{family(value)}{sign}"
    if isinstance(value, exp.Condition) or value.type is not None:
        return f"{key}:{family(value)}"
    return f"{key}:{type(value).__name__}"


@lru_cache(maxsize=256)
def _schema_types(schema: str) -> tuple[str, ...]:
    for text in (schema, f"STRUCT<{schema}>"):
        try:
            found = exp.DataType.build(text, dialect=READ)
        except (ParseError, ValueError):
            continue
        return tuple(sorted({type_family(t, depth=2) for t in found.find_all(exp.DataType)}))
    return ("none",)

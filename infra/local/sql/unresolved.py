"""Which column of a statement nothing has: no table of it, no alias, no part of a value.

Only what is certain is said. A name that is written anywhere else in the statement, or that a
function gives to its columns, may be resolved in a way that is not followed here.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from infra.local.sql.errors import GIVEN_NAMES, unresolved_column

if TYPE_CHECKING:
    from infra.local.sql.errors import StatementError
    from infra.local.sql.typed import Columns

_GIVEN: Final = GIVEN_NAMES | {"id", "col1", "col2", "col3"}
"""With what range and VALUES name their columns."""
_SUGGESTED: Final = 5


def unresolved(statement: exp.Expr, columns: Columns) -> StatementError | None:
    """The error of the first column that nothing in the statement has; None if there is none."""
    there = [name for types in columns.values() for name in types]
    tables = {it.alias_or_name.lower() for it in statement.find_all(exp.Table, exp.Subquery)}
    elsewhere = {
        it.name.lower()
        for it in statement.find_all(exp.Identifier)
        if not isinstance(it.parent, exp.Column)
    }
    known = {name.lower() for name in there} | elsewhere | _GIVEN
    for column in statement.find_all(exp.Column):
        # `given.name` of anything but a table is a part of a value.
        of_a_table = not column.table or column.table.lower() in tables
        if of_a_table and isinstance(column.this, exp.Identifier):
            name = column.name.lower()
            if name not in known:
                return unresolved_column(column.name, _like(name, there))
    return None


def _like(name: str, there: list[str]) -> list[str]:
    def unlikeness(other: str) -> float:
        return -SequenceMatcher(None, name, other.lower()).ratio()

    return sorted(dict.fromkeys(there), key=unlikeness)[:_SUGGESTED]

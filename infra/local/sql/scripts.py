"""The SQL of jobs and alerts: several statements in a text, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.refusal import invalid
from infra.local.sql.errors import StatementError
from infra.local.sql.parsing import statements_in

if TYPE_CHECKING:
    from infra.local.sql.statements import Statements


def run_script(statements: Statements, script: str) -> tuple[list[str], list[list[str | None]]]:
    """The names and rows of the last statement's result; a `Refusal` where one fails."""
    try:
        texts = statements_in(script)
    except StatementError as error:
        raise invalid(str(error)) from error
    names: list[str] = []
    rows: list[list[str | None]] = []
    for text in texts:
        execution = statements.run(text)
        if execution.state != "SUCCEEDED":
            raise invalid(str(execution.error or "The statement was canceled."))
        names = [column.name for column in execution.columns]
        rows = [row for chunk in execution.chunks for row in chunk]
    return names, rows

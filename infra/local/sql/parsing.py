"""Texts of SQL as statements: one, or the several of a script."""

from __future__ import annotations

import logging
import re
from typing import Final

import sqlglot
from sqlglot import ErrorLevel, Token, TokenType, exp
from sqlglot.errors import ParseError, TokenError

from infra.local.sql import errors
from infra.local.sql.duckdb_text import READ
from infra.local.sql.errors import StatementError, not_emulated

# It warns of every statement that it hands over unparsed; the engine answers for those.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


def query_text(statement: str) -> str:
    """The query in the text of a CREATE or ALTER VIEW: Unity Catalog gives it back unchanged."""
    depth = 0
    for token in tokenize(statement):
        if token.token_type == TokenType.L_PAREN:
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
        elif token.token_type == TokenType.ALIAS and depth == 0:
            return statement[token.end + 1 :].strip().removesuffix(";").rstrip()
    return ""


def statements_in(script: str) -> list[str]:
    """The statements of a text that has several, with semicolons between them."""
    pieces, start = [], 0
    for token in tokenize(script):
        if token.token_type == TokenType.SEMICOLON:
            pieces.append(script[start : token.start])
            start = token.end + 1
    return [piece for piece in (*pieces, script[start:]) if tokenize(piece)]


def tokenize(statement: str) -> list[Token]:
    """The tokens of a text; StatementError where it has an end that is none, or is too long."""
    if len(_WORD.findall(_TEXT.sub("0", statement))) > MOST_WORDS:
        raise errors.too_complex()
    try:
        return READ().tokenize(statement)
    except TokenError as error:
        raise StatementError(errors.PARSE_SYNTAX_ERROR, f"Syntax error: {error}.") from error


def parse(statement: str) -> exp.Expr:
    """The one statement in a text; a syntax error or a second statement is a StatementError."""
    _refuse_unary_plus(tokenize(statement))
    try:
        parsed = [
            node
            for node in sqlglot.parse(statement, read=READ, error_level=ErrorLevel.RAISE)
            if node is not None and not isinstance(node, exp.Semicolon)
        ]
    except TokenError as error:
        raise StatementError(errors.PARSE_SYNTAX_ERROR, f"Syntax error: {error}.") from error
    except ParseError as error:
        first = (error.errors or [{}])[0]
        where = f" (line {first['line']}, pos {first['col']})" if first.get("line") else ""
        near = first.get("highlight") or "end of input"
        raise StatementError(
            errors.PARSE_SYNTAX_ERROR, f"Syntax error at or near '{near}'{where}."
        ) from error
    if len(parsed) != 1:
        problem = "extra input after ';': send one" if parsed else "end of input: send a"
        raise StatementError(
            errors.PARSE_SYNTAX_ERROR, f"Syntax error at {problem} statement per request."
        )
    _refuse_depth(parsed[0])
    return parsed[0]


MOST_WORDS: Final = 200_000
"""Of names, numbers and signs; a text is one, however long. Each takes a third of a millisecond."""
MOST_LEVELS: Final = 500
"""Of expressions within each other. What is done with them takes time by the square of it."""
_TEXT: Final = re.compile(
    r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|--[^\n]*|/\*.*?\*/""", re.DOTALL
)
_WORD: Final = re.compile(r"\w+|[^\w\s]")


def _refuse_depth(statement: exp.Expr) -> None:
    level = [statement]
    for _ in range(MOST_LEVELS):
        level = [part for node in level for part in node.iter_expressions()]
        if not level:
            return
    raise errors.too_complex()


def _refuse_unary_plus(tokens: list[Token]) -> None:
    """`+'1'` is a number in Databricks; sqlglot drops the sign."""
    for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False):
        if token.token_type == TokenType.PLUS and after.token_type != TokenType.NUMBER:
            operand = before is not None and (
                before.token_type in _ENDS_OF_OPERANDS or before.text.isidentifier()
            )
            keyword = before is not None and before.text.upper() in _BEFORE_OPERANDS
            if not operand or keyword:
                raise not_emulated("The sign `+` before anything but a number")


_ENDS_OF_OPERANDS = (
    *(TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.NUMBER, TokenType.STRING),
    *(TokenType.IDENTIFIER, TokenType.VAR),
)
_BEFORE_OPERANDS = frozenset(
    (
        *("SELECT", "WHERE", "AND", "OR", "NOT", "WHEN", "THEN", "ELSE", "CASE", "ON", "BY"),
        *("HAVING", "IN", "BETWEEN", "LIKE", "DISTINCT"),
    )
)

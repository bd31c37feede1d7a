"""Databricks SQL as DuckDB SQL: what sqlglot's own translation leaves out or gets wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import TokenType, exp
from sqlglot.errors import ParseError, SqlglotError, TokenError

from infra.local.catalog.tables import TableName
from infra.local.sql import errors
from infra.local.sql.coercion import cast_texts
from infra.local.sql.decimals import sized, state_default_sizes
from infra.local.sql.duckdb_text import INTEGER_FUNCTIONS, READ, LakeDialect
from infra.local.sql.errors import StatementError, not_emulated
from infra.local.sql.forms import refuse_uncovered
from infra.local.sql.parsing import tokenize
from infra.local.sql.typed import Columns, infer_types
from infra.local.sql.unresolved import unresolved
from infra.local.storage.database import INTERNAL_SCHEMA_PREFIX, SYSTEM_CATALOG, SYSTEM_DATABASE

ColumnsOf = Callable[[TableName], Mapping[str, str]]
"""Databricks' types of the columns of a table; empty where there is none."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a statement is read against: its default names, its caller, its parameters' types."""

    catalog: str
    schema: str
    user: str
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A named parameter marker's value: text and a Databricks type, as the API sends them."""

    name: str
    value: str | None
    type: str = "STRING"

    @property
    def data_type(self) -> exp.DataType:
        """The parsed type; StatementError if Databricks has no such type."""
        try:
            return _data_type(self.type).copy()
        except (ParseError, ValueError) as error:
            raise StatementError(
                errors.INVALID_PARAMETER_TYPE,
                f"The parameter `{self.name}` has the type {self.type!r}, which does not exist.",
            ) from error


@lru_cache(maxsize=256)
def _data_type(text: str) -> exp.DataType:
    # A batch of rows has a thousand parameters of three types.
    return exp.DataType.build(text, dialect=READ)


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A statement for DuckDB and the values to bind to it."""

    sql: str
    values: Mapping[str, str | None]


def resolve_identifier_clauses(statement: str, parameters: Mapping[str, Parameter]) -> str:
    """Put names in the place of ``IDENTIFIER(:marker)`` and ``IDENTIFIER('name')``.

    sqlglot parses the clause in some places only. A name is read as one and written in backticks,
    so that nothing else can come in by it.
    """
    tokens = tokenize(statement)
    pieces, end = [], 0
    for index, token in enumerate(tokens):
        if token.text.upper() != "IDENTIFIER" or token.token_type == TokenType.IDENTIFIER:
            continue
        match [(t.token_type, t.text) for t in tokens[index + 1 : index + 5]]:
            case [(TokenType.L_PAREN, _), (TokenType.STRING, name), (TokenType.R_PAREN, _), *_]:
                last = tokens[index + 3]
            case [
                (TokenType.L_PAREN, _),
                (TokenType.COLON, _),
                (_, marker),
                (TokenType.R_PAREN, _),
            ]:
                name, last = _value(parameters, marker) or "", tokens[index + 4]
            case _:
                raise not_emulated("IDENTIFIER with anything but a string or a marker")
        pieces += [statement[end : token.start], _quoted_name(name)]
        end = last.end + 1
    return "".join([*pieces, statement[end:]])


def _quoted_name(name: str) -> str:
    try:
        table = exp.to_table(name, dialect=READ)
    except (ParseError, TokenError, ValueError):
        table = exp.Table()
    parts = [table.args.get(part) for part in ("catalog", "db", "this")]
    if any(value for key, value in table.args.items() if key not in ("catalog", "db", "this")):
        parts = []
    if not parts or not all(part is None or isinstance(part, exp.Identifier) for part in parts):
        raise StatementError(errors.PARSE_SYNTAX_ERROR, f"{name!r} is not an identifier.")
    return ".".join(part.sql(READ, identify=True) for part in parts if part is not None)


def _value(parameters: Mapping[str, Parameter], name: str) -> str | None:
    try:
        return parameters[name].value
    except KeyError:
        raise _unbound(name) from None


def _unbound(name: str) -> StatementError:
    return StatementError(
        errors.UNBOUND_SQL_PARAMETER,
        f"Found the unbound parameter: {name}. Please, fix `parameters` and provide a mapping of "
        "the parameter to a value.",
    )


class Translator:
    """Turns parsed Databricks statements into DuckDB's, for one session."""

    def __init__(
        self, session: Session, columns_of: ColumnsOf, forms: frozenset[str] | None
    ) -> None:
        """`forms` are those that are let through; None lets everything through."""
        self.session = session
        self._columns_of = columns_of
        self._forms = forms

    def prepare(self, expression: exp.Expr) -> exp.Expr:
        """Bind markers, resolve names, refuse what is not emulated; changes ``expression``."""
        _name_columns(expression)
        state_default_sizes(expression)
        for placeholder in list(expression.find_all(exp.Placeholder)):
            placeholder.replace(self._typed(placeholder))
        self._qualify_tables(expression)
        columns = self._columns(expression)
        infer_types(expression, columns)
        while cast_texts(expression):
            infer_types(expression, columns)
        if self._forms is not None:
            try:
                refuse_uncovered(expression, self._forms)
            except StatementError as refusal:
                raise (unresolved(expression, columns) or refusal) from None
        _fix_types(expression)
        return expression.transform(self._answer_session_functions, copy=False)

    def _columns(self, expression: exp.Expr) -> Columns:
        named: dict[tuple[str, str, str], bool] = {}
        for table in expression.find_all(exp.Table):
            if table.catalog and isinstance(table.this, exp.Identifier):
                name = (table.catalog, table.db, table.name)
                named[name] = named.get(name, False) or table.find_ancestor(exp.Query) is not None
        found = {name: self._columns_of(TableName.of(*name)) for name in sorted(named)}
        # What a statement writes to may have yet to be made; what its query reads is there.
        missing = next((name for name in found if named[name] and not found[name]), None)
        if missing is not None:
            raise errors.table_not_found(TableName.of(*missing).full_name)
        return {name: columns for name, columns in found.items() if columns}

    def render(self, prepared: exp.Expr) -> Translation:
        """DuckDB's text of a prepared statement, which is used up."""
        used = {node.this for node in prepared.find_all(exp.Placeholder)}
        values = {name: self.session.parameters[name].value for name in used}
        try:
            text = prepared.sql(dialect=LakeDialect, copy=False)
        except (SqlglotError, KeyError, ValueError, AttributeError, TypeError, IndexError) as error:
            raise not_emulated(f"This statement ({error})") from error
        return Translation(sql=text, values=values)

    def translate(self, expression: exp.Expr) -> Translation:
        """``prepare`` and ``render``."""
        return self.render(self.prepare(expression))

    def _parameter(self, placeholder: exp.Placeholder) -> Parameter:
        name = placeholder.this
        if not name:
            raise not_emulated("The positional parameter marker `?`")
        if name not in self.session.parameters:
            raise _unbound(name)
        return self.session.parameters[name]

    def _typed(self, placeholder: exp.Placeholder) -> exp.Expr:
        # Bound, never written into the text: the value reaches DuckDB as a string and is cast.
        parameter = self._parameter(placeholder)
        return exp.Cast(this=placeholder.copy(), to=parameter.data_type)

    def _qualify_tables(self, expression: exp.Expr) -> None:
        named = set()
        for table in list(expression.find_all(exp.Table)):
            if not isinstance(table.this, exp.Identifier) or _is_cte(table):
                continue
            self.qualify(table)
            named.add((table.name.lower(), table.db.lower()))
        # `catalog.schema.table.column` keeps what DuckDB needs of it: `table.column`.
        for column in expression.find_all(exp.Column):
            if column.args.get("db") and (column.table.lower(), column.text("db").lower()) in named:
                column.set("db", None)
                column.set("catalog", None)

    def qualify(self, table: exp.Table) -> exp.Table:
        """Complete a name to three levels, lower case as Unity Catalog stores names."""
        if table.args.get("version") or table.args.get("when"):
            raise not_emulated("Time travel")
        if table.catalog and not table.db:
            raise StatementError(errors.PARSE_SYNTAX_ERROR, f"{table.sql(READ)} is not a name.")
        catalog = (table.catalog or self.session.catalog).lower()
        schema = (table.db or self.session.schema).lower()
        if schema == "information_schema":
            raise not_emulated("The information schema")
        if schema.startswith(INTERNAL_SCHEMA_PREFIX):
            raise errors.table_not_found(f"{catalog}.{schema}.{table.name}")
        database = SYSTEM_DATABASE if catalog == SYSTEM_CATALOG else catalog
        table.set("this", exp.to_identifier(table.name.lower(), quoted=True))
        table.set("db", exp.to_identifier(schema, quoted=True))
        table.set("catalog", exp.to_identifier(database, quoted=True))
        return table

    def _answer_session_functions(self, node: exp.Expr) -> exp.Expr:
        session = self.session
        if isinstance(node, exp.CurrentUser | exp.SessionUser):
            return exp.Literal.string(session.user)
        if isinstance(node, exp.CurrentCatalog):
            return exp.Literal.string(session.catalog)
        if isinstance(node, exp.CurrentSchema | exp.CurrentDatabase):
            return exp.Literal.string(session.schema)
        if isinstance(node, exp.Anonymous) and node.name.upper() == "USER":
            return exp.Literal.string(session.user)
        return node


def _name_columns(expression: exp.Expr) -> None:
    """Give the result's columns the names that Databricks gives to what has no alias."""
    if isinstance(expression, exp.Alter):
        query = next(iter(expression.args.get("actions") or ()), None)
    else:
        query = (
            expression if isinstance(expression, exp.Query) else expression.args.get("expression")
        )
    while isinstance(query, exp.SetOperation | exp.Subquery):
        query = query.this
    if not isinstance(query, exp.Select):
        return
    for column in list(query.expressions):
        if isinstance(column, exp.JSONExtract) and isinstance(column.expression, exp.JSONPath):
            last = column.expression.expressions[-1]
            name = last.this if isinstance(last, exp.JSONPathKey) else column.sql(READ)
        elif isinstance(
            column, exp.Alias | exp.Aliases | exp.Column | exp.Star | exp.Dot | exp.Posexplode
        ):
            continue
        elif isinstance(column, exp.Explode):
            name = "col"
        elif isinstance(column, exp.Count) and isinstance(column.this, exp.Star):
            name = "count(1)"
        else:
            name = column.sql(READ, normalize_functions="lower")
        column.replace(exp.alias_(column.copy(), str(name), quoted=True))


_RANKINGS = (exp.DenseRank, exp.Ntile, exp.Rank, exp.RowNumber)


def _fix_types(expression: exp.Expr) -> None:
    """Types and column names that sqlglot's translation would leave to DuckDB."""
    # Children first: a parent is copied with what replaced them.
    for node in reversed(list(expression.walk())):
        if (other := sized(node)) is not None:
            node.replace(other)
            continue
        match node:
            case exp.Neg(this=exp.Cast(this=exp.Literal() as number) as cast) if number.is_int:
                # The least of a type has no positive.
                node.replace(exp.Cast(this=exp.Neg(this=number.copy()), to=cast.to.copy()))
            case exp.Concat() | exp.DPipe() if node.find(exp.Null) and _is_text(node):
                # DuckDB takes what a NULL is joined with for a number.
                node.replace(exp.Cast(this=node.copy(), to=exp.DataType.build("TEXT")))
            case exp.Window() if isinstance(node.this, _RANKINGS):
                node.replace(exp.Cast(this=node.copy(), to=exp.DataType.build("INT")))
            case exp.Func() if isinstance(node, INTEGER_FUNCTIONS):
                node.replace(exp.Cast(this=node.copy(), to=exp.DataType.build("INT")))
            case exp.Literal() | exp.Neg() if _is_whole_among_others(node):
                # DuckDB gives a literal the type of what stands beside it.
                node.replace(exp.Cast(this=node.copy(), to=exp.DataType.build("INT")))
            case exp.Cast() if node.to.is_type(exp.DType.TIMESTAMP):
                # Only to_timestamp(x) is read as this type; it answers an instant.
                node.set("to", exp.DataType.build("TIMESTAMPTZ"))
            case exp.Values() if node.expressions and not node.alias_column_names:
                names = [
                    exp.to_identifier(f"col{position}")
                    for position, _ in enumerate(node.expressions[0].expressions, start=1)
                ]
                if isinstance(node.parent, exp.From | exp.Join):
                    alias = exp.to_identifier(node.alias or "values", quoted=True)
                    node.set("alias", exp.TableAlias(this=alias, columns=names))


def _is_text(node: exp.Expr) -> bool:
    return node.type is not None and node.type.is_type(*exp.DataType.TEXT_TYPES)


def _is_whole_among_others(node: exp.Expr) -> bool:
    among = isinstance(node.parent, exp.Coalesce | exp.Case | exp.If | exp.Greatest | exp.Least)
    return among and node.is_int and node.type is not None and node.type.is_type(exp.DType.INT)


def _is_cte(table: exp.Table) -> bool:
    """Whether a one-level name is that of a common table expression in scope."""
    if table.db:
        return False
    name = table.name.lower()
    node: exp.Expr | None = table
    while node is not None:
        with_ = node.args.get("with_")
        if with_ and any(cte.alias.lower() == name for cte in with_.expressions):
            return True
        node = node.parent
    return False

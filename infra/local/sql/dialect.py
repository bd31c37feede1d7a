"""Databricks SQL as DuckDB SQL: what sqlglot's own translation leaves out or gets wrong.

Every function that is let through has a test that states what Databricks returns; a function
without one is refused, because a near miss would be worse than an error.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final

import sqlglot
from sqlglot import ErrorLevel, Token, TokenType, exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, TokenError
from sqlglot.generators.duckdb import DuckDBGenerator

from infra.local.sql import errors
from infra.local.sql.errors import StatementError, not_emulated
from infra.local.storage.database import INTERNAL_SCHEMA_PREFIX, SYSTEM_CATALOG, SYSTEM_DATABASE

READ = "databricks"

# It warns of every statement that it hands over unparsed; the engine answers for those.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_FUNCTIONS_BY_SUBJECT: Final = {
    "conditions and casts": (
        "And Or Case If Coalesce Nullif Nvl2 Cast TryCast Greatest Least Exists"
    ),
    "numbers": ("Abs Ceil Exp Floor Ln Log Pow Rand Round SafeDivide Sign Sqrt IsNan IntDiv Mod"),
    "strings": (
        "Concat ConcatWs Contains EndsWith Left Length Lower MD5 Pad RegexpExtract RegexpLike "
        "RegexpReplace Repeat Replace Reverse Right SHA2 SplitPart StartsWith StrPosition "
        "Substring Trim Upper Uuid RegexpSplit"
    ),
    "time": (
        "AddMonths CurrentDate CurrentTimestamp DateDiff DateTrunc Day DayOfMonth DayOfWeek "
        "Extract Hour LastDay Minute Month Quarter Second StrToTime StrToUnix TimeToStr "
        "TimestampAdd TimestampDiff TimestampTrunc TsOrDsAdd TsOrDsToDate UnixToStr "
        "UnixMillis Year DayOfYear TimeStrToTime UnixSeconds"
    ),
    "who and where": ("CurrentCatalog CurrentDatabase CurrentSchema CurrentUser SessionUser"),
    "json": ("JSONExtract JSONExtractScalar FromJson JSONFormat"),
    "arrays, maps, structs": (
        "Array ArrayContains ArrayDistinct ArrayFilter ArrayMax ArrayMin ArraySize "
        "ArrayToString Explode Flatten ArraySort GenerateSeries Map MapContainsKey "
        "MapFromEntries MapKeys Posexplode Reduce Struct Transform VarMap"
    ),
    "aggregates and windows": (
        "AnyValue ApproxDistinct ApproxQuantile ArgMax ArgMin ArrayAgg ArrayUniqueAgg Avg "
        "Corr Count CountIf First FirstValue Lag Last LastValue Lead LogicalAnd LogicalOr Max "
        "Median Min Ntile PercentRank PercentileCont PercentileDisc Quantile Rank DenseRank "
        "RowNumber Stddev StddevPop StddevSamp Sum Variance VariancePop CumeDist Grouping"
    ),
}
"""What may be called, by the names of sqlglot's classes."""

FUNCTIONS: Final[frozenset[type[exp.Expr]]] = frozenset(
    getattr(exp, name) for names in _FUNCTIONS_BY_SUBJECT.values() for name in names.split()
)


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
    tokens = _tokenize(statement)
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


def query_text(statement: str) -> str:
    """The query in the text of a CREATE or ALTER VIEW: Unity Catalog gives it back unchanged."""
    depth = 0
    for token in _tokenize(statement):
        if token.token_type == TokenType.L_PAREN:
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
        elif token.token_type == TokenType.ALIAS and depth == 0:
            return statement[token.end + 1 :].strip().removesuffix(";").rstrip()
    return ""


def _tokenize(statement: str) -> list[Token]:
    try:
        return Databricks().tokenize(statement)
    except TokenError as error:
        raise StatementError(errors.PARSE_SYNTAX_ERROR, f"Syntax error: {error}.") from error


def parse(statement: str) -> exp.Expr:
    """The one statement in a text; a syntax error or a second statement is a StatementError."""
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
    return parsed[0]


class Translator:
    """Turns parsed Databricks statements into DuckDB's, for one session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def prepare(self, expression: exp.Expr) -> exp.Expr:
        """Bind markers, resolve names, refuse what is not emulated; changes ``expression``."""
        _name_columns(expression)
        for placeholder in list(expression.find_all(exp.Placeholder)):
            placeholder.replace(self._typed(placeholder))
        self._qualify_tables(expression)
        _fix_types(expression)
        expression = expression.transform(self._answer_session_functions, copy=False)
        for node in list(expression.walk()):
            _refuse_unknown(node)
        return expression

    def render(self, prepared: exp.Expr) -> Translation:
        """DuckDB's text of a prepared statement, which is used up."""
        used = {node.this for node in prepared.find_all(exp.Placeholder)}
        values = {name: self.session.parameters[name].value for name in used}
        return Translation(sql=prepared.sql(dialect=_LakeDialect, copy=False), values=values)

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


# INT in Databricks and BIGINT in DuckDB.
_INTEGER_FUNCTIONS = (
    *(exp.ArraySize, exp.Day, exp.DayOfMonth, exp.DayOfWeek, exp.DayOfYear, exp.Hour),
    *(exp.Length, exp.Minute, exp.Month, exp.Quarter, exp.Second, exp.StrPosition, exp.Year),
)
_RANKINGS = (exp.DenseRank, exp.Ntile, exp.Rank, exp.RowNumber)


def _fix_types(expression: exp.Expr) -> None:
    """Types and column names that sqlglot's translation would leave to DuckDB."""
    # Children first: a parent is copied with what replaced them.
    for node in reversed(list(expression.walk())):
        match node:
            case exp.Window() if isinstance(node.this, _RANKINGS):
                node.replace(exp.Cast(this=node.copy(), to=exp.DataType.build("INT")))
            case exp.Func() if isinstance(node, _INTEGER_FUNCTIONS):
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


def _refuse_unknown(node: exp.Expr) -> None:
    if isinstance(node, exp.Anonymous):
        if node.name.upper() not in ANONYMOUS_FUNCTIONS:
            raise not_emulated(f"The function `{node.name.lower()}`")
    elif isinstance(node, exp.Func):
        if type(node) not in FUNCTIONS:
            raise not_emulated(f"The function `{node.sql_name().lower()}`")
    elif isinstance(node, exp.Lateral) and node.args.get("outer"):
        raise not_emulated("LATERAL VIEW OUTER")
    elif isinstance(node, exp.Parameter | exp.SessionParameter):
        raise not_emulated("A session variable")


# What follows writes DuckDB's text. An operand that appears twice is evaluated once or has no side
# effect: DuckDB finds common subexpressions.

_ZERO_DIVISOR = f"'[{errors.DIVIDE_BY_ZERO.name}] Division by zero. Use `try_divide` to tolerate the divisor being 0 and return NULL instead.'"  # noqa: E501
_ZERO_MODULUS = f"'[{errors.REMAINDER_BY_ZERO.name}] Remainder by zero. Use `try_mod` to tolerate the divisor being 0 and return NULL instead.'"  # noqa: E501


def _guarded(operator: str, error: str) -> Callable[[_LakeGenerator, exp.Binary], str]:
    """Databricks raises where DuckDB answers infinity or NULL (ANSI mode, its default)."""

    def render(generator: _LakeGenerator, node: exp.Binary) -> str:
        left, right = generator.sql(node, "this"), generator.sql(node, "expression")
        divisor = node.expression
        if not (divisor.is_number and float(divisor.name or 0) != 0):
            right = f"CASE WHEN ({right}) = 0 THEN ERROR({error}) ELSE ({right}) END"
        return f"(({left}) {operator} ({right}))"

    return render


def _try_divide(generator: _LakeGenerator, node: exp.SafeDivide) -> str:
    left, right = generator.sql(node, "this"), generator.sql(node, "expression")
    return f"CASE WHEN ({right}) <> 0 THEN ({left}) / ({right}) END"


def _json_path(generator: _LakeGenerator, node: exp.JSONExtract | exp.JSONExtractScalar) -> str:
    """``col:path`` and ``get_json_object``: text, NULL where the document is no JSON."""
    document, path = generator.sql(node, "this"), generator.sql(node, "expression")
    if isinstance(node.expression, exp.JSONPath) and node.expression.find(exp.JSONPathWildcard):
        value = f"CAST(TO_JSON(JSON_EXTRACT({document}, {path})) AS TEXT)"
    else:
        value = f"JSON_EXTRACT_STRING({document}, {path})"
    return f"CASE WHEN JSON_VALID({document}) THEN {value} END"


def _cut_fraction(generator: _LakeGenerator, node: exp.Cast, function: str, plain: str) -> str:
    """Databricks' cast to an integer cuts the fraction off where DuckDB's rounds."""
    known = (
        node.this.is_int
        or node.this.is_string
        or isinstance(node.this, (exp.Placeholder, *_INTEGER_FUNCTIONS))
    )
    if known or not node.to.is_type(*exp.DataType.INTEGER_TYPES):
        return plain
    operand, to = generator.sql(node, "this"), generator.sql(node, "to")
    fractional = f"TYPEOF({operand}) IN ('DOUBLE', 'FLOAT') OR TYPEOF({operand}) LIKE 'DECIMAL%'"
    cut = f"{function}(TRUNC(TRY_CAST({operand} AS DOUBLE)) AS {to})"
    return f"CASE WHEN {fractional} THEN {cut} ELSE {plain} END"


def _exists(generator: _LakeGenerator, node: exp.Exists) -> str:
    if node.expression is None:
        return f"EXISTS({generator.sql(node, 'this')})"
    array, condition = generator.sql(node, "this"), generator.sql(node, "expression")
    return f"(LEN(LIST_FILTER({array}, {condition})) > 0)"


def _date_difference(generator: _LakeGenerator, node: exp.DateDiff | exp.TimestampDiff) -> str:
    """Whole units between two instants; DuckDB's ``date_diff`` counts boundaries crossed."""
    end, start = generator.sql(node, "this"), generator.sql(node, "expression")
    unit = node.text("unit").upper() or "DAY"
    if unit == "DAY":
        days = f"DATE_DIFF('DAY', CAST({start} AS DATE), CAST({end} AS DATE))"
        return days if isinstance(node, exp.TimestampDiff) else f"CAST({days} AS INT)"
    return f"DATE_SUB('{unit}', CAST({start} AS TIMESTAMPTZ), CAST({end} AS TIMESTAMPTZ))"


_UNITS: Final = {"MM": "MONTH", "MON": "MONTH", "YY": "YEAR", "YYYY": "YEAR"}


def _unit(node: exp.DateTrunc | exp.TimestampTrunc) -> str:
    unit = node.text("unit").upper()
    if not unit.isalpha():
        raise not_emulated("date_trunc with a unit that is not a literal")
    return _UNITS.get(unit, unit)


def _from_json(generator: _LakeGenerator, node: exp.FromJson) -> str:
    document, schema = generator.sql(node, "this"), node.expression
    if node.args.get("options") or not (isinstance(schema, exp.Literal) and schema.is_string):
        raise not_emulated("from_json with options or a schema that is not a literal")
    structure = exp.Literal.string(json.dumps(_json_structure(schema.name))).sql("duckdb")
    return f"CASE WHEN JSON_VALID({document}) THEN FROM_JSON({document}, {structure}) END"


def _json_structure(schema: str) -> Any:
    """DuckDB's JSON structure of a schema such as ``a INT, b ARRAY<DOUBLE>``."""
    # Databricks reads a bare column list as the fields of a struct.
    for text in (schema, f"STRUCT<{schema}>"):
        try:
            return _structure(exp.DataType.build(text, dialect=READ))
        except (ParseError, ValueError):
            continue
    raise StatementError(
        errors.PARSE_SYNTAX_ERROR, f"from_json: {schema!r} is not a schema in DDL form."
    )


def _structure(data_type: exp.DataType) -> Any:
    if data_type.is_type(exp.DType.ARRAY):
        return [_structure(data_type.expressions[0])]
    if data_type.is_type(exp.DType.STRUCT):
        return {field.name: _structure(field.args["kind"]) for field in data_type.expressions}
    return data_type.sql("duckdb")


def _sha2(generator: _LakeGenerator, node: exp.SHA2) -> str:
    if node.text("length") not in ("0", "256"):
        raise not_emulated("sha2 with a length other than 256")
    return generator.func("SHA256", node.this)


def _random(_generator: _LakeGenerator, node: exp.Rand) -> str:
    if node.this is not None:
        raise not_emulated("rand with a seed")
    return "RANDOM()"


def _seconds_since_epoch(generator: _LakeGenerator, node: exp.Expr) -> str:
    return f"CAST(EPOCH(CAST({generator.sql(node, 'this')} AS TIMESTAMPTZ)) AS BIGINT)"


def _quantile(function: str) -> Callable[[_LakeGenerator, Any], str]:
    return lambda generator, node: generator.func(function, node.this, node.args["quantile"])


def _whole(function: str) -> Callable[[_LakeGenerator, exp.Ceil | exp.Floor], str]:
    def render(generator: _LakeGenerator, node: exp.Ceil | exp.Floor) -> str:
        if node.args.get("decimals") is not None:
            raise not_emulated(f"{function.lower()} with a scale")
        return f"CAST({generator.func(function, node.this)} AS BIGINT)"

    return render


_Render = Callable[["_LakeGenerator", exp.Anonymous], str]


def _renamed(name: str) -> _Render:
    return lambda generator, node: generator.func(name, *node.expressions)


def _forall(generator: _LakeGenerator, node: exp.Anonymous) -> str:
    array, condition = node.expressions
    negated = condition.copy()
    negated.set("this", exp.Not(this=exp.Paren(this=negated.this)))
    return f"(LEN(LIST_FILTER({generator.sql(array)}, {generator.sql(negated)})) = 0)"


def _raise_error(generator: _LakeGenerator, node: exp.Anonymous) -> str:
    message = generator.sql(node.expressions[0])
    return f"ERROR('[{errors.USER_RAISED_EXCEPTION.name}] ' || {message})"


# Functions that sqlglot has no class for, by their name in Databricks.
ANONYMOUS_FUNCTIONS: Mapping[str, _Render] = {
    "EVERY": _renamed("BOOL_AND"),
    "FORALL": _forall,
    "ISNOTNULL": lambda generator, node: f"({generator.sql(node.expressions[0])} IS NOT NULL)",
    "ISNULL": lambda generator, node: f"({generator.sql(node.expressions[0])} IS NULL)",
    "MAKE_DATE": _renamed("MAKE_DATE"),
    "MAP_ENTRIES": _renamed("MAP_ENTRIES"),
    "MAP_VALUES": _renamed("MAP_VALUES"),
    "MEAN": _renamed("AVG"),
    "RAISE_ERROR": _raise_error,
    "SOME": _renamed("BOOL_OR"),
    "STD": _renamed("STDDEV_SAMP"),
    "TIMESTAMP_MICROS": lambda generator, node: (
        f"CAST(MAKE_TIMESTAMP({generator.sql(node.expressions[0])}) AS TIMESTAMPTZ)"
    ),
    "TIMESTAMP_MILLIS": lambda generator, node: (
        f"TO_TIMESTAMP(({generator.sql(node.expressions[0])}) / 1000)"
    ),
    "TIMESTAMP_SECONDS": _renamed("TO_TIMESTAMP"),
}


class _LakeGenerator(DuckDBGenerator):
    TRANSFORMS: ClassVar[dict[type[exp.Expr], Callable[..., str]]] = {
        **DuckDBGenerator.TRANSFORMS,
        # percentile_approx answers an element of the column, percentile interpolates.
        exp.ApproxQuantile: _quantile("QUANTILE_DISC"),
        exp.Quantile: _quantile("QUANTILE_CONT"),
        exp.DateDiff: _date_difference,
        exp.TimestampDiff: _date_difference,
        exp.TsOrDsAdd: lambda self, node: (
            f"CAST({DuckDBGenerator.TRANSFORMS[exp.TsOrDsAdd](self, node)} AS DATE)"
        ),
        # Sunday is 1 in Databricks and 0 in DuckDB.
        exp.DayOfWeek: lambda self, node: f"(DAYOFWEEK({self.sql(node, 'this')}) + 1)",
        exp.Ceil: _whole("CEIL"),
        exp.Floor: _whole("FLOOR"),
        exp.Sign: lambda self, node: f"CAST({self.func('SIGN', node.this)} AS DOUBLE)",
        exp.Extract: lambda self, node: f"CAST({DuckDBGenerator.extract_sql(self, node)} AS INT)",
        exp.Div: _guarded("/", _ZERO_DIVISOR),
        exp.IntDiv: _guarded("//", _ZERO_DIVISOR),
        exp.Mod: _guarded("%", _ZERO_MODULUS),
        exp.SafeDivide: _try_divide,
        exp.Exists: _exists,
        exp.FromJson: _from_json,
        exp.JSONExtract: _json_path,
        exp.JSONExtractScalar: _json_path,
        exp.MapContainsKey: lambda self, node: self.func(
            "MAP_CONTAINS", node.this, node.args["key"]
        ),
        exp.Rand: _random,
        exp.SHA2: _sha2,
        exp.StrToUnix: _seconds_since_epoch,
        exp.Uuid: lambda *_: "CAST(UUID() AS TEXT)",
    }

    def cast_sql(self, expression: exp.Cast, safe_prefix: str | None = None) -> str:
        plain = super().cast_sql(expression, safe_prefix)
        return _cut_fraction(self, expression, f"{safe_prefix or ''}CAST", plain)

    def datetrunc_sql(self, expression: exp.DateTrunc) -> str:
        day = self.sql(expression, "this")
        return f"CAST(DATE_TRUNC('{_unit(expression)}', CAST({day} AS DATE)) AS DATE)"

    def timestamptrunc_sql(self, expression: exp.TimestampTrunc) -> str:
        instant = self.sql(expression, "this")
        return f"DATE_TRUNC('{_unit(expression)}', CAST({instant} AS TIMESTAMPTZ))"

    def strtotime_sql(self, expression: exp.StrToTime) -> str:
        return f"CAST({super().strtotime_sql(expression)} AS TIMESTAMPTZ)"

    def anonymous_sql(self, expression: exp.Anonymous) -> str:
        render = ANONYMOUS_FUNCTIONS.get(expression.name.upper())
        return render(self, expression) if render else super().anonymous_sql(expression)


class _LakeDialect(DuckDB):
    Generator = _LakeGenerator

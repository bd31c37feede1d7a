"""Which functions are let through, and how DuckDB's text of them is written where sqlglot's would
not give what Databricks gives.

Each has a test that states what Databricks returns; a function without one is refused, because a
near miss would be worse than an error. An operand that appears twice is evaluated once or has no
side effect: DuckDB finds common subexpressions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError
from sqlglot.generators.duckdb import DuckDBGenerator

from infra.local.sql import errors
from infra.local.sql.errors import StatementError, not_emulated

READ = "databricks"

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

# INT in Databricks and BIGINT in DuckDB.
INTEGER_FUNCTIONS = (
    *(exp.ArraySize, exp.Day, exp.DayOfMonth, exp.DayOfWeek, exp.DayOfYear, exp.Hour),
    *(exp.Length, exp.Minute, exp.Month, exp.Quarter, exp.Second, exp.StrPosition, exp.Year),
)


_UNITS: Final = {"MM": "MONTH", "MON": "MONTH", "YY": "YEAR", "YYYY": "YEAR"}


_ZERO_DIVISOR = f"'[{errors.DIVIDE_BY_ZERO.name}] Division by zero. Use `try_divide` to tolerate the divisor being 0 and return NULL instead.'"  # noqa: E501


_ZERO_MODULUS = f"'[{errors.REMAINDER_BY_ZERO.name}] Remainder by zero. Use `try_mod` to tolerate the divisor being 0 and return NULL instead.'"  # noqa: E501


def _guarded(operator: str, error: str) -> Callable[[LakeGenerator, exp.Binary], str]:
    """Databricks raises where DuckDB answers infinity or NULL (ANSI mode, its default)."""

    def render(generator: LakeGenerator, node: exp.Binary) -> str:
        left, right = generator.sql(node, "this"), generator.sql(node, "expression")
        divisor = node.expression
        if not (divisor.is_number and float(divisor.name or 0) != 0):
            right = f"CASE WHEN ({right}) = 0 THEN ERROR({error}) ELSE ({right}) END"
        return f"(({left}) {operator} ({right}))"

    return render


def _try_divide(generator: LakeGenerator, node: exp.SafeDivide) -> str:
    left, right = generator.sql(node, "this"), generator.sql(node, "expression")
    return f"CASE WHEN ({right}) <> 0 THEN ({left}) / ({right}) END"


def _json_path(generator: LakeGenerator, node: exp.JSONExtract | exp.JSONExtractScalar) -> str:
    """``col:path`` and ``get_json_object``: text, NULL where the document is no JSON."""
    document, path = generator.sql(node, "this"), generator.sql(node, "expression")
    if isinstance(node.expression, exp.JSONPath) and node.expression.find(exp.JSONPathWildcard):
        value = f"CAST(TO_JSON(JSON_EXTRACT({document}, {path})) AS TEXT)"
    else:
        value = f"JSON_EXTRACT_STRING({document}, {path})"
    return f"CASE WHEN JSON_VALID({document}) THEN {value} END"


def _cut_fraction(generator: LakeGenerator, node: exp.Cast, function: str, plain: str) -> str:
    """Databricks' cast to an integer cuts the fraction off where DuckDB's rounds."""
    known = (
        node.this.is_int
        or node.this.is_string
        or isinstance(node.this, (exp.Placeholder, *INTEGER_FUNCTIONS))
    )
    if known or not node.to.is_type(*exp.DataType.INTEGER_TYPES):
        return plain
    operand, to = generator.sql(node, "this"), generator.sql(node, "to")
    fractional = f"TYPEOF({operand}) IN ('DOUBLE', 'FLOAT') OR TYPEOF({operand}) LIKE 'DECIMAL%'"
    cut = f"{function}(TRUNC(TRY_CAST({operand} AS DOUBLE)) AS {to})"
    return f"CASE WHEN {fractional} THEN {cut} ELSE {plain} END"


def _exists(generator: LakeGenerator, node: exp.Exists) -> str:
    if node.expression is None:
        return f"EXISTS({generator.sql(node, 'this')})"
    array, condition = generator.sql(node, "this"), generator.sql(node, "expression")
    return f"(LEN(LIST_FILTER({array}, {condition})) > 0)"


def _date_difference(generator: LakeGenerator, node: exp.DateDiff | exp.TimestampDiff) -> str:
    """Whole units between two instants; DuckDB's ``date_diff`` counts boundaries crossed."""
    end, start = generator.sql(node, "this"), generator.sql(node, "expression")
    unit = node.text("unit").upper() or "DAY"
    if unit == "DAY":
        days = f"DATE_DIFF('DAY', CAST({start} AS DATE), CAST({end} AS DATE))"
        return days if isinstance(node, exp.TimestampDiff) else f"CAST({days} AS INT)"
    return f"DATE_SUB('{unit}', CAST({start} AS TIMESTAMPTZ), CAST({end} AS TIMESTAMPTZ))"


def _unit(node: exp.DateTrunc | exp.TimestampTrunc) -> str:
    unit = node.text("unit").upper()
    if not unit.isalpha():
        raise not_emulated("date_trunc with a unit that is not a literal")
    return _UNITS.get(unit, unit)


def _from_json(generator: LakeGenerator, node: exp.FromJson) -> str:
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


def _sha2(generator: LakeGenerator, node: exp.SHA2) -> str:
    if node.text("length") not in ("0", "256"):
        raise not_emulated("sha2 with a length other than 256")
    return generator.func("SHA256", node.this)


def _random(_generator: LakeGenerator, node: exp.Rand) -> str:
    if node.this is not None:
        raise not_emulated("rand with a seed")
    return "RANDOM()"


def _seconds_since_epoch(generator: LakeGenerator, node: exp.Expr) -> str:
    return f"CAST(EPOCH(CAST({generator.sql(node, 'this')} AS TIMESTAMPTZ)) AS BIGINT)"


def _quantile(function: str) -> Callable[[LakeGenerator, Any], str]:
    return lambda generator, node: generator.func(function, node.this, node.args["quantile"])


def _whole(function: str) -> Callable[[LakeGenerator, exp.Ceil | exp.Floor], str]:
    def render(generator: LakeGenerator, node: exp.Ceil | exp.Floor) -> str:
        if node.args.get("decimals") is not None:
            raise not_emulated(f"{function.lower()} with a scale")
        return f"CAST({generator.func(function, node.this)} AS BIGINT)"

    return render


_Render = Callable[["LakeGenerator", exp.Anonymous], str]


def _renamed(name: str) -> _Render:
    return lambda generator, node: generator.func(name, *node.expressions)


def _forall(generator: LakeGenerator, node: exp.Anonymous) -> str:
    array, condition = node.expressions
    negated = condition.copy()
    negated.set("this", exp.Not(this=exp.Paren(this=negated.this)))
    return f"(LEN(LIST_FILTER({generator.sql(array)}, {generator.sql(negated)})) = 0)"


def _raise_error(generator: LakeGenerator, node: exp.Anonymous) -> str:
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


class LakeGenerator(DuckDBGenerator):
    """sqlglot's generator of DuckDB's text, with what Databricks does otherwise."""

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
        """A cast that cuts fractions where Databricks cuts and DuckDB rounds."""
        plain = super().cast_sql(expression, safe_prefix)
        return _cut_fraction(self, expression, f"{safe_prefix or ''}CAST", plain)

    def datetrunc_sql(self, expression: exp.DateTrunc) -> str:
        """A date truncated to a date."""
        day = self.sql(expression, "this")
        return f"CAST(DATE_TRUNC('{_unit(expression)}', CAST({day} AS DATE)) AS DATE)"

    def timestamptrunc_sql(self, expression: exp.TimestampTrunc) -> str:
        """An instant truncated to an instant."""
        instant = self.sql(expression, "this")
        return f"DATE_TRUNC('{_unit(expression)}', CAST({instant} AS TIMESTAMPTZ))"

    def strtotime_sql(self, expression: exp.StrToTime) -> str:
        """A text parsed to an instant."""
        return f"CAST({super().strtotime_sql(expression)} AS TIMESTAMPTZ)"

    def anonymous_sql(self, expression: exp.Anonymous) -> str:
        """A function that sqlglot has no class for."""
        render = ANONYMOUS_FUNCTIONS.get(expression.name.upper())
        return render(self, expression) if render else super().anonymous_sql(expression)


class LakeDialect(DuckDB):
    """DuckDB as this workspace writes it."""

    Generator = LakeGenerator

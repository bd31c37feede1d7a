"""How DuckDB's text is written where sqlglot's would not give what Databricks gives.

An operand that appears twice is evaluated once or has no side effect: DuckDB finds common
subexpressions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.generators.duckdb import DuckDBGenerator
from sqlglot.parsers.databricks import DatabricksParser

from infra.local.sql import casts_text, collections_text, decimals, errors, json_text
from infra.local.sql.errors import not_emulated


class _Read(Databricks):
    """Databricks without what sqlglot reads as something else: `YYYY` is the year of a week."""

    TIME_MAPPING = {  # noqa: RUF012 - sqlglot's own form
        **{
            letters: meant
            for letters, meant in Databricks.TIME_MAPPING.items()
            if not letters.startswith("Y")
        },
        # What sqlglot writes as `%Y` is not what somebody has written as `%Y`.
        "%": "%%",
    }

    class Tokenizer(Databricks.Tokenizer):
        """A quote within quotes is written twice, too."""

        STRING_ESCAPES: ClassVar = ["\\", "'", '"']

    class Parser(DatabricksParser):
        """A path of `get_json_object` begins with `$`; sqlglot puts it there."""

        FUNCTIONS: ClassVar = {
            **DatabricksParser.FUNCTIONS,
            "GET_JSON_OBJECT": json_text.get_json_object,
        }


READ = _Read

# INT in Databricks and BIGINT in DuckDB.
INTEGER_FUNCTIONS = (
    *(exp.ArraySize, exp.Day, exp.DayOfMonth, exp.DayOfWeek, exp.DayOfYear, exp.Hour),
    *(exp.Length, exp.Minute, exp.Month, exp.Quarter, exp.Second, exp.StrPosition, exp.WeekOfYear),
    exp.Year,
)

_UNITS: Final = {"MM": "MONTH", "MON": "MONTH", "YY": "YEAR", "YYYY": "YEAR"}

_ZERO_DIVISOR = f"'[{errors.DIVIDE_BY_ZERO.name}] Division by zero. Use `try_divide` to tolerate the divisor being 0 and return NULL instead.'"  # noqa: E501

_ZERO_MODULUS = f"'[{errors.REMAINDER_BY_ZERO.name}] Remainder by zero. Use `try_mod` to tolerate the divisor being 0 and return NULL instead.'"  # noqa: E501


def _guarded(operator: str, error: str) -> Callable[[LakeGenerator, exp.Binary], str]:
    """Databricks raises where DuckDB answers infinity or NULL (ANSI mode, its default)."""

    def render(generator: LakeGenerator, node: exp.Binary) -> str:
        left, right = generator.sql(node, "this"), generator.sql(node, "expression")
        if isinstance(node, exp.Div) and (exact := decimals.quotient(generator, node)) is not None:
            return exact
        divisor = node.expression
        if not (divisor.is_number and float(divisor.name or 0) != 0):
            right = f"CASE WHEN ({right}) = 0 THEN ERROR({error}) ELSE ({right}) END"
        return f"(({left}) {operator} ({right}))"

    return render


def _integer_division(generator: LakeGenerator, node: exp.IntDiv) -> str:
    if decimals.is_decimal(node.left) or decimals.is_decimal(node.right):
        raise not_emulated("The whole quotient of decimals")
    return f"CAST({_guarded('//', _ZERO_DIVISOR)(generator, node)} AS BIGINT)"


def _approximate_count(_generator: LakeGenerator, _node: exp.ApproxDistinct) -> str:
    """Spark's sketch takes another count for five values than DuckDB's, and than the true one."""
    raise not_emulated("approx_count_distinct, for which there is count(DISTINCT ...),")


def _slope(generator: LakeGenerator, node: exp.Corr | exp.RegrSlope) -> str:
    """Through points of one place there is no slope; their correlation is a division by zero."""
    name = "CORR" if isinstance(node, exp.Corr) else "REGR_SLOPE"
    if isinstance(node.parent, exp.Window | exp.Filter):
        raise not_emulated(f"{name} with OVER or FILTER")
    operands = (node.this, node.expression)
    varies, otherwise = f"{generator.func('REGR_SXX', *operands)} <> 0", ""
    if isinstance(node, exp.Corr):
        varies += f" AND {generator.func('REGR_SYY', *operands)} <> 0"
        several = f"{generator.func('REGR_COUNT', *operands)} > 1"
        otherwise = f" WHEN {several} THEN ERROR({_ZERO_DIVISOR})"
    return f"CASE WHEN {varies} THEN {generator.func(name, *operands)}{otherwise} END"


def _sum(generator: LakeGenerator, node: exp.Sum) -> str:
    return _whole_sum(node, generator.func("SUM", node.this))


def _whole_sum(node: exp.Expression, text: str) -> str:
    """The text of a sum, of a window or a filter with all that is around it: one of integers is a
    BIGINT, or too large."""
    total = node
    while isinstance(total, exp.Window | exp.Filter):
        total = total.this
    if not isinstance(total, exp.Sum) or isinstance(node.parent, exp.Window | exp.Filter):
        return text
    operand = total.this.expressions[0] if isinstance(total.this, exp.Distinct) else total.this
    whole = operand.type is not None and operand.type.is_type(*exp.DataType.INTEGER_TYPES)
    return f"CAST({text} AS BIGINT)" if whole else text


def _left_shift(_generator: LakeGenerator, _node: exp.BitwiseLeftShift) -> str:
    """Spark takes the count modulo 32 or 64, and what is shifted out is lost; DuckDB refuses."""
    raise not_emulated("A shift to the left")


def _try_divide(generator: LakeGenerator, node: exp.SafeDivide) -> str:
    left, right = generator.sql(node, "this"), generator.sql(node, "expression")
    return f"CASE WHEN ({right}) <> 0 THEN ({left}) / ({right}) END"


def _date_difference(generator: LakeGenerator, node: exp.DateDiff | exp.TimestampDiff) -> str:
    """Whole units between two instants; DuckDB's ``date_diff`` counts boundaries crossed."""
    end, start = generator.sql(node, "this"), generator.sql(node, "expression")
    unit = node.text("unit").upper() or "DAY"
    if unit == "DAY":
        days = f"DATE_DIFF('DAY', CAST({start} AS DATE), CAST({end} AS DATE))"
        return f"CAST({days} AS INT)" if node.args.get("unit") is None else days
    return f"DATE_SUB('{unit}', CAST({start} AS TIMESTAMPTZ), CAST({end} AS TIMESTAMPTZ))"


def _unit(node: exp.DateTrunc | exp.TimestampTrunc) -> str:
    unit = node.text("unit").upper()
    if not unit.isalpha():
        raise not_emulated("date_trunc with a unit that is not a literal")
    return _UNITS.get(unit, unit)


def _sha2(generator: LakeGenerator, node: exp.SHA2) -> str:
    if node.text("length") not in ("0", "256"):
        raise not_emulated("sha2 with a length other than 256")
    return generator.func("SHA256", node.this)


def _random(_generator: LakeGenerator, node: exp.Rand) -> str:
    if node.this is not None:
        raise not_emulated("rand with a seed")
    return "RANDOM()"


def _seconds_since_epoch(generator: LakeGenerator, node: exp.Expr) -> str:
    return f"CAST(FLOOR(EPOCH(CAST({generator.sql(node, 'this')} AS TIMESTAMPTZ))) AS BIGINT)"


def _quantile(function: str) -> Callable[[LakeGenerator, Any], str]:
    return lambda generator, node: generator.func(function, node.this, node.args["quantile"])


def _round(generator: LakeGenerator, node: exp.Round) -> str:
    """Databricks rounds the shortest decimal that stands for a DOUBLE, DuckDB its binary value."""
    value, scale = generator.sql(node, "this"), generator.sql(node, "decimals") or "0"
    if node.this.type is None or not node.this.type.is_type(exp.DType.DOUBLE):
        return generator.func("ROUND", node.this, node.args.get("decimals"))
    shortest = f"TRY_CAST(CAST({value} AS TEXT) AS DECIMAL(38, 18))"
    if scale.lstrip("-").isdigit():
        rounded = f"CAST(ROUND({shortest}, {scale}) AS DOUBLE)"
    else:
        # DuckDB rounds a DECIMAL to a constant scale only.
        scales = " ".join(
            f"WHEN {n} THEN CAST(ROUND({shortest}, {n}) AS DOUBLE)" for n in range(_SCALES)
        )
        rounded = f"CASE {scale} {scales} END"
    return f"COALESCE({rounded}, ROUND({value}, {scale}))"


_SCALES: Final = 16


_TOO_LARGE: Final = (
    f"ERROR('[{errors.UNSUPPORTED.name}] Numbers so large are {errors.NOT_EMULATED} here.')"
)


def _from_unixtime(generator: LakeGenerator, node: exp.UnixToStr) -> str:
    """Years behind 9999 have a sign in Java."""
    seconds = generator.sql(node, "this")
    text = DuckDBGenerator.TRANSFORMS[exp.UnixToStr](generator, node)
    known = f"({seconds}) BETWEEN -62135596800 AND 253402300799"
    return f"CASE WHEN {known} THEN {text} WHEN ({seconds}) IS NOT NULL THEN {_TOO_LARGE} END"


def _upper(generator: LakeGenerator, node: exp.Upper) -> str:
    """Java writes some letters as two."""
    text = generator.sql(node, "this")
    unlike = f"ERROR('[{errors.UNSUPPORTED.name}] upper of such letters is {errors.NOT_EMULATED}.')"
    two = "[\u00df\u0149\u01f0\u0390\u03b0\u0587\u1e96-\u1e9a\ufb00-\ufb17]"
    return f"CASE WHEN REGEXP_MATCHES({text}, '{two}') THEN {unlike} ELSE UPPER({text}) END"


def _whole(function: str) -> Callable[[LakeGenerator, exp.Ceil | exp.Floor], str]:
    def render(generator: LakeGenerator, node: exp.Ceil | exp.Floor) -> str:
        if node.args.get("decimals") is not None:
            raise not_emulated(f"{function.lower()} with a scale")
        whole = generator.func(function, node.this)
        return (
            f"CASE WHEN ({whole}) BETWEEN -9000000000000000000 AND 9000000000000000000 "
            f"THEN CAST({whole} AS BIGINT) WHEN ({whole}) IS NOT NULL THEN {_TOO_LARGE} END"
        )

    return render


_Render = Callable[["LakeGenerator", exp.Anonymous], str]


def _renamed(name: str) -> _Render:
    return lambda generator, node: generator.func(name, *node.expressions)


def _raise_error(generator: LakeGenerator, node: exp.Anonymous) -> str:
    message = generator.sql(node.expressions[0])
    return f"ERROR('[{errors.USER_RAISED_EXCEPTION.name}] ' || {message})"


# Functions that sqlglot has no class for, by their name in Databricks.
ANONYMOUS_FUNCTIONS: Mapping[str, _Render] = {
    "EVERY": _renamed("BOOL_AND"),
    "FORALL": collections_text.forall,
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
        **collections_text.TRANSFORMS,
        exp.ApproxDistinct: _approximate_count,
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
        exp.Avg: decimals.average,
        exp.Div: _guarded("/", _ZERO_DIVISOR),
        exp.IntDiv: _integer_division,
        exp.Mod: _guarded("%", _ZERO_MODULUS),
        exp.SafeDivide: _try_divide,
        exp.BitwiseLeftShift: _left_shift,
        exp.Sum: _sum,
        exp.Corr: _slope,
        exp.CountIf: lambda self, node: f"COUNT(CASE WHEN {self.sql(node, 'this')} THEN 1 END)",
        exp.FromJson: json_text.from_json,
        exp.JSONExtract: json_text.path,
        exp.JSONExtractScalar: json_text.path,
        exp.MapContainsKey: lambda self, node: self.func(
            "MAP_CONTAINS", node.this, node.args["key"]
        ),
        exp.Rand: _random,
        exp.RegrSlope: _slope,
        exp.Round: _round,
        exp.SHA2: _sha2,
        exp.StrToUnix: _seconds_since_epoch,
        exp.UnixSeconds: _seconds_since_epoch,
        exp.UnixMillis: lambda self, node: (
            f"CAST(FLOOR(EPOCH_US(CAST({self.sql(node, 'this')} AS TIMESTAMPTZ)) / 1000) AS BIGINT)"
        ),
        exp.UnixToStr: _from_unixtime,
        exp.Upper: _upper,
        # The first value, be it NULL.
        exp.AnyValue: lambda self, node: self.func("FIRST", node.this),
        exp.Uuid: lambda *_: "CAST(UUID() AS TEXT)",
    }

    def cast_sql(self, expression: exp.Cast, safe_prefix: str | None = None) -> str:
        """A cast as Databricks does it."""
        plain = super().cast_sql(expression, safe_prefix)
        return casts_text.cast(self, expression, plain, strict=not safe_prefix)

    def filter_sql(self, expression: exp.Filter) -> str:
        """An aggregate of some rows."""
        return _whole_sum(expression, super().filter_sql(expression))

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

    def posexplode_sql(self, expression: exp.Posexplode) -> str:
        """Positions are INT."""
        text = super().posexplode_sql(expression)
        return _POSITION.sub(r"CAST(\g<0> AS INT)", text, count=1)

    def join_sql(self, expression: exp.Join, join_op: str | None = None) -> str:
        """Positions of LATERAL VIEW posexplode are INT."""
        text = super().join_sql(expression, join_op)
        return _POSITION_OF_LATERAL.sub(r"\1CAST(\2 AS INT) AS", text, count=1)

    def concatws_sql(self, expression: exp.ConcatWs) -> str:
        """Of nothing but a separator there is an empty text."""
        if len(expression.expressions) > 1:
            return super().concatws_sql(expression)
        return f"CASE WHEN ({self.sql(expression.expressions[0])}) IS NOT NULL THEN '' END"

    def window_sql(self, expression: exp.Window) -> str:
        """An aggregate over a window."""
        text = collections_text.window(expression, super().window_sql(expression))
        return _whole_sum(expression, text)

    def anonymous_sql(self, expression: exp.Anonymous) -> str:
        """A function that sqlglot has no class for."""
        render = ANONYMOUS_FUNCTIONS.get(expression.name.upper())
        return render(self, expression) if render else super().anonymous_sql(expression)


_POSITION: Final = re.compile(r"GENERATE_SUBSCRIPTS\(.*?, 1\) - 1")
_POSITION_OF_LATERAL: Final = re.compile(r"^(\s*CROSS JOIN LATERAL \(SELECT )(\S+ - 1) AS")


class LakeDialect(DuckDB):
    """DuckDB as this workspace writes it."""

    Generator = LakeGenerator

"""Errors of SQL statements in Databricks' form: a class, a message, an SQLSTATE.

Classes and states: https://docs.databricks.com/aws/en/error-messages/error-classes.
"""

import re
from dataclasses import dataclass

import duckdb

NOT_EMULATED = "not emulated by the local workspace"


@dataclass(frozen=True, kw_only=True)
class ErrorClass:
    """A named error condition and its SQLSTATE."""

    name: str
    sql_state: str


PARSE_SYNTAX_ERROR = ErrorClass(name="PARSE_SYNTAX_ERROR", sql_state="42601")
UNSUPPORTED = ErrorClass(name="UNSUPPORTED_FEATURE", sql_state="0A000")
TABLE_OR_VIEW_NOT_FOUND = ErrorClass(name="TABLE_OR_VIEW_NOT_FOUND", sql_state="42P01")
TABLE_OR_VIEW_ALREADY_EXISTS = ErrorClass(name="TABLE_OR_VIEW_ALREADY_EXISTS", sql_state="42P07")
EXPECT_TABLE_NOT_VIEW = ErrorClass(name="EXPECT_TABLE_NOT_VIEW", sql_state="42809")
EXPECT_VIEW_NOT_TABLE = ErrorClass(name="EXPECT_VIEW_NOT_TABLE", sql_state="42809")
INVALID_NAME = ErrorClass(name="INVALID_SCHEMA_OR_RELATION_NAME", sql_state="42602")
SCHEMA_NOT_FOUND = ErrorClass(name="SCHEMA_NOT_FOUND", sql_state="42704")
SCHEMA_ALREADY_EXISTS = ErrorClass(name="SCHEMA_ALREADY_EXISTS", sql_state="42P06")
SCHEMA_NOT_EMPTY = ErrorClass(name="SCHEMA_NOT_EMPTY", sql_state="2BP01")
CATALOG_NOT_FOUND = ErrorClass(name="NO_SUCH_CATALOG_EXCEPTION", sql_state="42704")
UNRESOLVED_COLUMN = ErrorClass(name="UNRESOLVED_COLUMN.WITH_SUGGESTION", sql_state="42703")
COLUMN_ALREADY_EXISTS = ErrorClass(name="COLUMN_ALREADY_EXISTS", sql_state="42711")
UNBOUND_SQL_PARAMETER = ErrorClass(name="UNBOUND_SQL_PARAMETER", sql_state="42P02")
INVALID_PARAMETER_TYPE = ErrorClass(name="DATATYPE_MISMATCH", sql_state="42K09")
CREATE_VIEW_COLUMN_ARITY_MISMATCH = ErrorClass(
    name="CREATE_VIEW_COLUMN_ARITY_MISMATCH", sql_state="21S01"
)
EXCEED_LIMIT_LENGTH = ErrorClass(name="EXCEED_LIMIT_LENGTH", sql_state="54006")
INSERT_COLUMN_ARITY_MISMATCH = ErrorClass(name="INSERT_COLUMN_ARITY_MISMATCH", sql_state="21S01")
CAST_INVALID_INPUT = ErrorClass(name="CAST_INVALID_INPUT", sql_state="22018")
NUMERIC_VALUE_OUT_OF_RANGE = ErrorClass(name="NUMERIC_VALUE_OUT_OF_RANGE", sql_state="22003")
CAST_OVERFLOW = ErrorClass(name="CAST_OVERFLOW", sql_state="22003")
DIVIDE_BY_ZERO = ErrorClass(name="DIVIDE_BY_ZERO", sql_state="22012")
INVALID_ARRAY_INDEX = ErrorClass(name="INVALID_ARRAY_INDEX", sql_state="22003")
INVALID_ARRAY_INDEX_IN_ELEMENT_AT = ErrorClass(
    name="INVALID_ARRAY_INDEX_IN_ELEMENT_AT", sql_state="22003"
)
COLLECTION_SIZE_LIMIT_EXCEEDED = ErrorClass(
    name="COLLECTION_SIZE_LIMIT_EXCEEDED", sql_state="54000"
)
ILLEGAL_SEQUENCE = ErrorClass(name="INVALID_PARAMETER_VALUE", sql_state="22023")
DUPLICATED_MAP_KEY = ErrorClass(name="DUPLICATED_MAP_KEY", sql_state="23505")
REMAINDER_BY_ZERO = ErrorClass(name="REMAINDER_BY_ZERO", sql_state="22012")
USER_RAISED_EXCEPTION = ErrorClass(name="USER_RAISED_EXCEPTION", sql_state="P0001")
NOT_NULL_VIOLATED = ErrorClass(name="DELTA_NOT_NULL_CONSTRAINT_VIOLATED", sql_state="23502")
AMBIGUOUS_MERGE = ErrorClass(
    name="DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE", sql_state="21506"
)
AMBIGUOUS_REFERENCE = ErrorClass(name="AMBIGUOUS_REFERENCE", sql_state="42704")
MISSING_AGGREGATION = ErrorClass(name="MISSING_AGGREGATION", sql_state="42803")
TOO_COMPLEX = ErrorClass(name="FAILED_TO_PARSE_TOO_COMPLEX", sql_state="54001")
DATATYPE_MISMATCH = ErrorClass(name="DATATYPE_MISMATCH", sql_state="42K09")
CONCURRENT_WRITE = ErrorClass(name="DELTA_CONCURRENT_WRITE", sql_state="2D521")
INSUFFICIENT_PERMISSIONS = ErrorClass(name="INSUFFICIENT_PERMISSIONS", sql_state="42501")
RESULT_TOO_LARGE = ErrorClass(name="INLINE_BYTE_LIMIT_EXCEEDED", sql_state="54000")
UNSET_NONEXISTENT_PROPERTIES = ErrorClass(name="UNSET_NONEXISTENT_PROPERTIES", sql_state="42K0J")
QUERY_EXECUTION_TIMEOUT_EXCEEDED = ErrorClass(
    name="QUERY_EXECUTION_TIMEOUT_EXCEEDED", sql_state="57KD0"
)
OUT_OF_MEMORY = ErrorClass(name="OUT_OF_MEMORY", sql_state="53200")
INTERNAL_ERROR = ErrorClass(name="INTERNAL_ERROR", sql_state="XX000")


class StatementError(Exception):
    """A statement that failed; ``str()`` is the message a Databricks client would show."""

    def __init__(self, error_class: ErrorClass, message: str) -> None:
        self.error_class = error_class
        self.sql_state = error_class.sql_state
        super().__init__(f"[{error_class.name}] {message} SQLSTATE: {error_class.sql_state}")


class StatementCanceled(Exception):
    """The statement was interrupted by its client."""


def not_emulated(what: str) -> StatementError:
    """The honest answer for what Databricks SQL has and this workspace has not."""
    return StatementError(UNSUPPORTED, f"{what} is {NOT_EMULATED}.")


# What an expression that fails at run time says, so that the failure keeps its Databricks class.
_RAISED = re.compile(r"\[(?P<name>[A-Z_]+)\] (?P<text>.*)", re.DOTALL)
_RAISED_CLASSES = {
    error.name: error
    for error in (
        *(DIVIDE_BY_ZERO, REMAINDER_BY_ZERO, USER_RAISED_EXCEPTION, INVALID_ARRAY_INDEX),
        *(CAST_INVALID_INPUT, UNSUPPORTED),
        *(INVALID_ARRAY_INDEX_IN_ELEMENT_AT, COLLECTION_SIZE_LIMIT_EXCEEDED, ILLEGAL_SEQUENCE),
    )
}
_NOT_NULL = re.compile(r"NOT NULL constraint failed: (?P<column>\S+)")
_MISSING_TABLE = re.compile(r'(?:Table|View) with name "?(?P<name>[^"\s]+)"? does not exist')
_MISSING_COLUMN = re.compile(
    r'(?:Referenced column "(?P<name>[^"]+)" not found'
    r'|does not have a column (?:named|with name) "(?P<other>[^"]+)"'
    r"|Column with name (?P<third>\S+) does not exist)"
)
_CANDIDATES = re.compile(r"Candidate bindings: (?P<names>.*)")
GIVEN_NAMES = frozenset({"col", "key", "value", "pos"})
"""What explode and posexplode name their columns."""
_NAMES = re.compile(r'[^",:\s]+')
_MISSING_FUNCTION = re.compile(r"Function with name \"?(?P<name>\w+)\"? does not exist")
_ARITY = re.compile(r"has (?P<columns>\d+) columns but (?P<values>\d+) values were supplied")


def from_duckdb(error: duckdb.Error) -> Exception:
    """What Databricks would have said for an error of DuckDB."""
    text = str(error).partition("\n\nLINE ")[0].strip()
    if isinstance(error, duckdb.InterruptException):
        return StatementCanceled()
    if isinstance(error, duckdb.OutOfMemoryException):
        return out_of_memory()
    if isinstance(error, duckdb.InvalidInputException) and (raised := _RAISED.search(text)):
        error_class = _RAISED_CLASSES.get(raised["name"], USER_RAISED_EXCEPTION)
        return StatementError(error_class, raised["text"])
    if "Map keys must be unique" in text:
        return StatementError(DUPLICATED_MAP_KEY, "Duplicate map key was found.")
    if isinstance(error, duckdb.ConstraintException):
        if match := _NOT_NULL.search(text):
            column = match["column"].rpartition(".")[2]
            return StatementError(
                NOT_NULL_VIOLATED, f"NOT NULL constraint violated for column: {column}."
            )
        return StatementError(INTERNAL_ERROR, text)
    if isinstance(error, duckdb.ConversionException) and "out of range for the dest" in text:
        return StatementError(CAST_OVERFLOW, text.removeprefix("Conversion Error: ") + ".")
    if isinstance(error, duckdb.ConversionException):
        return StatementError(CAST_INVALID_INPUT, text.removeprefix("Conversion Error: ") + ".")
    if isinstance(error, duckdb.InvalidInputException) or "cannot take" in text:
        # DuckDB has its own view of what a function is defined for.
        return StatementError(UNSUPPORTED, f"This statement is {NOT_EMULATED}: {text}")
    if isinstance(error, duckdb.OutOfRangeException):
        return StatementError(NUMERIC_VALUE_OUT_OF_RANGE, text)
    if isinstance(error, duckdb.TransactionException):
        return StatementError(CONCURRENT_WRITE, text)
    if isinstance(error, duckdb.CatalogException):
        return _from_catalog_error(text)
    if isinstance(error, duckdb.BinderException):
        return _from_binder_error(text)
    if isinstance(
        error, duckdb.ParserException | duckdb.NotImplementedException | duckdb.PermissionException
    ):
        return StatementError(UNSUPPORTED, f"This statement is {NOT_EMULATED}: {text}")
    return StatementError(INTERNAL_ERROR, text)


def out_of_memory() -> StatementError:
    """Of a statement that takes more than it may."""
    return StatementError(
        OUT_OF_MEMORY, "The statement takes more memory than the local workspace gives to one."
    )


def too_complex() -> StatementError:
    """Of a statement that is too long or too deep to be read."""
    return StatementError(
        TOO_COMPLEX,
        "The statement, including potential SQL functions and referenced views, was too complex "
        "to parse. Divide it into several, less complex ones.",
    )


def table_not_found(name: str) -> StatementError:
    """``name`` as the statement has it, dotted."""
    quoted = ".".join(f"`{part}`" for part in name.split("."))
    return StatementError(
        TABLE_OR_VIEW_NOT_FOUND,
        f"The table or view {quoted} cannot be found. Verify the spelling and correctness of the "
        "schema and catalog.",
    )


def _from_catalog_error(text: str) -> StatementError:
    if match := _MISSING_TABLE.search(text):
        return table_not_found(match["name"])
    if match := _MISSING_FUNCTION.search(text):
        return not_emulated(f"The function `{match['name'].lower()}`")
    if match := _MISSING_COLUMN.search(text):
        return _unresolved_column(match, text)
    if "already exists" in text:
        return StatementError(TABLE_OR_VIEW_ALREADY_EXISTS, text)
    return StatementError(INTERNAL_ERROR, text)


def _from_binder_error(text: str) -> StatementError:
    if match := _MISSING_COLUMN.search(text):
        return _unresolved_column(match, text)
    if match := _ARITY.search(text):
        return StatementError(
            INSERT_COLUMN_ARITY_MISMATCH,
            f"Cannot write: the table has {match['columns']} column(s), the data has "
            f"{match['values']} column(s).",
        )
    if "must appear in the GROUP BY clause" in text:
        return StatementError(MISSING_AGGREGATION, text.removeprefix("Binder Error: "))
    if text.startswith("Binder Error: Ambiguous reference"):
        return StatementError(AMBIGUOUS_REFERENCE, text.removeprefix("Binder Error: "))
    if "No function matches" in text or "Cannot compare values" in text:
        return StatementError(DATATYPE_MISMATCH, text.removeprefix("Binder Error: "))
    if match := _MISSING_FUNCTION.search(text):
        return not_emulated(f"The function `{match['name'].lower()}`")
    return StatementError(UNSUPPORTED, f"This statement is {NOT_EMULATED}: {text}")


def _unresolved_column(match: re.Match[str], text: str) -> StatementError:
    name = next(value for value in match.groupdict().values() if value)
    if name.lower() in GIVEN_NAMES:
        return not_emulated(f"The column `{name}`, as a function names it,")
    candidates = _CANDIDATES.search(text)
    return unresolved_column(name, _NAMES.findall(candidates["names"]) if candidates else [])


def unresolved_column(name: str, candidates: list[str]) -> StatementError:
    """Of a column that is not there; `candidates` are, the likeliest first."""
    names = ", ".join(f"`{candidate}`" for candidate in candidates)
    hint = f" Did you mean one of the following? [{names}]." if names else ""
    return StatementError(
        UNRESOLVED_COLUMN,
        f"A column, variable, or function parameter with name `{name}` cannot be resolved.{hint}",
    )

"""A declaration: one table of an environment file, checked as a whole.

Every problem of a table is reported at once, each with its rule and the way out of it; pydantic's
own wording never reaches the person who wrote the file.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError
from pydantic import model_validator as check_model
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

Location = tuple[int | str, ...]
Table = Mapping[str, Any] | BaseModel

_A_TABLE = ("a table", "write it as a table of keys and values")
_RULES_BY_ERROR = {
    "bool_type": ("true or false", "write true or false, without quotes"),
    "date_type": ("a date", "write it as 2025-06-30, without quotes"),
    "int_type": ("a whole number", "write the number alone, without quotes, point or fraction"),
    "dict_type": _A_TABLE,
    "mapping_type": _A_TABLE,
    "model_attributes_type": _A_TABLE,
    "model_type": _A_TABLE,
    "string_too_short": ("a text that is not empty", "write it, or remove the key"),
    "string_type": ("a text", "put the value in double quotes"),
    "tuple_type": ("a list", "write it as a list: one [[table]] per element"),
}
"""Rule and way out for what pydantic finds by itself, by its name for it."""


def broken_rule(rule: str, way_out: str) -> PydanticCustomError:
    """What a validator raises: the rule that the value breaks, and what to do about it."""
    # In the context, not in the template: a rule may contain braces ({{secrets/...}}).
    return PydanticCustomError(
        "broken_rule",
        "{problem}",
        {"problem": f"{rule}; {way_out}", "rule": rule, "way_out": way_out},
    )


def problem(location: Location, value: object, rule: str, way_out: str) -> InitErrorDetails:
    """A problem that a table finds by comparing its keys; `location` is relative to the table."""
    return InitErrorDetails(type=broken_rule(rule, way_out), loc=location, input=value)


def nearest(word: str, known: list[str]) -> str | None:
    """The known word that a mistyped one probably means."""
    matches = difflib.get_close_matches(word.lower(), [name.lower() for name in known], n=1)
    return next((name for name in known if matches and name.lower() == matches[0]), None)


def read(table: object, key: str) -> Any:
    """A key of a table that may still be raw, or wrong: None where there is nothing to read."""
    return table.get(key) if isinstance(table, Mapping) else getattr(table, key, None)


class Declaration(BaseModel):
    """Frozen, strict about types, closed to unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        # A copy with other values (`model_copy`) is checked again wherever it is used.
        revalidate_instances="always",
        validate_by_alias=True,
        validate_by_name=True,
    )

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:  # noqa: ARG003
        """Rules between the keys of one table. `table` is raw: skip what cannot be compared."""
        yield from ()

    @check_model(mode="wrap")
    @classmethod
    def _all_problems_at_once(cls, table: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        problems = []
        if isinstance(table, Mapping | Declaration):
            problems = list(cls.disagreements(table))
        try:
            declaration = handler(table)
        except ValidationError as error:
            found = [cls._in_our_words(details) for details in error.errors(include_url=False)]
            problems = found + problems
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return declaration

    @classmethod
    def _in_our_words(cls, details: ErrorDetails) -> InitErrorDetails:
        location, value, context = details["loc"], details["input"], details.get("ctx", {})
        match details["type"]:
            case "broken_rule":
                rule, way_out = context["rule"], context["way_out"]
            case "extra_forbidden":
                rule, way_out = cls._known_keys(str(location[-1]))
            case "missing":
                rule, way_out = "a required key", cls._how_to_write(str(location[-1]))
                value = None
            case "union_tag_not_found":
                rule, way_out = "a required key: type", 'write, for example: type = "local"'
            case "union_tag_invalid":
                rule = f"type is one of {context['expected_tags'].replace(chr(39), '')}"
                way_out = "write one of them"
            case kind if kind in _RULES_BY_ERROR:
                rule, way_out = _RULES_BY_ERROR[kind]
            case _:
                rule, way_out = details["msg"], "correct the value"
        return InitErrorDetails(type=broken_rule(rule, way_out), loc=location, input=value)

    @classmethod
    def _known_keys(cls, unknown: str) -> tuple[str, str]:
        known = [
            field.alias or name for name, field in cls.model_fields.items() if not field.exclude
        ]
        meant = nearest(unknown, known)
        way_out = f"did you mean {meant!r}?" if meant else "remove the key"
        return f"known keys here: {', '.join(known)}", way_out

    @classmethod
    def _how_to_write(cls, key: str) -> str:
        examples = [
            example
            for name, field in cls.model_fields.items()
            if (field.alias or name) == key
            for example in field.examples or ()
        ]
        return f"write it, for example: {examples[0]}" if examples else "write it"

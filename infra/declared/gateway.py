"""What an environment file says about an endpoint's gateway beside its inference table, and about
who is told of its updates. Pure values.

docs/reference/terraform-provider.md#what-it-never-sends
"""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field
from pydantic_core import InitErrorDetails

from infra.declared.declaration import Declaration, Table, broken_rule, problem, read
from infra.declared.rules import one_of, whole_number

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+")

Of = Literal["endpoint", "user", "user_group", "service_principal"]


class RateLimit(Declaration):
    """How many calls a minute allows: to all, to each user, or to one principal."""

    calls: Annotated[
        int, whole_number(0, None, "a whole number of calls a minute", "write it without quotes")
    ] = Field(examples=["calls = 100"])
    key: Annotated[Of, one_of(*get_args(Of))] = "endpoint"
    principal: str | None = Field(default=None, min_length=1)
    """Whom a limit by `user_group` or `service_principal` is for."""

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """A limit of one principal names it."""
        yield from super().disagreements(table)
        named, key = read(table, "principal"), read(table, "key")
        if key in ("user_group", "service_principal") and named is None:
            yield problem(
                ("principal",), None, f"the name of the {key}", f'write, with key = "{key}", it'
            )


def limited_twice(limits: object) -> Iterator[InitErrorDetails]:
    """Two limits of the same calls."""
    seen: dict[tuple[object, object], int] = {}
    for index, limit in enumerate(limits if isinstance(limits, list | tuple) else ()):
        whose = (read(limit, "key") or "endpoint", read(limit, "principal"))
        if seen.setdefault(whose, index) != index:
            yield problem(
                ("rate_limits", index, "key"),
                whose[0],
                f"limits the same calls as rate_limits[{seen[whose]}] does",
                "keep one of the two",
            )


class UsageTracking(Declaration):
    """Whether requests are counted in `system.serving.endpoint_usage`."""

    enabled: bool = True


class TelemetryTables(Declaration):
    """Full names of the tables of what the container tells of itself."""

    annotations_table: str | None = None
    logs_table: str | None = None
    metrics_table: str | None = None
    traces_table: str | None = None


class Telemetry(Declaration):
    """What the container tells of itself, and where to. Known to newer bindings only."""

    enabled_telemetry_features: tuple[str, ...] = Field(default=(), strict=False)
    telemetry_profile_id: str | None = None
    inference_table: str | None = None
    """The full name of the table of requests and responses."""

    table_names: TelemetryTables | None = None


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise broken_rule("an e-mail address", "write, for example: oncall@clinic.example")
    return text


Address = Annotated[str, AfterValidator(_address)]


class Notifications(Declaration):
    """E-mail addresses that are told how an update ended."""

    on_update_failure: tuple[Address, ...] = Field(default=(), strict=False)
    on_update_success: tuple[Address, ...] = Field(default=(), strict=False)

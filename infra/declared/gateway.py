"""What an environment file says about an endpoint's gateway beside its inference table, and about
who is told of its updates. Pure values.

docs/reference/terraform-provider.md#what-it-never-sends
"""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field
from pydantic_core import InitErrorDetails

from infra.declared.declaration import Declaration, Table, problem, read
from infra.declared.rules import one_of, whole_number

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


class Notifications(Declaration):
    """E-mail addresses that are told how an update ended."""

    on_update_failure: tuple[str, ...] = Field(default=(), strict=False)
    on_update_success: tuple[str, ...] = Field(default=(), strict=False)

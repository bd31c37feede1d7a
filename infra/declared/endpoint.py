"""What an environment file says about a serving endpoint. Pure values; knows no cdktf.

docs/reference/serving.md#names-and-limits, docs/reference/serving.md#auto-capture,
docs/reference/terraform-provider.md#what-it-never-sends
"""

from abc import abstractmethod
from collections.abc import Iterator
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field
from pydantic_core import InitErrorDetails

from infra.declared.bindings import lacking
from infra.declared.declaration import Declaration, Table, problem, read
from infra.declared.gateway import (
    Notifications,
    RateLimit,
    Telemetry,
    UsageTracking,
    limited_twice,
)
from infra.declared.naming import (
    CatalogName,
    EndpointName,
    SchemaName,
    TablePrefix,
    Tags,
)
from infra.declared.principal import PRINCIPAL_KINDS, Principal
from infra.declared.rules import one_of, whole_number
from infra.declared.served_model import Challenger, ServedModel, served_entity_name
from infra.declared.task import TaskKey
from infra.declared.traffic import Challenge, TrafficSplit
from ml.contract.serving import UNKNOWN_REQUESTS, UnknownRequest
from ml.contract.task import PNEUMONIA

MOST_SERVED_ENTITIES: Final = 10
SHORTEST_TIMEOUT_MINUTES: Final = 45
"""The provider's default. A container is built in about 10 minutes, tried three times, and then
waited for another 30; a create that times out deletes the endpoint and with it the build log."""

AUTO_CAPTURE_NOT_ENABLED_SINCE: Final = date(2026, 2, 20)
"""From this day Databricks enables auto-capture on no endpoint, new or existing."""

AUTO_CAPTURE_UNSUPPORTED_SINCE: Final = date(2026, 3, 20)

Level = Literal["CAN_VIEW", "CAN_QUERY", "CAN_MANAGE"]


Minutes = Annotated[
    int,
    whole_number(
        SHORTEST_TIMEOUT_MINUTES,
        None,
        f"whole minutes, at least {SHORTEST_TIMEOUT_MINUTES}: a create that times out deletes the "
        "endpoint and its build log",
        f"write {SHORTEST_TIMEOUT_MINUTES} or more, or remove the key",
    ),
]


class InferenceTable(Declaration):
    """Where serving logs requests and responses: `<catalog>.<schema>.<prefix>_payload`."""

    catalog: CatalogName | None = None
    """The environment's catalog unless another one is named."""

    schema_name: SchemaName = Field(alias="schema", examples=['schema = "gold"'])
    prefix: TablePrefix = Field(examples=['prefix = "pneumonia_classifier"'])
    enabled: bool = True
    """False stops the logging. Removing the table from the file does not: the provider crashes on
    a removed `ai_gateway` block, sends nothing, and plans "No changes" from then on
    (docs/reference/terraform-provider.md#what-it-never-sends)."""


class AutoCapture(Declaration):
    """The legacy inference table of an endpoint that has had one since before February 2026."""

    catalog: CatalogName | None = None
    schema_name: SchemaName = Field(alias="schema", examples=['schema = "gold"'])
    prefix: TablePrefix = Field(examples=['prefix = "pneumonia_classifier"'])
    enabled: bool = True
    enabled_since: date | None = None
    """The day on which this endpoint's auto-capture was enabled. Required: what the day proves is
    that the endpoint is none of those to which Databricks refuses it."""

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """One that is enabled says since when: before Databricks stopped enabling any."""
        since = read(table, "enabled_since")
        if since is None or (type(since) is date and since >= AUTO_CAPTURE_NOT_ENABLED_SINCE):
            yield problem(
                ("enabled_since",),
                since,
                f"auto-capture is for an endpoint that has it already: Databricks enables it on "
                f"none since {AUTO_CAPTURE_NOT_ENABLED_SINCE} and stopped supporting it on "
                f"{AUTO_CAPTURE_UNSUPPORTED_SINCE}",
                "write an [inference_table] with the same schema and prefix instead; for an old "
                "endpoint, write the day that enabled it, for example: enabled_since = 2025-06-30",
            )


class Permission(Principal):
    """What one principal may do with an endpoint."""

    level: Annotated[Level, one_of(*get_args(Level))] = Field(examples=['level = "CAN_QUERY"'])

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """Who manages every endpoint as it is, the group `admins`, is not named."""
        yield from super().disagreements(table)
        if read(table, "group") == "admins":
            yield problem(
                ("group",),
                "admins",
                "workspace admins manage every endpoint; the provider refuses to say so again",
                "remove this table",
            )


class Endpoint(Declaration):
    """What every serving endpoint has, whatever it serves."""

    endpoint: EndpointName = Field(examples=['endpoint = "pneumonia-classifier-ab-test"'])
    adopt: bool = False
    """Import the endpoint, which exists already, instead of creating it."""

    ignore_version_changes: bool = False
    """Leave alone what something else than Terraform has deployed in the place of an arm."""

    timeout_minutes: Minutes = 60
    route_optimized: bool = False
    """Another value is another endpoint: the old one is destroyed."""

    description: str | None = Field(default=None, min_length=1)
    budget_policy_id: str | None = Field(default=None, min_length=1)
    email_notifications: Notifications | None = None
    tags: Tags = Field(default_factory=lambda: MappingProxyType({}))
    """Beside those of the environment, and before them where both have a key."""

    rate_limits: tuple[RateLimit, ...] = Field(default=(), strict=False)
    usage_tracking_config: UsageTracking | None = None
    telemetry_config: Telemetry | None = None
    inference_table: InferenceTable | None = None
    auto_capture: AutoCapture | None = None
    permissions: tuple[Permission, ...] = Field(default=(), strict=False)

    @property
    @abstractmethod
    def served_models(self) -> tuple[ServedModel, ...]:
        """Champion first, then the challengers in the order of the file."""

    @property
    @abstractmethod
    def split(self) -> TrafficSplit:
        """Who answers how many of the requests."""

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """No principal is named twice, and nobody has two limits."""
        yield from super().disagreements(table)
        yield from limited_twice(read(table, "rate_limits"))
        yield from _principals_named_twice(read(table, "permissions"))
        if read(table, "telemetry_config") is not None:
            yield from lacking("telemetry_config", read(table, "telemetry_config"))


def _principals_named_twice(permissions: object) -> Iterator[InitErrorDetails]:
    seen = set()
    for index, permission in enumerate(
        permissions if isinstance(permissions, list | tuple) else ()
    ):
        for kind in PRINCIPAL_KINDS:
            name = read(permission, kind)
            if not isinstance(name, str):
                continue
            if (kind, name) in seen:
                yield problem(
                    ("permissions", index, kind),
                    name,
                    "a principal has one permission level on an endpoint",
                    "keep the table with the higher level; CAN_MANAGE includes CAN_QUERY, and "
                    "that includes CAN_VIEW",
                )
            seen.add((kind, name))


class ABTest(Endpoint):
    """One endpoint, a champion and its challengers, each with a share of the traffic."""

    task: TaskKey = Field(default=PNEUMONIA, examples=['task = "pneumonia"'])
    """What its models answer: a task's name, or a path relative to the environment's file."""

    champion: ServedModel = Field(examples=["[ab_test.champion]"])
    challengers: tuple[Challenger, ...] = Field(default=(), strict=False)

    @property
    def served_models(self) -> tuple[ServedModel, ...]:
        """The champion first, then the challengers in the file's order."""
        return (self.champion, *self.challengers)

    @property
    def split(self) -> TrafficSplit:
        """The champion gets what the challengers leave."""
        return TrafficSplit(
            champion=self.champion.served_entity_name,
            challengers=tuple(
                Challenge(served_entity=arm.served_entity_name, percent=arm.traffic)
                for arm in self.challengers
            ),
        )

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """The shares fit into all traffic, and no two arms have one name."""
        yield from super().disagreements(table)
        challengers = read(table, "challengers")
        if not isinstance(challengers, list | tuple):
            return
        if len(challengers) >= MOST_SERVED_ENTITIES:
            yield problem(
                ("challengers",),
                f"{len(challengers)} challengers",
                f"at most {MOST_SERVED_ENTITIES} served entities on an endpoint, champion included",
                f"remove {len(challengers) + 1 - MOST_SERVED_ENTITIES}",
            )
        yield from _shares_above_all_traffic(challengers)
        yield from _arms_of_one_name(read(table, "champion"), challengers)


def _shares_above_all_traffic(challengers: Any) -> Iterator[InitErrorDetails]:
    shares = [read(arm, "traffic") for arm in challengers]
    shares = [share for share in shares if type(share) is int and 0 <= share <= 100]
    if sum(shares) > 100:
        yield problem(
            ("challengers", "*", "traffic"),
            f"{' + '.join(map(str, shares))} = {sum(shares)}",
            "the challengers together get at most 100 percent; the champion gets the rest",
            f"take {sum(shares) - 100} percent off the challengers",
        )


def _arms_of_one_name(champion: object, challengers: Any) -> Iterator[InitErrorDetails]:
    seen: dict[str, str] = {}
    arms = [(("champion",), "champion", champion)] + [
        (("challengers", index), f"challengers[{index}]", arm)
        for index, arm in enumerate(challengers)
    ]
    for location, place, arm in arms:
        model, version = read(arm, "model"), read(arm, "version")
        if model is None or version is None:
            continue
        name = served_entity_name(model, version, read(arm, "served_entity"))
        if name in seen:
            yield problem(
                location,
                name,
                f"every arm has a served entity of its own, and {seen[name]} has this name already",
                "remove one of the two arms, or serve another version",
            )
        seen.setdefault(name, place)


Authentication = Literal["oauth", "token", "passthrough"]


class SingleModel(Endpoint, ServedModel):
    """An endpoint that serves one model."""

    @property
    def served_models(self) -> tuple[ServedModel, ...]:
        """The one model."""
        return (self,)

    @property
    def split(self) -> TrafficSplit:
        """All traffic to the one model."""
        return TrafficSplit(champion=self.served_entity_name)


class Feedback(SingleModel):
    """The endpoint that takes the readings."""

    unknown_request: Annotated[UnknownRequest, one_of(*UNKNOWN_REQUESTS)] = "pending"
    """Whether a verdict on a prediction that is not in the inference table waits, or is refused."""

    authentication: Annotated[Authentication, one_of(*get_args(Authentication))] = "oauth"
    """How the endpoint signs in to the workspace: as a service principal or with a token, both out
    of the secret scope, or with what serving passes through to it."""

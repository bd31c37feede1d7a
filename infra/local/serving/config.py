"""What an endpoint is asked to be: served entities, traffic, gateway, tags. Pure values."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

import pydantic

from infra.local.serving.payload import PayloadTable

_SECRET = re.compile(r"\{\{secrets/(?P<scope>[^/{}]+)/(?P<key>[^/{}]+)\}\}")

PROVISIONED_CONCURRENCY = {"Small": 4, "Medium": 16, "Large": 64}


class Wire(pydantic.BaseModel):
    """A part of a request. Unknown fields are dropped, as Databricks does."""

    model_config = pydantic.ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class Secret(Wire):
    """A reference `{{secrets/scope/key}}`."""

    scope: str
    key: str

    @classmethod
    def parse(cls, value: str) -> Self | None:
        """The reference that a value is; None where it is none."""
        match = _SECRET.fullmatch(value)
        return cls(**match.groupdict()) if match else None


class ServedEntity(Wire):
    """A registered model version and how it is to be served."""

    name: str
    entity_name: str
    entity_version: str
    workload_size: str | None = None
    workload_type: str = "CPU"
    scale_to_zero_enabled: bool = False
    min_provisioned_concurrency: int | None = None
    max_provisioned_concurrency: int | None = None
    environment_vars: dict[str, str] = {}
    instance_profile_arn: str | None = None

    @property
    def provisioned_concurrency(self) -> int:
        """Requests that are computed at the same time."""
        if self.max_provisioned_concurrency is not None:
            return self.max_provisioned_concurrency
        return PROVISIONED_CONCURRENCY[self.workload_size or "Small"]

    @property
    def secrets(self) -> dict[str, Secret]:
        """The environment variables that are references, by name."""
        references = {name: Secret.parse(value) for name, value in self.environment_vars.items()}
        return {name: reference for name, reference in references.items() if reference}


class Route(Wire):
    """The share of the traffic, in percent, of one served entity."""

    served_entity_name: str
    traffic_percentage: Annotated[int, pydantic.Field(strict=True)]


class ConfigSpec(Wire):
    """A whole, valid configuration."""

    served_entities: tuple[ServedEntity, ...]
    routes: tuple[Route, ...]


class Tag(Wire):
    """A key and its value."""

    key: str
    value: str | None = None


class InferenceTableConfig(Wire):
    """Where answers are logged: catalog, schema, and the prefix of the table's name."""

    enabled: bool = False
    catalog_name: str | None = None
    schema_name: str | None = None
    table_name_prefix: str | None = None
    sampling_fraction: Annotated[float, pydantic.Field(ge=0, le=1)] | None = None

    def table(self, endpoint_name: str) -> PayloadTable | None:
        """The table of an endpoint; None where catalog or schema is not named."""
        if self.catalog_name is None or self.schema_name is None:
            return None
        prefix = self.table_name_prefix or endpoint_name
        return PayloadTable(catalog=self.catalog_name, schema=self.schema_name, prefix=prefix)


class UsageTrackingConfig(Wire):
    """Whether requests are counted in `system.serving.endpoint_usage`."""

    enabled: bool = False


class RateLimit(Wire):
    """How many calls a period allows, to everybody or to each user."""

    calls: Annotated[int, pydantic.Field(ge=0)]
    renewal_period: str = "minute"
    key: str = "endpoint"
    principal: str | None = None


class Gateway(Wire):
    """`ai_gateway` of an endpoint that serves custom models."""

    inference_table_config: InferenceTableConfig | None = None
    usage_tracking_config: UsageTrackingConfig | None = None
    rate_limits: tuple[RateLimit, ...] | None = None
    fallback_config: dict[str, Any] | None = None

    def enabled_table(self, endpoint_name: str) -> PayloadTable | None:
        """The inference table of an endpoint; None where none is enabled."""
        config = self.inference_table_config
        return config.table(endpoint_name) if config is not None and config.enabled else None

    @property
    def tracks_usage(self) -> bool:
        """Whether usage tracking is enabled."""
        return self.usage_tracking_config is not None and self.usage_tracking_config.enabled


class CreateSpec(Wire):
    """The body of a create call."""

    name: str
    config: ConfigSpec | None = None
    gateway: Gateway | None = None
    tags: tuple[Tag, ...] = ()
    description: str = ""
    route_optimized: bool = False
    email_notifications: dict[str, Any] | None = None
    budget_policy_id: str | None = None

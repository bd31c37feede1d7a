"""An endpoint and the states it goes through. Pure: time, identity and ids come from outside.

Create and every change of the config are an *update*: the pending config is deployed beside the
active one, which serves until all pending served entities are ready, and stays if one fails.
Source: docs/reference/serving.md#endpoints-and-their-states.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pydantic

from infra.local.refusal import Refusal, invalid
from infra.local.serving.config import Gateway, Route, ServedEntity, Tag

if TYPE_CHECKING:
    from infra.local.serving.config import ConfigSpec, CreateSpec
    from infra.local.serving.payload import PayloadTable


class Deployment(enum.StrEnum):
    """How far a served entity is, in Databricks' words."""

    CREATING = "DEPLOYMENT_CREATING"
    READY = "DEPLOYMENT_READY"
    RECOVERING = "DEPLOYMENT_RECOVERING"
    FAILED = "DEPLOYMENT_FAILED"
    ABORTED = "DEPLOYMENT_ABORTED"


class Update(enum.StrEnum):
    """How the last update of a config went, in Databricks' words."""

    NOT_UPDATING = "NOT_UPDATING"
    IN_PROGRESS = "IN_PROGRESS"
    FAILED = "UPDATE_FAILED"


class _Stored(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)


class Grant(_Stored):
    """A permission level of one principal; `kind` is the API's field that names it."""

    kind: str
    principal: str
    level: str


class DeployedEntity(_Stored):
    """A served entity with its identity: a new id for every new deployment of a name."""

    id: str
    spec: ServedEntity
    creator: str
    created_ms: int
    deployment: Deployment = Deployment.CREATING
    message: str = "Creating"


class Config(_Stored):
    """Served entities and routes under one number."""

    version: int
    started_ms: int
    entities: tuple[DeployedEntity, ...]
    routes: tuple[Route, ...]

    def entity(self, name: str) -> DeployedEntity | None:
        """The served entity of that name; None where there is none."""
        return next((entity for entity in self.entities if entity.spec.name == name), None)


class Endpoint(_Stored):
    """Everything that is kept of an endpoint; a change gives another one."""

    id: str
    name: str
    creator: str
    created_ms: int
    updated_ms: int
    description: str = ""
    route_optimized: bool = False
    tags: tuple[Tag, ...] = ()
    gateway: Gateway | None = None
    notifications: dict[str, Any] | None = None
    budget_policy_id: str | None = None
    update: Update = Update.NOT_UPDATING
    active: Config | None = None
    pending: Config | None = None
    """The config being deployed, or the one that could not be."""
    last_version: int = 0
    grants: tuple[Grant, ...] = ()
    logged_tables: tuple[str, ...] = ()
    """Full names of the inference tables that this endpoint has written rows for."""

    @property
    def updating(self) -> bool:
        """Whether a config is on its way."""
        return self.update is Update.IN_PROGRESS

    @property
    def ready(self) -> bool:
        """Whether a config is active whose entities can all answer."""
        return self.active is not None and all(
            entity.deployment is Deployment.READY for entity in self.active.entities
        )

    @property
    def table(self) -> PayloadTable | None:
        """The inference table; None where answers are not logged."""
        return self.gateway.enabled_table(self.name) if self.gateway else None


NewId = Callable[[], str]


def create(spec: CreateSpec, *, creator: str, now_ms: int, new_id: NewId) -> Endpoint:
    """A new endpoint, with its first update begun where it has a config. `new_id` gives ids."""
    endpoint = Endpoint(
        id=new_id(),
        name=spec.name,
        creator=creator,
        created_ms=now_ms,
        updated_ms=now_ms,
        description=spec.description,
        route_optimized=spec.route_optimized,
        tags=spec.tags,
        gateway=spec.gateway,
        notifications=spec.email_notifications,
        budget_policy_id=spec.budget_policy_id,
    )
    if spec.config is None:
        return endpoint
    return begin_update(endpoint, spec.config, creator=creator, now_ms=now_ms, new_id=new_id)


def begin_update(
    endpoint: Endpoint, spec: ConfigSpec, *, creator: str, now_ms: int, new_id: NewId
) -> Endpoint:
    """Served entities that the active config already serves unchanged keep id and process."""
    refuse_while_updating(endpoint, "config")

    def deployed(entity: ServedEntity) -> DeployedEntity:
        current = endpoint.active.entity(entity.name) if endpoint.active else None
        if current is not None and current.spec == entity:
            return current
        return DeployedEntity(id=new_id(), spec=entity, creator=creator, created_ms=now_ms)

    version = endpoint.last_version + 1
    pending = Config(
        version=version,
        started_ms=now_ms,
        entities=tuple(deployed(entity) for entity in spec.served_entities),
        routes=spec.routes,
    )
    return endpoint.model_copy(
        update={
            "pending": pending,
            "update": Update.IN_PROGRESS,
            "last_version": version,
            "updated_ms": now_ms,
        }
    )


def refuse_while_updating(endpoint: Endpoint, what: str) -> None:
    """Raises Refusal 409 where a config is on its way; `what` was asked for."""
    if endpoint.updating:
        raise Refusal(
            409,
            "RESOURCE_CONFLICT",
            f"Endpoint {endpoint.name} is currently updating. "
            f"Wait for the update to complete before updating its {what}.",
        )


def entity_changed(
    endpoint: Endpoint, entity_id: str, deployment: Deployment, message: str
) -> Endpoint:
    """What became of a served entity, wherever it is listed."""

    def changed(config: Config | None) -> Config | None:
        if config is None:
            return None
        entities = tuple(
            entity.model_copy(update={"deployment": deployment, "message": message})
            if entity.id == entity_id
            else entity
            for entity in config.entities
        )
        return config.model_copy(update={"entities": entities})

    return endpoint.model_copy(
        update={"active": changed(endpoint.active), "pending": changed(endpoint.pending)}
    )


def complete_update(endpoint: Endpoint) -> Endpoint:
    """The pending config becomes the active one."""
    if endpoint.pending is None or not endpoint.updating:
        raise AssertionError(f"{endpoint.name} has no update to complete")
    return endpoint.model_copy(
        update={"active": endpoint.pending, "pending": None, "update": Update.NOT_UPDATING}
    )


def fail_update(endpoint: Endpoint, failed_id: str, reason: str) -> Endpoint:
    """The active config stays; the pending one stays visible, with the reason."""
    if endpoint.pending is None or not endpoint.updating:
        raise AssertionError(f"{endpoint.name} has no update that could fail")
    serving = {entity.id for entity in endpoint.active.entities} if endpoint.active else set()

    def outcome(entity: DeployedEntity) -> DeployedEntity:
        if entity.id == failed_id:
            update = {"deployment": Deployment.FAILED, "message": reason}
        elif entity.id in serving:
            return entity
        else:
            update = {"deployment": Deployment.ABORTED, "message": "Another entity failed"}
        return entity.model_copy(update=update)

    entities = tuple(outcome(entity) for entity in endpoint.pending.entities)
    return endpoint.model_copy(
        update={
            "pending": endpoint.pending.model_copy(update={"entities": entities}),
            "update": Update.FAILED,
        }
    )


def with_gateway(endpoint: Endpoint, gateway: Gateway, *, now_ms: int) -> Endpoint:
    """Replace the AI gateway.

    Refused (docs/reference/serving.md#inference-tables): another table while one is enabled;
    enabling a table that was disabled after it had rows, because Databricks never logs into an
    existing table.
    """
    before, after = endpoint.table, gateway.enabled_table(endpoint.name)
    if before and after and before != after:
        raise invalid(
            f"Inference table {before.full_name} is enabled: disable it first in order to change "
            "catalog_name, schema_name or table_name_prefix."
        )
    if after and not before and after.full_name in endpoint.logged_tables:
        raise invalid(
            f"Inference table {after.full_name} was disabled and can not be enabled again: the "
            "table exists. Set another table_name_prefix, and logging starts in a new table."
        )
    return endpoint.model_copy(update={"gateway": gateway, "updated_ms": now_ms})


def with_logged_table(endpoint: Endpoint, table: PayloadTable) -> Endpoint:
    """The endpoint's inference table has a row now."""
    if table.full_name in endpoint.logged_tables:
        return endpoint
    return endpoint.model_copy(update={"logged_tables": (*endpoint.logged_tables, table.full_name)})


def with_tags(
    endpoint: Endpoint, *, add: tuple[Tag, ...], delete: tuple[str, ...], now_ms: int
) -> Endpoint:
    """The endpoint with tags added, replaced and deleted."""
    tags = {tag.key: tag for tag in endpoint.tags if tag.key not in delete}
    tags |= {tag.key: tag for tag in add}
    return endpoint.model_copy(update={"tags": tuple(tags.values()), "updated_ms": now_ms})


def document(endpoint: Endpoint) -> dict[str, Any]:
    """The endpoint as GET returns it (ServingEndpointDetailed)."""
    # While the first config is being deployed there is no other to show as `config`, and clients
    # rely on that field (docs/reference/terraform-provider.md#what-an-answer-must-have).
    shown = endpoint.active or endpoint.pending
    body: dict[str, Any] = {
        "name": endpoint.name,
        "id": endpoint.id,
        "creator": endpoint.creator,
        "creation_timestamp": endpoint.created_ms,
        "last_updated_timestamp": endpoint.updated_ms,
        "state": {
            "ready": "READY" if endpoint.ready else "NOT_READY",
            "config_update": endpoint.update.value,
        },
        "permission_level": "CAN_MANAGE",
        "route_optimized": endpoint.route_optimized,
        "description": endpoint.description,
    }
    if shown is not None:
        body["config"] = _config(shown)
    if endpoint.pending is not None:
        body["pending_config"] = {
            **_config(endpoint.pending),
            "start_time": endpoint.pending.started_ms,
        }
    if endpoint.tags:
        tags = sorted(endpoint.tags, key=lambda tag: tag.key)
        body["tags"] = [tag.model_dump(exclude_none=True) for tag in tags]
    if endpoint.gateway is not None:
        body["ai_gateway"] = gateway_document(endpoint.gateway)
    if endpoint.notifications is not None:
        body["email_notifications"] = endpoint.notifications
    if endpoint.budget_policy_id is not None:
        body["budget_policy_id"] = endpoint.budget_policy_id
    return body


def gateway_document(gateway: Gateway) -> dict[str, Any]:
    """The gateway as its API shows it: what was given, and nothing else."""
    return gateway.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def _config(config: Config) -> dict[str, Any]:
    return {
        "served_entities": [_entity(entity) for entity in config.entities],
        "served_models": [_served_model(entity) for entity in config.entities],
        "traffic_config": {
            "routes": [
                {
                    "served_model_name": route.served_entity_name,
                    "served_entity_name": route.served_entity_name,
                    "traffic_percentage": route.traffic_percentage,
                }
                for route in config.routes
            ]
        },
        "config_version": config.version,
    }


def _entity(entity: DeployedEntity) -> dict[str, Any]:
    spec = entity.spec.model_dump(exclude_none=True)
    if not spec["environment_vars"]:
        del spec["environment_vars"]
    return {
        **spec,
        "creator": entity.creator,
        "creation_timestamp": entity.created_ms,
        "state": {
            "deployment": entity.deployment.value,
            "deployment_state_message": entity.message,
        },
    }


def _served_model(entity: DeployedEntity) -> dict[str, Any]:
    """The same in the deprecated spelling, which is in every answer, whichever was sent."""
    fields = _entity(entity)
    fields["model_name"] = fields.pop("entity_name")
    fields["model_version"] = fields.pop("entity_version")
    return fields

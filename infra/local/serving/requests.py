"""What a client asks for, out of the bodies of its calls, and what is refused of it.

Sources: docs/reference/serving.md#endpoints-and-their-states (objects),
docs/reference/serving.md#errors, docs/reference/serving.md#names-and-limits. Where the text of an
error is documented it is that text; where only the rule is, the text names the field, the value
and the way out.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import pydantic

from infra.local.catalog.names import rule_broken_by
from infra.local.refusal import Refusal, invalid, not_emulated
from infra.local.serving.config import (
    PROVISIONED_CONCURRENCY,
    ConfigSpec,
    CreateSpec,
    Gateway,
    Route,
    Secret,
    ServedEntity,
    Tag,
    Wire,
)

MAX_ENTITIES = 10
"""The documented limit (docs/reference/serving.md#names-and-limits); 15 were seen to work."""

MAX_ENVIRONMENT_VARS = 50

_ENDPOINT_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?", re.ASCII)

_ENTITY_NAME = re.compile(r"[a-zA-Z0-9_-]{1,63}", re.ASCII)

_VARIABLE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)

_WORKLOAD_TYPES = frozenset(
    {"CPU", "CPU_MEDIUM", "CPU_LARGE", "GPU_SMALL", "GPU_MEDIUM", "GPU_LARGE", "GPU_XLARGE",
     "GPU_XLARGE_8", "MULTIGPU_MEDIUM"}
)  # fmt: skip

_RATE_LIMIT_KEYS = ("endpoint", "service_principal", "user", "user_group")
_NOT_EMULATED = (
    "burst_scaling_enabled",
    "external_model",
    "foundation_model",
    "max_provisioned_throughput",
    "min_provisioned_throughput",
    "provisioned_model_units",
)
"""Settings of a served entity that would change what it does or costs."""

AUTO_CAPTURE_REFUSED = (
    "auto_capture_config (legacy inference tables) can not be enabled on new or existing model "
    "serving endpoints since 2026-02-20. Set ai_gateway.inference_table_config instead: "
    "catalog_name, schema_name, table_name_prefix and enabled mean the same there."
)


def parse_create(body: object) -> CreateSpec:
    """The body of a create call. Raises Refusal."""
    fields = _object(body, "the request body")
    name = fields.get("name")
    if not isinstance(name, str) or not _ENDPOINT_NAME.fullmatch(name):
        raise invalid(
            "Endpoint name must be maximum 63 characters, and alphanumeric with hyphens and "
            "underscores allowed in between."
        )
    if name.startswith("databricks-"):
        raise invalid(f"Endpoint name '{name}' is reserved: the prefix 'databricks-' is not yours.")
    config = fields.get("config")
    for part in ("ai_gateway", "rate_limits"):
        if config is None and fields.get(part) is not None:
            raise invalid(f"Cannot specify {part} when creating endpoints without a config.")
    if fields.get("rate_limits"):
        raise not_emulated("rate_limits outside of ai_gateway (the deprecated field)")
    if fields.get("telemetry_config"):
        raise not_emulated("telemetry_config")
    gateway = fields.get("ai_gateway")
    return CreateSpec(
        name=name,
        config=None if config is None else parse_config(config),
        gateway=None if gateway is None else parse_gateway(gateway),
        tags=parse_tags(fields.get("tags") or []),
        **_validate(_CreateRest, fields, "endpoint").model_dump(exclude_none=True),
    )


class _CreateRest(Wire):
    description: str | None = None
    route_optimized: bool | None = None
    email_notifications: dict[str, Any] | None = None
    budget_policy_id: str | None = None


def parse_config(body: object, *, update: bool = False) -> ConfigSpec:
    """A configuration from `config` of a create call, or from the body of PUT .../config."""
    fields = _object(body, "config")
    capture = fields.get("auto_capture_config")
    if capture is not None and _object(capture, "auto_capture_config").get("enabled") is not False:
        raise invalid(AUTO_CAPTURE_REFUSED)
    entities = _entities(fields, update=update)
    return ConfigSpec(
        served_entities=entities, routes=_routes(fields.get("traffic_config"), entities)
    )


def parse_gateway(body: object) -> Gateway:
    """The body of PUT .../ai-gateway, or `ai_gateway` of a create call. Raises Refusal."""
    fields = _object(body, "ai_gateway")
    if fields.get("guardrails"):
        raise not_emulated("ai_gateway.guardrails (it does not apply to custom models)")
    gateway = _validate(Gateway, fields, "ai_gateway")
    if gateway.fallback_config and gateway.fallback_config.get("enabled"):
        raise not_emulated(
            "ai_gateway.fallback_config (one arm answering for another breaks attribution)"
        )
    for limit in gateway.rate_limits or ():
        if limit.renewal_period != "minute":
            raise invalid(
                f"rate_limits.renewal_period '{limit.renewal_period}' is unknown: use 'minute'."
            )
        if limit.key not in _RATE_LIMIT_KEYS:
            keys = ", ".join(_RATE_LIMIT_KEYS)
            raise invalid(f"rate_limits.key '{limit.key}' is unknown: use one of {keys}.")
    table = gateway.inference_table_config
    if table is not None and table.enabled:
        prefix = table.table_name_prefix
        if prefix and (broken := rule_broken_by(f"{prefix}_payload")):
            raise invalid(f"ai_gateway.inference_table_config.table_name_prefix: {broken}")
        for field in ("catalog_name", "schema_name"):
            if not getattr(table, field):
                raise invalid(
                    f"ai_gateway.inference_table_config.{field} is required when enabled is true."
                )
    return gateway


def parse_tags(body: object) -> tuple[Tag, ...]:
    """A list of keys and values. Raises Refusal."""
    if not isinstance(body, list):
        raise invalid("tags must be a list of {key, value}.")
    tags = tuple(_validate(Tag, item, "tags") for item in body)
    if any(not tag.key for tag in tags):
        raise invalid("tags: a tag needs a key that is not empty.")
    return tags


def _entities(fields: dict[str, Any], *, update: bool) -> tuple[ServedEntity, ...]:
    bodies = fields.get("served_entities")
    if bodies and fields.get("served_models"):
        _refuse_other_models(_list(fields, "served_entities"), _list(fields, "served_models"))
    if bodies is None and fields.get("served_models") is not None:
        bodies = [_from_served_model(model) for model in _list(fields, "served_models")]
    elif bodies is not None:
        bodies = _list(fields, "served_entities")
    if not bodies:
        raise invalid("config.served_entities is empty: name at least one served entity.")
    if len(bodies) > MAX_ENTITIES:
        raise invalid(
            f"config.served_entities has {len(bodies)} entries; "
            f"an endpoint serves at most {MAX_ENTITIES}."
        )
    entities = tuple(
        _entity(body, f"config.served_entities[{index}]", update=update)
        for index, body in enumerate(bodies)
    )
    names = [entity.name for entity in entities]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"Served entity name '{name}' is used more than once in the endpoint.")
    return entities


def _entity(body: object, where: str, *, update: bool) -> ServedEntity:
    fields = _object(body, where)
    for field in _NOT_EMULATED:
        if fields.get(field):
            raise not_emulated(f"{where}.{field}")
    for field in ("entity_name", "entity_version"):
        if not fields.get(field):
            raise invalid(f"{where}.{field} is required.")
    if update and fields.get("scale_to_zero_enabled") is None:
        raise invalid("scaleToZeroEnabled is undefined. Please set it to either true or false.")
    name = fields.get("name")
    if not name:
        name = f"{str(fields['entity_name']).rpartition('.')[2]}-{fields['entity_version']}"
    given = {key: value for key, value in fields.items() if value is not None} | {"name": name}
    entity = _validate(ServedEntity, given, where)
    if not _ENTITY_NAME.fullmatch(entity.name):
        raise invalid(
            f"{where}.name '{entity.name}' must be 1 to 63 characters: "
            "alphanumeric, hyphens and underscores."
        )
    if not entity.entity_version.isdecimal() or int(entity.entity_version) < 1:
        raise invalid(
            f"{where}.entity_version '{entity.entity_version}' is not a version number: serving "
            "takes no alias, resolve it to its number first."
        )
    return _sized(_with_variables(entity, where), where)


def _sized(entity: ServedEntity, where: str) -> ServedEntity:
    if entity.workload_type not in _WORKLOAD_TYPES:
        raise invalid(
            f"{where}.workload_type '{entity.workload_type}' is unknown: "
            f"use one of {', '.join(sorted(_WORKLOAD_TYPES))}."
        )
    bounds = (entity.min_provisioned_concurrency, entity.max_provisioned_concurrency)
    if any(bound is not None for bound in bounds):
        if entity.workload_size is not None:
            raise invalid(
                f"{where}: workload_size and min/max_provisioned_concurrency exclude each other."
            )
        if any(bound is None or bound < 0 or bound % 4 for bound in bounds) or not bounds[1]:
            raise invalid(
                f"{where}: min_provisioned_concurrency and max_provisioned_concurrency must both "
                "be set, to multiples of 4."
            )
        if (bounds[0] or 0) > bounds[1]:
            raise invalid(
                f"{where}: min_provisioned_concurrency {bounds[0]} is above "
                f"max_provisioned_concurrency {bounds[1]}."
            )
        return entity
    if entity.workload_size is None:
        return entity.model_copy(update={"workload_size": "Small"})
    if entity.workload_size not in PROVISIONED_CONCURRENCY:
        raise invalid(
            f"{where}.workload_size '{entity.workload_size}' is unknown: "
            f"use one of {', '.join(PROVISIONED_CONCURRENCY)}."
        )
    return entity


def _with_variables(entity: ServedEntity, where: str) -> ServedEntity:
    if len(entity.environment_vars) > MAX_ENVIRONMENT_VARS:
        raise invalid(
            f"{where}.environment_vars has {len(entity.environment_vars)} entries; "
            f"at most {MAX_ENVIRONMENT_VARS} are allowed."
        )
    for name, value in entity.environment_vars.items():
        if not _VARIABLE_NAME.fullmatch(name):
            raise invalid(f"{where}.environment_vars: '{name}' is not a name of a variable.")
        if "{{secrets/" in value and Secret.parse(value) is None:
            raise invalid(
                f"{where}.environment_vars.{name}: a secret is referenced by the whole value, "
                "in the form {{secrets/scope/key}}."
            )
    return entity


def _routes(body: object, entities: tuple[ServedEntity, ...]) -> tuple[Route, ...]:
    names = [entity.name for entity in entities]
    routes_body = _object(body, "traffic_config").get("routes") if body is not None else None
    if not routes_body:
        if len(entities) > 1:
            raise invalid(
                "traffic_config.routes is required for an endpoint with more than one served "
                f"entity: give each of {', '.join(names)} a traffic_percentage; their sum is 100."
            )
        return (Route(served_entity_name=names[0], traffic_percentage=100),)
    if not isinstance(routes_body, list):
        raise invalid("traffic_config.routes must be a list.")
    routes = tuple(
        _route(item, f"traffic_config.routes[{index}]") for index, item in enumerate(routes_body)
    )
    routed = [route.served_entity_name for route in routes]
    for name in routed:
        if name not in names:
            raise invalid(
                f"traffic_config.routes names '{name}', which is not a served entity of this "
                f"config; it serves {', '.join(names)}."
            )
        if routed.count(name) > 1:
            raise invalid(f"traffic_config.routes names '{name}' more than once.")
    if unrouted := [name for name in names if name not in routed]:
        raise invalid(
            f"traffic_config.routes lacks {', '.join(unrouted)}: each served entity needs a route "
            "(its traffic_percentage may be 0)."
        )
    total = sum(route.traffic_percentage for route in routes)
    if total != 100:
        raise invalid(f"The sum of traffic_percentage over all routes must be 100, got {total}.")
    return routes


def _route(body: object, where: str) -> Route:
    fields = _object(body, where)
    # Databricks returns both spellings with the same value; clients send either or both.
    name = fields.get("served_entity_name") or fields.get("served_model_name")
    if not name:
        raise invalid(f"{where}.served_entity_name is required.")
    route = _validate(Route, {**fields, "served_entity_name": name}, where)
    if not 0 <= route.traffic_percentage <= 100:
        raise invalid(
            f"{where}.traffic_percentage {route.traffic_percentage} must be between 0 and 100."
        )
    return route


def _from_served_model(body: object) -> dict[str, Any]:
    """The deprecated spelling of a served entity."""
    fields = _object(body, "config.served_models")
    return {
        **fields,
        "entity_name": fields.get("model_name"),
        "entity_version": fields.get("model_version"),
    }


def _refuse_other_models(entities: list[Any], models: list[Any]) -> None:
    """Both spellings are in every answer, and may come back so; they must not say two things."""
    names = ("name", "entity_name", "entity_version")
    bodies = [_object(body, "config.served_entities") for body in entities]
    others = [_from_served_model(body) for body in models]
    one, other = ([[it.get(name) for name in names] for it in side] for side in (bodies, others))
    if one != other:
        raise invalid("config.served_entities and config.served_models differ: send one of them.")


def _object(body: object, where: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Refusal(400, "MALFORMED_REQUEST", f"{where} must be a JSON object.")
    return body


def _list(fields: dict[str, Any], name: str) -> list[Any]:
    value = fields[name]
    if not isinstance(value, list):
        raise invalid(f"config.{name} must be a list.")
    return value


_Part = TypeVar("_Part", bound=Wire)


def _validate(part: type[_Part], body: object, where: str) -> _Part:
    try:
        return part.model_validate(_object(body, where))
    except pydantic.ValidationError as error:
        problems = "; ".join(
            f"{where}.{'.'.join(map(str, problem['loc']))} {problem['input']!r}: {problem['msg']}"
            for problem in error.errors()
        )
        raise invalid(problems) from error

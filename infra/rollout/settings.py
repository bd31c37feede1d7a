"""What an endpoint is set to, flat: as the file declares it, as Terraform's state has it, as it is.

The state's attributes have the form of the REST answer, but for blocks, which are lists of one.
docs/reference/serving.md#endpoints-and-their-states
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from infra.declared.endpoint import AutoCapture, Endpoint, InferenceTable
from infra.declared.environment import Environment
from infra.declared.naming import payload_table

Value = str | int | bool
Settings = Mapping[str, Value]
"""By the name of the setting; what is not set, or has its default, is left out."""

ARM: Final = "arm "
AUTO_CAPTURE: Final = "auto_capture"
BUDGET_POLICY: Final = "budget_policy_id"
DESCRIPTION: Final = "description"
GATEWAY: Final = "ai_gateway."
INFERENCE_TABLE: Final = "inference table"
LOGGING: Final = "inference table.enabled"
NOTIFICATIONS: Final = "email_notifications"
RATE_LIMITS: Final = "rate_limits"
ROUTE_OPTIMIZED: Final = "route_optimized"
SCALE_TO_ZERO: Final = ".scale_to_zero"
TAG: Final = "tag "
BRAKE: Final = "brake"
"""The tag by which the brake says what it did. No setting: the next deployment takes it away."""


def declared(environment: Environment, endpoint: Endpoint) -> Settings:
    """What the environment file says."""
    settings: dict[str, Value] = {}
    percents = {route.served_entity: route.percent for route in endpoint.split.routes}
    for arm in endpoint.served_models:
        name = f"{ARM}{arm.served_entity_name}"
        settings |= {
            f"{name}.model": environment.full_model_name(arm),
            f"{name}.version": str(arm.version),
            f"{name}.traffic": percents[arm.served_entity_name],
            f"{name}.workload_type": arm.workload_type,
            f"{name}{SCALE_TO_ZERO}": arm.scale_to_zero,
        }
        optional: Mapping[str, Value | None] = {
            "workload_size": arm.size,
            "min_provisioned_concurrency": arm.min_provisioned_concurrency,
            "max_provisioned_concurrency": arm.max_provisioned_concurrency,
            "instance_profile_arn": arm.instance_profile_arn,
        }
        settings |= {f"{name}.{key}": it for key, it in optional.items() if it is not None}
        settings |= {
            f"{name}.environment_vars.{key}": value for key, value in arm.environment_vars.items()
        }
    tags = {**environment.tags, **endpoint.tags}
    settings |= {f"{TAG}{key}": value for key, value in tags.items()}
    settings |= dict(_declared_once(endpoint))
    for what, table in (
        (INFERENCE_TABLE, endpoint.inference_table),
        (AUTO_CAPTURE, endpoint.auto_capture),
    ):
        if table:
            settings |= _declared_table(environment, what, table)
    return settings


def found(endpoint: Mapping[str, Any]) -> Settings:
    """What a REST answer, or the attributes in a state, say."""
    settings: dict[str, Value] = {}
    config = _block(endpoint.get("config"))
    # A state has the one of the two lists that was declared, an answer has both.
    for entity in config.get("served_entities") or config.get("served_models") or ():
        settings |= _entity(entity)
    for route in _block(config.get("traffic_config")).get("routes") or ():
        name = route.get("served_entity_name") or route.get("served_model_name")
        settings[f"{ARM}{name}.traffic"] = int(route.get("traffic_percentage") or 0)
    for tag in endpoint.get("tags") or ():
        if tag["key"] == BRAKE:
            continue
        settings[f"{TAG}{tag['key']}"] = tag.get("value") or ""
    settings |= _table(AUTO_CAPTURE, _block(config.get("auto_capture_config")))
    gateway = _block(endpoint.get("ai_gateway"))
    settings |= _table(INFERENCE_TABLE, _block(gateway.get("inference_table_config")))
    settings |= {
        f"{GATEWAY}{part}": text
        for part, content in gateway.items()
        if part != "inference_table_config" and (text := _text(content))
    }
    if endpoint.get("route_optimized"):
        settings[ROUTE_OPTIMIZED] = True
    for name in (BUDGET_POLICY, DESCRIPTION, NOTIFICATIONS, RATE_LIMITS):
        if text := _text(endpoint.get(name)):
            settings[name] = text
    return settings


def traffic(settings: Settings) -> dict[str, int]:
    """The percentage of each served entity."""
    return {
        name.removeprefix(ARM).removesuffix(".traffic"): int(value)
        for name, value in settings.items()
        if name.startswith(ARM) and name.endswith(".traffic")
    }


def arms(settings: Settings) -> Settings:
    """What is served and how the requests are divided: what a rollout changes."""
    parts = (".model", ".version", ".traffic")
    return {
        name: value
        for name, value in settings.items()
        if name.startswith(ARM) and name.endswith(parts)
    }


def _declared_once(endpoint: Endpoint) -> Iterator[tuple[str, Value]]:
    """What is no arm's: in the words of the REST answer."""
    if endpoint.route_optimized:
        yield ROUTE_OPTIMIZED, True
    usage, limits = endpoint.usage_tracking_config, endpoint.rate_limits
    told = endpoint.email_notifications
    parts: dict[str, Any] = {
        DESCRIPTION: endpoint.description,
        BUDGET_POLICY: endpoint.budget_policy_id,
        NOTIFICATIONS: told.model_dump(mode="json") if told else None,
        f"{GATEWAY}usage_tracking_config": usage.model_dump() if usage else None,
        f"{GATEWAY}rate_limits": [
            {**limit.model_dump(exclude_none=True), "renewal_period": "minute"} for limit in limits
        ],
    }
    for name, content in parts.items():
        if text := _text(content):
            yield name, text


def _declared_table(
    environment: Environment, what: str, table: InferenceTable | AutoCapture
) -> Iterator[tuple[str, Value]]:
    catalog = table.catalog or environment.catalog
    yield what, payload_table(catalog, table.schema_name, table.prefix)
    yield f"{what}.enabled", table.enabled


def _entity(entity: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    name = f"{ARM}{entity.get('name')}"
    yield f"{name}.model", str(entity.get("entity_name") or entity.get("model_name") or "")
    version = entity.get("entity_version") or entity.get("model_version")
    yield f"{name}.version", str(version or "")
    if not entity.get("max_provisioned_concurrency"):
        yield f"{name}.workload_size", entity.get("workload_size") or "Small"
    for key in ("min_provisioned_concurrency", "max_provisioned_concurrency"):
        if entity.get("max_provisioned_concurrency"):
            yield f"{name}.{key}", int(entity.get(key) or 0)
    if entity.get("instance_profile_arn"):
        yield f"{name}.instance_profile_arn", entity["instance_profile_arn"]
    yield f"{name}.workload_type", entity.get("workload_type") or "CPU"
    yield f"{name}{SCALE_TO_ZERO}", bool(entity.get("scale_to_zero_enabled"))
    for key, value in sorted((entity.get("environment_vars") or {}).items()):
        yield f"{name}.environment_vars.{key}", value


def _table(what: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    if table.get("schema_name"):
        keys = ("catalog_name", "schema_name", "table_name_prefix")
        catalog, schema, prefix = (table.get(key) or "" for key in keys)
        yield what, payload_table(catalog, schema, prefix)
        yield f"{what}.enabled", bool(table.get("enabled"))


def _block(content: Any) -> Mapping[str, Any]:
    """A nested object, which a state keeps as a list of one."""
    if isinstance(content, list):
        content = content[0] if content else None
    return content or {}


def _text(content: Any) -> str:
    """What an optional part says, as text; nothing where it says nothing or `false`."""
    reduced = _reduced(content)
    if not reduced:
        return ""
    return reduced if isinstance(reduced, str) else json.dumps(reduced, sort_keys=True)


def _reduced(content: Any) -> Any:
    if isinstance(content, Mapping):
        parts = {key: _reduced(part) for key, part in content.items()}
        return {key: part for key, part in parts.items() if part}
    if isinstance(content, list):
        parts_ = [part for it in content if (part := _reduced(it))]
        return parts_[0] if len(parts_) == 1 else parts_
    return content

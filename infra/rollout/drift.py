"""Where the file, Terraform's state and the live endpoint differ, and which command heals it.

A deployment does not heal everything: provider 1.99.0 sends some parts never and no `false`, and
sees nothing where a block is gone: docs/reference/terraform-provider.md#what-it-never-sends and
docs/reference/terraform-provider.md#drift-that-a-plan-does-not-show.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from infra.declared.endpoint import Endpoint
from infra.declared.environment import Environment
from infra.declared.problem import as_toml
from infra.rollout import settings
from infra.rollout.endpoints import PATH
from infra.rollout.settings import Settings, Value

ABSENT: Final = "-"
_NOT_SHOWN: Final = (settings.BUDGET_POLICY, settings.NOTIFICATIONS)
"""Given at the creation, they are in no answer; where one is shown nevertheless, it is compared:
docs/reference/serving.md#endpoints-and-their-states."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One setting that is not everywhere the same. `obstacle` says why a deployment would not heal
    it; empty where it does."""

    setting: str
    file: str
    state: str
    live: str
    obstacle: str
    heal: str


def drifts(
    environment: Environment,
    endpoint: Endpoint,
    *,
    file: Settings,
    state: Settings | None,
    live: Settings,
) -> tuple[Drift, ...]:
    """Every difference, by the name of the setting; `state` None was not read."""
    found = []
    for name in sorted({*file, *(state or {}), *live}):
        values = [file.get(name), live.get(name)] + ([state.get(name)] if state is not None else [])
        if len(set(values)) == 1:
            continue
        if name in _NOT_SHOWN and name not in live:
            continue
        obstacle, heal = _explain(environment, endpoint, name, file, live)
        found.append(
            Drift(
                setting=name,
                file=_shown(name, file),
                state="not read" if state is None else _shown(name, state),
                live=_shown(name, live),
                obstacle=obstacle,
                heal=heal,
            )
        )
    return tuple(found)


def _explain(
    environment: Environment, endpoint: Endpoint, name: str, file: Settings, live: Settings
) -> tuple[str, str]:
    """Why a deployment does not heal the difference ("" where it does), and what does."""
    deploy = f"cdktf deploy {environment.serving_stack}"
    call = _calls(endpoint.endpoint)
    if file.get(name) == live.get(name):
        return "", f"terraform apply -refresh-only, or {deploy}: only the state is behind"
    if name == settings.DESCRIPTION:
        return (
            "the provider never sends a changed description, and Databricks changes none",
            "leave it, or create the endpoint anew",
        )
    if name == settings.NOTIFICATIONS:
        return (
            "the provider never sends email_notifications after the creation",
            call("patch", "notifications", {"email_notifications": _notifications(endpoint)}),
        )
    if name == settings.BUDGET_POLICY:
        return (
            "the provider never sends budget_policy_id after the creation",
            "choose it in the workspace's page of the endpoint",
        )
    if name == settings.ROUTE_OPTIMIZED:
        return "", f"{deploy}, which destroys the endpoint and creates it anew"
    if name == settings.RATE_LIMITS:
        return (
            "the provider never sends rate_limits after the creation",
            call("put", "rate-limits", {"rate_limits": []}),
        )
    put_gateway = call("put", "ai-gateway", _gateway(environment, endpoint))
    if name.startswith(settings.GATEWAY):
        if any(it.startswith((settings.GATEWAY, settings.INFERENCE_TABLE)) for it in file):
            return "", deploy
        return "the file declares no gateway, so that a plan compares none", put_gateway
    if name.startswith(settings.INFERENCE_TABLE):
        return _explain_inference_table(file, live, put_gateway, deploy)
    if name.startswith(settings.TAG) and not any(it.startswith(settings.TAG) for it in live):
        declared = {**environment.tags, **endpoint.tags}
        tags = [{"key": key, "value": value} for key, value in sorted(declared.items())]
        return (
            "a plan takes an answer without any tag for unchanged",
            call("patch", "tags", {"add_tags": tags}),
        )
    return "", deploy


def _explain_inference_table(
    file: Settings, live: Settings, put_gateway: str, deploy: str
) -> tuple[str, str]:
    if settings.INFERENCE_TABLE not in file:
        return (
            "the provider cannot remove a gateway block: it crashes once and is silent after that",
            put_gateway,
        )
    if settings.INFERENCE_TABLE not in live:
        return "a plan takes an answer without any gateway for unchanged", put_gateway
    if file.get(settings.LOGGING) is False and live.get(settings.LOGGING) is True:
        return "the provider leaves a false out of its requests", put_gateway
    return "", deploy


def _calls(endpoint: str) -> Callable[[str, str, Any], str]:
    def call(method: str, part: str, body: Any) -> str:
        text = json.dumps(body).replace("'", "'\\''")
        return f"databricks api {method} {PATH}/{endpoint}/{part} --json '{text}'"

    return call


def _notifications(endpoint: Endpoint) -> dict[str, Any]:
    told = endpoint.email_notifications
    return told.model_dump(mode="json") if told else {}


def _gateway(environment: Environment, endpoint: Endpoint) -> dict[str, Any]:
    """The whole gateway as the file declares it: what is put replaces all of it."""
    table, usage = endpoint.inference_table, endpoint.usage_tracking_config
    gateway: dict[str, Any] = {"inference_table_config": {"enabled": False}}
    if table:
        gateway["inference_table_config"] = {
            "catalog_name": table.catalog or environment.catalog,
            "schema_name": table.schema_name,
            "table_name_prefix": table.prefix,
            "enabled": table.enabled,
        }
    if usage:
        gateway["usage_tracking_config"] = usage.model_dump()
    if endpoint.rate_limits:
        gateway["rate_limits"] = [
            {**limit.model_dump(exclude_none=True), "renewal_period": "minute"}
            for limit in endpoint.rate_limits
        ]
    return gateway


def _shown(name: str, found: Settings) -> str:
    value: Value | None = found.get(name)
    return ABSENT if value is None else as_toml(name, value)

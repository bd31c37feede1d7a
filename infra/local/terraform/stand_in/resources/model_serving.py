"""databricks_model_serving: one serving endpoint.

What the real provider drops is dropped here too: a changed description, email_notifications,
rate_limits or budget_policy_id is never sent, and removing the ai_gateway block fails.
docs/reference/terraform-provider.md#calls-of-databricks_model_serving
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from infra.local.terraform.stand_in.calls import Call, CallError, WaitError
from infra.local.terraform.stand_in.conversion import Conversion
from infra.local.terraform.stand_in.resources.resource import Data, ProviderPanic, Resource, seconds
from infra.local.terraform.stand_in.values import is_zero

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.terraform.stand_in.planning import Change
    from infra.local.terraform.stand_in.rest import Rest
    from infra.local.terraform.stand_in.values import Value

_PATH = "2.0/serving-endpoints"
_PROVISION_SECONDS = 45 * 60.0
_DELETE_CALL_SECONDS = 10.0
_FAILED = frozenset({"UPDATE_FAILED", "UPDATE_CANCELED"})


def _one_name_is_enough(other: str) -> Any:
    """The API answers with both names of a route, equal, when only one was given."""

    def is_suppressed(change: Change) -> bool:
        beside = change.siblings.get(other) or ""
        old, new = change.old or "", change.new or ""
        return bool(old or new) and ((not new and old == beside) or (not old and new == beside))

    return is_suppressed


class ModelServing(Resource):
    """databricks_model_serving, which is waited for until its config is live."""

    type = "databricks_model_serving"
    # Alone of all: in served_entities the same `false` is left out.
    conversion = Conversion(always_sent=frozenset({"config.served_models.scale_to_zero_enabled"}))
    suppress = {  # noqa: RUF012 - never written
        "config.traffic_config.routes.served_model_name": _one_name_is_enough("served_entity_name"),
        "config.traffic_config.routes.served_entity_name": _one_name_is_enough("served_model_name"),
    }

    def create(self, rest: Rest, data: Data) -> None:
        name = data.text("name")
        rest.post(_PATH, self.conversion.request(self.block, data.state))
        timeout = seconds(data.get("timeouts"), "create", _PROVISION_SECONDS)
        try:
            self._wait(rest, name, timeout - _DELETE_CALL_SECONDS)
        except (CallError, WaitError):
            with contextlib.suppress(CallError):
                rest.delete(_endpoint(name))
            raise
        data.id = name

    def read(self, rest: Rest, data: Data) -> None:
        endpoint = rest.get(_endpoint(data.id))
        config = endpoint.get("config")
        had_config = bool(data.get("config"))
        if config is None and had_config:
            raise ProviderPanic(f"The answer to GET {_endpoint(data.id)} has no config.")
        if config is not None:
            before = data.get("config")[0] if had_config else {}
            endpoint = endpoint | {"config": _as_configured(config, before)}
        data.state = self.conversion.read(
            self.block,
            endpoint,
            data.state,
            is_new=data.is_new,
            without=frozenset({"serving_endpoint_id", "endpoint_url"}),
        )
        data.state["serving_endpoint_id"] = endpoint.get("id", "")
        data.state["endpoint_url"] = endpoint.get("endpoint_url", "")

    def update(self, rest: Rest, data: Data) -> None:
        name = data.text("name")
        body = self.conversion.request(self.block, data.state)
        if data.changed("config"):
            rest.put(f"{_endpoint(name)}/config", body.get("config", {}))
            self._wait(rest, name, seconds(data.get("timeouts"), "update", _PROVISION_SECONDS))
        if data.changed("tags"):
            self._update_tags(rest, name, body.get("tags", []))
        if data.changed("ai_gateway"):
            if not data.get("ai_gateway"):
                raise ProviderPanic(
                    "The real provider cannot remove the ai_gateway block: it sends nothing, and"
                    " the endpoint keeps its gateway. Keep the block and set"
                    " inference_table_config { enabled = false } in it."
                )
            rest.put(f"{_endpoint(name)}/ai-gateway", body.get("ai_gateway", {}))

    def delete(self, rest: Rest, data: Data) -> None:
        rest.delete(_endpoint(data.id))

    def _update_tags(self, rest: Rest, name: str, wanted: list[dict[str, str]]) -> None:
        there = rest.get(_endpoint(name)).get("tags") or []
        body: dict[str, Any] = {}
        added = [tag for tag in wanted if tag not in there]
        if added:
            body["add_tags"] = added
        keys = {tag["key"] for tag in wanted}
        removed = [tag["key"] for tag in there if tag["key"] not in keys]
        if removed:
            body["delete_tags"] = removed
        rest.patch(f"{_endpoint(name)}/tags", body)

    def _wait(self, rest: Rest, name: str, timeout: float) -> None:
        def is_settled(endpoint: Mapping[str, Any]) -> bool:
            state = endpoint.get("state")
            if state is None:
                raise ProviderPanic(f"The answer to GET {_endpoint(name)} has no state.")
            update = state.get("config_update")
            if update in _FAILED:
                call = Call(method="GET", path=f"/api/{_endpoint(name)}")
                raise WaitError(
                    call, f"failed to reach NOT_UPDATING, got {update}: {_why(endpoint)}"
                )
            return bool(update == "NOT_UPDATING")

        rest.poll(
            _endpoint(name),
            is_settled,
            seconds=timeout,
            what=f"endpoint {name} is still being updated",
        )


def _endpoint(name: str) -> str:
    return f"{_PATH}/{name}"


def _why(endpoint: Mapping[str, Any]) -> str:
    """What the served entities say. The real provider prints "current status: %!s(<nil>)" here."""
    configs = [endpoint.get("pending_config") or {}, endpoint.get("config") or {}]
    messages = [
        f"{entity.get('name')}: {entity['state']['deployment_state_message']}"
        for config in configs
        for entity in config.get("served_entities") or []
        if (entity.get("state") or {}).get("deployment_state_message")
    ]
    return "; ".join(messages) or "the endpoint gives no reason"


def _as_configured(config: Mapping[str, Any], before: Mapping[str, Value]) -> dict[str, Any]:
    """The answered config in the order of the configuration, without what was never configured."""
    result = dict(config)
    if before.get("served_models") and not before.get("served_entities"):
        kept, dropped = "served_models", "served_entities"
    else:
        kept, dropped = "served_entities", "served_models"
    result.pop(dropped, None)
    configured = before.get(kept) or []
    position = {entity.get("name"): index for index, entity in enumerate(configured)}
    without_size = {
        entity.get("name") for entity in configured if is_zero(entity.get("workload_size"))
    }
    entities = sorted(
        result.get(kept) or [], key=lambda entity: position.get(entity.get("name"), len(position))
    )
    result[kept] = [
        {**entity, "workload_size": None} if entity.get("name") in without_size else entity
        for entity in entities
    ]
    return result

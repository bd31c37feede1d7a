"""Alerts and whom they tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.terraform.stand_in.conversion import Conversion, convert
from infra.local.terraform.stand_in.resources.resource import Data, Resource
from infra.local.terraform.stand_in.values import UNKNOWN, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.terraform.stand_in.planning import Plan
    from infra.local.terraform.stand_in.rest import Rest
    from infra.local.terraform.stand_in.schema import Attribute

_ALERTS = "2.0/alerts"
_DESTINATIONS = "2.0/notification-destinations"


class AlertV2(Resource):
    """databricks_alert_v2, of the provider's newer framework: attributes in attributes, and the
    answer to a change is the state."""

    type = "databricks_alert_v2"
    reads_after_a_change = False
    _masked = (
        "custom_description", "custom_summary", "display_name", "evaluation", "parent_path",
        "query_text", "run_as", "run_as_user_name", "schedule", "warehouse_id",
    )  # fmt: skip

    def create(self, rest: Rest, data: Data) -> None:
        answer = rest.post(_ALERTS, self._body(data))
        data.id = answer["id"]
        self._take(answer, data)

    def read(self, rest: Rest, data: Data) -> None:
        self._take(rest.get(f"{_ALERTS}/{data.id}", {}), data)

    def update(self, rest: Rest, data: Data) -> None:
        mask = {"update_mask": ",".join(self._masked)}
        body = {**self._body(data), "id": data.id}
        self._take(rest.patch(f"{_ALERTS}/{data.id}", body, mask), data)

    def delete(self, rest: Rest, data: Data) -> None:
        rest.delete(f"{_ALERTS}/{data.id}", {})

    def customize(self, plan: Plan, prior: Mapping[str, Value] | None) -> None:
        attributes = self.block.attributes
        planned = {
            name: _with_known(attributes[name], plan.planned.get(name), (prior or {}).get(name))
            for name in attributes
        }
        if prior is not None and all(_same(planned[it], prior.get(it)) for it in attributes):
            plan.planned.update(prior)
            return
        for name, attribute in attributes.items():
            if name != "id" or prior is None:
                plan.planned[name] = _with_unknown(attribute, plan.planned.get(name))

    def _body(self, data: Data) -> dict[str, Any]:
        attributes = self.block.attributes
        return {
            name: _sent(attributes[name], data.get(name))
            for name in self._masked
            if data.get(name) is not None
        }

    def _take(self, answer: Mapping[str, Any], data: Data) -> None:
        data.state = {
            name: _taken(attribute, answer.get(name))
            for name, attribute in self.block.attributes.items()
        }


def _with_known(attribute: Attribute, planned: Value, prior: Value) -> Value:
    """The plan with what the workspace decides as it was."""
    if attribute.computed and not attribute.optional:
        return prior
    if attribute.nested and attribute.nested.nesting == "single" and isinstance(planned, dict):
        return {
            name: _with_known(inner, planned.get(name), (prior or {}).get(name))
            for name, inner in attribute.nested.attributes.items()
        }
    return planned


def _with_unknown(attribute: Attribute, planned: Value) -> Value:
    """The plan with what the workspace decides as not known yet."""
    if attribute.computed and not attribute.optional:
        return UNKNOWN
    if attribute.nested and attribute.nested.nesting == "single" and isinstance(planned, dict):
        return {
            name: _with_unknown(inner, planned.get(name))
            for name, inner in attribute.nested.attributes.items()
        }
    return planned


def _same(one: Value, other: Value) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_same(one.get(name), other.get(name)) for name in {*one, *other})
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(any(_same(it, at) for at in other) for it in one)
    return bool(one == other)


def _sent(attribute: Attribute, value: Value) -> Any:
    if attribute.nested is None:
        return float(value) if attribute.type == "number" else value
    attributes = attribute.nested.attributes

    def body(element: Mapping[str, Value]) -> dict[str, Any]:
        return {
            name: _sent(inner, element[name])
            for name, inner in attributes.items()
            if element.get(name) is not None and (inner.optional or inner.required)
        }

    return body(value) if attribute.nested.nesting == "single" else [body(it) for it in value]


def _taken(attribute: Attribute, answer: Any) -> Value:
    if answer is None:
        return None
    if attribute.nested is None:
        # As text: Terraform's own decimals are longer than a float, and 0.05 would be another one.
        return repr(answer) if attribute.type == "number" else convert(attribute.type, answer)
    attributes = attribute.nested.attributes

    def element(one: Mapping[str, Any]) -> dict[str, Value]:
        return {name: _taken(inner, one.get(name)) for name, inner in attributes.items()}

    if attribute.nested.nesting == "single":
        return element(answer)
    return [element(it) for it in answer]


class NotificationDestination(Resource):
    """databricks_notification_destination: secrets go in, and only that they are there comes
    out."""

    type = "databricks_notification_destination"
    conversion: ClassVar[Conversion] = Conversion()

    def create(self, rest: Rest, data: Data) -> None:
        data.id = rest.post(_DESTINATIONS, self._body(data))["id"]

    def read(self, rest: Rest, data: Data) -> None:
        answer = rest.get(f"{_DESTINATIONS}/{data.id}", {})
        data.state["display_name"] = answer["display_name"]
        data.state["destination_type"] = answer.get("destination_type") or ""
        config = (data.state.get("config") or [None])[0] or {}
        kinds = self.block.blocks["config"].block.blocks
        told = answer.get("config") or {}
        data.state["config"] = [
            {
                kind: [_shown(nested.block.attributes, told[kind], (config.get(kind) or [{}])[0])]
                if kind in told
                else []
                for kind, nested in kinds.items()
            }
        ]

    def update(self, rest: Rest, data: Data) -> None:
        rest.patch(f"{_DESTINATIONS}/{data.id}", {**self._body(data), "id": data.id})

    def delete(self, rest: Rest, data: Data) -> None:
        rest.delete(f"{_DESTINATIONS}/{data.id}", {})

    def _body(self, data: Data) -> dict[str, Any]:
        body = self.conversion.request(
            self.block, data.state, only=frozenset({"config", "display_name"})
        )
        for kind in body.get("config", {}).values():
            for name in [it for it in kind if it.endswith("_set")]:
                del kind[name]
        return body


def _shown(
    attributes: Mapping[str, Attribute], told: Mapping[str, Any], known: Mapping[str, Value]
) -> dict[str, Value]:
    return {
        name: bool(told.get(name))
        if name.endswith("_set")
        else convert(attribute.type, told[name])
        if name in told
        else known.get(name)
        for name, attribute in attributes.items()
    }

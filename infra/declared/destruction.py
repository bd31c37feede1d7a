"""What a plan of Terraform would destroy that nobody can create again, unless the file says so.

Pure values; knows no cdktf. A plan is read as `terraform show -json` writes it:
https://developer.hashicorp.com/terraform/internals/json-format#change-representation. That a plan
replaces something needs no change of ours: a table of another kind under the same name, an endpoint
with route optimization, a renamed catalog.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.declared.declaration import broken_rule

HELD: Final = {
    "databricks_catalog": "a catalog",
    "databricks_model_serving": "an endpoint",
    "databricks_registered_model": "a registered model",
    "databricks_schema": "a schema",
    "databricks_secret_scope": "a secret scope",
    "databricks_sql_table": "a table",
    "databricks_volume": "a volume",
}
"""What answers requests, or holds what people and clients have put in."""


class NoPlan(ValueError):
    """A document that is no whole plan."""


@dataclass(frozen=True, kw_only=True)
class Destruction:
    """One resource that would lose what it holds."""

    address: str
    name: str
    what: str
    """What would happen to it, and why, as far as Terraform says so."""

    def __str__(self) -> str:
        return f"{self.address} ({self.name}): {self.what}"


def destructions(plan: Mapping[str, Any]) -> tuple[Destruction, ...]:
    """All of a plan. Raises NoPlan where the document is none."""
    if "planned_values" not in plan:
        raise NoPlan(
            "no plan: write it by terraform plan -out=FILE, then terraform show -json FILE"
        )
    if plan.get("errored"):
        raise NoPlan("a plan that Terraform did not finish")
    return tuple(_destructions(plan.get("resource_changes") or ()))


def refusal(plans: Iterable[Mapping[str, Any]], may_destroy: Sequence[str], file: str) -> str:
    """Why plans must not be applied, and the way out; empty where they may be.

    Raises NoPlan.
    """
    found = [it for plan in plans for it in destructions(plan) if it.address not in may_destroy]
    if not found:
        return ""
    addresses = [*may_destroy, *dict.fromkeys(it.address for it in found)]
    return (
        "What nobody can create again would be destroyed:\n"
        + "\n".join(f"  {it}" for it in found)
        + "\nNothing was changed. Take back the change that causes it. If it is meant, say so at "
        f"the top of {file}, and take the line out after the deployment:\n"
        f"  may_destroy = {json.dumps(addresses)}"
    )


def unused(plans: Iterable[Mapping[str, Any]], may_destroy: Sequence[str]) -> tuple[str, ...]:
    """What the file allows to be destroyed, and no plan does. Raises NoPlan."""
    found = {it.address for plan in plans for it in destructions(plan)}
    return tuple(address for address in may_destroy if address not in found)


def held_address(address: str) -> str:
    """The address, if it is of something that holds data; for the validation of a file."""
    kind, _, name = address.partition(".")
    if kind not in HELD or not name:
        raise broken_rule(
            f"the address of a resource in Terraform, of one of {', '.join(HELD)}",
            "write it as the refusal of the plan has it, for example: "
            'may_destroy = ["databricks_model_serving.ab-test"]',
        )
    return address


def _destructions(changes: Sequence[Mapping[str, Any]]) -> Iterator[Destruction]:
    for it in changes:
        change, kind = it["change"], HELD.get(it["type"])
        before = change.get("before") or {}
        if it.get("mode") != "managed" or kind is None or before.get("table_type") == "VIEW":
            continue
        if "delete" in change["actions"]:
            what = f"{kind} that would be {_verb(it)}"
        elif dropped := _dropped(before, change.get("after") or {}):
            what = f"{kind} that would lose its column{'s' * (len(dropped) > 1)} "
            what += ", ".join(dropped)
        else:
            continue
        name = str(before.get("id") or before.get("name") or "")
        yield Destruction(address=it["address"], name=name, what=what)


def _verb(resource: Mapping[str, Any]) -> str:
    """How it would go, and what forces that."""
    change = resource["change"]
    if "create" not in change["actions"]:
        return "destroyed" + (
            ", for the code does not have it any more"
            if resource.get("action_reason") == "delete_because_no_resource_config"
            else ""
        )
    if resource.get("action_reason") == "replace_because_tainted":
        return "destroyed and created, for the state calls it tainted (terraform untaint)"
    paths = [
        ".".join(str(step) for step in path if not isinstance(step, int))
        for path in change.get("replace_paths") or ()
    ]
    return "destroyed and created" + (f", for {', '.join(dict.fromkeys(paths))}" if paths else "")


def _dropped(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The columns of a table that stays, which go with what is in them."""
    if "column" not in before or not isinstance(after.get("column"), list):
        return []
    kept = {str(column.get("name")).lower() for column in after["column"]}
    return [
        column["name"] for column in before["column"] or () if column["name"].lower() not in kept
    ]

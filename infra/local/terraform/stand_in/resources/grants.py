"""databricks_grants (all principals of a securable) and databricks_grant (one of them)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from infra.local.terraform.stand_in.resources.resource import Data, Gone, Refused, Resource
from infra.local.terraform.stand_in.values import in_set_order

if TYPE_CHECKING:
    from infra.local.terraform.stand_in.rest import Rest

_SECURABLES = {
    "catalog": "catalog",
    "credential": "credential",
    "external_location": "external_location",
    "foreign_connection": "connection",
    "function": "function",
    "metastore": "metastore",
    "model": "function",
    "pipeline": "pipeline",
    "recipient": "recipient",
    "schema": "schema",
    "storage_credential": "storage_credential",
    "table": "table",
    "volume": "volume",
}
"""A setting of the resource, and the API's type of securable."""

_WAIT_SECONDS = 60.0

Privileges = Mapping[str, frozenset[str]]
"""From a principal to what it may do."""


class Grants(Resource):
    """databricks_grants: all privileges on a securable, everyone's."""

    type = "databricks_grants"

    def create(self, rest: Rest, data: Data) -> None:
        securable, name = _securable(data)
        _replace(rest, securable, name, _configured(data))
        data.id = f"{securable}/{name}"

    def read(self, rest: Rest, data: Data) -> None:
        securable, _, name = data.id.partition("/")
        there = _privileges(rest.get(_path(securable, name)))
        if not there:
            raise Gone
        data.state[securable] = name
        data.state["grant"] = [
            {"principal": principal, "privileges": sorted(privileges)}
            for principal, privileges in there.items()
        ]

    def update(self, rest: Rest, data: Data) -> None:
        securable, name = _securable(data)
        _replace(rest, securable, name, _configured(data))

    def delete(self, rest: Rest, data: Data) -> None:
        securable, _, name = data.id.partition("/")
        _replace(rest, securable, name, {})


class Grant(Resource):
    """databricks_grant: one principal's privileges on a securable."""

    type = "databricks_grant"

    def create(self, rest: Rest, data: Data) -> None:
        securable, name = _securable(data)
        principal = data.text("principal")
        wanted = {principal: _normalised(data.get("privileges"))}
        _replace(rest, securable, name, wanted, of=principal)
        data.id = f"{securable}/{name}/{principal}"

    def read(self, rest: Rest, data: Data) -> None:
        securable, name, principal = _parts(data.id)
        privileges = _privileges(rest.get(_path(securable, name))).get(principal)
        if not privileges:
            raise Gone
        data.state[securable] = name
        data.state["principal"] = principal
        data.state["privileges"] = sorted(privileges)

    def update(self, rest: Rest, data: Data) -> None:
        securable, name, principal = _parts(data.id)
        wanted = {principal: _normalised(data.get("privileges"))}
        _replace(rest, securable, name, wanted, of=principal)

    def delete(self, rest: Rest, data: Data) -> None:
        securable, name, principal = _parts(data.id)
        _replace(rest, securable, name, {}, of=principal)


def _parts(id_: str) -> tuple[str, str, str]:
    parts = id_.split("/", 2)
    if len(parts) != 3:
        raise Refused(f"{id_!r} is no id of a grant: it is SECURABLE/NAME/PRINCIPAL.")
    return parts[0], parts[1], parts[2]


def _securable(data: Data) -> tuple[str, str]:
    for securable in _SECURABLES:
        if data.text(securable):
            return securable, data.text(securable)
    raise Refused("no securable is given: set one of " + ", ".join(_SECURABLES))


def _path(securable: str, name: str) -> str:
    if securable not in _SECURABLES:
        raise Refused(f"{securable!r} is no securable that the stand-in knows.")
    return f"2.1/unity-catalog/permissions/{_SECURABLES[securable]}/{name}"


def _normalised(privileges: Iterable[str]) -> frozenset[str]:
    return frozenset(privilege.upper().replace(" ", "_") for privilege in privileges)


def _configured(data: Data) -> Privileges:
    return {
        grant["principal"]: _normalised(grant["privileges"]) for grant in data.get("grant") or []
    }


def _privileges(answer: Mapping[str, Any]) -> Privileges:
    return {
        assignment["principal"]: _normalised(assignment.get("privileges") or [])
        for assignment in answer.get("privilege_assignments") or []
    }


def _changes(wanted: Privileges, there: Privileges) -> list[dict[str, Any]]:
    changes = []
    for principal in sorted(wanted.keys() | there.keys()):
        new, old = wanted.get(principal, frozenset()), there.get(principal, frozenset())
        change: dict[str, Any] = {"principal": principal}
        if new - old:
            change["add"] = in_set_order(list(new - old))
        if old - new:
            change["remove"] = in_set_order(list(old - new))
        if len(change) > 1:
            changes.append(change)
    return changes


def _replace(
    rest: Rest, securable: str, name: str, wanted: Privileges, *, of: str | None = None
) -> None:
    """Grant what is missing, revoke the rest (of one principal if given), wait until it holds."""
    path = _path(securable, name)

    def remaining(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
        there = _privileges(answer)
        if of is not None:
            there = {principal: there[principal] for principal in there if principal == of}
        return _changes(wanted, there)

    changes = remaining(rest.get(path))
    rest.patch(path, {"changes": changes} if changes else {})
    rest.poll(
        path,
        lambda answer: not remaining(answer),
        seconds=_WAIT_SECONDS,
        what=f"permissions of {securable} {name} are not yet what they have to be",
    )

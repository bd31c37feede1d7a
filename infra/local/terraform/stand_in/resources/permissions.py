"""databricks_permissions: who may do what with one object, by its id.

Order of calls: create Me, PUT, GET; update Me, PUT, GET; read Me, GET; delete GET, Me, PUT.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.terraform.stand_in.conversion import Conversion
from infra.local.terraform.stand_in.resources.resource import Data, Gone, Refused, Resource
from infra.local.terraform.stand_in.values import Value, is_zero

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.terraform.stand_in.rest import Rest

ME = "2.0/preview/scim/v2/Me"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Kind:
    """One kind of object: its setting in Terraform, its `object_type`, its part of the path."""

    setting: str
    object_type: str
    path: str
    own_levels: tuple[str, ...] = ("CAN_MANAGE",)
    """What the caller is given on top of what is declared."""
    creator: tuple[str, str, str] | None = None
    """Where its creator is found, who owns it again when the permissions go: path, name of the id
    in the query or "", name in the answer."""


_KINDS = (
    _Kind(setting="serving_endpoint_id", object_type="serving-endpoint", path="serving-endpoints"),
    _Kind(
        setting="job_id",
        object_type="job",
        path="jobs",
        own_levels=("IS_OWNER",),
        creator=("2.2/jobs/get", "job_id", "creator_user_name"),
    ),
    _Kind(setting="cluster_id", object_type="cluster", path="clusters"),
    _Kind(setting="cluster_policy_id", object_type="cluster-policy", path="cluster-policies"),
    _Kind(
        setting="sql_endpoint_id",
        object_type="warehouses",
        path="sql/warehouses",
        own_levels=("CAN_MANAGE", "IS_OWNER"),
        creator=("2.0/sql/warehouses", "", "creator_name"),
    ),
    _Kind(setting="dashboard_id", object_type="dashboard", path="dashboards", own_levels=()),
    _Kind(setting="registered_model_id", object_type="registered-model", path="registered-models"),
    _Kind(setting="experiment_id", object_type="mlflowExperiment", path="experiments"),
)


class Permissions(Resource):
    """databricks_permissions of one workspace object."""

    type = "databricks_permissions"
    conversion: ClassVar[Conversion] = Conversion(names={"access_control": "access_control_list"})

    def validate(self, config: Mapping[str, Value]) -> None:
        ours = {kind.setting for kind in _KINDS}
        others = [
            name
            for name, attribute in self.block.attributes.items()
            if attribute.force_new and name not in ours and not is_zero(config.get(name))
        ]
        if others:
            raise Refused(
                f"{others[0]} is not supported by the stand-in. It knows {', '.join(sorted(ours))}."
            )
        for entry in config.get("access_control") or []:
            group = entry.get("group_name")
            if isinstance(group, str) and group.lower() == "admins":
                raise Refused("It is not possible to restrict any permissions from `admins`.")

    def create(self, rest: Rest, data: Data) -> None:
        kind = next((kind for kind in _KINDS if data.get(kind.setting)), None)
        if kind is None:
            raise Refused("at least one type of resource identifier must be set")
        object_id = f"/{kind.path}/{data.get(kind.setting)}"
        self._put(rest, object_id, data)
        data.id = object_id

    def read(self, rest: Rest, data: Data) -> None:
        me = data.caller or rest.get(ME)["userName"]
        answer = rest.get(_path(data.id))
        entries = []
        for entry in answer.get("access_control_list") or []:
            is_me = me in {entry.get("user_name"), entry.get("service_principal_name")}
            if entry.get("group_name") == "admins" or is_me:
                continue
            level = _direct_level(entry)
            if level is not None:
                entries.append(_names(entry) | {"permission_level": level})
        if not entries:
            raise Gone
        kind = _kind(data.id)
        if kind.object_type != answer.get("object_type"):
            raise Refused(
                f"unknown object type {answer.get('object_type')!r} in the answer to GET"
                f" {_path(data.id)}: expected {kind.object_type!r}"
            )
        data.state["access_control"] = [
            {name: entry.get(name) for name in self.block.blocks["access_control"].block.attributes}
            for entry in entries
        ]
        data.state["object_type"] = kind.object_type
        data.state[kind.setting] = data.id.rpartition("/")[2]

    def update(self, rest: Rest, data: Data) -> None:
        self._put(rest, data.id, data)

    def delete(self, rest: Rest, data: Data) -> None:
        answer = rest.get(_path(data.id))
        kept = [
            _names(entry) | {"permission_level": level}
            for entry in answer.get("access_control_list") or []
            if entry.get("group_name") == "admins" and (level := _direct_level(entry)) is not None
        ]
        kind = _kind(data.id)
        own = []
        if "CAN_MANAGE" in kind.own_levels:
            own.append(_own("CAN_MANAGE", rest.get(ME)["userName"]))
        if kind.creator:
            path, query, name = kind.creator
            id_ = data.id.rpartition("/")[2]
            answer = rest.get(path, {query: id_}) if query else rest.get(f"{path}/{id_}")
            own.append(_own("IS_OWNER", answer[name]))
        rest.put(_path(data.id), {"access_control_list": [*kept, *own]})

    def _put(self, rest: Rest, object_id: str, data: Data) -> None:
        me = rest.get(ME)["userName"]
        body = self.conversion.request(self.block, data.state, only=frozenset({"access_control"}))
        entries: list[dict[str, Any]] = body.get("access_control_list", [])
        for entry in entries:
            if me in {entry.get("user_name"), entry.get("service_principal_name")}:
                raise Refused(
                    "it is not possible to modify permissions for the current user: " + me
                )
        declared = {entry["permission_level"] for entry in entries}
        entries += [
            _own(level, me)
            for level in _kind(object_id).own_levels
            if level != "IS_OWNER" or level not in declared
        ]
        rest.put(_path(object_id), {"access_control_list": entries})
        data.caller = me  # the read that follows does not ask again


def _path(object_id: str) -> str:
    return f"2.0/permissions{object_id}"


def _kind(object_id: str) -> _Kind:
    path = object_id.strip("/").rpartition("/")[0]
    for kind in _KINDS:
        if kind.path == path:
            return kind
    known = ", ".join(f"/{kind.path}/ID" for kind in _KINDS)
    raise Refused(f"{object_id!r} is no object whose permissions the stand-in knows: {known}.")


def _own(level: str, user: str) -> dict[str, str]:
    return {"user_name": user, "permission_level": level}


def _names(entry: Mapping[str, Any]) -> dict[str, str]:
    names = ("user_name", "group_name", "service_principal_name")
    return {name: entry[name] for name in names if entry.get(name)}


def _direct_level(entry: Mapping[str, Any]) -> str | None:
    for permission in entry.get("all_permissions") or []:
        if not permission.get("inherited"):
            return str(permission["permission_level"])
    return None

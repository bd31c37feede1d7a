"""Access control lists of workspace objects, in the form that the Terraform provider reads back.

minilake answers the plural of the path as `object_type`, which the provider refuses. Serving
endpoints are the serving control plane's. Source:
docs/reference/terraform-provider.md#what-other-resources-need,
https://docs.databricks.com/api/workspace/permissions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.emulator import state_of
from infra.local.http import json_object
from infra.local.refusal import invalid, missing, not_emulated

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from infra.local.lake import Lake

PATH: Final = "/api/2.0/permissions"
_DOCUMENTS: Final = "permissions"
_PRINCIPALS: Final = ("user_name", "group_name", "service_principal_name")
_OWNER: Final = "IS_OWNER"

_MANAGE: Final = ("CAN_MANAGE",)
_FILE: Final = ("CAN_READ", "CAN_RUN", "CAN_EDIT", *_MANAGE)
_QUERY: Final = ("CAN_VIEW", "CAN_RUN", "CAN_EDIT", *_MANAGE)


@dataclass(frozen=True, kw_only=True)
class ObjectType:
    """A kind of object: what its answers call it, its levels, and whether one exists."""

    name: str
    levels: tuple[str, ...]
    exists: Callable[[str], bool] | None = None
    owned: bool = False


def _in(service: str, registry: str, key: Callable[[str], Any] = str) -> Callable[[str], bool]:
    def exists(object_id: str) -> bool:
        try:
            return key(object_id) in state_of(service, registry)
        except ValueError:
            return False

    return exists


# By the segment in the path.
OBJECT_TYPES: Final = {
    "clusters": ObjectType(
        name="cluster",
        levels=("CAN_ATTACH_TO", "CAN_RESTART", *_MANAGE),
        exists=_in("clusters", "clusters"),
    ),
    "cluster-policies": ObjectType(
        name="cluster-policy", levels=("CAN_USE",), exists=_in("cluster_policies", "policies")
    ),
    "instance-pools": ObjectType(name="instance-pool", levels=("CAN_ATTACH_TO", *_MANAGE)),
    "jobs": ObjectType(
        name="job",
        levels=("CAN_VIEW", "CAN_MANAGE_RUN", _OWNER, *_MANAGE),
        exists=_in("jobs", "jobs", int),
        owned=True,
    ),
    "sql/warehouses": ObjectType(
        name="warehouses",
        levels=("CAN_VIEW", "CAN_MONITOR", "CAN_USE", _OWNER, *_MANAGE),
        exists=_in("sql_warehouses", "warehouses"),
    ),
    "dashboards": ObjectType(
        name="dashboard", levels=("CAN_READ", "CAN_RUN", "CAN_EDIT", *_MANAGE)
    ),
    "queries": ObjectType(name="query", levels=_QUERY, exists=_in("saved_queries", "queries")),
    "registered-models": ObjectType(
        name="registered-model",
        levels=(
            *("CAN_READ", "CAN_EDIT", "CAN_MANAGE_STAGING_VERSIONS"),
            *("CAN_MANAGE_PRODUCTION_VERSIONS", *_MANAGE),
        ),
    ),
    "experiments": ObjectType(name="mlflowExperiment", levels=("CAN_READ", "CAN_EDIT", *_MANAGE)),
    "notebooks": ObjectType(name="notebook", levels=_FILE),
    "directories": ObjectType(name="directory", levels=_FILE),
    "files": ObjectType(name="file", levels=_FILE),
    "repos": ObjectType(name="repo", levels=_FILE),
    "authorization": ObjectType(name="tokens", levels=("CAN_USE",)),
}
OBJECT_TYPES["warehouses"] = OBJECT_TYPES["sql/warehouses"]


class PermissionsApi:
    """Lists are stored by object; an object without one is its creator's."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._lists: dict[str, Any] = lake.documents.setdefault(_DOCUMENTS, {})

    def routes(self) -> list[BaseRoute]:
        routes: list[BaseRoute] = []
        for segment in OBJECT_TYPES:
            one = f"{PATH}/{segment}/{{id}}"
            routes += [
                Route(one, self._handler(segment, self._get), methods=["GET"]),
                Route(one, self._handler(segment, self._set), methods=["PUT"]),
                Route(one, self._handler(segment, self._update), methods=["PATCH"]),
                Route(
                    f"{one}/permissionLevels", self._handler(segment, self._levels), methods=["GET"]
                ),
            ]
        # Everything else is refused rather than answered in a form that clients misread.
        everything = f"{PATH}/{{type}}/{{rest:path}}"
        return [*routes, Route(everything, _unknown, methods=["GET", "PUT", "PATCH"])]

    def _handler(self, segment: str, answer: Any) -> Any:
        async def handle(request: Request) -> Response:
            object_type, object_id = OBJECT_TYPES[segment], request.path_params["id"]
            if object_type.exists is not None and not object_type.exists(object_id):
                raise missing(f"{object_type.name} {object_id} does not exist.")
            return JSONResponse(await answer(request, segment, object_id))

        return handle

    async def _get(self, _request: Request, segment: str, object_id: str) -> dict[str, Any]:
        return self._describe(segment, object_id)

    async def _set(self, request: Request, segment: str, object_id: str) -> dict[str, Any]:
        entries = await self._entries(request, segment)
        if OBJECT_TYPES[segment].owned and _owners(entries) != 1:
            raise invalid(
                f"access_control_list: a {OBJECT_TYPES[segment].name} has exactly one {_OWNER}, "
                f"got {_owners(entries)}."
            )
        self._lists[_key(segment, object_id)] = entries
        self._lake.save()
        return self._describe(segment, object_id)

    async def _update(self, request: Request, segment: str, object_id: str) -> dict[str, Any]:
        entries = await self._entries(request, segment)
        merged = {_principal(entry): entry for entry in self._stored(segment, object_id)}
        if _owners(entries):
            merged = {
                who: entry for who, entry in merged.items() if entry["permission_level"] != _OWNER
            }
        merged.update({_principal(entry): entry for entry in entries})
        self._lists[_key(segment, object_id)] = list(merged.values())
        self._lake.save()
        return self._describe(segment, object_id)

    async def _levels(self, _request: Request, segment: str, _object_id: str) -> dict[str, Any]:
        return {
            "permission_levels": [
                {"permission_level": level, "description": level.replace("_", " ").capitalize()}
                for level in OBJECT_TYPES[segment].levels
            ]
        }

    async def _entries(self, request: Request, segment: str) -> list[dict[str, Any]]:
        listed = (await json_object(request)).get("access_control_list") or []
        if not isinstance(listed, list):
            raise invalid("access_control_list: a list is required.")
        levels = OBJECT_TYPES[segment].levels
        for entry in listed:
            principals = [key for key in _PRINCIPALS if isinstance(entry, dict) and entry.get(key)]
            if len(principals) != 1:
                raise invalid(
                    "access_control_list: each entry names exactly one of "
                    f"{', '.join(_PRINCIPALS)}, got {entry!r}."
                )
            if entry.get("permission_level") not in levels:
                raise invalid(
                    f"access_control_list: {entry.get('permission_level')!r} is no permission "
                    f"level of a {OBJECT_TYPES[segment].name}; its levels: {', '.join(levels)}."
                )
        return [
            {key: entry[key] for key in (*_PRINCIPALS, "permission_level") if entry.get(key)}
            for entry in listed
        ]

    def _stored(self, segment: str, object_id: str) -> list[dict[str, Any]]:
        level = _OWNER if _OWNER in OBJECT_TYPES[segment].levels else "CAN_MANAGE"
        default = [{"user_name": self._lake.user, "permission_level": level}]
        stored: list[dict[str, Any]] = self._lists.get(_key(segment, object_id), default)
        return stored

    def _describe(self, segment: str, object_id: str) -> dict[str, Any]:
        return {
            "object_id": f"/{segment}/{object_id}",
            "object_type": OBJECT_TYPES[segment].name,
            "access_control_list": [
                {
                    **{key: entry[key] for key in _PRINCIPALS if key in entry},
                    "all_permissions": [
                        {"permission_level": entry["permission_level"], "inherited": False}
                    ],
                }
                for entry in self._stored(segment, object_id)
            ],
        }


def routes(lake: Lake) -> list[BaseRoute]:
    return PermissionsApi(lake).routes()


async def _unknown(request: Request) -> Response:
    raise not_emulated(f"Permissions on {request.path_params['type']}")


def _key(segment: str, object_id: str) -> str:
    return f"{OBJECT_TYPES[segment].name}/{object_id}"


def _principal(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(entry.get(key, "") for key in _PRINCIPALS)


def _owners(entries: list[dict[str, Any]]) -> int:
    return sum(entry["permission_level"] == _OWNER for entry in entries)

"""Access control lists of workspace objects, in the form that the Terraform provider reads back.

minilake answers the plural of the path as `object_type`, which the provider refuses. Lists are kept
by object; of serving endpoints, by the endpoints themselves. Source:
docs/reference/terraform-provider.md#what-other-resources-need,
https://docs.databricks.com/api/workspace/permissions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.emulator import state_of
from infra.local.http import json_object
from infra.local.refusal import invalid, missing, not_emulated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

PATH: Final = "/api/2.0/permissions"
_DOCUMENTS: Final = "permissions"
PRINCIPALS: Final = ("user_name", "group_name", "service_principal_name")
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
    described: str = ""
    """What the description of a level adds to its name."""


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


Entry = dict[str, Any]
"""One principal, by one of PRINCIPALS, and its `permission_level`."""


class AccessLists(Protocol):
    """The lists of one kind of object."""

    def get(self, object_id: str) -> list[Entry]:
        """The list of an object; its creator's where none was set. Raises Refusal 404."""

    def put(self, object_id: str, entries: list[Entry]) -> None:
        """Keep a list in the place of the one before."""


class DocumentLists:
    """Lists in the workspace's documents; an object without one is its creator's."""

    def __init__(
        self, object_type: ObjectType, documents: dict[str, dict[str, Any]], user: str
    ) -> None:
        self._type = object_type
        self._lists = documents.setdefault(_DOCUMENTS, {})
        self._user = user

    def get(self, object_id: str) -> list[Entry]:
        """The list of an object. Raises Refusal 404."""
        if self._type.exists is not None and not self._type.exists(object_id):
            raise missing(f"{self._type.name} {object_id} does not exist.")
        level = _OWNER if _OWNER in self._type.levels else "CAN_MANAGE"
        default = [{"user_name": self._user, "permission_level": level}]
        stored: list[Entry] = self._lists.get(self._key(object_id), default)
        return stored

    def put(self, object_id: str, entries: list[Entry]) -> None:
        """Keep a list."""
        self._lists[self._key(object_id)] = entries

    def _key(self, object_id: str) -> str:
        return f"{self._type.name}/{object_id}"


class PermissionsApi:
    """The permissions of one kind of object; `segment` is its place in the path."""

    def __init__(self, segment: str, object_type: ObjectType, lists: AccessLists) -> None:
        self._segment = segment
        self._type = object_type
        self._lists = lists

    def routes(self) -> list[Route]:
        """GET, PUT and PATCH of a list, and the levels that there are."""
        one = f"{PATH}/{self._segment}/{{id}}"
        return [
            Route(one, self._answer(self._get), methods=["GET"]),
            Route(one, self._answer(self._set), methods=["PUT"]),
            Route(one, self._answer(self._update), methods=["PATCH"]),
            Route(f"{one}/permissionLevels", self._answer(self._levels), methods=["GET"]),
        ]

    def _answer(
        self, answer: Callable[[Request, str, list[Entry]], Awaitable[dict[str, Any]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            object_id = request.path_params["id"]
            return JSONResponse(await answer(request, object_id, self._lists.get(object_id)))

        return handle

    async def _get(self, _request: Request, object_id: str, listed: list[Entry]) -> dict[str, Any]:
        return self._describe(object_id, listed)

    async def _set(self, request: Request, object_id: str, _: list[Entry]) -> dict[str, Any]:
        entries = await self._entries(request)
        if self._type.owned and _owners(entries) != 1:
            raise invalid(
                f"access_control_list: a {self._type.name} has exactly one {_OWNER}, "
                f"got {_owners(entries)}."
            )
        return self._put(object_id, entries)

    async def _update(
        self, request: Request, object_id: str, listed: list[Entry]
    ) -> dict[str, Any]:
        entries = await self._entries(request)
        merged = {_principal(entry): entry for entry in listed}
        if _owners(entries):
            merged = {
                who: entry for who, entry in merged.items() if entry["permission_level"] != _OWNER
            }
        merged.update({_principal(entry): entry for entry in entries})
        return self._put(object_id, list(merged.values()))

    async def _levels(self, _request: Request, _id: str, _: list[Entry]) -> dict[str, Any]:
        return {
            "permission_levels": [
                {
                    "permission_level": level,
                    "description": level.replace("_", " ").capitalize() + self._type.described,
                }
                for level in self._type.levels
            ]
        }

    def _put(self, object_id: str, entries: list[Entry]) -> dict[str, Any]:
        self._lists.put(object_id, entries)
        return self._describe(object_id, self._lists.get(object_id))

    async def _entries(self, request: Request) -> list[Entry]:
        listed = (await json_object(request)).get("access_control_list") or []
        if not isinstance(listed, list):
            raise invalid("access_control_list: a list is required.")
        for entry in listed:
            principals = [key for key in PRINCIPALS if isinstance(entry, dict) and entry.get(key)]
            if len(principals) != 1:
                raise invalid(
                    "access_control_list: each entry names exactly one of "
                    f"{', '.join(PRINCIPALS)}, got {entry!r}."
                )
            if entry.get("permission_level") not in self._type.levels:
                raise invalid(
                    f"access_control_list: {entry.get('permission_level')!r} is no permission "
                    f"level of a {self._type.name}; its levels: {', '.join(self._type.levels)}."
                )
        return [
            {key: entry[key] for key in (*PRINCIPALS, "permission_level") if entry.get(key)}
            for entry in listed
        ]

    def _describe(self, object_id: str, listed: list[Entry]) -> dict[str, Any]:
        return {
            "object_id": f"/{self._segment}/{object_id}",
            "object_type": self._type.name,
            "access_control_list": [
                {
                    **{key: entry[key] for key in PRINCIPALS if key in entry},
                    "all_permissions": [
                        {"permission_level": entry["permission_level"], "inherited": False}
                    ],
                }
                for entry in listed
            ],
        }


def routes(documents: dict[str, dict[str, Any]], user: str) -> list[Route]:
    """The permissions of everything that minilake keeps; those of all else are refused rather than
    answered in a form that clients misread."""
    found = [
        route
        for segment, object_type in OBJECT_TYPES.items()
        for route in PermissionsApi(
            segment, object_type, DocumentLists(object_type, documents, user)
        ).routes()
    ]
    everything = f"{PATH}/{{type}}/{{rest:path}}"
    return [*found, Route(everything, _unknown, methods=["GET", "PUT", "PATCH"])]


async def _unknown(request: Request) -> Response:
    raise not_emulated(f"Permissions on {request.path_params['type']}")


def _principal(entry: Entry) -> tuple[str, ...]:
    return tuple(entry.get(key, "") for key in PRINCIPALS)


def _owners(entries: list[Entry]) -> int:
    return sum(entry["permission_level"] == _OWNER for entry in entries)

"""Who may do what with an endpoint: kept and returned; the workspace's one user may do all.

Addressed by the endpoint's id, not its name (docs/reference/serving.md#paths-of-the-api).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.local.objects.permissions import PRINCIPALS, Entry, ObjectType, PermissionsApi
from infra.local.serving.endpoint import Grant

if TYPE_CHECKING:
    from starlette.routing import Route

    from infra.local.serving.endpoints import Endpoints

_TYPE: Final = ObjectType(
    name="serving-endpoint",
    levels=("CAN_VIEW", "CAN_QUERY", "CAN_MANAGE"),
    described=" the serving endpoint",
)


class EndpointLists:
    """The lists of access that endpoints keep."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def get(self, object_id: str) -> list[Entry]:
        """The grants of an endpoint; its creator's where none was given. Raises Refusal 404."""
        endpoint = self._endpoints.get_by_id(object_id)
        owner = Grant(kind="user_name", principal=endpoint.creator, level="CAN_MANAGE")
        return [
            {grant.kind: grant.principal, "permission_level": grant.level}
            for grant in endpoint.grants or (owner,)
        ]

    def put(self, object_id: str, entries: list[Entry]) -> None:
        """Give the endpoint these grants. Raises Refusal 404."""
        grants = tuple(
            Grant(kind=kind, principal=entry[kind], level=entry["permission_level"])
            for entry in entries
            for kind in PRINCIPALS
            if kind in entry
        )
        self._endpoints.change(self._endpoints.get_by_id(object_id).name, grants=grants)


def routes(endpoints: Endpoints) -> list[Route]:
    """The permissions of serving endpoints."""
    return PermissionsApi("serving-endpoints", _TYPE, EndpointLists(endpoints)).routes()

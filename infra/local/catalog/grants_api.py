"""Grants in Unity Catalog: what minilake keeps, after what it does not check.

Which privilege is applicable to what:
https://docs.databricks.com/aws/en/data-governance/unity-catalog/manage-privileges/privileges.
What a revoked ALL PRIVILEGES takes along:
https://docs.databricks.com/aws/en/sql/language-manual/security-revoke, and what it leaves:
https://github.com/databricks/cli/pull/6743. Privileges are kept, not enforced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from minilake.models.grants import UpdatePermissionsRequest
from minilake.services import grants
from minilake.services.unity_catalog import METASTORE_ID
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.emulator import call, parsed
from infra.local.http import json_object, only
from infra.local.refusal import Refusal, invalid, missing, not_emulated

if TYPE_CHECKING:
    from starlette.requests import Request

    from infra.local.catalog.grant_holders import GrantHolders

PATH: Final = "/api/2.1/unity-catalog"

ALL: Final = "ALL_PRIVILEGES"
NOT_IN_ALL: Final = frozenset(
    {"EXTERNAL_USE_LOCATION", "EXTERNAL_USE_SCHEMA", "MANAGE", "READ_METADATA"}
)

_EVERYWHERE: Final = frozenset({ALL, "APPLY_TAG", "MANAGE", "READ_METADATA"})
_TABLE: Final = _EVERYWHERE | {"MODIFY", "REFRESH", "SELECT"}
_VOLUME: Final = _EVERYWHERE | {"READ_VOLUME", "WRITE_VOLUME"}
_FUNCTION: Final = _EVERYWHERE | {"CREATE_MODEL_VERSION", "EXECUTE"}
_SCHEMA: Final = (
    _TABLE
    | _VOLUME
    | _FUNCTION
    | {"CREATE_FEATURE", "CREATE_FUNCTION", "CREATE_MATERIALIZED_VIEW", "CREATE_MODEL"}
    | {"CREATE_TABLE", "CREATE_VIEW", "CREATE_VOLUME", "EXTERNAL_USE_SCHEMA", "USE_SCHEMA"}
)
_CATALOG: Final = _SCHEMA | {"BROWSE", "CREATE_FOREIGN_SECURABLE", "CREATE_SCHEMA", "USE_CATALOG"}
_METASTORE: Final = frozenset(
    {"CREATE_CATALOG", "CREATE_CLEAN_ROOM", "CREATE_CONNECTION", "CREATE_EXTERNAL_LOCATION"}
    | {"CREATE_PROVIDER", "CREATE_RECIPIENT", "CREATE_SERVICE_CREDENTIAL", "CREATE_SHARE"}
    | {"CREATE_STORAGE_CREDENTIAL", "MANAGE_ALLOWLIST", "SET_SHARE_PERMISSION"}
    | {"USE_CONNECTION", "USE_MARKETPLACE_ASSETS", "USE_PROVIDER", "USE_RECIPIENT", "USE_SHARE"}
)
PRIVILEGES: Final = {
    "METASTORE": _METASTORE,
    "CATALOG": _CATALOG,
    "SCHEMA": _SCHEMA,
    "TABLE": _TABLE,
    "VOLUME": _VOLUME,
    "FUNCTION": _FUNCTION,
}
"""What may be granted on each kind of securable: its own, and those that what lies in it inherits.
A registered model is a function."""

_ELSEWHERE: Final = frozenset(
    {"CLEAN_ROOM", "CONNECTION", "CREDENTIAL", "EXTERNAL_LOCATION", "EXTERNAL_METADATA"}
    | {"PIPELINE", "PROVIDER", "RECIPIENT", "SERVICE_CREDENTIAL", "SHARE", "STORAGE_CREDENTIAL"}
)
"""Kinds of securables of Databricks that this workspace has none of."""

_KNOWN: Final = frozenset().union(*PRIVILEGES.values())


def routes(holders: GrantHolders) -> list[Route]:
    """Grants of a securable, their changes, and what it inherits."""

    async def securable(request: Request) -> tuple[str, str]:
        # The SDK for Python puts its enumeration's name in front.
        sent = request.path_params["type"]
        kind, name = sent.rpartition(".")[2].upper(), request.path_params["name"]
        if kind in _ELSEWHERE:
            raise not_emulated(f"A grant on a {kind.lower()}")
        if kind not in PRIVILEGES:
            raise invalid(
                f"{sent!r} is no type of securable; known are {', '.join(PRIVILEGES).lower()}."
            )
        if kind != "METASTORE":
            name = name.lower()
            depth = {"CATALOG": 1, "SCHEMA": 2}.get(kind, 3)
            if name.count(".") + 1 != depth:
                raise invalid(f"{name!r}: a {kind.lower()} has a name of {depth} part(s).")
            if not await holders.settle(kind, name):
                raise Refusal(
                    404, f"{kind}_DOES_NOT_EXIST", f"{kind.capitalize()} '{name}' does not exist."
                )
        elif name != METASTORE_ID:
            raise missing(f"Metastore '{name}' does not exist.")
        return kind, name

    async def get(request: Request) -> Response:
        kind, name = await securable(request)
        principal = request.query_params.get("principal")
        return JSONResponse(await call(grants.get_permissions(kind, name, principal)))

    async def effective(request: Request) -> Response:
        kind, name = await securable(request)
        principal = request.query_params.get("principal")
        return JSONResponse(await call(grants.get_effective_permissions(kind, name, principal)))

    async def update(request: Request) -> Response:
        kind, name = await securable(request)
        body = await json_object(request)
        parsed(UpdatePermissionsRequest, body)
        only(body, ("changes", "omit_permissions_in_response"), "permissions")
        for change in body.get("changes") or ():
            only(change, ("principal", "add", "remove"), "a change of permissions")
        changes = [_checked(kind, change) for change in body.get("changes") or ()]
        request_ = parsed(UpdatePermissionsRequest, {**body, "changes": changes})
        return JSONResponse(await call(grants.update_permissions(kind, name, request_)))

    one = "{type}/{name}"
    return [
        Route(f"{PATH}/permissions/{one}", get, methods=["GET"]),
        Route(f"{PATH}/permissions/{one}", update, methods=["PATCH"]),
        Route(f"{PATH}/effective-permissions/{one}", effective, methods=["GET"]),
    ]


def _checked(kind: str, change: dict[str, Any]) -> dict[str, Any]:
    """A change in Databricks' spelling, with all that it means. Raises Refusal 400."""
    added, removed = (
        {str(it).upper().replace(" ", "_") for it in change.get(key) or ()}
        for key in ("add", "remove")
    )
    for privilege in sorted((added | removed) - _KNOWN):
        raise invalid(f"{privilege} is no privilege.")
    for privilege in sorted(added - PRIVILEGES[kind]):
        raise invalid(f"Privilege {privilege} is not applicable to a {kind.lower()}.")
    if ALL in removed:
        removed |= _KNOWN - NOT_IN_ALL
    return {**change, "add": sorted(added), "remove": sorted(removed)}

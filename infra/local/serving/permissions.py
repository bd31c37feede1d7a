"""Who may do what with an endpoint: kept and returned; the workspace's one user may do all.

Addressed by the endpoint's id, not its name (docs/reference/serving.md#paths-of-the-api).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.refusal import invalid
from infra.local.serving.endpoint import Grant

if TYPE_CHECKING:
    from infra.local.serving.endpoint import Endpoint

LEVELS = {
    "CAN_VIEW": "Can view the serving endpoint",
    "CAN_QUERY": "Can query the serving endpoint",
    "CAN_MANAGE": "Can manage the serving endpoint",
}
_PRINCIPALS = ("user_name", "group_name", "service_principal_name")


def parse_grants(body: object) -> tuple[Grant, ...]:
    entries = body.get("access_control_list") if isinstance(body, dict) else None
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise invalid("access_control_list must be a list.")
    return tuple(_grant(entry) for entry in entries)


def merge(grants: tuple[Grant, ...], changes: tuple[Grant, ...]) -> tuple[Grant, ...]:
    """What PATCH does: one level for each principal, the changes win."""
    levels = {(grant.kind, grant.principal): grant for grant in (*grants, *changes)}
    return tuple(levels.values())


def document(endpoint: Endpoint) -> dict[str, Any]:
    owner = Grant(kind="user_name", principal=endpoint.creator, level="CAN_MANAGE")
    return {
        "object_id": f"/serving-endpoints/{endpoint.id}",
        "object_type": "serving-endpoint",
        "access_control_list": [
            {
                grant.kind: grant.principal,
                "all_permissions": [{"permission_level": grant.level, "inherited": False}],
            }
            for grant in endpoint.grants or (owner,)
        ],
    }


def levels_document() -> dict[str, Any]:
    return {
        "permission_levels": [
            {"permission_level": level, "description": text} for level, text in LEVELS.items()
        ]
    }


def _grant(entry: object) -> Grant:
    if not isinstance(entry, dict):
        raise invalid("access_control_list: each entry must be an object.")
    given = [kind for kind in _PRINCIPALS if entry.get(kind)]
    if len(given) != 1:
        raise invalid(f"access_control_list: an entry names one of {', '.join(_PRINCIPALS)}.")
    level = entry.get("permission_level")
    if level not in LEVELS:
        raise invalid(
            f"access_control_list: permission_level {level!r} is unknown for a serving endpoint: "
            f"use one of {', '.join(LEVELS)}."
        )
    return Grant(kind=given[0], principal=str(entry[given[0]]), level=level)

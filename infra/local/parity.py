"""Which of minilake's APIs are answered: those of PARITY.md.

It has more, which would be kept and do nothing (lists of addresses that may come in, scripts of
every cluster), or hand a text to DuckDB past the engine (functions).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.local.refusal import not_emulated

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_KNOWN_PREFIXES: Final = (
    "/api/2.0/dbfs/",
    "/api/2.0/fs/",
    "/api/2.0/instance-pools/",
    "/api/2.0/policies/clusters/",
    "/api/2.0/preview/scim/v2/",
    "/api/2.0/preview/sql/data_sources",
    "/api/2.0/secrets/",
    "/api/2.0/sql/alerts",
    "/api/2.0/sql/history/queries",
    "/api/2.0/sql/queries",
    "/api/2.0/sql/warehouses",
    "/api/2.0/workspace-files/",
    "/api/2.0/workspace/",
    "/api/2.1/clusters/",
    "/api/2.1/unity-catalog/current-metastore-assignment",
    "/api/2.1/unity-catalog/metastore",
)


def known_alone(app: ASGIApp) -> ASGIApp:
    """minilake without the rest of it, which is 501."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_KNOWN_PREFIXES):
            refusal = not_emulated(f"{scope['method']} {scope['path']}")
            await refusal.response()(scope, receive, send)
        else:
            await app(scope, receive, send)

    return answered

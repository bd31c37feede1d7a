"""What protects the page: where its parts may come from, who may send to it, what may be kept."""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every response. Nothing is cached: a film is a patient's, and a reader's machine is shared."""


class Protection:
    """Adds the headers, and refuses what another site makes a reader's browser send."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses what another page sends, and adds the headers to every answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = self._app
        if scope["method"] not in _SAFE_METHODS and not _from_this_page(Headers(scope=scope)):
            app = JSONResponse(
                {"error": "This request does not come from the page of the reading room."},
                status_code=403,
            )
        await app(scope, receive, send_protected)


def _from_this_page(headers: Headers) -> bool:
    """Whether the browser says so: https://www.w3.org/TR/fetch-metadata/, or else by its origin.

    A request that says neither comes from no browser that could be misled, or from one too old to
    be told; it is refused.
    """
    if site := headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc == headers.get("Host")

"""The page's addresses: `/`, what of it is fetched again, its dashboards and their charts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from infra.local.page.drawing import Drawings
from infra.local.page.glance import MINUTES, glance
from infra.local.page.session import Session

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from infra.local.access import Access
    from infra.local.lake import Lake
    from infra.local.serving.endpoints import Endpoints

PREFIX: Final = "/page/"
_HERE: Final = Path(__file__).parent
_STATIC: Final = {"page.css": "text/css", "page.js": "text/javascript"}
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def is_of_the_page(path: str) -> bool:
    """Whether the page answers there."""
    return path == "/" or path.startswith(PREFIX)


class WorkspacePage:
    """ASGI: the page, for whoever has the link."""

    def __init__(self, lake: Lake, endpoints: Endpoints, *, token: str, access: Access) -> None:
        self._lake = lake
        self._endpoints = endpoints
        self._session = Session(token, access)
        self._drawings = Drawings(lake.statements)
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 401 to whoever has not the link."""
        request = Request(scope, receive)
        response = self._session.refusal(request)
        if response is None:
            if request.method in ("GET", "HEAD"):
                response = await self._answer(request.url.path)
            else:
                response = PlainTextResponse("The page is there to look at.\n", 405)
        response.headers.update(_HEADERS)
        await response(scope, receive, send)

    async def _answer(self, path: str) -> Response:
        if path == "/":
            return await self._rendered("page.html")
        kind, _, name = path.removeprefix(PREFIX).partition("/")
        if kind == "live":
            return await self._rendered("live.html")
        if kind == "static" and name in _STATIC:
            return Response((_HERE / "static" / name).read_bytes(), media_type=_STATIC[name])
        if kind == "dashboards" and name in self._lake.dashboards:
            return await self._dashboard(self._lake.dashboards[name])
        if kind == "charts":
            drawn = await asyncio.to_thread(self._drawings.svg, name.removesuffix(".svg"))
            if drawn is not None:
                return Response(drawn, media_type="image/svg+xml")
        return PlainTextResponse("There is no such page.\n", 404)

    async def _rendered(self, template: str) -> Response:
        seen = await glance(self._lake, self._endpoints)
        return self._html(template, glance=seen, minutes=MINUTES)

    async def _dashboard(self, draft: dict[str, Any]) -> Response:
        pages = await asyncio.to_thread(self._drawings.pages, draft["serialized_dashboard"])
        return self._html("dashboard.html", title=draft["display_name"], pages=pages)

    def _html(self, template: str, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(**values))

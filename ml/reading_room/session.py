"""Who may speak to a room without a proxy: whoever has the link that the command prints.

Every process of this machine reaches the port. The secret in the link tells the owner's browser
from the others; the browser keeps it as a cookie, which no script and no other site can read.
"""

import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ml.contract.errors import UserError

_SECRET_BYTES: Final = 32
_KEY: Final = "key"
_COOKIE: Final = "reading-room"


def secret_in(file: Path) -> str:
    """The secret of a room, made with its journal; a page that is open outlives a restart.

    Raises UserError.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        secret = file.read_text(errors="replace").strip()
        if len(secret) < _SECRET_BYTES or not secret.isascii():
            raise UserError(
                f"{file}: holds no secret of a reading room. Delete it; the next start makes "
                "another one."
            ) from None
        file.chmod(0o600)
        return secret
    with os.fdopen(descriptor, "w") as stream:
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        stream.write(f"{secret}\n")
    return secret


def path_with(secret: str) -> str:
    """Of the link that lets its reader in."""
    return f"/?{_KEY}={secret}"


class RequireSession:
    """ASGI: answers whoever has the secret; the link's page is answered with the cookie."""

    def __init__(self, app: ASGIApp, *, secret: str) -> None:
        self._app = app
        self._secret = secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 401, or hands the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        app: ASGIApp
        # A browser sends what it keeps for this host to each of its ports: each has its own name.
        cookie = f"{_COOKIE}-{request.url.port or 80}"
        if self._is_secret(request.cookies.get(cookie)):
            app = self._app
        elif scope["path"] == "/" and self._is_secret(request.query_params.get(_KEY)):
            app = RedirectResponse("/", 303)
            app.set_cookie(cookie, self._secret, httponly=True, samesite="strict")
        else:
            app = JSONResponse(
                {"error": "Open the link that python -m ml.reading_room has printed."}, 401
            )
        await app(scope, receive, send)

    def _is_secret(self, said: str | None) -> bool:
        return said is not None and hmac.compare_digest(said.encode(), self._secret.encode())

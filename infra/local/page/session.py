"""Who may look: whoever has the link that the command prints, or the token.

The link's key is made of the token, so that it lives as long; the browser keeps it as a cookie that
no script and no other site can read.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse, RedirectResponse

from infra.local.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from infra.local.access import Access

_KEY: Final = "key"
_COOKIE: Final = "local-workspace"


def path_with_key(token: str) -> str:
    """Of the link that lets its reader in."""
    return f"/?{_KEY}={_key(token)}"


class Session:
    """Decides by the cookie, the link or the Authorization header."""

    def __init__(self, token: str, access: Access) -> None:
        self._key = _key(token)
        self._access = access

    def refusal(self, request: Request) -> Response | None:
        """What is answered in the place of the page; None for who may see it."""
        # Browsers keep cookies by host: two workspaces of a machine have two.
        cookie = f"{_COOKIE}-{request.scope['server'][1]}"
        if self._is_key(request.cookies.get(cookie)) or self._has_token(request):
            return None
        if request.url.path == "/" and self._is_key(request.query_params.get(_KEY)):
            # Not left in the address bar, nor in the history.
            answer = RedirectResponse("/", 303)
            answer.set_cookie(cookie, self._key, httponly=True, samesite="strict")
            return answer
        return PlainTextResponse(
            "Open the link that `python -m infra.local` has printed; `make workspace` prints it "
            "too.\n",
            401,
        )

    def _is_key(self, said: str | None) -> bool:
        return said is not None and hmac.compare_digest(said.encode(), self._key.encode())

    def _has_token(self, request: Request) -> bool:
        said = request.headers.get("authorization")
        try:
            self._access.check(said.encode("latin-1") if said else None)
        except Refusal:
            return False
        return True


def _key(token: str) -> str:
    return hmac.new(token.encode(), b"the page of the local workspace", hashlib.sha256).hexdigest()

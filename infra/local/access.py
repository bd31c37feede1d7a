"""Who may call: the workspace's one personal access token, required on every API."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from typing import TYPE_CHECKING

from infra.local.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

_TOKEN_PREFIX = "dapi"  # noqa: S105 - what every Databricks personal access token starts with
OPEN_PATHS = frozenset({"/.well-known/databricks-config", "/health"})
"""Paths that say nothing about the workspace's content; clients read them before they sign in."""


def load_or_create_token(file: Path) -> str:
    """The token in `file`, created with mode 600 if there is none yet."""
    try:
        token = file.read_text(errors="replace").strip()
    except FileNotFoundError:
        token = _TOKEN_PREFIX + secrets.token_hex(16)
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(token + "\n")
        return token
    if not token or not token.isascii():
        raise PermissionError(
            f"{file} is empty or no token: delete it, and the next start writes a new token."
        )
    if file.stat().st_mode & 0o077:
        file.chmod(0o600)
    return token


class Access:
    """Decides by the Authorization header.

    docs/reference/serving.md#invocations, docs/reference/serving.md#errors
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._accepted = b"Bearer " + self._token

    def check(self, authorization: bytes | None) -> None:
        """Raise `Refusal` 401 without credentials, 403 with wrong ones."""
        if authorization is not None and hmac.compare_digest(authorization, self._accepted):
            return
        if authorization is None:
            raise _unauthenticated()
        scheme, _, credentials = authorization.partition(b" ")
        match scheme.lower():
            case b"bearer":
                presented = credentials.strip()
            case b"basic":  # the documented form is token:<personal access token>
                presented = _basic_password(credentials)
            case _:
                raise _unauthenticated()
        if not presented:
            raise _unauthenticated()
        if not hmac.compare_digest(presented, self._token):
            raise Refusal(403, "PERMISSION_DENIED", "Invalid access token.")


class RequireToken:
    """ASGI middleware: no path but `OPEN_PATHS` is answered without the token."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 401 or 403, or hands the request on."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            try:
                self._access.check(header(scope, b"authorization"))
            except Refusal as refusal:
                await refusal.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)


def header(scope: Mapping[str, object], name: bytes) -> bytes | None:
    """The first header called `name` (lower case) of an ASGI scope."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]  # type: ignore[assignment] # by ASGI
    return next((value for key, value in headers if key == name), None)


def _basic_password(credentials: bytes) -> bytes:
    try:
        user, _, password = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        return b""
    return password if user == b"token" else b""


def _unauthenticated() -> Refusal:
    return Refusal(
        401,
        "UNAUTHENTICATED",
        "Credential was not sent or was of an unsupported type for this API. "
        "Send 'Authorization: Bearer <token>'.",
    )

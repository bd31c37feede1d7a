"""The bodies of requests: bounded, and plain also where a client has compressed them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from infra.local.access import header
from infra.local.refusal import Refusal
from infra.local.settings import MAX_REQUEST_BYTES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_DOCUMENT_BYTES: Final = 24 * 1024 * 1024
"""Of a call of any other API: a statement of SQL has at most 16 MiB, before JSON quotes it."""

_FILES: Final = "/api/2.0/fs/files/"
_ANY_GZIP: Final = 16 + zlib.MAX_WBITS


async def read_body(
    scope: Scope, receive: Receive, *, most_bytes: int = MAX_REQUEST_BYTES
) -> bytes | None:
    """The whole body, decompressed; None if the client went away before it had sent all of it.

    `Refusal` 413 over `most_bytes`, after what the client still sends has been read and
    dropped: a client that is writing would see a broken connection instead of the answer. 400 or
    415 for an encoding that is none or not understood, and 501 for such a transfer encoding.
    """
    coding = header(scope, b"transfer-encoding")
    if coding is not None and coding.strip().lower() != b"chunked":
        said = f"Transfer-Encoding '{coding.decode('latin-1')}' is not understood: send chunked."
        raise Refusal(501, "NOT_IMPLEMENTED", said)
    chunks: list[bytes] = []
    size = int(header(scope, b"content-length") or 0)
    too_large = size > most_bytes
    received = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        received += len(chunk)
        too_large = too_large or received > most_bytes
        if too_large:
            chunks.clear()
        else:
            chunks.append(chunk)
        if not message.get("more_body", False):
            break
    if too_large:
        raise _too_large(f"{max(size, received)} bytes", most_bytes)
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    encoding = header(scope, b"content-encoding")
    if encoding is None:
        return body
    return _decoded(body, encoding.decode("latin-1").strip().lower(), most_bytes)


def _decoded(body: bytes, encoding: str, most_bytes: int) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Refusal(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            f"Content-Encoding {encoding!r} is not understood: send the body as it is, or gzip.",
        )
    plain, rest = b"", body
    while rest:  # gzip may come in several members
        member = zlib.decompressobj(_ANY_GZIP)
        try:
            plain += member.decompress(rest, most_bytes + 1 - len(plain))
        except zlib.error as error:
            raise _no_gzip(str(error)) from error
        if len(plain) > most_bytes:
            raise _too_large("too many bytes when it is decompressed", most_bytes)
        if not member.eof:
            raise _no_gzip("it ends too early")
        rest = member.unused_data
    return plain


def _no_gzip(reason: str) -> Refusal:
    return Refusal(
        400, "MALFORMED_REQUEST", f"The body is said to be gzip, and can not be read: {reason}."
    )


def _too_large(size: str, most_bytes: int) -> Refusal:
    return Refusal(
        413,
        "REQUEST_SIZE_EXCEEDED",
        f"The request body has {size}; at most {most_bytes} are taken "
        f"({most_bytes // 1024**2} MB).",
    )


class BoundedBodies:
    """ASGI: reads the body before the application does, which gets it in one piece.

    Files are the application's to read: they are written as they come.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on with its body. Raises Refusal."""
        if not _has_body(scope) or scope["path"].startswith(_FILES):
            await self._app(scope, receive, send)
            return
        body = await read_body(scope, receive, most_bytes=MAX_DOCUMENT_BYTES)
        if body is None:
            return
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_read() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(_plain(scope, len(body)), receive_read, send)


def _has_body(scope: Scope) -> bool:
    return (
        header(scope, b"transfer-encoding") is not None
        or (header(scope, b"content-length") or b"0") != b"0"
    )


def _plain(scope: Scope, size: int) -> Scope:
    """The scope of the body as the application gets it."""
    if header(scope, b"content-encoding") is None:
        return scope
    dropped = (b"content-encoding", b"content-length", b"transfer-encoding")
    kept = [(name, value) for name, value in scope["headers"] if name not in dropped]
    return {**scope, "headers": [*kept, (b"content-length", str(size).encode())]}

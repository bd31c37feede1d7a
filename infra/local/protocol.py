"""HTTP/1.1 as the workspace speaks it: a head of bounded size, and no other protocol.

A client may offer another protocol by `Upgrade` (Java's offers HTTP/2 in clear text), which a
server need not take up: RFC 9110, 7.8. uvicorn's parser then drops the body of the request
(https://github.com/encode/uvicorn/discussions/2722); here the request is parsed again without the
offer. So a WebSocket, too, is answered as the plain request that it begins with.
"""

from __future__ import annotations

from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 * 1024
"""Of the request line and all headers together."""

_REFUSED_HEAD: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b"
)
_SAID: Final = (
    b'{"error_code":"INVALID_PARAMETER_VALUE","message":"The head of the request has more than '
    b'%d bytes."}' % MAX_HEAD_BYTES
)
_OFFER: Final = (b"upgrade", b"connection", b"http2-settings")


class Http11(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True
        self._head_bytes = 0
        """What has come since the last head or request was whole."""

    def data_received(self, data: bytes) -> None:
        """asyncio: hands on what comes, but no head without an end."""
        self._head_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._parse_without_offer(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()

    def on_message_begin(self) -> None:
        """httptools: a request begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """httptools: the head is whole; the request is answered from here on."""
        if self.parser.should_upgrade():
            return
        self._in_head = False
        self._head_bytes = 0
        if sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refuse_head()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """httptools: a part of the body."""
        if not self.parser.should_upgrade() and self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """httptools: the request is whole."""
        if self.parser.should_upgrade() or self.cycle is None:
            return
        self._in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def _parse_without_offer(self, rest: bytes) -> None:
        if self.parser.get_method() == b"CONNECT":  # for proxies, and without any offer
            self.send_400_response("CONNECT is not taken.")
            return
        head = [
            b"%b %b HTTP/%b\r\n"
            % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        ]
        head += [
            b"%b: %b\r\n" % (name, value) for name, value in self.headers if name not in _OFFER
        ]
        self.parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0
        self.data_received(b"".join([*head, b"\r\n", rest]))

    def _refuse_head(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_REFUSED_HEAD % (len(_SAID), _SAID))
            self.transport.close()

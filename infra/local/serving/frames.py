"""What travels between the workspace and the process of a served entity.

A frame is two lengths, a small JSON object and a body that neither side copies into JSON:
`u32 length of fields | u32 length of body | fields | body`, big endian.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTHS = struct.Struct(">II")


class Frame(NamedTuple):
    """One message: named fields, and a body that is handed on as it is."""

    fields: dict[str, Any]
    body: bytes


def pack(fields: dict[str, Any], body: bytes = b"") -> list[bytes]:
    """The buffers of one frame, to be written in this order."""
    encoded = orjson.dumps(fields)
    return [_LENGTHS.pack(len(encoded), len(body)) + encoded, body]


class FrameBuffer:
    """Puts frames together from whatever pieces a socket delivers."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that `data` completes."""
        self._data += data
        start = 0
        while len(self._data) - start >= _LENGTHS.size:
            fields_length, body_length = _LENGTHS.unpack_from(self._data, start)
            fields_start = start + _LENGTHS.size
            body_start = fields_start + fields_length
            end = body_start + body_length
            if len(self._data) < end:
                break
            with memoryview(self._data) as view:
                fields = orjson.loads(view[fields_start:body_start])
                body = bytes(view[body_start:end])
            yield Frame(fields, body)
            start = end
        del self._data[:start]

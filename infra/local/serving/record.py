"""One record of the journal: what it holds, its bytes, and how one is found in a file.

`checksum | lengths of fields, request, response | fields (JSON) | request | response`.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import struct
import time
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from infra.local.serving.payload import (
    PayloadRow,
    PayloadTable,
    ServedEntityRow,
    UsageRow,
)

if TYPE_CHECKING:
    import mmap

_HEAD = struct.Struct(">IIII")
"""Checksum of what follows, then lengths: fields (JSON), request, response."""
_NULL = 0xFFFFFFFF
"""As a length: this body is not kept."""
_FIELDS_BEGIN = b'{"due":'
"""What a record has behind its head, by which the next one is found behind one that is spoilt."""


@dataclasses.dataclass(kw_only=True, slots=True)
class Entry:
    """What one event adds to the tables; any of the three rows may be absent."""

    table: PayloadTable | None = None
    payload: PayloadRow | None = None
    """Without the bodies, which are copied by nobody until they are delivered."""
    request: bytes | None = None
    response: bytes | None = None
    usage: UsageRow | None = None
    served_entity: ServedEntityRow | None = None

    @property
    def payload_row(self) -> PayloadRow | None:
        """The row for the inference table; None where none is kept."""
        if self.payload is None:
            return None
        return dataclasses.replace(
            self.payload, request=_text(self.request), response=_text(self.response)
        )


class Position(NamedTuple):
    """A segment's number, and a byte of it."""

    segment: int
    offset: int


@dataclasses.dataclass(kw_only=True, slots=True)
class Record:
    """One that was read."""

    due: float
    written: float
    size: int
    end: Position
    fields: dict[str, Any]
    request: bytes | None
    response: bytes | None

    def is_due(self) -> bool:
        """Whether its time has come."""
        # One that is written in the future was written before the clock was set back.
        now = time.time()
        return self.due <= now or self.written > now

    def entry(self) -> Entry:
        """What it holds."""
        return _entry(self.fields, self.request, self.response)


def encode(entry: Entry, delay_seconds: float) -> list[bytes]:
    """The buffers of a record that is due so many seconds from now."""
    now = time.time()
    fields = orjson.dumps(
        {
            "due": now + delay_seconds,
            "written": now,
            "table": entry.table,
            "payload": entry.payload,
            "usage": entry.usage,
            "served_entity": entry.served_entity,
        }
    )
    checksum = zlib.crc32(fields)
    lengths = [len(fields)]
    parts = [fields]
    for body in (entry.request, entry.response):
        lengths.append(_NULL if body is None else len(body))
        if body:
            checksum = zlib.crc32(body, checksum)
            parts.append(body)
    return [_HEAD.pack(checksum, *lengths), *parts]


def decode(data: mmap.mmap, segment: int, offset: int) -> Record | None:
    """The record at a place; None where none begins, or it is cut short or spoilt."""
    bounds = _bounds(data, offset)
    if bounds is None or bounds[-1] > len(data):
        return None
    checksum, *lengths = _HEAD.unpack_from(data, offset)
    with memoryview(data) as view, view[bounds[0] : bounds[-1]] as content:
        # Zeros, which a loss of power may leave, would have the checksum of nothing.
        if zlib.crc32(content) != checksum or content[: len(_FIELDS_BEGIN)] != _FIELDS_BEGIN:
            return None
    fields = orjson.loads(data[bounds[0] : bounds[1]])
    request, response = (
        None if length == _NULL else data[begin:end]
        for length, (begin, end) in zip(lengths[1:], itertools.pairwise(bounds[1:]), strict=True)
    )
    return Record(
        due=fields["due"],
        written=fields.get("written", fields["due"]),
        size=bounds[-1] - offset,
        end=Position(segment, bounds[-1]),
        fields=fields,
        request=request,
        response=response,
    )


def _bounds(data: mmap.mmap, offset: int) -> list[int] | None:
    """Where fields, request and response begin, and where they end; None without a whole head."""
    if offset + _HEAD.size > len(data):
        return None
    _, *lengths = _HEAD.unpack_from(data, offset)
    sizes = (0 if length == _NULL else length for length in lengths)
    return list(itertools.accumulate(sizes, initial=offset + _HEAD.size))


def next_record(data: mmap.mmap, segment: int, offset: int) -> Record | None:
    """The first whole record that begins at a place or behind it."""
    while (found := data.find(_FIELDS_BEGIN, offset + _HEAD.size)) >= 0:
        begin = found - _HEAD.size
        if record := decode(data, segment, begin):
            return record
        offset = begin + 1
    return None


def is_cut_short(data: mmap.mmap, offset: int) -> bool:
    """Whether the file ends within the record at a place: a kill came while it was written."""
    bounds = _bounds(data, offset)
    return bounds is None or bounds[-1] > len(data)


def _entry(fields: dict[str, Any], request: bytes | None, response: bytes | None) -> Entry:
    table, payload, usage, served_entity = (
        fields[name] for name in ("table", "payload", "usage", "served_entity")
    )
    if payload is not None:
        payload["request_date"] = datetime.date.fromisoformat(payload["request_date"])
        payload["request_time"] = _time(payload["request_time"])
        payload["logging_error_codes"] = tuple(payload["logging_error_codes"])
    if usage is not None:
        usage["request_time"] = _time(usage["request_time"])
    if served_entity is not None:
        for name in ("change_time", "endpoint_delete_time"):
            served_entity[name] = served_entity[name] and _time(served_entity[name])
    return Entry(
        table=table and PayloadTable(**table),
        payload=payload and PayloadRow(**payload),
        request=request,
        response=response,
        usage=usage and UsageRow(**usage),
        served_entity=served_entity and ServedEntityRow(**served_entity),
    )


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode("utf-8", errors="replace")


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)

"""The durable queue between an answer and the tables that log it.

An append-only log in numbered segment files. A record is written before its answer leaves, in one
system call: what the kernel has, a killed process can not lose. A record that was being written
when the process died is cut short, fails its checksum, and belongs to an answer that never left.
The reader remembers its place after each delivery; a segment that has been read is deleted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import os
import struct
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import orjson

from infra.local.serving.payload import (
    PayloadRow,
    PayloadTable,
    ServedEntityRow,
    UsageRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD = struct.Struct(">IIII")
"""Checksum of what follows, then lengths: fields (JSON), request, response."""
_SEGMENT_BYTES = 64 * 1024 * 1024
_NULL = 0xFFFFFFFF
"""As a length: this body is not kept."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
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


class _Position(NamedTuple):
    segment: int
    offset: int


class Journal:
    """Written by requests, read by the delivery's thread; created within the event loop."""

    def __init__(self, folder: Path, *, delay_seconds: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._delay = delay_seconds
        self._place_file = folder / "position.json"
        self._place = self._load_place()
        # A segment that another run wrote may end in a record cut short: never append to it.
        self._segment = max([*self._segments(), self._place.segment]) + 1
        self._writer = self._open_segment()
        self._written = 0
        self._writing = threading.Lock()
        self.appends = 0
        """How many entries this run has appended."""
        self.appended = asyncio.Event()
        """Set whenever there is something new to deliver."""

    def append(self, entry: Entry, *, delay_seconds: float | None = None) -> None:
        """Return when the record is safe from the end of this process; `OSError` if it is not."""
        delay = self._delay if delay_seconds is None else delay_seconds
        buffers = _encode(entry, time.time() + delay)
        with self._writing:
            self._write(buffers)
            self.appends += 1
        self.appended.set()  # nobody waits for it while the delivery's own thread is at work

    def read(self, limit: int) -> Batch:
        """Up to `limit` entries whose time has come, oldest first."""
        place = self._place
        entries: list[Entry] = []
        for record in self._records(place):
            if record.due > time.time() or len(entries) == limit:
                break
            entries.append(record.entry)
            place = record.end
        return Batch(entries=entries, end=place)

    def next_due_in(self) -> float | None:
        """Seconds until the next entry is due; None if there is no entry."""
        for record in self._records(self._place):
            return max(0.0, record.due - time.time())
        return None

    def forget(self, batch: Batch) -> None:
        """Go on after the batch, also after a restart."""
        temporary = self._place_file.with_suffix(".new")
        temporary.write_bytes(orjson.dumps(list(batch.end)))
        temporary.replace(self._place_file)
        self._place = batch.end
        for segment in self._segments():
            if segment < batch.end.segment:
                self._path(segment).unlink()

    def close(self) -> None:
        """Closes the file that is written; what is in it stays."""
        self._writer.close()

    def _write(self, buffers: list[bytes]) -> None:
        if self._written > _SEGMENT_BYTES:
            self._writer.close()
            self._segment += 1
            self._writer = self._open_segment()
            self._written = 0
        size = sum(map(len, buffers))
        try:
            written = os.writev(self._writer.fileno(), buffers)
        except OSError:
            os.ftruncate(self._writer.fileno(), self._written)
            raise
        if written != size:
            os.ftruncate(self._writer.fileno(), self._written)
            raise OSError(f"{self._path(self._segment)}: wrote {written} of {size} bytes")
        self._written += size

    def _records(self, place: _Position) -> Iterator[_Record]:
        for segment in self._segments():
            if segment < place.segment:
                continue
            offset = place.offset if segment == place.segment else 0
            with self._path(segment).open("rb") as stream:
                stream.seek(offset)
                while record := _decode(stream, segment):
                    yield record

    def _segments(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("*.log"))

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:08}.log"

    def _open_segment(self) -> BinaryIO:
        return self._path(self._segment).open("ab", buffering=0)

    def _load_place(self) -> _Position:
        try:
            return _Position(*orjson.loads(self._place_file.read_bytes()))
        except FileNotFoundError:
            return _Position(0, 0)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Entries that may be delivered, and the place behind the last of them."""

    entries: list[Entry]
    end: _Position


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    due: float
    entry: Entry
    end: _Position


def _encode(entry: Entry, due: float) -> list[bytes]:
    fields = orjson.dumps(
        {
            "due": due,
            "table": entry.table,
            "payload": entry.payload,
            "usage": entry.usage,
            "served_entity": entry.served_entity,
        }
    )
    bodies = (entry.request, entry.response)
    parts = [fields, *(body or b"" for body in bodies)]
    lengths = [len(fields), *(_NULL if body is None else len(body) for body in bodies)]
    return [_HEAD.pack(_checksum(parts), *lengths), *parts]


def _decode(stream: BinaryIO, segment: int) -> _Record | None:
    """The next record; None at the end and for a record that was cut short."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    checksum, *lengths = _HEAD.unpack(head)
    parts = [stream.read(0 if length == _NULL else length) for length in lengths]
    if _checksum(parts) != checksum:
        return None
    fields = orjson.loads(parts[0])
    bodies = [
        None if length == _NULL else part
        for part, length in zip(parts[1:], lengths[1:], strict=True)
    ]
    return _Record(
        due=fields["due"],
        entry=_entry(fields, *bodies),
        end=_Position(segment, stream.tell()),
    )


def _checksum(parts: list[bytes]) -> int:
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return checksum


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

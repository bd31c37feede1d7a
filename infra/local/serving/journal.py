"""The durable queue between an answer and the tables that log it.

An append-only log in numbered segment files. A record is written before its answer leaves; the
answers of one turn of the event loop are written in one system call. What the kernel has, a killed
process can not lose. A record that was being written when the process died is cut short, and
belongs to an answer that never left. The reader remembers its place after each delivery; a segment
that has been read is deleted. One in which the disk has changed a byte is kept, as `.damaged`, and
read on behind the record that is spoilt.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import itertools
import logging
import mmap
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
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_HEAD = struct.Struct(">IIII")
"""Checksum of what follows, then lengths: fields (JSON), request, response."""
_SEGMENT_BYTES = 64 * 1024 * 1024
_NULL = 0xFFFFFFFF
"""As a length: this body is not kept."""
_FIELDS_BEGIN = b'{"due":'
"""What a record has behind its head, by which the next one is found behind one that is spoilt."""
_BUFFERS_A_WRITE = 1000
"""Of the 1024 that Linux takes (IOV_MAX)."""

_log = logging.getLogger(__name__)


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
        self._gathered: list[list[bytes]] = []
        self._turn: asyncio.Future[None] | None = None
        """Done when what is gathered is written."""
        self._reported: set[_Position] = set()
        self.appends = 0
        """How many entries this run has appended."""
        self.appended = asyncio.Event()
        """Set whenever there is something new to deliver."""

    async def commit(self, entry: Entry) -> None:
        """As `append`, with what else is answered in this turn of the event loop."""
        if self._turn is None:
            loop = asyncio.get_running_loop()
            self._turn = loop.create_future()
            loop.call_soon(self._write_gathered)
        self._gathered.append(_encode(entry, self._delay))
        await self._turn

    def append(self, entry: Entry, *, delay_seconds: float | None = None) -> None:
        """Return when the record is safe from the end of this process; `OSError` if it is not."""
        delay = self._delay if delay_seconds is None else delay_seconds
        self._append([_encode(entry, delay)])

    def read(self, limit: int, *, limit_bytes: int = _SEGMENT_BYTES) -> Batch:
        """Up to `limit` entries whose time has come, oldest first; one at least, whatever its size.

        More of them only while they have no more than `limit_bytes` together.
        """
        place = self._place
        entries: list[Entry] = []
        size = 0
        for record in self._records(place):
            size += record.size
            if not record.is_due() or len(entries) == limit or (entries and size > limit_bytes):
                break
            entries.append(record.entry())
            place = record.end
        return Batch(entries=entries, end=place)

    def next_due_in(self) -> float | None:
        """Seconds until the next entry is due; None if there is no entry."""
        for record in self._records(self._place):
            return 0.0 if record.is_due() else record.due - time.time()
        return None

    def oldest_seconds(self) -> float:
        """For how long the oldest entry has been there; 0 if there is none."""
        for record in self._records(self._place):
            return max(0.0, time.time() - record.written)
        return 0.0

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
        self._write_gathered()
        self._writer.close()

    def _write_gathered(self) -> None:
        gathered, self._gathered = self._gathered, []
        turn, self._turn = self._turn, None
        if turn is None:
            return
        try:
            self._append(gathered)
        except OSError as error:
            if not turn.done():
                turn.set_exception(error)
        else:
            if not turn.done():  # the server's end may have cancelled those who wait
                turn.set_result(None)

    def _append(self, records: list[list[bytes]]) -> None:
        with self._writing:
            # Whole or not at all: nobody is told that a part of it was written.
            if self._written > _SEGMENT_BYTES:
                self._begin_segment()
            before = self._written
            buffers = [buffer for record in records for buffer in record]
            for start in range(0, len(buffers), _BUFFERS_A_WRITE):
                self._write(buffers[start : start + _BUFFERS_A_WRITE], before)
            self.appends += len(records)
        self.appended.set()  # nobody waits for it while the delivery's own thread is at work

    def _write(self, buffers: Sequence[bytes], before: int) -> None:
        size = sum(map(len, buffers))
        written = None
        try:
            written = os.writev(self._writer.fileno(), buffers)
        finally:
            self._written += size
            if written != size:
                os.ftruncate(self._writer.fileno(), before)
                self._written = before
        if written != size:
            raise OSError(f"{self._path(self._segment)}: wrote {written} of {size} bytes")

    def _begin_segment(self) -> None:
        writer = self._path(self._segment + 1).open("ab", buffering=0)
        self._writer.close()
        self._writer = writer
        self._segment += 1
        self._written = 0

    def _records(self, place: _Position) -> Iterator[_Record]:
        for segment in self._segments():
            if segment >= place.segment:
                offset = place.offset if segment == place.segment else 0
                yield from self._records_of(segment, offset)

    def _records_of(self, segment: int, offset: int) -> Iterator[_Record]:
        with self._path(segment).open("rb") as stream:
            # Behind what this run has written may be the beginning of what it is writing.
            with self._writing:
                writing = segment == self._segment
                end = self._written if writing else os.fstat(stream.fileno()).st_size
            if offset >= end:
                return
            with mmap.mmap(stream.fileno(), end, access=mmap.ACCESS_READ) as data:
                while offset < end:
                    record = _decode(data, segment, offset)
                    if record is None:
                        following = _next_record(data, segment, offset + 1)
                        if following is None and not writing and _is_cut_short(data, offset):
                            return
                        self._keep_damaged(_Position(segment, offset))
                        if following is None:
                            return
                        record = following
                    yield record
                    offset = record.end.offset

    def _keep_damaged(self, place: _Position) -> None:
        """Say where the disk has changed what was written, and keep the file for who can use it."""
        if place in self._reported:
            return
        self._reported.add(place)
        kept = self._path(place.segment).with_suffix(".damaged")
        with contextlib.suppress(FileExistsError):
            os.link(self._path(place.segment), kept)
        _log.error(
            "The journal %s is damaged at byte %d: rows of answered requests are lost there, and "
            "what follows is delivered. The file is kept as %s",
            self._path(place.segment),
            place.offset,
            kept,
        )

    def _segments(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("*.log"))

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:08}.log"

    def _open_segment(self) -> BinaryIO:
        return self._path(self._segment).open("ab", buffering=0)

    def _load_place(self) -> _Position:
        try:
            segment, offset = orjson.loads(self._place_file.read_bytes())
            return _Position(int(segment), int(offset))
        except FileNotFoundError:
            pass
        except (ValueError, TypeError):
            # The tables keep one row for each request, so that to deliver twice does no harm.
            _log.warning(
                "%s holds no position, as after a loss of power: everything that the journal still "
                "has is delivered once more",
                self._place_file,
            )
        return _Position(0, 0)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Entries that may be delivered, and the place behind the last of them."""

    entries: list[Entry]
    end: _Position


@dataclasses.dataclass(kw_only=True, slots=True)
class _Record:
    due: float
    written: float
    size: int
    end: _Position
    fields: dict[str, Any]
    request: bytes | None
    response: bytes | None

    def is_due(self) -> bool:
        # One that is written in the future was written before the clock was set back.
        now = time.time()
        return self.due <= now or self.written > now

    def entry(self) -> Entry:
        return _entry(self.fields, self.request, self.response)


def _encode(entry: Entry, delay_seconds: float) -> list[bytes]:
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


def _decode(data: mmap.mmap, segment: int, offset: int) -> _Record | None:
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
    return _Record(
        due=fields["due"],
        written=fields.get("written", fields["due"]),
        size=bounds[-1] - offset,
        end=_Position(segment, bounds[-1]),
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


def _next_record(data: mmap.mmap, segment: int, offset: int) -> _Record | None:
    """The first whole record that begins at a place or behind it."""
    while (found := data.find(_FIELDS_BEGIN, offset + _HEAD.size)) >= 0:
        begin = found - _HEAD.size
        if record := _decode(data, segment, begin):
            return record
        offset = begin + 1
    return None


def _is_cut_short(data: mmap.mmap, offset: int) -> bool:
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

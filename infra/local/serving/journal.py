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
import logging
import mmap
import os
import threading
import time
from typing import TYPE_CHECKING, BinaryIO

import orjson

from infra.local.serving.record import (
    Entry,
    Position,
    Record,
    decode,
    encode,
    is_cut_short,
    next_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SEGMENT_BYTES = 64 * 1024 * 1024
_BUFFERS_A_WRITE = 1000
"""Of the 1024 that Linux takes (IOV_MAX)."""

_log = logging.getLogger(__name__)


class Journal:
    """Written by requests, read by the delivery's thread; created within the event loop."""

    def __init__(self, folder: Path, *, delay_seconds: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.delay_seconds = delay_seconds
        """After which an entry is due."""
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
        self._room: int | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._reported: set[Position] = set()
        self.appends = 0
        """How many entries this run has appended."""
        self.appended = asyncio.Event()
        """Set whenever there is something new to deliver."""

    async def commit(self, entry: Entry) -> None:
        """As `append`, with what else is answered in this turn of the event loop.

        Waits for room, where there is a limit.
        """
        while self._room is not None:
            if self._room > 0:
                self._room -= 1
                break
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]
        if self._turn is None:
            loop = asyncio.get_running_loop()
            self._turn = loop.create_future()
            loop.call_soon(self._write_gathered)
        self._gathered.append(encode(entry, self.delay_seconds))
        await self._turn

    def limit(self, room: int | None) -> None:
        """Commit so many more entries until the next call; None: any number."""
        self._room = room
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():  # its client may have gone
                turn.set_result(None)

    def append(self, entry: Entry, *, delay_seconds: float | None = None) -> None:
        """Return when the record is safe from the end of this process; `OSError` if it is not."""
        delay = self.delay_seconds if delay_seconds is None else delay_seconds
        self._append([encode(entry, delay)])

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

    def _records(self, place: Position) -> Iterator[Record]:
        for segment in self._segments():
            if segment >= place.segment:
                offset = place.offset if segment == place.segment else 0
                yield from self._records_of(segment, offset)

    def _records_of(self, segment: int, offset: int) -> Iterator[Record]:
        with self._path(segment).open("rb") as stream:
            # Behind what this run has written may be the beginning of what it is writing.
            with self._writing:
                writing = segment == self._segment
                end = self._written if writing else os.fstat(stream.fileno()).st_size
            if offset >= end:
                return
            with mmap.mmap(stream.fileno(), end, access=mmap.ACCESS_READ) as data:
                while offset < end:
                    record = decode(data, segment, offset)
                    if record is None:
                        following = next_record(data, segment, offset + 1)
                        if following is None and not writing and is_cut_short(data, offset):
                            return
                        self._keep_damaged(Position(segment, offset))
                        if following is None:
                            return
                        record = following
                    yield record
                    offset = record.end.offset

    def _keep_damaged(self, place: Position) -> None:
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

    def _load_place(self) -> Position:
        try:
            segment, offset = orjson.loads(self._place_file.read_bytes())
            return Position(int(segment), int(offset))
        except FileNotFoundError:
            pass
        except (ValueError, TypeError):
            # The tables keep one row for each request, so that to deliver twice does no harm.
            _log.warning(
                "%s holds no position, as after a loss of power: everything that the journal still "
                "has is delivered once more",
                self._place_file,
            )
        return Position(0, 0)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Entries that may be delivered, and the place behind the last of them."""

    entries: list[Entry]
    end: Position

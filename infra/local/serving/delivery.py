"""Carries journal entries to their tables once their delay is over."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from infra.local.serving.journal import Journal
    from infra.local.serving.payload import PayloadSink
    from infra.local.serving.record import Entry

_log = logging.getLogger(__name__)
_BATCH = 2000
_BATCH_BYTES = 32 * 1024 * 1024
_COLLECT_SECONDS = 0.05
_BUSY = 5
"""Answers within `_COLLECT_SECONDS` from which on requests count as coming without a pause."""
_LEAST_SHARE = 0.02
"""Of one core's time, while they keep coming."""
_OLD_SECONDS = 10.0
"""Age of the oldest row up to which none is delivered while they keep coming; then the share grows
with the age."""
_OLDEST_SECONDS = 30.0
"""Age at which there is no rest, and from which on answers wait until rows have left, so that at
the highest load rows are less than a minute old, and the journal has an end."""
_LEAST_ROOM = 0.1
"""Of what was delivered: nobody waits for ever."""
_AFTER_FAILURE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 60.0
"""Between two attempts at a table that can not be written. What waits for it is written into the
journal again each time, so that the pause grows."""


class Delivery:
    """An entry is forgotten only after the sink has it; the sink keeps one row per request id."""

    def __init__(self, journal: Journal, sink: PayloadSink) -> None:
        self._journal = journal
        self._sink = sink
        self._pauses: dict[str, _Pause] = {}
        """Of the tables that could not be written."""
        self._worked_seconds = 0.0
        """For which the last delivery worked."""

    async def run(self) -> None:
        """Until cancelled. What is not delivered then is delivered after the next start."""
        try:
            while True:
                try:
                    await self._deliver_next()
                except OSError:
                    _log.exception("The journal can not be read; trying again later")
                    self._journal.limit(None)
                    await asyncio.sleep(_AFTER_FAILURE_SECONDS)
        finally:
            self._journal.limit(None)  # nobody waits for what does not come

    async def _deliver_next(self) -> None:
        self._journal.appended.clear()
        wait = await asyncio.to_thread(self._journal.next_due_in)
        if wait is None:
            await self._journal.appended.wait()
            return
        # A short collection time makes one delivery of what comes at the same time.
        await asyncio.sleep(max(wait, _COLLECT_SECONDS))
        await self._give_way()
        begun = time.monotonic()
        delivering = asyncio.create_task(asyncio.to_thread(self.deliver_due))
        try:
            delivered = await asyncio.shield(delivering)
        except asyncio.CancelledError:
            await delivering  # a thread can not be cancelled, and what it uses is closed next
            raise
        self._worked_seconds = time.monotonic() - begun
        age = await asyncio.to_thread(self._journal.oldest_seconds)
        self._journal.limit(room(delivered, age - self._journal.delay_seconds))

    async def _give_way(self) -> None:
        """Rest while requests keep coming: they need the machine more than their rows do."""
        age = await asyncio.to_thread(self._journal.oldest_seconds)
        begun = time.monotonic()
        while (rested := time.monotonic() - begun) < rest_seconds(
            self._worked_seconds, age + rested
        ):
            before = self._journal.appends
            await asyncio.sleep(_COLLECT_SECONDS)
            if self._journal.appends - before < _BUSY:
                return

    def deliver_due(self) -> int:
        """Deliver a batch of what is due; what the sink does not take is tried again later.

        Returns how many entries it was.
        """
        batch = self._journal.read(_BATCH, limit_bytes=_BATCH_BYTES)
        if not batch.entries:
            return 0
        for kind, entries in _by_kind(batch.entries).items():
            pause = self._pauses.get(kind)
            if pause is not None and (rest := pause.until - time.monotonic()) > 0:
                self._put_back(entries, rest)
                continue
            try:
                self._deliver(entries)
            except Exception:
                # One table that can not be written (dropped schema, say) must not stop the others.
                seconds = _AFTER_FAILURE_SECONDS
                if pause is not None:
                    seconds = min(2 * pause.seconds, _LONGEST_PAUSE_SECONDS)
                _log.exception(
                    "Rows for %s could not be written; trying again in %g s", kind, seconds
                )
                self._pauses[kind] = _Pause(seconds, time.monotonic() + seconds)
                self._put_back(entries, seconds)
            else:
                self._pauses.pop(kind, None)
        self._journal.forget(batch)
        return len(batch.entries)

    def _put_back(self, entries: list[Entry], seconds: float) -> None:
        for entry in entries:
            self._journal.append(entry, delay_seconds=seconds)

    def _deliver(self, entries: list[Entry]) -> None:
        """Entries of one kind: all of the same table."""
        table = entries[0].table
        if table is not None:
            self._sink.deliver(table, [row for entry in entries if (row := entry.payload_row)])
        if usage := [entry.usage for entry in entries if entry.usage]:
            self._sink.deliver_usage(usage)
        if served := [entry.served_entity for entry in entries if entry.served_entity]:
            self._sink.deliver_served_entities(served)


class _Pause(NamedTuple):
    seconds: float
    until: float
    """Of the monotonic clock."""


def rest_seconds(worked_seconds: float, age_seconds: float) -> float:
    """How long a delivery rests that has worked so long last, while its oldest row is so old."""
    if age_seconds < _OLD_SECONDS:
        return math.inf
    grown = (age_seconds - _OLD_SECONDS) / (_OLDEST_SECONDS - _OLD_SECONDS)
    share = min(max(grown, _LEAST_SHARE), 1.0)
    return worked_seconds / share - worked_seconds


def room(delivered: int, late_seconds: float) -> int | None:
    """How many rows may come until the next delivery, after one of so many; None: any number.

    The fewer, the later the oldest row is: what came faster than it leaves has still to leave.
    """
    if late_seconds <= _OLDEST_SECONDS:
        return None
    share = 2 - late_seconds / _OLDEST_SECONDS
    return math.ceil(delivered * max(share, _LEAST_ROOM))


def _by_kind(entries: list[Entry]) -> dict[str, list[Entry]]:
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        kind = entry.table.full_name if entry.table is not None else "system.serving"
        kinds.setdefault(kind, []).append(entry)
    return kinds

"""Carries journal entries to their tables once their delay is over."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.local.serving.journal import Entry, Journal
    from infra.local.serving.payload import PayloadSink

_log = logging.getLogger(__name__)
_BATCH = 500
_COLLECT_SECONDS = 0.05
_AFTER_FAILURE_SECONDS = 5.0


class Delivery:
    """An entry is forgotten only after the sink has it; the sink keeps one row per request id."""

    def __init__(self, journal: Journal, sink: PayloadSink) -> None:
        self._journal = journal
        self._sink = sink

    async def run(self) -> None:
        """Until cancelled. What is not delivered then is delivered after the next start."""
        while True:
            try:
                await self._deliver_next()
            except OSError:
                _log.exception("The journal can not be read; trying again later")
                await asyncio.sleep(_AFTER_FAILURE_SECONDS)

    async def _deliver_next(self) -> None:
        self._journal.appended.clear()
        wait = await asyncio.to_thread(self._journal.next_due_in)
        if wait is None:
            await self._journal.appended.wait()
            return
        # A short collection time makes one delivery of what comes at the same time.
        await asyncio.sleep(max(wait, _COLLECT_SECONDS))
        delivering = asyncio.create_task(asyncio.to_thread(self.deliver_due))
        try:
            await asyncio.shield(delivering)
        except asyncio.CancelledError:
            await delivering  # a thread can not be cancelled, and what it uses is closed next
            raise

    def deliver_due(self) -> None:
        """Deliver a batch of what is due; what the sink does not take is tried again later."""
        batch = self._journal.read(_BATCH)
        if not batch.entries:
            return
        for kind, entries in _by_kind(batch.entries).items():
            try:
                self._deliver(entries)
            except Exception:
                # One table that can not be written (dropped schema, say) must not stop the others.
                _log.exception("Rows for %s could not be written; trying again later", kind)
                for entry in entries:
                    self._journal.append(entry, delay_seconds=_AFTER_FAILURE_SECONDS)
        self._journal.forget(batch)

    def _deliver(self, entries: list[Entry]) -> None:
        """Entries of one kind: all of the same table."""
        table = entries[0].table
        if table is not None:
            self._sink.deliver(table, [row for entry in entries if (row := entry.payload_row)])
        if usage := [entry.usage for entry in entries if entry.usage]:
            self._sink.deliver_usage(usage)
        if served := [entry.served_entity for entry in entries if entry.served_entity]:
            self._sink.deliver_served_entities(served)


def _by_kind(entries: list[Entry]) -> dict[str, list[Entry]]:
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        kind = entry.table.full_name if entry.table is not None else "system.serving"
        kinds.setdefault(kind, []).append(entry)
    return kinds

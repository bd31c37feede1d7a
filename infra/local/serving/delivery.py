"""Carries journal entries to their tables once their delay is over."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.local.serving.journal import Entry, Journal
    from infra.local.serving.payload import PayloadSink

_log = logging.getLogger(__name__)
_BATCH = 500
_AFTER_FAILURE_SECONDS = 5.0


class Delivery:
    """An entry is forgotten only after the sink has it; the sink keeps one row per request id."""

    def __init__(self, journal: Journal, sink: PayloadSink) -> None:
        self._journal = journal
        self._sink = sink

    async def run(self) -> None:
        """Until cancelled. What is not delivered then is delivered after the next start."""
        while True:
            self._journal.appended.clear()
            wait = self._journal.next_due_in()
            if wait is None:
                await self._journal.appended.wait()
                continue
            await asyncio.sleep(wait)
            await asyncio.to_thread(self.deliver_due)

    def deliver_due(self) -> None:
        """Deliver a batch of what is due; what the sink does not take is tried again later."""
        due = self._journal.due(_BATCH)
        for kind, group in itertools.groupby(
            sorted(due, key=lambda item: _kind(item[1])), key=lambda item: _kind(item[1])
        ):
            items = list(group)
            sequences = [sequence for sequence, _ in items]
            try:
                self._deliver([entry for _, entry in items])
            except Exception:
                # One table that can not be written (dropped schema, say) must not stop the others.
                _log.exception("Rows for %s could not be written; trying again later", kind)
                self._journal.postpone(sequences, _AFTER_FAILURE_SECONDS)
            else:
                self._journal.forget(sequences)

    def _deliver(self, entries: list[Entry]) -> None:
        """Entries of one kind: all of the same table."""
        table = entries[0].table
        if table is not None:
            self._sink.deliver(table, [entry.payload for entry in entries if entry.payload])
        if usage := [entry.usage for entry in entries if entry.usage]:
            self._sink.deliver_usage(usage)
        if served := [entry.served_entity for entry in entries if entry.served_entity]:
            self._sink.deliver_served_entities(served)


def _kind(entry: Entry) -> str:
    return entry.table.full_name if entry.table is not None else "system.serving"

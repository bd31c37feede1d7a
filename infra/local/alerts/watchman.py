"""Does what has a schedule when its time has come, one after the other: alerts, and jobs."""

from __future__ import annotations

import asyncio
import datetime
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Watched(Protocol):
    """What has schedules."""

    def due(self, after: datetime.datetime, until: datetime.datetime) -> list[dict[str, Any]]:
        """What fires between two moments."""

    async def look(self, due: dict[str, Any], /) -> None:
        """Do it."""


class Watchman:
    """Never twice at once: a statement that takes longer than its schedule is looked at late."""

    def __init__(self, watched: Watched, save: Callable[[], None]) -> None:
        self._watched = watched
        self._save = save

    async def run(self) -> None:
        """Until it is cancelled. A clock that was set back is followed."""
        seen = datetime.datetime.now(datetime.UTC)
        while True:
            await asyncio.sleep(_SECONDS)
            now = datetime.datetime.now(datetime.UTC)
            due = self._watched.due(seen, now) if now > seen else []
            seen = now
            for it in due:
                try:
                    await self._watched.look(it)
                except Exception:  # one that fails keeps no other from its turn
                    _log.exception("What was due failed: %s", it)
            if due:
                try:
                    await asyncio.to_thread(self._save)
                except Exception:  # the state is still in memory, and written with the next change
                    _log.exception("What schedules did can not be written")

"""Looks at the alerts whose time has come, one after the other."""

from __future__ import annotations

import asyncio
import datetime
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.alerts.alerts import Alerts

_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Watchman:
    """Never twice at once: a statement that takes longer than its schedule is looked at late."""

    def __init__(self, alerts: Alerts, save: Callable[[], None]) -> None:
        self._alerts = alerts
        self._save = save

    async def run(self) -> None:
        """Until it is cancelled. A clock that was set back is followed."""
        seen = datetime.datetime.now(datetime.UTC)
        while True:
            await asyncio.sleep(_SECONDS)
            now = datetime.datetime.now(datetime.UTC)
            due = self._alerts.due(seen, now) if now > seen else []
            seen = now
            for alert in due:
                try:
                    await self._alerts.look(alert)
                except Exception:  # one alert that can not be looked at keeps no other from it
                    _log.exception("The alert %s can not be looked at", alert["display_name"])
            if due:
                try:
                    await asyncio.to_thread(self._save)
                except Exception:  # the state is still in memory, and written with the next change
                    _log.exception("What the alerts found can not be written")

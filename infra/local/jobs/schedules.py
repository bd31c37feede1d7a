"""Jobs by the clock: those whose schedule fires while the workspace runs.

What was due while it did not is not made up for. Source: https://docs.databricks.com/jobs/scheduled.html.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from infra.local.alerts import quartz
from infra.local.emulator import state_of
from infra.local.jobs.orders import Caller, Order

if TYPE_CHECKING:
    import datetime

    from infra.local.jobs.runs import Runs


@dataclasses.dataclass(frozen=True)
class Schedules:
    """What the watchman asks: which jobs are due. Their runs are the caller's."""

    runs: Runs
    caller: Caller

    def due(self, after: datetime.datetime, until: datetime.datetime) -> list[dict[str, Any]]:
        """The jobs whose schedule is not paused and fires between two moments."""
        return [
            job
            for job in state_of("jobs", "jobs").values()
            if (schedule := job["settings"].get("schedule"))
            and schedule.get("pause_status") != "PAUSED"
            and quartz.fires(
                schedule["quartz_cron_expression"], schedule["timezone_id"], after, until
            )
        ]

    async def look(self, job: dict[str, Any]) -> None:
        """A run of it begins, waits for its turn or is skipped, as if it had been asked for."""
        self.runs.start(
            Order(
                settings=job["settings"],
                caller=self.caller,
                job_id=job["job_id"],
                trigger="PERIODIC",
            )
        )

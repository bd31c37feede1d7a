"""Alerts by their schedules: which are due, that one keeps no other from being looked at."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.alerts import alerts, watchman
from infra.local.alerts.alerts import Alerts
from infra.local.alerts.destinations import Destinations
from infra.local.alerts.watchman import Watchman

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def alert(identity: str, **schedule: str) -> dict[str, Any]:
    return {
        "id": identity,
        "display_name": identity,
        "query_text": identity,
        "lifecycle_state": "ACTIVE",
        "schedule": {"quartz_cron_schedule": "0 0/5 * * * ?", "timezone_id": "UTC"} | schedule,
        "evaluation": {
            "source": {"name": "n", "aggregation": "MAX"},
            "comparison_operator": "GREATER_THAN",
            "threshold": {"value": {"double_value": 0.0}},
            "state": "UNKNOWN",
        },
    }


@pytest.fixture
def kept() -> Callable[..., Alerts]:
    """Alerts over a statement of one row; the one that is named "broken" can not be run."""

    def run(statement: str) -> tuple[list[str], list[list[str | None]]]:
        if statement == "broken":
            raise MemoryError
        return ["n"], [["1"]]

    def keep(*those: dict[str, Any]) -> Alerts:
        documents: dict[str, dict[str, Any]] = {"alerts_v2": {it["id"]: it for it in those}}
        return Alerts(
            documents,
            "somebody",
            run=run,
            has_warehouse=lambda _: True,
            destinations=Destinations(documents),
        )

    return keep


def test_due_is_what_is_not_paused_nor_in_the_trash_by_its_own_clock(
    kept: Callable[..., Alerts],
) -> None:
    trashed = alert("trashed") | {"lifecycle_state": "DELETED"}
    hours = {"quartz_cron_schedule": "0 0 13 * * ?", "timezone_id": "Europe/Berlin"}
    found = kept(
        alert("five"), alert("berlin", **hours), alert("paused", pause_status="PAUSED"), trashed
    )
    second = datetime.timedelta(seconds=1)

    assert [it["id"] for it in found.due(NOON - second, NOON)] == ["five", "berlin"]
    assert found.due(NOON, NOON + second) == []


def test_one_that_can_not_be_looked_at_keeps_no_other_from_it(
    kept: Callable[..., Alerts], monkeypatch: pytest.MonkeyPatch
) -> None:
    every_second = {"quartz_cron_schedule": "* * * * * ?"}
    broken, sound = alert("broken", **every_second), alert("sound", **every_second)
    looked = asyncio.Event()
    saved: list[str] = []
    monkeypatch.setattr(watchman, "_SECONDS", 0.01)

    def save() -> None:
        saved.append(sound["evaluation"]["state"])
        loop.call_soon_threadsafe(looked.set)

    async def watch() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(Watchman(kept(broken, sound), save).run())
        await asyncio.wait_for(looked.wait(), 30)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    loop: asyncio.AbstractEventLoop
    asyncio.run(watch())

    assert saved[0] == "TRIGGERED"


@pytest.mark.parametrize(
    ("wait", "minutes_ago", "is_told"), [(0, 600, False), (3600, 59, False), (3600, 60, True)]
)
def test_what_lasts_is_told_again_after_its_wait(
    wait: int, minutes_ago: int, is_told: bool
) -> None:
    evaluation = {"notification": {"retrigger_seconds": wait}}
    told = NOON - datetime.timedelta(minutes=minutes_ago)

    assert alerts._is_told(evaluation, "TRIGGERED", "TRIGGERED", told, NOON) is is_told

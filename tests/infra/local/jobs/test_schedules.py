"""Jobs by the clock: which are due, and what becomes of them."""

from __future__ import annotations

import asyncio
import datetime
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.jobs import schedules as module
from infra.local.jobs.orders import Caller
from infra.local.jobs.runs import Runs
from infra.local.jobs.schedules import Schedules
from tests.infra.local.jobs.client import JOBS
from tests.plugin.served import registry_uri, serving
from tests.plugin.workspaces import eventually

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)
CONDITION = {"op": "EQUAL_TO", "left": "{{job.trigger.type}}", "right": "periodic"}
TASK = {"task_key": "t", "condition_task": CONDITION}


def schedule(expression: str, zone: str = "UTC", **more: str) -> dict[str, str]:
    return {"quartz_cron_expression": expression, "timezone_id": zone, **more}


@pytest.fixture
def schedules(tmp_path: Path) -> Schedules:
    runs = Runs({}, lambda: None, tmp_path, lambda _: ([], []))
    return Schedules(runs, Caller(user="u", host="http://127.0.0.1:1", token="t"))


def test_due_is_what_is_not_paused_by_its_own_clock(
    schedules: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = "0 0 12 * * ?"
    declared = {
        "utc": schedule(noon),
        "berlin": schedule("0 0 13 * * ?", "Europe/Berlin"),
        "paused": schedule(noon, pause_status="PAUSED"),
        "later": schedule("0 0 14 * * ?"),
        "never": None,
    }
    jobs = {name: {"settings": {"name": name, "schedule": it}} for name, it in declared.items()}
    monkeypatch.setattr(module, "state_of", lambda *_: jobs)

    assert [it["settings"]["name"] for it in schedules.due(NOON - SECOND, NOON)] == [
        "utc",
        "berlin",
    ]
    assert schedules.due(NOON, NOON + SECOND) == []


def test_one_that_is_due_runs_as_often_as_it_allows(schedules: Schedules) -> None:
    async def twice() -> list[dict[str, Any]]:
        job = {"job_id": 1, "settings": {"tasks": [{**TASK, "run_if": "ALL_SUCCESS"}]}}
        await schedules.look(job)
        await schedules.look(job)
        while any(it["state"]["life_cycle_state"] == "PENDING" for it in runs.values()):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        return [*runs.values()]

    runs = schedules.runs.records
    first, second = asyncio.run(twice())
    assert first["trigger"] == "PERIODIC"
    assert first["tasks"][0]["condition_task"]["outcome"] == "true"
    assert second["state"]["result_state"] == "MAXIMUM_CONCURRENT_RUNS_REACHED"


def test_a_workspace_runs_what_is_due(tmp_path: Path) -> None:
    with serving(tmp_path, registry_uri(tmp_path)) as workspace:
        client = workspace.client
        job = {"tasks": [TASK], "schedule": schedule("* * * * * ?")}
        created = client.post(f"{JOBS}/create", json=job).json()
        runs = eventually(
            lambda: client.get(f"{JOBS}/runs/list", params=created).json()["runs"],
            bool,
            seconds=20,
        )
    assert runs[-1]["trigger"] == "PERIODIC"

"""How long an update takes, and what an endpoint does meanwhile."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import pytest

from tests.plugin.served import serving
from tests.plugin.workspaces import ENDPOINTS, PROBE, config, entity

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600.0


def test_an_update_takes_its_set_time_and_refuses_another_meanwhile(
    registry: str, tmp_path: Path
) -> None:
    url = f"{ENDPOINTS}/timed/config"
    body = config(entity(PROBE), entity(PROBE, "2"), split=[50, 50])
    with serving(tmp_path, registry) as workspace:
        workspace.create("timed", entity(PROBE))
    with serving(tmp_path, registry, state_seconds=HOUR) as workspace:
        first = workspace.client.put(url, json=body).json()
        assert first["state"]["config_update"] == "IN_PROGRESS"
        assert first["config"]["config_version"] == 1
        assert first["pending_config"]["config_version"] == 2
        second = workspace.client.put(url, json=body)
        assert (second.status_code, second.json()["error_code"]) == (409, "RESOURCE_CONFLICT")
        assert workspace.probe("timed", "echo:x").status_code == 200
        assert workspace.get("timed")["state"] == {
            "ready": "READY",
            "config_update": "IN_PROGRESS",
        }
    resumed = time.monotonic()
    with serving(tmp_path, registry, state_seconds=0.5) as workspace:
        done = workspace.settled("timed")
        assert time.monotonic() - resumed >= 0.5
        assert done["state"]["config_update"] == "NOT_UPDATING"
        assert done["config"]["config_version"] == 2
        assert "pending_config" not in done


@pytest.mark.parametrize(("seconds", "update"), [(HOUR, "NOT_UPDATING"), (0.0, "IN_PROGRESS")])
def test_a_look_during_an_update_waits_for_its_end_but_no_longer_than_set(
    registry: str, tmp_path: Path, seconds: float, update: str
) -> None:
    loads_with = tmp_path / "loads"
    waiting = entity(PROBE, environment_vars={"LOADS_WITH": str(loads_with)})
    with (
        serving(tmp_path, registry, settle_seconds=seconds) as workspace,
        ThreadPoolExecutor(1) as pool,
    ):
        body = {"name": "settling", "config": config(waiting)}
        assert workspace.client.post(ENDPOINTS, json=body).status_code == 200
        looking = pool.submit(workspace.client.get, f"{ENDPOINTS}/settling")
        answered, _ = wait([looking], timeout=0.3 if seconds else None)
        loads_with.touch()
        assert bool(answered) == (seconds == 0)
        assert looking.result().json()["state"]["config_update"] == update
        assert workspace.settled("settling")["state"]["ready"] == "READY"

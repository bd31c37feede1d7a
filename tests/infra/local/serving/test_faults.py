"""What endpoints survive: a served entity's death, the workspace's, and changes under load."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.plugin.workspaces import (
    ENDPOINTS,
    IMAGE,
    PROBE,
    TORCH,
    config,
    entity,
    eventually,
    gateway,
    runs,
    started,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.workspaces import RunningWorkspace


class Load:
    """Sends requests from several threads until told to stop, and keeps what came back."""

    def __init__(
        self, workspace: RunningWorkspace, endpoint: str, body: Any, threads: int = 4
    ) -> None:
        self._body = body
        self.statuses: list[int] = []
        self.request_ids: list[str] = []
        self.arms: list[str] = []
        self.broken = 0
        self._stopping = threading.Event()
        self._url = f"{workspace.host}/serving-endpoints/{endpoint}/invocations"
        self._headers = {"Authorization": f"Bearer {workspace.token}"}
        self._threads = [threading.Thread(target=self._send) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        """Return when that many more requests have been answered."""
        goal = len(self.statuses) + more
        assert eventually(lambda: len(self.statuses) >= goal or self.broken)

    def _send(self) -> None:
        with httpx.Client(headers=self._headers, timeout=240) as client:
            while not self._stopping.is_set():
                try:
                    response = client.post(self._url, json=self._body)
                except httpx.TransportError:
                    self.broken += 1
                    return
                self.statuses.append(response.status_code)
                self.arms.append(response.headers.get("served-model-name", ""))
                if response.status_code == 200:
                    self.request_ids.append(response.headers["x-databricks-request-id"])
                time.sleep(0.005)  # leaves the machine to the processes that are being started


def logged(workspace: RunningWorkspace, table: str) -> list[str]:
    rows = workspace.sql(f"SELECT databricks_request_id FROM local.gold.{table}_payload")
    return [request_id for [request_id] in rows]


def test_a_killed_workspace_loses_no_answered_request_and_doubles_none(
    start: Callable[[], RunningWorkspace],
) -> None:
    workspace = start()
    workspace.create_schema("local", "gold")
    workspace.create("durable", entity(TORCH), ai_gateway=gateway("durable"))
    answered: list[str] = []
    for _ in range(2):
        with Load(workspace, "durable", {"inputs": [IMAGE]}) as load:
            load.wait_for(60)
            # In the middle of requests and of deliveries, which are 0.1 s apart.
            workspace.kill()
        answered += load.request_ids
        workspace = start()
    assert len(answered) >= 120
    rows = eventually(lambda: logged(workspace, "durable"), lambda rows: set(answered) <= set(rows))
    assert set(answered) <= set(rows)
    assert len(rows) == len(set(rows))


def test_no_process_outlives_a_killed_workspace(start: Callable[[], RunningWorkspace]) -> None:
    workspace = start()
    workspace.create("orphan", entity(PROBE))
    [worker] = workspace.workers()
    workspace.kill()
    assert eventually(lambda: not runs(worker))


def test_endpoints_their_ids_and_the_token_survive_a_restart(
    start: Callable[[], RunningWorkspace],
) -> None:
    workspace = start()
    tags = [{"key": "team", "value": "ml"}]
    before = workspace.create("lasting", entity(PROBE), entity(PROBE, name="other"), tags=tags)
    assert workspace.stop() == 0
    again = start()
    assert again.token == workspace.token
    # The first request waits for the process that is being started.
    assert again.probe("lasting", "echo:back").json() == {"predictions": ["back"]}
    eventually(lambda: again.get("lasting"), lambda endpoint: endpoint == before)
    assert again.get("lasting") == before


def test_an_update_that_a_kill_interrupted_is_completed_after_the_restart(
    registry: str, tmp_path: Path
) -> None:
    with started(tmp_path, registry, "--state-seconds", "1") as start:
        workspace = start()
        body = {"name": "interrupted", "config": config(entity(PROBE))}
        workspace.client.post(ENDPOINTS, json=body)
        workspace.kill()
        endpoint = start().settled("interrupted")
        assert endpoint["state"] == {"ready": "READY", "config_update": "NOT_UPDATING"}
        assert endpoint["config"]["config_version"] == 1


def test_a_dead_served_entity_is_started_again_and_its_requests_wait(
    workspace: RunningWorkspace, probe: str
) -> None:
    pid = int(workspace.probe(probe, "pid").json()["predictions"][0])
    os.kill(pid, signal.SIGKILL)
    successor = workspace.probe(probe, "pid")
    assert successor.status_code == 200, successor.text
    assert int(successor.json()["predictions"][0]) != pid
    state = eventually(
        lambda: workspace.get(probe)["state"]["ready"], lambda state: state == "READY"
    )
    assert state == "READY"


def test_a_request_whose_process_died_is_given_to_the_next_one_once(
    workspace: RunningWorkspace, probe: str, tmp_path: Path
) -> None:
    survived = workspace.probe(probe, f"die_once:{tmp_path / 'died'}")
    assert survived.json() == {"predictions": ["alive"]}


def test_a_request_that_kills_every_process_is_answered_503(
    workspace: RunningWorkspace, probe: str
) -> None:
    response = workspace.probe(probe, "die")
    assert response.status_code == 503
    assert "ended twice" in response.json()["message"]
    assert workspace.probe(probe, "echo:alive").json() == {"predictions": ["alive"]}


def test_no_request_fails_while_version_and_traffic_change_under_load(
    start: Callable[[], RunningWorkspace],
) -> None:
    workspace = start()
    workspace.create_schema("local", "gold")
    workspace.create("busy", entity(PROBE, "1"), ai_gateway=gateway("busy"))
    url = f"{ENDPOINTS}/busy"
    with Load(workspace, "busy", {"dataframe_records": [{"action": "echo:x"}]}) as load:
        load.wait_for(50)
        body = config(entity(PROBE, "1"), entity(PROBE, "2"), split=[50, 50])
        assert workspace.client.put(f"{url}/config", json=body).status_code == 200
        assert workspace.settled("busy")["config"]["config_version"] == 2
        load.wait_for(50)
        body = config(*body["served_entities"], split=[0, 100])
        assert workspace.client.put(f"{url}/config", json=body).status_code == 200
        seen = len(load.arms)
        load.wait_for(50)
        tags = {"add_tags": [{"key": "a", "value": "b"}]}
        assert workspace.client.patch(f"{url}/tags", json=tags).status_code == 200
        disabled = workspace.client.put(f"{url}/ai-gateway", json=gateway("busy", enabled=False))
        assert disabled.status_code == 200
        load.wait_for(50)
        only = config(entity(PROBE, "2"))
        assert workspace.client.put(f"{url}/config", json=only).status_code == 200
        load.wait_for(50)
        broken = config(entity(PROBE, "2"), entity("local.models.broken"), split=[90, 10])
        assert workspace.client.put(f"{url}/config", json=broken).status_code == 200
        failed = workspace.settled("busy")
        assert failed["state"] == {"ready": "READY", "config_update": "UPDATE_FAILED"}
        load.wait_for(50)
    assert load.broken == 0
    assert set(load.statuses) == {200}
    # Requests of four threads may have been under way when the traffic moved.
    assert set(load.arms[seen + 8 :]) == {"probe-2"}
    assert set(load.arms[:seen]) == {"probe-1", "probe-2"}
    # What no longer serves answers what it was given before it ends.
    assert eventually(lambda: len(workspace.workers()) == 1)


def test_an_idle_entity_is_scaled_to_zero_and_the_next_request_waits_for_its_start(
    registry: str, tmp_path: Path
) -> None:
    with started(tmp_path, registry, "--scale-to-zero-seconds", "1") as start:
        workspace = start()
        idle = entity(PROBE, scale_to_zero_enabled=True)
        workspace.create("idle", idle, entity(PROBE, name="awake"))

        def pid(arm: str) -> int:
            body = {"dataframe_records": [{"action": "pid"}]}
            return int(workspace.invoke("idle", body, arm).json()["predictions"][0])

        before, awake = pid("probe-1"), pid("awake")
        assert eventually(lambda: list(workspace.workers()) == [awake])
        shown = workspace.get("idle")["config"]["served_entities"]
        assert shown[0]["state"]["deployment_state_message"] == "Scaled to zero"
        assert shown[1]["state"]["deployment_state_message"] == ""
        assert pid("probe-1") not in (before, awake)


def test_a_prediction_that_takes_too_long_is_given_up(registry: str, tmp_path: Path) -> None:
    with started(tmp_path, registry, "--execution-seconds", "5") as start:
        workspace = start()
        workspace.create("slow", entity(PROBE))
        response = workspace.probe("slow", f"hold:{tmp_path}")  # and never let go
        assert response.status_code == 504
        assert workspace.probe("slow", "echo:next").json() == {"predictions": ["next"]}


def test_a_terminated_workspace_answers_what_is_in_flight(
    start: Callable[[], RunningWorkspace], tmp_path: Path
) -> None:
    workspace = start()
    workspace.create("graceful", entity(PROBE))
    answers: list[httpx.Response] = []

    def ask() -> None:
        with httpx.Client(headers=workspace.client.headers, timeout=60) as client:
            url = f"{workspace.host}/serving-endpoints/graceful/invocations"
            body = {"dataframe_records": [{"action": f"hold:{tmp_path}"}]}
            answers.append(client.post(url, json=body))

    def is_closed() -> bool:
        try:
            httpx.get(workspace.host, timeout=60)
        except httpx.TransportError:
            return True
        return False

    asking = threading.Thread(target=ask)
    asking.start()
    assert eventually(lambda: list(tmp_path.glob("held-*")))
    workspace.process.send_signal(signal.SIGTERM)
    assert eventually(is_closed)
    (tmp_path / "go").touch()
    asking.join()
    assert answers[0].json() == {"predictions": ["released"]}
    assert workspace.stop() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(workspace.host)


def test_a_deleted_endpoint_takes_its_processes_along(workspace: RunningWorkspace) -> None:
    before = set(workspace.workers())
    workspace.create("shortlived", entity(PROBE))
    [new] = set(workspace.workers()) - before
    workspace.client.delete(f"{ENDPOINTS}/shortlived")
    assert eventually(lambda: new not in workspace.workers())
    assert workspace.probe("shortlived", "echo:x").status_code == 404

"""What endpoints survive: a served entity's death, the workspace's, and changes under load."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.plugin.served import serving
from tests.plugin.workspaces import (
    ENDPOINTS,
    PROBE,
    config,
    entity,
    eventually,
    gateway,
    runs,
    started,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.plugin.workspaces import RunningWorkspace, Workspace

ECHO = {"dataframe_records": [{"action": "echo:x"}]}


class Load:
    """Sends requests from several threads until told to stop, and keeps what came back."""

    def __init__(self, workspace: Workspace, endpoint: str, body: Any, threads: int = 4) -> None:
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


def logged(workspace: Workspace, table: str) -> list[str]:
    rows = workspace.sql(f"SELECT databricks_request_id FROM local.gold.{table}_payload")
    return [request_id for [request_id] in rows]


@pytest.fixture
def workspace(registry: str, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace of the test's own, in this process."""
    with serving(tmp_path, registry, delivery_seconds=0.1) as workspace:
        yield workspace


@pytest.fixture
def probe(workspace: Workspace) -> str:
    """Name of an endpoint with the probe."""
    workspace.create("probe", entity(PROBE))
    return "probe"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Killed:
    """What was before a workspace was killed, and the one that was started on the same data."""

    answered: list[str]
    """Ids of the requests to the endpoint `durable` that were answered before."""
    workers: list[int]
    """Processes of served entities, one of them loading its model for the endpoint `updating`."""
    loads_with: Path
    """The file that it waits for."""
    workspace: RunningWorkspace


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[Killed]:
    """Killed twice, in the middle of requests and of deliveries, which are 0.1 s apart."""
    folder = tmp_path_factory.mktemp("killed")
    answered: list[str] = []
    workers: list[int] = []
    with started(folder, registry, "--delivery-seconds", "0.1") as start:
        workspace = start()
        workspace.create_schema("local", "gold")
        workspace.create("durable", entity(PROBE), ai_gateway=gateway("durable"))
        waiting = entity(PROBE, environment_vars={"LOADS_WITH": str(folder / "loads")})
        body = {"name": "updating", "config": config(waiting)}
        assert workspace.client.post(ENDPOINTS, json=body).status_code == 200
        for _ in range(2):
            workers += eventually(workspace.workers, lambda found: len(found) == 2)
            with Load(workspace, "durable", ECHO) as load:
                load.wait_for(60)
                workspace.kill()
            answered += load.request_ids
            workspace = start()
        yield Killed(
            answered=answered, workers=workers, loads_with=folder / "loads", workspace=workspace
        )


def test_a_killed_workspace_loses_no_answered_request_and_doubles_none(killed: Killed) -> None:
    answered = set(killed.answered)
    assert len(answered) >= 120
    rows = eventually(
        lambda: logged(killed.workspace, "durable"), lambda rows: answered <= set(rows)
    )
    assert answered <= set(rows)
    assert len(rows) == len(set(rows))


def test_no_process_outlives_a_killed_workspace(killed: Killed) -> None:
    assert len(killed.workers) == 4
    assert eventually(lambda: not any(runs(worker) for worker in killed.workers))


def test_an_update_that_a_kill_interrupted_is_completed_after_the_restart(killed: Killed) -> None:
    killed.loads_with.touch()
    endpoint = killed.workspace.settled("updating")
    assert endpoint["state"] == {"ready": "READY", "config_update": "NOT_UPDATING"}
    assert endpoint["config"]["config_version"] == 1


def test_no_served_entity_can_import_the_repository_of_its_workspace(killed: Killed) -> None:
    answer = killed.workspace.probe("durable", "importable:ml")
    assert answer.json()["predictions"] == ["False"]


def test_endpoints_their_ids_and_the_token_survive_a_restart(registry: str, tmp_path: Path) -> None:
    with serving(tmp_path, registry) as workspace:
        tags = [{"key": "team", "value": "ml"}]
        before = workspace.create("lasting", entity(PROBE), entity(PROBE, name="other"), tags=tags)
    with serving(tmp_path, registry) as again:
        assert again.token == workspace.token
        # The first request waits for the process that is being started.
        assert again.probe("lasting", "echo:back").json() == {"predictions": ["back"]}
        eventually(lambda: again.get("lasting"), lambda endpoint: endpoint == before)
        assert again.get("lasting") == before


def test_a_dead_served_entity_is_started_again_and_its_requests_wait(
    workspace: Workspace, probe: str
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
    workspace: Workspace, probe: str, tmp_path: Path
) -> None:
    survived = workspace.probe(probe, f"die_once:{tmp_path / 'died'}")
    assert survived.json() == {"predictions": ["alive"]}


def test_a_request_that_kills_every_process_is_answered_503(
    workspace: Workspace, probe: str
) -> None:
    response = workspace.probe(probe, "die")
    assert response.status_code == 503
    assert "ended twice" in response.json()["message"]
    assert workspace.probe(probe, "echo:alive").json() == {"predictions": ["alive"]}


def test_no_request_fails_while_version_and_traffic_change_under_load(
    workspace: Workspace,
) -> None:
    workspace.create_schema("local", "gold")
    workspace.create("busy", entity(PROBE, "1"), ai_gateway=gateway("busy"))
    url = f"{ENDPOINTS}/busy"
    with Load(workspace, "busy", ECHO) as load:
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
    with serving(tmp_path, registry, scale_to_zero_seconds=1) as workspace:
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
    with serving(tmp_path, registry, execution_seconds=2) as workspace:
        workspace.create("slow", entity(PROBE))
        response = workspace.probe("slow", f"hold:{tmp_path}")
        assert response.status_code == 504
        assert workspace.probe("slow", "echo:next").json() == {"predictions": ["next"]}
        (tmp_path / "go").touch()


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


def test_a_deleted_endpoint_takes_its_processes_along(workspace: Workspace, probe: str) -> None:
    before = set(workspace.workers())
    workspace.create("shortlived", entity(PROBE))
    [new] = set(workspace.workers()) - before
    workspace.client.delete(f"{ENDPOINTS}/shortlived")
    assert eventually(lambda: set(workspace.workers()) == before)
    assert not runs(new)
    assert workspace.probe("shortlived", "echo:x").status_code == 404
    assert workspace.probe(probe, "echo:x").status_code == 200

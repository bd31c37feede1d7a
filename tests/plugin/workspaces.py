"""A local workspace as a process of its own, and what tests ask of it. The one launcher.

Whoever does not test the process itself takes `tests.plugin.served`, which is faster.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).parents[2]
ENDPOINTS = "/api/2.0/serving-endpoints"
PROBE, TORCH, KERAS = "local.models.probe", "local.models.torch", "local.models.keras"
BRIGHTNESS, CONTRAST = "local.models.brightness", "local.models.contrast"
FEEDBACK = "local.models.feedback_processor"
IMAGE = [[[0.5]] * 28] * 28
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of a server on loopback: to read the machine's takes each of them 25 ms."""


class Workspace:
    """A workspace that answers at an address, and a client for it."""

    def __init__(self, host: str, data: Path, pid: int) -> None:
        self.host = host
        self.data = data
        self.token = (data / "token").read_text().strip()
        self.pid = pid
        self.client = httpx.Client(
            base_url=host,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=240,
            verify=NO_CERTIFICATES,
        )

    def create(self, name: str, *entities: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Create an endpoint with these served entities, and wait until it serves."""
        response = self.client.post(
            ENDPOINTS, json={"name": name, "config": config(*entities), **fields}
        )
        assert response.status_code == 200, response.text
        endpoint = self.settled(name)
        assert endpoint["state"] == {"ready": "READY", "config_update": "NOT_UPDATING"}, endpoint
        return endpoint

    def get(self, name: str) -> dict[str, Any]:
        response = self.client.get(f"{ENDPOINTS}/{name}")
        assert response.status_code == 200, response.text
        endpoint: dict[str, Any] = response.json()
        return endpoint

    def settled(self, name: str) -> dict[str, Any]:
        """The endpoint after its update."""
        return eventually(
            lambda: self.get(name),
            lambda endpoint: endpoint["state"]["config_update"] != "IN_PROGRESS",
        )

    def invoke(self, name: str, body: Any, entity: str | None = None) -> httpx.Response:
        arm = f"/served-models/{entity}" if entity else ""
        return self.client.post(f"/serving-endpoints/{name}{arm}/invocations", json=body)

    def probe(self, name: str, action: str, **fields: Any) -> httpx.Response:
        return self.invoke(name, {"dataframe_records": [{"action": action}], **fields})

    def sql(self, statement: str) -> list[list[Any]]:
        warehouses = self.client.get("/api/2.0/sql/warehouses").json().get("warehouses", [])
        if not warehouses:
            created = self.client.post(
                "/api/2.0/sql/warehouses", json={"name": "tests", "cluster_size": "Small"}
            )
            warehouses = [created.json()]
        result = self.client.post(
            "/api/2.0/sql/statements",
            json={
                "warehouse_id": warehouses[0]["id"],
                "statement": statement,
                "wait_timeout": "30s",
            },
        ).json()
        if result["status"]["state"] != "SUCCEEDED":
            assert "TABLE_OR_VIEW_NOT_FOUND" in str(result), result
            return []
        rows: list[list[Any]] = result["result"].get("data_array", [])
        return rows

    def create_schema(self, catalog: str, schema: str) -> None:
        self.client.post("/api/2.1/unity-catalog/catalogs", json={"name": catalog})
        response = self.client.post(
            "/api/2.1/unity-catalog/schemas", json={"name": schema, "catalog_name": catalog}
        )
        assert response.status_code == 200, response.text

    def served_entity_ids(self, endpoint: str) -> list[str]:
        """Of all that the endpoint serves or has served."""
        rows = eventually(
            lambda: self.sql(
                "SELECT DISTINCT served_entity_id FROM system.serving.served_entities "
                f"WHERE endpoint_name = '{endpoint}'"
            )
        )
        return [identity for [identity] in rows]

    def workers_of(self, endpoint: str) -> dict[int, str]:
        """As `workers`, of one endpoint: those of a deleted one may still be ending."""
        identities = self.served_entity_ids(endpoint)
        return {
            pid: log
            for pid, log in self.workers().items()
            if any(identity in log for identity in identities)
        }

    def workers(self) -> dict[int, str]:
        """Log files of the served entities' processes, by process id.

        They are forks of the workspace's template, and have its command line.
        """
        children: dict[int, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                state, parent, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
                if state != "Z":
                    children.setdefault(int(parent), []).append(int(folder.name))
        logs = str((self.data / "serving" / "logs").resolve())
        found = {}
        for template in children.get(self.pid, []):
            for pid in children.get(template, []):
                with contextlib.suppress(OSError):
                    found[pid] = str(Path(f"/proc/{pid}/fd/1").readlink())
        return {pid: log for pid, log in found.items() if log.startswith(logs)}


class RunningWorkspace(Workspace):
    """A started `python -m infra.local`."""

    def __init__(self, process: subprocess.Popen[str], host: str, data: Path, log: Path) -> None:
        super().__init__(host, data, process.pid)
        self.process = process
        self.log = log

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.client.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.client.close()
        return self.process.wait(timeout=120)


@contextlib.contextmanager
def started(folder: Path, registry: str, *options: str) -> Iterator[Callable[[], RunningWorkspace]]:
    """Starts workspaces on the same data directory, one after the other."""
    running: list[RunningWorkspace] = []

    def start() -> RunningWorkspace:
        log = folder / f"workspace-{len(running)}.log"
        data = folder / "data"
        command = [sys.executable, "-m", "infra.local", "--port", "0", "--data", str(data)]
        with log.open("w") as output:
            process = subprocess.Popen(
                [*command, "--registry", registry, *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
                text=True,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )
        text = eventually(
            log.read_text, lambda text: "PARITY.md" in text or process.poll() is not None
        )
        host = re.search(r"host +(\S+)", text)
        assert host, text
        workspace = RunningWorkspace(process, host[1], data, log)
        running.append(workspace)
        return workspace

    try:
        yield start
    finally:
        for workspace in running:
            if workspace.process.poll() is None:
                workspace.kill()


def runs(pid: int) -> bool:
    """Whether a process has not ended, be it that nobody has asked for its status yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def entity(
    model: str, version: str = "1", name: str | None = None, **fields: Any
) -> dict[str, Any]:
    name = name or f"{model.rpartition('.')[2]}-{version}"
    return {
        "name": name,
        "entity_name": model,
        "entity_version": version,
        "workload_size": "Small",
        "scale_to_zero_enabled": False,
        **fields,
    }


def config(*entities: dict[str, Any], split: list[int] | None = None) -> dict[str, Any]:
    """A configuration; the traffic is split evenly unless `split` says otherwise."""
    split = split or [100 // len(entities)] * len(entities)
    routes = [
        {"served_entity_name": entity["name"], "traffic_percentage": percentage}
        for entity, percentage in zip(entities, split, strict=True)
    ]
    return {"served_entities": list(entities), "traffic_config": {"routes": routes}}


def gateway(prefix: str, **table: Any) -> dict[str, Any]:
    return {
        "inference_table_config": {
            "catalog_name": "local",
            "schema_name": "gold",
            "table_name_prefix": prefix,
            "enabled": True,
            **table,
        },
        "usage_tracking_config": {"enabled": True},
    }


def eventually(
    look: Callable[[], Any], holds: Callable[[Any], bool] = bool, *, seconds: float = 240
) -> Any:
    """What `look` sees as soon as it holds; what it saw last when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if holds(seen) or time.monotonic() > deadline:
            return seen
        time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path, registry: str) -> Iterator[Callable[[], RunningWorkspace]]:
    """Starts this test's own workspace; again, after it has ended, on the same data."""
    with started(tmp_path, registry, "--delivery-seconds", "0.1") as start:
        yield start


@pytest.fixture(scope="session")
def workspace_process(
    tmp_path_factory: pytest.TempPathFactory, registry: str
) -> Iterator[RunningWorkspace]:
    """This worker's workspace, with schemas `local.gold` and, for the models that are registered,
    `local.models`; tests use names of their own in it."""
    folder = tmp_path_factory.mktemp("workspace")
    with started(folder, registry, "--delivery-seconds", "0.1") as start:
        workspace = start()
        for schema in ("gold", "models"):
            workspace.create_schema("local", schema)
        yield workspace

"""Two small arms in an environment, deployed by the user's command, and a stream of requests."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import tomlkit

from tests.infra.local.terraform.repository import Repository
from tests.plugin.workspaces import IMAGE, RunningWorkspace

PAUSE = 0.02
"""Seconds between two requests of a client, so that the deployment gets processor time too."""

ENVIRONMENT = """
catalog = "local"

[workspace]
host = "{host}"

[tags]
project = "champion-challenger"

[ab_test]
endpoint = "{endpoint}"

[ab_test.champion]
model = "keras"
version = 1
scale_to_zero = true

[[ab_test.challengers]]
model = "torch"
version = 1
scale_to_zero = true
traffic = 50

[ab_test.inference_table]
schema = "gold"
prefix = "{prefix}"
"""


@dataclasses.dataclass
class Traffic:
    """What a stream of requests got back."""

    statuses: Counter[int] = dataclasses.field(default_factory=Counter)
    arms: Counter[str] = dataclasses.field(default_factory=Counter)
    broken: list[str] = dataclasses.field(default_factory=list)

    @property
    def failed(self) -> dict[str, Any]:
        refused = {status: count for status, count in self.statuses.items() if status != 200}
        return {"refused": refused, "broken": self.broken} if refused or self.broken else {}


class Sandbox(Repository):
    """A deployment with its own endpoint, inference table, state and environment file."""

    def __init__(self, root: Path, workspace: RunningWorkspace) -> None:
        self.workspace = workspace
        self.endpoint = f"ab-{uuid.uuid4().hex[:8]}"
        self.table = f"t_{uuid.uuid4().hex[:8]}"
        text = ENVIRONMENT.format(host=workspace.host, endpoint=self.endpoint, prefix=self.table)
        super().__init__(root, text, workspace.token)
        self._original = text
        self._deployed: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.workspace.client.delete(f"/api/2.0/serving-endpoints/{self.endpoint}")

    def restore(self) -> None:
        """Deploy the file as it was at first, unless that is what is deployed."""
        self.file.write_text(self._original)
        if self._deployed != self._original:
            self.deploy()

    @contextlib.contextmanager
    def edited(self) -> Iterator[Any]:
        """The environment file as a document that is written when the block ends."""
        document = tomlkit.parse(self.file.read_text())
        yield document
        self.file.write_text(tomlkit.dumps(document))

    def deploy(self) -> str:
        """`cdktf deploy` through the user's command; its output. Fails the test if it fails."""
        done = self.command("apply", "--auto-approve")
        assert done.returncode == 0, done.stdout + done.stderr
        self._deployed = self.file.read_text()
        return done.stdout

    def plan(self) -> str:
        done = self.command("plan")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        if "plan" not in arguments:
            self._deployed = None
        return self.run(*arguments, "--provider", "stand-in")

    def rollout(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python -m infra.rollout COMMAND` for this environment."""
        return subprocess.run(
            [
                *(sys.executable, "-m", "infra.rollout", command, *arguments),
                *("--environment", self.file.name),
            ],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def live(self) -> dict[str, Any]:
        return self.workspace.get(self.endpoint)

    def routes(self) -> dict[str, int]:
        routes = self.live()["config"]["traffic_config"]["routes"]
        return {route["served_entity_name"]: route["traffic_percentage"] for route in routes}

    def ask(self) -> httpx.Response:
        return self.workspace.invoke(self.endpoint, {"inputs": [IMAGE]})

    @contextlib.contextmanager
    def requests_flowing(self, clients: int = 3) -> Iterator[Traffic]:
        """Requests from before the block until after it."""
        traffic, stop, lock = Traffic(), threading.Event(), threading.Lock()

        def ask() -> None:
            headers = {"Authorization": f"Bearer {self.workspace.token}"}
            path = f"/serving-endpoints/{self.endpoint}/invocations"
            with httpx.Client(base_url=self.workspace.host, headers=headers, timeout=120) as client:
                while not stop.is_set():
                    try:
                        response = client.post(path, json={"inputs": [IMAGE]})
                    except httpx.HTTPError as error:
                        with lock:
                            traffic.broken.append(repr(error))
                        continue
                    with lock:
                        traffic.statuses[response.status_code] += 1
                        traffic.arms[response.headers.get("served-model-name", "")] += 1
                    time.sleep(PAUSE)

        threads = [threading.Thread(target=ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield traffic
        finally:
            stop.set()
            for thread in threads:
                thread.join()

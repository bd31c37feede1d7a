"""Two small arms in an environment, deployed by the user's command, and a stream of requests."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import tomlkit

from tests.local.serving.running import IMAGE, RunningWorkspace
from tests.local.terraform.repository import Repository

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
        return done.stdout

    def plan(self) -> str:
        done = self.command("plan")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(*arguments, "--provider", "stand-in")

    def live(self) -> dict[str, Any]:
        return self.workspace.get(self.endpoint)

    def routes(self) -> dict[str, int]:
        routes = self.live()["config"]["traffic_config"]["routes"]
        return {route["served_entity_name"]: route["traffic_percentage"] for route in routes}

    def ask(self) -> httpx.Response:
        return self.workspace.invoke(self.endpoint, {"inputs": [IMAGE]})

    @contextlib.contextmanager
    def requests_flowing(self, clients: int = 3) -> Iterator[Traffic]:
        """Requests without a pause from before the block until after it."""
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

        threads = [threading.Thread(target=ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield traffic
        finally:
            stop.set()
            for thread in threads:
                thread.join()

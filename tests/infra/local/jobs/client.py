"""What tests do with the jobs of a workspace, and with Git."""

from __future__ import annotations

import itertools
import subprocess
from typing import TYPE_CHECKING, Any

from tests.plugin.workspaces import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.served import Served

Object = dict[str, Any]
JOBS = "/api/2.2/jobs"


class Jobs:
    """What a client does with jobs."""

    def __init__(self, workspace: Served) -> None:
        self._client = workspace.client
        self._warehouse = workspace.warehouse_id
        self._names = itertools.count()

    def post(self, call: str, body: Object, status: int = 200) -> Object:
        answer = self._client.post(f"{JOBS}/{call}", json=body)
        assert answer.status_code == status, answer.text
        found: Object = answer.json()
        return found

    def get(self, call: str, **query: Any) -> Object:
        answer = self._client.get(f"{JOBS}/{call}", params=query)
        assert answer.status_code == 200, answer.text
        found: Object = answer.json()
        return found

    def refused(self, call: str, body: Object, status: int = 400) -> str:
        """Why a call is refused."""
        message: str = self.post(call, body, status)["message"]
        return message

    def create(self, *tasks: Object, **settings: Any) -> int:
        job: int = self.post("create", {"name": "j", "tasks": [*tasks], **settings})["job_id"]
        return job

    def start(self, job: int, **body: Any) -> int:
        run: int = self.post("run-now", {"job_id": job, **body})["run_id"]
        return run

    def ended(self, run: int) -> Object:
        """The run when it has ended."""
        return eventually(
            lambda: self.get("runs/get", run_id=run),
            lambda it: it["state"]["life_cycle_state"] in {"TERMINATED", "SKIPPED"},
            seconds=20,
        )

    def run(self, *tasks: Object, **settings: Any) -> Object:
        """The ended run of a new job."""
        return self.ended(self.start(self.create(*tasks, **settings)))

    def output(self, run: Object, key: str | None = None) -> Object:
        """Of the run's only task, or of the one with a key."""
        (task,) = [it for it in run["tasks"] if key in {None, it["task_key"]}]
        return self.get("runs/get-output", run_id=task["run_id"])

    def file(self, text: str) -> str:
        """The name of a new file of the workspace."""
        name = f"/Shared/file_{next(self._names)}.py"
        answer = self._client.post(
            f"/api/2.0/workspace-files/import-file{name}?overwrite=true", content=text
        )
        assert answer.status_code == 200, answer.text
        return name

    def python(self, text: str, *parameters: str, key: str = "t", **fields: Any) -> Object:
        """A task that runs this text."""
        task = {"python_file": self.file(text), "parameters": [*parameters]}
        return {"task_key": key, "spark_python_task": task, **fields}


def git(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    )
    return ended.stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "-c", "user.name=n", "-c", "user.email=e@e", "commit", "--quiet", "-am", "c")

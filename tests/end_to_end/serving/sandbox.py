"""Two arms in an environment, its deployments, and a stream of requests."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import tempfile
import threading
import time
import uuid
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, Self
from unittest import mock

import httpx
import tomlkit

from infra.local.terraform.installation import Installation
from tests.end_to_end.stack import Stack, synthesized
from tests.infra.local.terraform.repository import Repository
from tests.plugin.workspaces import ENDPOINTS, IMAGE, RunningWorkspace, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

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
model = "{champion}"
version = 1
scale_to_zero = true

[[ab_test.challengers]]
model = "{challenger}"
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

    @property
    def sent(self) -> int:
        return self.statuses.total() + len(self.broken)


class Sandbox(Repository):
    """A deployment with its own endpoint, inference table, state and environment file.

    Its arms take and answer what trained models do; by default they start in no time.
    """

    def __init__(
        self,
        root: Path,
        workspace: RunningWorkspace,
        terraform: Mapping[str, str],
        *,
        arms: tuple[str, str] = ("brightness", "contrast"),
    ) -> None:
        self.workspace = workspace
        self.endpoint = f"ab-{uuid.uuid4().hex[:8]}"
        self.table = f"t_{uuid.uuid4().hex[:8]}"
        champion, challenger = arms
        text = ENVIRONMENT.format(
            host=workspace.host,
            endpoint=self.endpoint,
            prefix=self.table,
            champion=champion,
            challenger=challenger,
        )
        super().__init__(root, text, workspace.token)
        self._original = text
        self._deployed: str | None = None
        self._terraform = terraform

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.workspace.client.delete(f"{ENDPOINTS}/{self.endpoint}")

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

    def deploy(self) -> Stack:
        """Let Terraform apply the file."""
        self._deployed = None
        stack = self._stack()
        stack.apply()
        self._deployed = self.file.read_text()
        return stack

    def refused(self) -> str:
        """What Terraform says to a file that it cannot apply."""
        self._deployed = None
        return self._stack().refused()

    def lose_the_state(self) -> None:
        """What an apply leaves behind that was killed before it had an answer."""
        for state in self.root.glob(".local/**/terraform.serving-*.tfstate*"):
            state.unlink()

    def plan(self) -> str:
        return self._stack().plan()

    def cdktf(self, command: str, *, process: bool = False) -> str:
        """`python -m infra.local.terraform`, as its user types it.

        In this process, if not in one of its own.
        """
        from infra.local.terraform.__main__ import main

        arguments = (command, "--provider", "stand-in", "--auto-approve")
        done = (
            self.run(*arguments)
            if process
            else in_process(
                main,
                *(*arguments, "--environment", self.file),
                cwd=self.root,
                DATABRICKS_TOKEN=self.workspace.token,
            )
        )
        assert done.returncode == 0, done.stdout + done.stderr
        if command != "plan":
            self._deployed = self.file.read_text() if command == "apply" else None
        return done.stdout

    def refused_by_the_command(self) -> str:
        """What `python -m infra.local.terraform apply` says to a file that it does not apply."""
        from infra.local.terraform.__main__ import main

        self._deployed = None
        done = in_process(
            main,
            *("apply", "--provider", "stand-in", "--auto-approve", "--environment", self.file),
            cwd=self.root,
            DATABRICKS_TOKEN=self.workspace.token,
        )
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def rollout(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python -m infra.rollout COMMAND` for this environment, in this process."""
        from infra.rollout.__main__ import main

        return in_process(
            main,
            *(command, *arguments, "--environment", self.file.name),
            cwd=self.root,
            DATABRICKS_TOKEN=self.workspace.token,
        )

    def live(self) -> dict[str, Any]:
        return self.workspace.get(self.endpoint)

    def routes(self) -> dict[str, int]:
        routes = self.live()["config"]["traffic_config"]["routes"]
        return {route["served_entity_name"]: route["traffic_percentage"] for route in routes}

    def ask(self, **fields: Any) -> httpx.Response:
        return self.workspace.invoke(self.endpoint, {"inputs": [IMAGE], **fields})

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

        def are_answered() -> None:
            before = traffic.sent
            assert eventually(lambda: traffic.sent >= before + 2 * clients)

        threads = [threading.Thread(target=ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            are_answered()
            yield traffic
            are_answered()
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _stack(self) -> Stack:
        """Where `cdktf` deploys from too, so that each finds what the other deployed."""
        output = Installation(root=self.root).output
        folder = synthesized("serving", self.file, output)
        stack = Stack(folder=folder, environment=self._terraform)
        if not (folder / ".terraform").exists():
            state = output.parent / f"terraform.{folder.name}.tfstate"
            stack.init(f"-backend-config=path={state}")
        return stack


def in_process(
    main: Callable[[Sequence[str]], int], *arguments: str | Path, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A command in this process; what it sets in the environment does not stay there."""
    given = [str(it) for it in arguments]
    with (
        mock.patch.dict(os.environ, COLUMNS="200", **environment),
        contextlib.chdir(cwd),
        _captured(1, contextlib.redirect_stdout) as out,
        _captured(2, contextlib.redirect_stderr) as err,
    ):
        status = main(given)
        return subprocess.CompletedProcess(given, status, _text(out), _text(err))


@contextlib.contextmanager
def _captured(
    descriptor: int, redirect: Callable[[IO[str]], AbstractContextManager[object]]
) -> Iterator[IO[str]]:
    """What this process and those that it starts write there."""
    with tempfile.TemporaryFile("a+") as file, contextlib.ExitStack() as stack:
        kept = os.dup(descriptor)
        stack.callback(os.close, kept)
        os.dup2(file.fileno(), descriptor)
        stack.callback(os.dup2, kept, descriptor)
        with redirect(file):
            yield file


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()

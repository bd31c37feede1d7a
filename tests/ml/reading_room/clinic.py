"""An A/B test that has answered requests, in a local workspace, and rooms opened on it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from infra.declared.analysis import VIEWS, Analysis
from infra.declared.environment import ENVIRONMENTS, Environment, load
from infra.declared.feedback import feedback_variables
from ml.contract.serving import KERAS_MODEL
from ml.contract.tables import (
    BRONZE,
    FILM_VOLUME,
    GOLD,
    PREDICTION_CONTEXT,
    PREDICTION_FEEDBACK,
)
from tests.plugin.ingestion import create_table
from tests.plugin.workspaces import (
    BRIGHTNESS,
    ENDPOINTS,
    FEEDBACK,
    NO_CERTIFICATES,
    REPOSITORY,
    entity,
    eventually,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.workspaces import RunningWorkspace

NAME = "clinic"
CATALOG = f"catalog_{NAME}"
WITH_FEEDBACK = """
[feedback]
endpoint       = "feedback-endpoint"
model          = "feedback_processor"
version        = 1
authentication = "token"
"""
SIZE = 28
PATIENCE_SECONDS = 60
"""For which a reader waits for the feedback endpoint: a busy machine does not decide it."""
_grains = itertools.count(1)


@dataclasses.dataclass(kw_only=True)
class Clinic:
    """The workspace and what was deployed into it; the model says how bright a film is."""

    workspace: RunningWorkspace
    folder: Path

    def environment_file(self, reading: str = "", host: str | None = None) -> Path:
        """The shipped local environment on this workspace, with a `[reading]` of the test's own."""
        text = re.sub(r"http://127\.0\.0\.1:\d+", host or self.workspace.host, _shipped())
        file = self.folder / f"{NAME}.toml"
        file.write_text(f"{text}\n[reading]\n{reading}\n")
        return file

    @functools.cached_property
    def environment(self) -> Environment:
        return load(self.environment_file())

    @functools.cached_property
    def analysis(self) -> Analysis:
        analysis = Analysis.of(self.environment)
        assert analysis is not None
        return analysis

    def predict(self, request_id: str, grey: float | Sequence[Any]) -> float:
        """Sends a film whose mean grey is the probability that comes back."""
        image = grey if isinstance(grey, Sequence) else film(grey)
        response = self.workspace.invoke(
            self.environment.ab_test.endpoint,
            {"inputs": [image], "client_request_id": request_id},
        )
        assert response.status_code == 200, response.text
        probability: float = response.json()["predictions"][0][0]
        return probability

    def logged(self, count: int) -> None:
        """Waits until so many predictions are in the view."""
        view = self.analysis.full_name("predictions")
        seen = eventually(
            lambda: self.workspace.sql(f"SELECT count(*) FROM {view}"),
            lambda rows: bool(rows) and int(rows[0][0]) >= count,
        )
        assert int(seen[0][0]) >= count, seen

    def readings(self) -> list[dict[str, Any]]:
        """Every row of the feedback table, in the order of writing."""
        names = [column.name for column in PREDICTION_FEEDBACK.columns]
        table = PREDICTION_FEEDBACK.full_name(CATALOG)
        rows = self.workspace.sql(
            f"SELECT {', '.join(names)} FROM {table} ORDER BY written_at, supersedes IS NOT NULL"
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    def serve_feedback(self) -> None:
        """As the serving stack deploys it."""
        environment, api = self.environment, self.workspace.client
        assert environment.feedback is not None
        warehouses = api.get("/api/2.0/sql/warehouses").json()["warehouses"]
        [warehouse] = [it["id"] for it in warehouses if it["name"] == environment.warehouse_name]
        variables = feedback_variables(
            environment, host=self.workspace.host, warehouse_id=warehouse
        )
        self.workspace.create(
            environment.feedback.endpoint,
            entity(
                FEEDBACK,
                name=environment.feedback.served_entity_name,
                environment_vars=dict(variables),
            ),
        )

    @contextlib.contextmanager
    def without_feedback_endpoint(self) -> Iterator[None]:
        """It is away for a while."""
        assert self.environment.feedback is not None
        self.workspace.client.delete(f"{ENDPOINTS}/{self.environment.feedback.endpoint}")
        try:
            yield
        finally:
            self.serve_feedback()

    def create_views(self) -> None:
        """As the analysis stack does."""
        for view in VIEWS:
            name = self.analysis.full_name(view.name)
            self.workspace.sql(f"CREATE VIEW {name} AS {self.analysis.query(view.name)}")

    @contextlib.contextmanager
    def without_views(self) -> Iterator[None]:
        """What is asked of them fails for a while."""
        for view in reversed(VIEWS):
            self.workspace.sql(f"DROP VIEW {self.analysis.full_name(view.name)}")
        try:
            yield
        finally:
            self.create_views()

    def forget(self) -> None:
        """No film was read yet, and none predicted."""
        inference_table = self.analysis.filled_in("$payload")
        for table in (PREDICTION_FEEDBACK.full_name(CATALOG), inference_table):
            self.workspace.sql(f"DELETE FROM {table}")


def film(grey: float) -> list[list[list[float]]]:
    """A film of that mean grey which no other film equals."""
    grain = next(_grains) * 1e-7
    return [[[round(grey + grain * (-1) ** (x + y), 9)] for x in range(SIZE)] for y in range(SIZE)]


def _shipped() -> str:
    """The shipped local environment with a catalog of its own and a feedback endpoint."""
    text = (ENVIRONMENTS / "local.toml").read_text()
    text = text.replace("healthcare_catalog_local", CATALOG)
    return text if "\n[feedback]" in text else text + WITH_FEEDBACK


def deployed(workspace: RunningWorkspace, folder: Path) -> Clinic:
    """What the platform, serving and analysis stacks make; one arm is enough here."""
    clinic = Clinic(workspace=workspace, folder=folder)
    for schema in (BRONZE, GOLD, "models"):
        workspace.create_schema(CATALOG, schema)
    created = workspace.client.post(
        "/api/2.1/unity-catalog/volumes",
        json={
            "catalog_name": CATALOG,
            "schema_name": BRONZE,
            "name": FILM_VOLUME,
            "volume_type": "MANAGED",
        },
    )
    assert created.status_code == 200, created.text
    environment = clinic.environment
    created = workspace.client.post(
        "/api/2.0/sql/warehouses",
        json={"name": environment.warehouse_name, "cluster_size": "2X-Small"},
    )
    assert created.status_code == 200, created.text
    for table in (PREDICTION_FEEDBACK, PREDICTION_CONTEXT):
        workspace.sql(create_table(table, CATALOG))
    api, scope = workspace.client, environment.secret_scope_name
    api.post("/api/2.0/secrets/scopes/create", json={"scope": scope}).raise_for_status()
    secret = {"scope": scope, "key": "feedback-token", "string_value": workspace.token}
    api.post("/api/2.0/secrets/put", json=secret).raise_for_status()
    clinic.serve_feedback()
    workspace.create(
        environment.ab_test.endpoint,
        entity(BRIGHTNESS, name=f"{KERAS_MODEL}-1"),
        ai_gateway={
            "inference_table_config": {
                "catalog_name": CATALOG,
                "schema_name": GOLD,
                "table_name_prefix": "pneumonia_classifier",
                "enabled": True,
            }
        },
    )
    clinic.predict("warm-up", 0.5)
    payload = clinic.analysis.filled_in("$payload")
    eventually(lambda: workspace.sql(f"SELECT count(*) FROM {payload}"))
    clinic.create_views()
    clinic.logged(1)
    return clinic


class Road:
    """The network between a room and the workspace, which a test can cut."""

    def __init__(self, workspace: str) -> None:
        self._to = urlsplit(workspace)
        self._port = 0
        self._open: list[socket.socket] = []
        self.mend()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def mend(self) -> None:
        """On the same port as before."""
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self._open.append(listener)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks, and new ones are refused."""
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    close = cut

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((self._to.hostname, self._to.port))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=(source, sink), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            sink.sendall(content)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@dataclasses.dataclass(kw_only=True)
class OpenRoom:
    """A room that answers, and its readers."""

    url: str
    readers: contextlib.ExitStack

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, reader: str | None = None) -> Reader:
        """A reader's browser, as far as HTTP shows it; with a name, as a proxy would say it."""
        headers = {"Sec-Fetch-Site": "same-origin"}
        if reader is not None:
            headers["X-Forwarded-Email"] = reader
        http = httpx.Client(base_url=self.url, headers=headers, timeout=240, verify=NO_CERTIFICATES)
        return Reader(http=self.readers.enter_context(http))


@dataclasses.dataclass(kw_only=True)
class RoomProcess(OpenRoom):
    """A started `python -m ml.reading_room`."""

    process: subprocess.Popen[str]
    log: Path
    link: str
    """As the command printed it, with the secret."""

    def client(self, reader: str | None = None) -> Reader:
        client = super().client(reader)
        assert client.http.get(self.link, follow_redirects=True).status_code == 200
        return client

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def interrupt(self) -> int:
        """Ctrl-C; the status with which it ends."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(120)


OpenRoomWith = Callable[..., OpenRoom]
StartRoom = Callable[[], RoomProcess]


@dataclasses.dataclass(kw_only=True)
class Reader:
    """What one reader does, by the requests of the page."""

    http: httpx.Client

    def next(self) -> dict[str, Any]:
        response = self.http.post("/next", json={})
        assert response.status_code == 200, response.text
        turn: dict[str, Any] = response.json()
        return turn

    def read(self, token: str, verdict: str = "NORMAL", **entered: Any) -> httpx.Response:
        body = {
            "film": token,
            "feedback_id": f"00000000-0000-4000-8000-{os.urandom(6).hex()}",
            "ground_truth": verdict,
            "confidence": "HIGH",
            **entered,
        }
        return self.http.post("/readings", json=body)

    def reveal(self, token: str) -> httpx.Response:
        return self.http.post("/probability", json={"film": token})

    def read_all(self, verdict: str = "NORMAL") -> int:
        """Reads until nothing waits; returns how many films that were."""
        for count in itertools.count():
            token = self.next()["film"]
            if token is None:
                return count
            response = self.read(token, verdict)
            assert response.json().get("state") == "WRITTEN", response.text
        raise AssertionError


@contextlib.contextmanager
def opened(
    environment: Environment, journal: Path, *, behind_proxy: bool = False, port: int = 0
) -> Iterator[OpenRoom]:
    """A room in this process."""
    from ml.reading_room import opening
    from ml.reading_room.server import server

    with (
        opening.opened(
            environment, journal, behind_proxy=behind_proxy, patience_seconds=PATIENCE_SECONDS
        ) as app,
        # Connections wait in its backlog until they are accepted.
        socket.create_server(("127.0.0.1", port)) as listener,
    ):
        answering = server(app)
        thread = threading.Thread(target=answering.run, args=([listener],), name="room")
        thread.start()
        try:
            with contextlib.ExitStack() as readers:
                yield OpenRoom(url=f"http://127.0.0.1:{listener.getsockname()[1]}", readers=readers)
        finally:
            answering.should_exit = True
            thread.join()


@contextlib.contextmanager
def started(file: Path, journal: Path, token: str) -> Iterator[RoomProcess]:
    """A room in a process of its own, started by the command."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    log = journal.with_name("room.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ml.reading_room", "--port", "0"),
                *("--environment", str(file), "--journal", str(journal)),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "DATABRICKS_TOKEN": token},
        )
    try:
        eventually(lambda: "closes it" in log.read_text() or process.poll() is not None)
        link = re.search(r"(http://127\.0\.0\.1:\d+)/\?key=\S+", log.read_text())
        assert link, log.read_text()
        with contextlib.ExitStack() as readers:
            yield RoomProcess(url=link[1], readers=readers, process=process, log=log, link=link[0])
    finally:
        process.terminate()
        process.wait(120)


def text_of(response: httpx.Response) -> str:
    """Everything that came over the line of an answer, as far as it is text."""
    headers = json.dumps(dict(response.headers))
    return headers + response.content.decode("latin-1")

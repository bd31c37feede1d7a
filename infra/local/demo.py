"""`make demo`: the whole road on one machine, through the same commands that a user would type.

Workspace, platform, ingestion, training, the endpoint, real X-rays to it, its payload table by SQL,
the views of the analysis, and a change of the traffic split while requests keep flowing.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import tomlkit
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.sql import StatementState
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from infra.environment import ENVIRONMENTS, Environment, load
from infra.local.settings import DEFAULT_DATA, DEFAULT_PORT
from infra.naming import payload_table
from infra.views import Analysis
from ml.contract import DECISION_THRESHOLD, KERAS_MODEL, PYTORCH_MODEL
from ml.data.source import BUNDLED
from ml.data.source import load as load_films

DEPLOY = "infra.local.terraform"
ENVIRONMENT = "local"
FILMS = 200
SHIFTED_TRAFFIC = 10
CLIENTS = 4
_TRAINING = {KERAS_MODEL: "ml.train_keras", PYTORCH_MODEL: "ml.train_torch"}
_FOLDER = Path(".local/demo")
_JSON = {"Content-Type": "application/json"}
_DECIMALS = 4
_PAUSE = 0.02
_WORKSPACE_STARTS_IN = 60.0
_DELIVERED_IN = 30.0

_console = Console()


class DemoFailed(RuntimeError):
    """A step of the demonstration failed; the text says which, and what to do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What one request brought back. Times are in seconds."""

    arm: str
    probability: float
    label: int
    seconds: float

    @property
    def agrees(self) -> bool:
        return (self.probability >= DECISION_THRESHOLD) == bool(self.label)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.demo", description=__doc__)
    parser.add_argument("--films", type=int, default=FILMS, help="X-rays to send")
    parser.add_argument("--epochs", type=int, help="of the training; default: those of the recipe")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        with _workspace() as client:
            _demonstrate(client, films=arguments.films, epochs=arguments.epochs)
    except DemoFailed as failure:
        _console.print(f"[red]The demo stopped:[/] {failure}", highlight=False)
        return 1
    except KeyboardInterrupt:
        _console.print("\nInterrupted; what was trained and deployed stays.")
        return 130
    _console.print(f"Done in {time.monotonic() - started:.0f} s.")
    return 0


def _demonstrate(client: WorkspaceClient, *, films: int, epochs: int | None) -> None:
    environment = load(ENVIRONMENT)
    _step("Synthesize every environment")
    _run(["cdktf", "synth"], "See above.")

    _step(f"cdktf deploy {environment.platform_stack}")
    _deploy("platform", ENVIRONMENT)

    _step("Ingest the bundled X-rays (only those that are not there yet)")
    _ingest()

    _step("Train and register both arms (skipped when this data and code already gave a version)")
    _train(epochs)
    versions = {
        model: _newest_version(client, environment.full_model_name(model)) for model in _TRAINING
    }
    file = _copy_of(environment, versions=versions)
    _run([sys.executable, "-m", "ml.arms", "--environment", str(file)], "See above.")

    _step(f"cdktf deploy {environment.serving_stack}")
    _deploy("serving", str(file))

    _step(f"Send {films} X-rays to {environment.ab_test.endpoint}")
    answers = asyncio.run(_ask(client, environment, films))
    _show_answers(answers)

    _step("The payload table, by Databricks SQL")
    _show_payload(client, environment, len(answers))

    _step(f"cdktf deploy {environment.analysis_stack}, whose views need that table")
    _deploy("analysis", str(file))
    _show_traffic(client, environment)

    _step(f"Shift the traffic to {100 - SHIFTED_TRAFFIC}/{SHIFTED_TRAFFIC} under load")
    _copy_of(environment, versions=versions, traffic=SHIFTED_TRAFFIC)
    during, after = asyncio.run(_shift_under_load(client, environment, file, films))
    _console.print(f"  {len(during)} requests during the deployment, 0 failed")
    _show_answers(after)
    _show_how_to_go_on(file)


def _step(title: str) -> None:
    _console.rule(title, align="left")


@contextlib.contextmanager
def _workspace() -> Iterator[WorkspaceClient]:
    """A client of the running local workspace; one that was not running ends with the demo."""
    environment = load(ENVIRONMENT)
    host = environment.workspace.host or f"http://127.0.0.1:{DEFAULT_PORT}"
    _step(f"The local workspace at {host}")
    with contextlib.ExitStack() as stack:
        if _answers(host):
            _console.print("  it runs already")
        else:
            port = str(httpx.URL(host).port)
            command = [sys.executable, "-m", "infra.local", "--port", port]
            server = stack.enter_context(subprocess.Popen(command, start_new_session=True))
            stack.callback(server.terminate)
            _wait_for(host, server)
        token = (DEFAULT_DATA / "token").read_text().strip()
        os.environ["DATABRICKS_TOKEN"] = token  # the commands that follow find it here
        os.environ["DATABRICKS_HOST"] = host
        yield WorkspaceClient(host=host, token=token, auth_type="pat")


def _answers(host: str) -> bool:
    try:
        return httpx.get(f"{host}/health", timeout=2).is_success
    except httpx.TransportError:
        return False


def _wait_for(host: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _WORKSPACE_STARTS_IN
    while not _answers(host):
        if server.poll() is not None:
            raise DemoFailed("the local workspace did not start; its output above says why.")
        if time.monotonic() > deadline:
            raise DemoFailed(f"the local workspace did not answer in {_WORKSPACE_STARTS_IN:.0f} s.")
        time.sleep(0.1)


def _run(command: Sequence[str], way_out: str, **variables: str) -> None:
    status = subprocess.run(command, env=os.environ | variables, check=False).returncode
    if status:
        raise DemoFailed(f"`{' '.join(command)}` ended with status {status}. {way_out}")


def _ingest() -> None:
    # A film that is in the bundled file twice is ingested once; that is as it should be.
    command = [sys.executable, "-m", "ml.ingest", "--environment", ENVIRONMENT]
    _run([*command, "--accept", "duplicate"], "See above; the same command again goes on.")


def _train(epochs: int | None) -> None:
    """Both arms at the same time: each leaves half of two processors idle."""
    options = ["--environment", ENVIRONMENT, "--data", ENVIRONMENT, "--skip-if-registered"]
    if epochs is not None:
        options += ["--epochs", str(epochs)]
    commands = [[sys.executable, "-m", module, *options] for module in _TRAINING.values()]
    with tempfile.TemporaryFile("w+") as printed:
        behind = subprocess.Popen(commands[1], stdout=printed, stderr=subprocess.STDOUT)
        try:
            _run(commands[0], "See above.")
            with _console.status("  the other arm ..."):
                status = behind.wait()
        finally:
            behind.terminate()  # nothing to it where it has ended
        printed.seek(0)
        _console.print(printed.read(), highlight=False, markup=False, soft_wrap=True)
    if status:
        raise DemoFailed(f"`{' '.join(commands[1])}` ended with status {status}. See above.")


def _newest_version(client: WorkspaceClient, name: str) -> int:
    """The version to serve: the newest that is READY."""
    ready = [
        version.version or 0
        for version in client.model_versions.list(name)
        if version.status is not None and version.status.value == "READY"
    ]
    if not ready:
        raise DemoFailed(f"{name} has no READY version in the workspace's registry.")
    return max(ready)


def _copy_of(
    environment: Environment, versions: Mapping[str, int], traffic: int | None = None
) -> Path:
    """The environment's file with these versions and this traffic, comments and order kept."""
    original = ENVIRONMENTS / f"{environment.name}.toml"
    document: Any = tomlkit.parse(original.read_text(encoding="utf-8"))
    test = document["ab_test"]
    for arm in (test["champion"], *test["challengers"]):
        arm["version"] = versions[arm["model"]]
    if traffic is not None:
        test["challengers"][0]["traffic"] = traffic
    copy = _FOLDER / original.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(tomlkit.dumps(document), encoding="utf-8")
    load(copy)
    return copy


def _deploy(stack: str, environment: str) -> None:
    command = [sys.executable, "-m", DEPLOY, "apply", "--auto-approve"]
    command += ["--stack", stack, "--environment", environment]
    _run(command, "Its output above says why; nothing that served before was taken away.")


Image = np.ndarray[Any, Any]
Ask = Callable[[Image, int], Awaitable[Answer]]


@contextlib.asynccontextmanager
async def _endpoint(client: WorkspaceClient, environment: Environment) -> AsyncIterator[Ask]:
    """A function that sends one film and its label, and returns the answer."""
    path = f"/serving-endpoints/{environment.ab_test.endpoint}/invocations"
    headers = {"Authorization": f"Bearer {client.config.token}"}
    async with httpx.AsyncClient(base_url=client.config.host, headers=headers, timeout=60) as http:

        async def ask(image: Image, label: int) -> Answer:
            body = {"inputs": [image.tolist()], "client_request_id": f"demo-{uuid.uuid4()}"}
            started = time.perf_counter()
            response = await http.post(path, content=orjson.dumps(body), headers=_JSON)
            if not response.is_success:
                raise DemoFailed(f"{path} answered {response.status_code}: {response.text[:400]}")
            return Answer(
                arm=response.headers["served-model-name"],
                probability=response.json()["predictions"][0][0],
                label=int(label),
                seconds=time.perf_counter() - started,
            )

        yield ask


async def _ask(client: WorkspaceClient, environment: Environment, films: int) -> list[Answer]:
    """Sends the films with CLIENTS requests at once."""
    queue = collections.deque(_films(films))
    answers: list[Answer] = []
    with Progress(console=_console, transient=True) as progress:
        task = progress.add_task("  requests", total=films)
        async with _endpoint(client, environment) as ask:

            async def one_client() -> None:
                while queue:
                    answers.append(await ask(*queue.popleft()))
                    progress.advance(task)

            await asyncio.gather(*(one_client() for _ in range(CLIENTS)))
    return answers


async def _shift_under_load(
    client: WorkspaceClient, environment: Environment, file: Path, films: int
) -> tuple[list[Answer], list[Answer]]:
    """Deploys the file while requests keep flowing; the answers during that, and those after it."""
    deployment = asyncio.create_task(asyncio.to_thread(_deploy, "serving", str(file)))
    during: list[Answer] = []
    async with _endpoint(client, environment) as ask:

        async def one_client() -> None:
            for film in itertools.cycle(_films(films)):
                if deployment.done():
                    return
                during.append(await ask(*film))
                await asyncio.sleep(_PAUSE)

        await asyncio.gather(deployment, *(one_client() for _ in range(CLIENTS)))
    return during, await _ask(client, environment, films)


def _films(count: int) -> list[tuple[Image, int]]:
    """Validation films, in the order of the file: images float [h, w, 1] in [0, 1], and labels."""
    data = load_films(BUNDLED).parts["val"]
    pairs = zip(data.images.round(_DECIMALS), data.labels, strict=True)
    return list(itertools.islice(itertools.cycle(pairs), count))


def _show_answers(answers: Sequence[Answer]) -> None:
    table = Table("arm", "n", "p50 ms", "p95 ms", "as labelled")
    for arm in sorted({answer.arm for answer in answers}):
        own = [answer for answer in answers if answer.arm == arm]
        milliseconds = np.percentile([1000 * answer.seconds for answer in own], [50, 95])
        agreement = statistics.fmean(answer.agrees for answer in own)
        table.add_row(
            arm, str(len(own)), *(f"{value:.1f}" for value in milliseconds), f"{agreement:.1%}"
        )
    _console.print(table)


def _show_payload(client: WorkspaceClient, environment: Environment, answered: int) -> None:
    inference_table = environment.ab_test.inference_table
    if inference_table is None:
        raise DemoFailed(f"{ENVIRONMENT}.toml has no [ab_test.inference_table] to show.")
    catalog = inference_table.catalog or environment.catalog
    table = payload_table(catalog, inference_table.schema_name, inference_table.prefix)
    deadline = time.monotonic() + _DELIVERED_IN
    while _rows(client, table) < answered:
        if time.monotonic() > deadline:
            raise DemoFailed(f"{table} does not have the {answered} rows of the requests.")
        time.sleep(0.5)
    statement = f"""
        SELECT client_request_id, served_entity_name, status_code, execution_duration_ms,
               round(CAST(get_json_object(response, '$.predictions[0][0]') AS DOUBLE), 4)
        FROM {table} JOIN system.serving.served_entities USING (served_entity_id)
        ORDER BY request_time DESC LIMIT 5"""  # noqa: S608 - names from a checked file
    shown = Table("client_request_id", "arm", "status", "ms", "P(PNEUMONIA)", title=table)
    for row in _query(client, statement):
        shown.add_row(*map(str, row))
    _console.print(shown)


def _show_traffic(client: WorkspaceClient, environment: Environment) -> None:
    analysis = Analysis.of(environment)
    if analysis is None:
        raise DemoFailed(f"{ENVIRONMENT}.toml has no inference table to analyse.")
    statement = f"""
        SELECT arm, sum(requests), round(sum(requests) / sum(sum(requests)) OVER (), 3)
        FROM {analysis.full_name("traffic")} GROUP BY arm ORDER BY arm"""  # noqa: S608
    table = Table("arm", "requests", "share", title=analysis.full_name("traffic"))
    for row in _query(client, statement):
        table.add_row(*map(str, row))
    _console.print(table)


def _rows(client: WorkspaceClient, table: str) -> int:
    """None yet where serving has not created the table, which it does with the first row."""
    if not client.tables.exists(table).table_exists:
        return 0
    return int(_query(client, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608


def _query(client: WorkspaceClient, statement: str) -> list[list[str]]:
    warehouse = next(iter(client.warehouses.list())).id  # the platform's
    answer = client.statement_execution.execute_statement(statement, warehouse or "")
    if answer.status is None or answer.status.state is not StatementState.SUCCEEDED:
        error = answer.status and answer.status.error
        raise DemoFailed(f"the SQL statement failed: {error and error.message}\n{statement}")
    return answer.result.data_array or [] if answer.result else []


def _show_how_to_go_on(file: Path) -> None:
    _step("Go on")
    _console.print(
        f"""  make workspace                                 start the workspace again
  edit {file}                  change the split, a version, ...
  python -m {DEPLOY} apply --environment {file}
  python -m {DEPLOY} destroy --environment {file}
  The same for a real workspace: infra/environments/dev.toml, then cdktf deploy serving-dev""",
        highlight=False,
        markup=False,
    )


if __name__ == "__main__":
    sys.exit(main())

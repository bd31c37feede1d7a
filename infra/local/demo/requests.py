"""X-rays to the endpoint, and what comes back."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import orjson
from rich.progress import Progress
from rich.table import Table

from infra.local.demo.commands import DemoFailed, console, deploy
from ml.contract.serving import DECISION_THRESHOLD
from ml.data.loading import BUNDLED
from ml.data.loading import load as load_films

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

CLIENTS = 4
_JSON = {"Content-Type": "application/json"}
_DECIMALS = 4
_PAUSE = 0.02


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What one request brought back. Times are in seconds."""

    request_id: str
    """The one that this client gave it."""
    arm: str
    probability: float
    label: int
    seconds: float

    @property
    def agrees(self) -> bool:
        return (self.probability >= DECISION_THRESHOLD) == bool(self.label)


Image = np.ndarray[Any, Any]
Ask = Callable[[Image, int], Awaitable[Answer]]


@contextlib.asynccontextmanager
async def _endpoint(client: WorkspaceClient, endpoint: str) -> AsyncIterator[Ask]:
    """A function that sends one film and its label, and returns the answer."""
    path = f"/serving-endpoints/{endpoint}/invocations"
    headers = {"Authorization": f"Bearer {client.config.token}"}
    async with httpx.AsyncClient(base_url=client.config.host, headers=headers, timeout=60) as http:

        async def ask(image: Image, label: int) -> Answer:
            request_id = f"demo-{uuid.uuid4()}"
            body = {"inputs": [image.tolist()], "client_request_id": request_id}
            started = time.perf_counter()
            try:
                response = await http.post(path, content=orjson.dumps(body), headers=_JSON)
            except httpx.TransportError as broken:
                raise DemoFailed(f"{path} did not answer: {broken!r}.") from broken
            if not response.is_success:
                raise DemoFailed(f"{path} answered {response.status_code}: {response.text[:400]}")
            return Answer(
                request_id=request_id,
                arm=response.headers["served-model-name"],
                probability=response.json()["predictions"][0][0],
                label=int(label),
                seconds=time.perf_counter() - started,
            )

        yield ask


async def ask_all(client: WorkspaceClient, endpoint: str, films: int) -> list[Answer]:
    """Sends the films with CLIENTS requests at once."""
    queue = collections.deque(_films(films))
    answers: list[Answer] = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("  requests", total=films)
        async with _endpoint(client, endpoint) as ask:

            async def one_client() -> None:
                while queue:
                    answers.append(await ask(*queue.popleft()))
                    progress.advance(task)

            await asyncio.gather(*(one_client() for _ in range(CLIENTS)))
    return answers


async def deploy_under_load(
    client: WorkspaceClient, endpoint: str, file: str, films: int
) -> tuple[list[Answer], list[Answer]]:
    """Deploys the file while requests keep flowing; the answers during that, and those after it."""
    deployment = asyncio.create_task(asyncio.to_thread(deploy, "serving", file))
    during: list[Answer] = []
    async with _endpoint(client, endpoint) as ask:

        async def one_client() -> None:
            for film in itertools.cycle(_films(films)):
                if deployment.done():
                    return
                during.append(await ask(*film))
                await asyncio.sleep(_PAUSE)

        await asyncio.gather(deployment, *(one_client() for _ in range(CLIENTS)))
    return during, await ask_all(client, endpoint, films)


def _films(count: int) -> list[tuple[Image, int]]:
    """Validation films, in the order of the file: images float [h, w, 1] in [0, 1], and labels."""
    data = load_films(BUNDLED).parts["val"]
    pairs = zip(data.images.round(_DECIMALS), data.labels, strict=True)
    return list(itertools.islice(itertools.cycle(pairs), count))


def show_answers(answers: Sequence[Answer]) -> None:
    table = Table("arm", "n", "p50 ms", "p95 ms", "as labelled")
    for arm in sorted({answer.arm for answer in answers}):
        own = [answer for answer in answers if answer.arm == arm]
        milliseconds = np.percentile([1000 * answer.seconds for answer in own], [50, 95])
        agreement = statistics.fmean(answer.agrees for answer in own)
        table.add_row(
            arm, str(len(own)), *(f"{value:.1f}" for value in milliseconds), f"{agreement:.1%}"
        )
    console.print(table)

"""X-rays to the endpoint by `ml.client`, as a user sends them, and what comes back."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import track
from rich.table import Column, Table

from infra.local.demo.commands import console
from ml.client import PredictionClient
from ml.contract.serving import DECISION_THRESHOLD
from ml.data.image_id import image_id_of
from ml.data.loading import BUNDLED
from ml.data.loading import load as load_films
from ml.prediction.journal import Journal
from ml.workspace.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from databricks.sdk import WorkspaceClient

    from ml.data.films import Images
    from ml.prediction.journal import Prediction

CLIENTS = 4
_DECIMALS = 4
_PAUSE = 0.02
_JOURNAL = Path("predictions.db")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What one request brought back, and the label of its film. Times are in seconds."""

    prediction: Prediction
    label: int
    seconds: float

    @property
    def request_id(self) -> str:
        """The one that the client gave it."""
        return self.prediction.request_id

    @property
    def arm(self) -> str:
        """The served entity that answered."""
        return self.prediction.arm

    @property
    def agrees(self) -> bool:
        """Whether the call is the label."""
        return (self.prediction.probability >= DECISION_THRESHOLD) == bool(self.label)


@contextlib.contextmanager
def connect(client: WorkspaceClient, endpoint: str) -> Iterator[PredictionClient]:
    """A client of the endpoint that sends nothing twice: a request that fails ends the demo."""
    asked = Endpoint(client, endpoint, connections=CLIENTS, tries=1)
    size = load_films(BUNDLED).image_size  # which the demo's arms were trained on
    with PredictionClient(asked, Journal(_JOURNAL), image_size=size) as connected:
        yield connected


def ask_all(client: PredictionClient, films: int) -> list[Answer]:
    """Sends the films with CLIENTS requests at once. Raises EndpointError."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = pool.map(lambda film: _ask(client, *film), _films(films))
        return list(
            track(answers, "  requests", total=films, console=console, transient=True),
        )


def under_load(client: PredictionClient, films: int, work: Callable[[], None]) -> list[Answer]:
    """Works while requests keep flowing; the answers until it is done."""
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        working = pool.submit(work)
        asking = [pool.submit(_ask_until, working, client, films) for _ in range(CLIENTS)]
        working.result()
        return [answer for answers in asking for answer in answers.result()]


def _ask_until(done: Future[None], client: PredictionClient, films: int) -> list[Answer]:
    answers = []
    for film in itertools.cycle(_films(films)):
        if done.done():
            break
        answers.append(_ask(client, *film))
        time.sleep(_PAUSE)
    return answers


def _ask(client: PredictionClient, image: Images, label: int) -> Answer:
    started = time.perf_counter()
    prediction = client.ask(image_id_of(image.tobytes()), image)
    seconds = time.perf_counter() - started
    return Answer(prediction=prediction, label=label, seconds=seconds)


def _films(count: int) -> list[tuple[Images, int]]:
    """Validation films, in the order of the file: images float [h, w, 1] in [0, 1], and labels."""
    data = load_films(BUNDLED).parts["val"]
    pairs = zip(np.asarray(data.images).round(_DECIMALS), map(int, data.labels), strict=True)
    return list(itertools.islice(itertools.cycle(pairs), count))


def show_answers(answers: Sequence[Answer]) -> None:
    """A line for each arm: how many answers, how fast, how often as labelled."""
    table = Table(Column("arm", overflow="fold"), "n", "p50 ms", "p95 ms", "as labelled")
    for arm in sorted({answer.arm for answer in answers}):
        own = [answer for answer in answers if answer.arm == arm]
        milliseconds = np.percentile([1000 * answer.seconds for answer in own], [50, 95])
        agreement = statistics.fmean(answer.agrees for answer in own)
        table.add_row(
            arm, str(len(own)), *(f"{value:.1f}" for value in milliseconds), f"{agreement:.1%}"
        )
    console.print(table)

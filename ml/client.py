"""Asks a serving endpoint about films, or rows: for notebooks, services and `ml.predict`.

>>> from ml.client import PredictionClient
>>> with PredictionClient.connect("dev") as client:          # doctest: +SKIP
...     prediction = client.predict(Path("film.jpeg"))
...     prediction.probability, prediction.call()

Authentication is the Databricks SDK's unified one (see `ml.workspace.connection`). One film a
request, so that each film has its own draw of the arm and its own request id.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import numpy as np

from ml.contract.errors import InvalidData
from ml.contract.serving import DEFAULT_IMAGE_SIZE
from ml.contract.task import PNEUMONIA, ImageInput, Size, TableInput, Task
from ml.data.image_id import image_id_of, new_request_id
from ml.data.preparation import UnreadableFilm
from ml.prediction.asking import Asking, OfImages, OfRows, size_said_by
from ml.prediction.context import Context
from ml.prediction.journal import DEFAULT_JOURNAL, Journal, Prediction, Sent, now
from ml.workspace.endpoint import Answer, Endpoint, EndpointError, RequestRefused

if TYPE_CHECKING:
    from ml.data.films import Images
    from ml.prediction.contexts import Contexts
    from ml.prediction.patient_key import PatientKeys

DEFAULT_CONCURRENCY: Final = 8


class Film(Protocol):
    """A film that can be sent, or a row."""

    @property
    def name(self) -> str:
        """For people: the file, or the image id."""

    def read(self) -> bytes:
        """The content: JPEG, PNG or DICOM, or a row as JSON. Raises InvalidData."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What became of one film."""

    film: Film
    prediction: Prediction
    from_journal: bool = False
    """Whether it was answered before, perhaps as a copy in the same folder, and not asked again."""


@dataclass(frozen=True, kw_only=True)
class Unsent:
    """A film that cannot be read; nothing was sent."""

    film: Film
    reason: str


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A film that the endpoint does not take; it is asked about again next time."""

    film: Film
    reason: str


class PredictionClient:
    """One endpoint, asked with a journal. Thread-safe."""

    def __init__(
        self,
        endpoint: Endpoint,
        journal: Journal,
        *,
        image_size: Size = DEFAULT_IMAGE_SIZE,
        contexts: "Contexts | None" = None,
        any_modality: bool = False,
        task: Task = PNEUMONIA,
    ) -> None:
        self.endpoint = endpoint
        self.journal = journal
        self.image_size = image_size
        self.contexts = contexts
        self.task = task
        self._asking: Asking = (
            OfRows(input=task.input)
            if isinstance(task.input, TableInput)
            else OfImages(size=image_size, any_modality=any_modality)
        )

    @classmethod
    def connect(
        cls,
        environment: str | Path,
        *,
        test: str | None = None,
        endpoint: str | None = None,
        served_entity: str | None = None,
        journal: Path = DEFAULT_JOURNAL,
        image_size: Size | None = None,
        concurrency: int = DEFAULT_CONCURRENCY,
        patient_keys: "PatientKeys | None" = None,
        site: str | None = None,
        any_modality: bool = False,
    ) -> Self:
        """Any endpoint of an environment; the A/B test's unless another is named. Of several tests
        ``test`` is the name of one.

        ``image_size`` None takes the size that the endpoint says, or else the task's. With
        ``patient_keys``, what is known of each film without naming anybody is written beside the
        predictions; ``site`` is where all films are from. With ``any_modality``, for research, a
        DICOM file may be of anything, not of a chest alone.
        Raises WorkspaceError, InvalidEnvironment, JournalError, or UserError for the test or the
        site.
        """
        from infra.declared.environment import load
        from ml.workspace.connection import connect

        loaded = load(environment, test)
        name = endpoint or loaded.ab_test.endpoint
        workspace = connect(loaded)
        asked = Endpoint(
            workspace,
            name,
            served_entity=served_entity,
            connections=concurrency,
        )
        task = loaded.ab_test.task
        said = asked.request_schema()
        declared = task.input.size if isinstance(task.input, ImageInput) else DEFAULT_IMAGE_SIZE
        contexts = None
        if patient_keys is not None:
            from ml.prediction.contexts import Contexts

            contexts = Contexts.connect(loaded, workspace, patient_keys, site=site)
        return cls(
            asked,
            Journal(journal),
            image_size=image_size or size_said_by(said) or declared,
            contexts=contexts,
            any_modality=any_modality,
            task=task,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.write_contexts()
        finally:
            self.journal.close()

    def predict(
        self, film: "Path | bytes | Images | Mapping[str, Any]", *, context: Context | None = None
    ) -> Prediction:
        """Asks about one film: a file, its content, or an image [height, width, 1] of real numbers
        from 0, black, to 1, white. Of a task with named columns: about one row of them.

        ``context`` goes before what the file's tags say. Raises UnreadableFilm, InvalidData for an
        image of another range or shape or a row of other columns, or EndpointError.
        """
        if isinstance(film, Mapping):
            if not isinstance(self._asking, OfRows):
                raise InvalidData(
                    f"a row of columns: the task {self.task.name} takes pictures. Give a film's "
                    "file, or an image."
                )
            content = self._asking.content(film)
            return self.ask(image_id_of(content), self._asking.prepared(content), context=context)
        if isinstance(film, np.ndarray):
            return self.ask(image_id_of(film.tobytes()), film, context=context)
        content = film if isinstance(film, bytes) else film.read_bytes()
        return self.ask(
            image_id_of(content),
            self._asking.prepared(content),
            context=context or self._context("", content),
        )

    def ask(
        self,
        image_id: str,
        image: "Images | Mapping[str, Any]",
        *,
        request_id: str | None = None,
        context: Context | None = None,
    ) -> Prediction:
        """Sends one image or row as `predict` takes it, after the journal has the request.

        ``request_id`` sends a request again whose answer was lost; ``context`` is what is known of
        the film. Raises InvalidData or EndpointError.
        """
        sent = Sent(
            request_id=request_id or new_request_id(image_id), image_id=image_id, sent_at=now()
        )
        document = self._asking.document(image, sent.request_id)
        self.journal.sending(self.endpoint.url, sent)
        self._note(sent.request_id, context)
        answer = self.endpoint.invoke(document)
        prediction = Prediction(
            request_id=sent.request_id,
            image_id=image_id,
            sent_at=sent.sent_at,
            answered_at=now(),
            arm=answer.served_entity,
            probability=_probability(answer, self.endpoint.url, self.task),
            databricks_request_id=answer.databricks_request_id,
            task=self.task,
        )
        self.journal.answered(prediction)
        return prediction

    def predict_all(
        self, films: Iterable[Film], *, resume: bool = True
    ) -> Iterator[Answered | Unsent | Refused]:
        """Asks about many films, in the order of their answers.

        With ``resume``, a film that this endpoint has answered before comes from the journal, and
        one whose answer was lost is asked again under the same request id. Another arm may answer
        it then; the journal has that last answer, and of the answers to one id the views count the
        last. A film that the endpoint refuses keeps no other from being asked. Raises
        EndpointError; what was answered until then is in the journal.
        """
        known = self.journal.latest(self.endpoint.url) if resume else {}
        asked: dict[str, Future[Prediction]] = {}
        waiting, taking = iter(films), threading.Lock()
        outcomes: SimpleQueue[Answered | Unsent | Refused | BaseException | None] = SimpleQueue()
        stopped = threading.Event()

        def take() -> Film | None:
            with taking:
                return next(waiting, None)

        def work() -> None:
            try:
                while not stopped.is_set() and (film := take()) is not None:
                    outcomes.put(self._settle(film, known, asked))
            except BaseException as error:
                stopped.set()
                outcomes.put(error)
            finally:
                outcomes.put(None)

        failure: BaseException | None = None
        with ThreadPoolExecutor(self.endpoint.connections) as pool:
            try:
                working = len([pool.submit(work) for _ in range(self.endpoint.connections)])
                while working:
                    match outcomes.get():
                        case None:
                            working -= 1
                        case BaseException() as error:
                            failure = failure or error
                        case outcome:
                            yield outcome
            finally:
                stopped.set()
        if failure is not None:
            raise failure
        self.write_contexts()

    def write_contexts(self) -> int:
        """Writes the contexts that wait in the journal; returns how many. Raises WorkspaceError.

        Happens at the end of `predict_all` and of a `with`; a service calls it now and then.
        """
        return self.contexts.write(self.journal) if self.contexts else 0

    def _context(self, name: str, content: bytes) -> Context | None:
        return self.contexts.of(name, content) if self.contexts else None

    def _note(self, request_id: str, context: Context | None) -> None:
        if self.contexts and context:
            self.contexts.note(self.journal, request_id, context)

    def _settle(
        self,
        film: Film,
        known: Mapping[str, Prediction | Sent],
        asked: dict[str, Future[Prediction]],
    ) -> Answered | Unsent | Refused:
        try:
            content = film.read()
            image_id = image_id_of(content)
            before = known.get(image_id)
            if isinstance(before, Prediction):
                self._note(before.request_id, self._context(film.name, content))
                known_answer = replace(before, task=self.task)
                return Answered(film=film, prediction=known_answer, from_journal=True)
            image = self._asking.prepared(content)
        except (UnreadableFilm, InvalidData) as error:
            return Unsent(film=film, reason=str(error))
        own: Future[Prediction] = Future()
        try:
            if (copy := asked.setdefault(image_id, own)) is not own:
                return Answered(film=film, prediction=copy.result(), from_journal=True)
            try:
                own.set_result(
                    self.ask(
                        image_id,
                        image,
                        request_id=before.request_id if before else None,
                        context=self._context(film.name, content),
                    )
                )
            except BaseException as error:
                own.set_exception(error)
                raise
        except RequestRefused as error:
            return Refused(film=film, reason=str(error))
        return Answered(film=film, prediction=own.result())


def _probability(answer: Answer, url: str, task: Task) -> float:
    match answer.predictions:
        case [one] if (probability := task.in_answer(one)) is not None:
            return probability
    raise EndpointError(
        f"{url} did not answer with one probability, but with {str(answer.predictions)[:200]}. "
        "Name an endpoint whose models keep the serving contract."
    )

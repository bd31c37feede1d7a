"""The room over HTTP: one page, and what it asks for."""

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from uuid import UUID

import uvicorn
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from infra.declared.local_workspace import LOOPBACK_NAMES
from ml.contract.task import TableInput, Task
from ml.feedback.reading import CONFIDENCES, LONGEST_NOTES, InvalidReading, require_verdict
from ml.reading_room.films import NoPicture
from ml.reading_room.identity import Identity, UnknownReader
from ml.reading_room.journal import State
from ml.reading_room.protection import Protection
from ml.reading_room.room import AnotherReading, FilmReading, NotRead, Room, UnknownFilm
from ml.reading_room.session import RequireSession
from ml.workspace.connection import WorkspaceError

_PAGE: Final = Path(__file__).parent / "page"
_LARGEST_BODY: Final = 64 * 1024
_SHUTDOWN_SECONDS: Final = 5
_KEEP_ALIVE_SECONDS: Final = 120
"""Longer than the pauses of a reader: a connection that ends just then would lose what is saved."""

_SAID: Final = {
    State.WRITTEN: "Saved.",
    State.KEPT: (
        "Kept in the room's journal: the feedback endpoint does not take it now. It is sent again "
        "until it is saved."
    ),
    State.REFUSED: "Not saved. The feedback endpoint refuses it: ",
}

_log = logging.getLogger(__name__)


class _Entered(BaseModel):
    """What the page sends of a reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    film: str
    feedback_id: UUID
    ground_truth: str
    # Optional in a table; here a reader says it, so that no later analysis has to guess.
    confidence: str
    notes: str = ""


class _Chosen(BaseModel):
    """Which film the page means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    film: str


def application(
    room: Room,
    identity: Identity,
    task: Task,
    *,
    behind_proxy: bool,
    secret: str | None = None,
) -> Starlette:
    """The server's application. Without a proxy it answers this machine's names alone, and with a
    `secret` whoever has it."""
    pages = Pages(room, identity, task)
    hosts = ["*"] if behind_proxy else [*LOOPBACK_NAMES]
    return Starlette(
        routes=[
            Route("/", pages.page),
            Route("/films/{token}", pages.film),
            Route("/next", pages.next, methods=["POST"]),
            Route("/readings", pages.read, methods=["POST"]),
            Route("/probability", pages.reveal, methods=["POST"]),
            Mount("/page", StaticFiles(directory=_PAGE / "static")),
        ],
        middleware=[
            Middleware(Protection),
            # Another site's name that leads to this machine would pass as this page's own.
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
            *([Middleware(RequireSession, secret=secret)] if secret is not None else []),
        ],
        exception_handlers={
            UnknownReader: _refusal(401, "Nobody is signed in."),
            UnknownFilm: _refusal(404),
            NotRead: _refusal(409),
            AnotherReading: _refusal(409),
            NoPicture: _refusal(404, "This film cannot be shown."),
            InvalidReading: _refusal(422),
            ValidationError: _refusal(422, "The page sent what is no reading. Reload the page."),
            WorkspaceError: _refusal(
                503, "The workspace does not answer. The server's log says what is wrong."
            ),
            sqlite3.Error: _refusal(
                503, "The room's journal cannot be written. The server's log says what is wrong."
            ),
            HTTPException: _http_refusal,
        },
    )


def server(app: Starlette) -> uvicorn.Server:
    """Answers with the application on the sockets that it is run with."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            # Names a client by the proxy's word; nothing here depends on it.
            proxy_headers=False,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
    )


class Pages:
    """The routes. What may take a while runs beside the server's loop."""

    def __init__(self, room: Room, identity: Identity, task: Task) -> None:
        self._room = room
        self._task = task
        self._identity = identity
        self._templates = Jinja2Templates(directory=_PAGE)

    async def page(self, request: Request) -> Response:
        """The page, for the reader who asks."""
        return self._templates.TemplateResponse(
            request,
            "page.html",
            {
                "reader": self._identity.reader(request),
                "verdicts": self._task.verdicts,
                "confidences": CONFIDENCES,
                "longest_notes": LONGEST_NOTES,
                "threshold": self._task.threshold,
                "positive": self._task.positive,
                "words": self._task.words,
                "said": self._task.said,
                "is_table": isinstance(self._task.input, TableInput),
            },
        )

    async def next(self, request: Request) -> Response:
        """A film to read for whoever asks, with a random name; none where none waits."""
        reader = self._identity.reader(request)
        turn = await run_in_threadpool(self._room.next, reader)
        return JSONResponse(
            {
                "film": turn.token,
                "waiting": turn.waiting,
                "unavailable": turn.unavailable,
                "unsent": await run_in_threadpool(self._room.unsent, reader),
            }
        )

    async def film(self, request: Request) -> Response:
        """The picture of a loan, a PNG, or its columns, JSON."""
        picture = await run_in_threadpool(
            self._room.picture, self._identity.reader(request), request.path_params["token"]
        )
        return Response(picture, media_type=self._room.media_type)

    async def read(self, request: Request) -> Response:
        """Saves a reading of a loan, or a correction of one."""
        reader = self._identity.reader(request)
        entered = _Entered.model_validate_json(await _body(request))
        require_verdict(entered.ground_truth, self._task.verdicts)
        entry = await run_in_threadpool(
            self._room.read,
            reader,
            entered.film,
            FilmReading(
                feedback_id=entered.feedback_id,
                ground_truth=entered.ground_truth,
                confidence=entered.confidence,
                notes=entered.notes.strip() or None,
            ),
        )
        return JSONResponse(
            {"state": entry.state, "said": f"{_SAID[entry.state]}{entry.reason}"},
            status_code=422 if entry.state is State.REFUSED else 200,
        )

    async def reveal(self, request: Request) -> Response:
        """What the models said about a film that was read; keeps that it was shown."""
        reader = self._identity.reader(request)
        chosen = _Chosen.model_validate_json(await _body(request))
        output = await run_in_threadpool(self._room.reveal, reader, chosen.film)
        return JSONResponse(
            {"output": [{"probability": it.probability, "label": it.label} for it in output]}
        )


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_BODY:
            raise HTTPException(413, f"At most {_LARGEST_BODY} bytes.")
    return body


def _refusal(
    status: int, said: str | None = None
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Answers an error as JSON: with its own words, or with others where those are for the log."""

    async def answer(request: Request, error: Exception) -> Response:
        if said is not None:
            _log.warning("%s %s: %s", request.method, request.url.path, error)
        return JSONResponse({"error": said or str(error)}, status_code=status)

    return answer


async def _http_refusal(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    return JSONResponse({"error": detail}, status_code=status)

"""The composition of the local workspace: one origin for all APIs, as a workspace has.

Order of the answers: invocations, our own APIs (serving, SQL, catalog), everything else that
minilake has, and for the rest an honest 501.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import sqlite3
from typing import TYPE_CHECKING

import orjson
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import Response
from starlette.routing import Match, Route

from infra.local.access import Access, RequireToken, load_or_create_token
from infra.local.alerts.watchman import Watchman
from infra.local.bodies import BoundedBodies
from infra.local.jobs.orders import Caller
from infra.local.jobs.schedules import Schedules
from infra.local.lake import Lake
from infra.local.page.routes import WorkspacePage, is_of_the_page
from infra.local.refusal import Refusal, answer_refusal, not_emulated, unwritten
from infra.local.serving.api import ROOT as SERVING_ROOT
from infra.local.serving.api import ServingApi
from infra.local.serving.delivery import Delivery
from infra.local.serving.endpoints import Endpoints
from infra.local.serving.inference_tables import WORKSPACE_ID
from infra.local.serving.invocations import PREFIX as INVOCATIONS
from infra.local.serving.invocations import Invocations
from infra.local.serving.journal import Journal
from infra.local.serving.store import EndpointStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from infra.local.settings import Settings

_log = logging.getLogger(__name__)

_LAKE_PREFIXES = ("/api/", "/ui", "/_minilake")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workspace:
    """The ASGI application, and the token that it asks for."""

    app: ASGIApp
    token: str


@contextlib.asynccontextmanager
async def open_workspace(settings: Settings) -> AsyncIterator[Workspace]:
    """Everything started and, at the end, stopped; endpoints and undelivered rows stay on disk."""
    token = load_or_create_token(settings.token_file)
    async with contextlib.AsyncExitStack() as stack:
        lake = stack.enter_context(contextlib.closing(Lake(settings.data, settings.registry)))
        stack.push_async_callback(lake.runs.close)
        journal = Journal(settings.journal_folder, delay_seconds=settings.delivery_seconds)
        stack.callback(journal.close)
        store = EndpointStore(settings.endpoints_file)
        stack.callback(store.close)
        endpoints = Endpoints(
            settings,
            store=store,
            journal=journal,
            models=lake.models,
            secrets=lake,
            has_schema=lake.namespaces.has_schema,
            creator=lake.user,
        )
        delivery = asyncio.create_task(Delivery(journal, lake.payload_sink).run())
        delivery.add_done_callback(_log_failure)
        stack.push_async_callback(_cancel, delivery)
        caller = Caller(user=lake.user, host=settings.address, token=token)
        for watched in (lake.alerts, Schedules(lake.runs, caller)):
            watchman = asyncio.create_task(Watchman(watched, lake.save).run())
            watchman.add_done_callback(_log_failure)
            stack.push_async_callback(_cancel, watchman)
        stack.push_async_callback(endpoints.close)
        await endpoints.resume()
        routes = [*_own_routes(), *ServingApi(endpoints).routes(), *lake.routes()]
        access = Access(token)
        page = WorkspacePage(lake, endpoints, token=token, access=access)
        app = compose(
            routes,
            invocations=Invocations(endpoints, journal),
            lake=lake.app,
            access=access,
        )
        yield Workspace(app=_beside(page, app), token=token)


def compose(
    routes: Sequence[BaseRoute], *, invocations: ASGIApp, lake: ASGIApp, access: Access
) -> ASGIApp:
    """One application of all that answers, behind the token and in Databricks' error form."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(INVOCATIONS):
            await invocations(scope, receive, send)
        else:
            await bounded(scope, receive, send)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith("/api/") and path.endswith("/"):
            # MLflow's deployments client puts a slash behind the collection.
            path = path.rstrip("/")
            scope = {**scope, "path": path, "raw_path": path.encode()}
        for route in routes:
            match, child_scope = route.matches(scope)
            if match is Match.FULL:
                scope.update(child_scope)
                await route.handle(scope, receive, send)
                return
        if path.startswith(SERVING_ROOT) or not path.startswith(_LAKE_PREFIXES):
            raise not_emulated(f"{scope['method']} {path}")
        await lake(scope, receive, send)

    bounded = BoundedBodies(serve)
    handlers = {
        Refusal: answer_refusal,
        HTTPException: _answer_http_exception,
        OSError: _answer_unwritten,
        sqlite3.OperationalError: _answer_unwritten,
    }
    handled = ExceptionMiddleware(dispatch, handlers=handlers)
    return ServerErrorMiddleware(RequireToken(handled, access), handler=_answer_fault)


def _beside(page: ASGIApp, app: ASGIApp) -> ASGIApp:
    """The page where it is, the workspace's APIs everywhere else."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and is_of_the_page(scope["path"])
        await (page if is_page else app)(scope, receive, send)

    return ServerErrorMiddleware(choose, handler=_answer_fault)


def _own_routes() -> list[BaseRoute]:
    async def configuration(request: Request) -> Response:
        host = str(request.base_url).rstrip("/")
        body = {"workspace_id": WORKSPACE_ID, "oidc_endpoint": f"{host}/oidc"}
        return Response(orjson.dumps(body), media_type="application/json")

    async def health(_request: Request) -> Response:
        return Response(b"{}", media_type="application/json")

    return [
        Route("/.well-known/databricks-config", configuration, methods=["GET"]),
        Route("/health", health, methods=["GET"]),
    ]


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("What runs beside the requests has ended", exc_info=error)


async def _answer_http_exception(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return Refusal(error.status_code, "BAD_REQUEST", error.detail).response()


async def _answer_unwritten(_request: Request, error: Exception) -> Response:
    return unwritten(error).response()


async def _answer_fault(_request: Request, error: Exception) -> Response:
    _log.error("A request failed", exc_info=error)
    return Refusal(500, "INTERNAL_ERROR", "The local workspace failed; see its output.").response()

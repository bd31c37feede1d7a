"""minilake inside this process: configured, opened, its state kept on disk after every change.

minilake keeps its state in module globals and its pool in `minilake.app`, so a process has one.
Its own lifespan is not run: it would look for a Docker image, JupyterLab and the network.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import minilake.app
import orjson
from minilake.config import settings
from minilake.duckdb_pool import DuckDBPool
from minilake.errors import DatabricksError
from minilake.persistence import StateEnvelope
from minilake.services import (
    SERVICE_REGISTRY,
    files,
    get_service_module,
    get_state_functions,
    identity,
    sql_statements,
    unity_catalog,
)
from minilake.services.workspace import ensure_user_home, resolve_workspace_path
from pydantic import BaseModel, ValidationError

from infra.local.parity import known_alone
from infra.local.refusal import Refusal, invalid, unwritten
from infra.local.settings import CanNotStart

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from infra.local.storage.database import Database

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FILE_PREFIXES: Final = ("/api/2.0/fs/", "/api/2.0/dbfs/")
"""Files are on disk themselves; writing them changes nothing else."""

_NOT_KEPT: Final = frozenset({"sql_statements", "dbfs"})
"""Query history and open upload handles end with the process."""

_INTEGER_KEYS: Final = {"jobs": ("jobs", "runs")}
"""JSON turns these registries' integer keys into text, and minilake does not turn them back."""

_CLUSTER_STATES: Final = {
    "PENDING": "RUNNING",
    "RESTARTING": "RUNNING",
    "RESIZING": "RUNNING",
    "TERMINATING": "TERMINATED",
}

_Request = TypeVar("_Request", bound=BaseModel)

_pristine: dict[str, Any] = {}
_minilakes_execute = sql_statements._execute_sql_real


class CatalogPool(DuckDBPool):  # type: ignore[misc] # minilake publishes no types
    """minilake's connections, all of them on the workspace's one database."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        super().__init__(data_dir, extension_dir=data_dir)
        self._database = database
        self._cursor = self._uc_connection = database.cursor()

    async def attach_catalog(self, catalog_name: str) -> None:
        """Opens the catalog's file in the one database."""
        self._database.attach(catalog_name, self._database.catalog_file(catalog_name))

    async def detach_catalog(self, catalog_name: str) -> None:
        """Closes the catalog's file and deletes it."""
        self._database.detach(catalog_name)
        file = self._database.catalog_file(catalog_name)
        file.unlink(missing_ok=True)
        file.with_name(f"{file.name}.wal").unlink(missing_ok=True)

    async def get_warehouse_connection(
        self,
        warehouse_id: str,  # noqa: ARG002 - a warehouse has no data of its own
    ) -> duckdb.DuckDBPyConnection:
        """The same connection for every warehouse."""
        return self._cursor

    async def close_warehouse(self, warehouse_id: str) -> None:
        """Nothing to do: a warehouse has no connection of its own."""


class Emulator:
    """minilake with its state in `snapshot`. `documents` is the state that we add to it."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        if minilake.app._duckdb_pool is not None:
            raise RuntimeError(
                "minilake keeps its state in module globals: close the lake that is open in this "
                "process before opening another one"
            )
        settings.data_dir = data_dir
        settings.notebook_enabled = False
        settings.mcp_enabled = False
        settings.cluster_start_delay_seconds = 0.0
        settings.cluster_terminate_delay_seconds = 0.0
        self._snapshot = data_dir / "snapshot.json"
        self._saving = threading.Lock()
        self._written = b""
        self._reset_modules()
        minilake.app._duckdb_pool = CatalogPool(database, data_dir)
        self.documents: dict[str, dict[str, Any]] = {}
        try:
            self._restore(database)
        except BaseException:
            self._leave()
            raise
        ensure_user_home()
        resolve_workspace_path("/Shared").mkdir(parents=True, exist_ok=True)
        # One workspace, one id: clients compare what a header and the metastore say of it.
        identity.FAKE_ORG_ID = str(unity_catalog.WORKSPACE_ID)
        self.app: ASGIApp = Durable(known_alone(_taking_json(_minilakes_app())), self.save)

    def run_sql_by(self, execute: Callable[[str], tuple[list[str], list[list[Any]]]]) -> None:
        """SQL of jobs and alerts goes through `execute`, on a thread: the loop serves meanwhile.

        It answers names of columns and rows, or raises a `Refusal`. minilake's own way would hand
        the text to DuckDB as it is.
        """

        async def executed(
            _warehouse_id: str, sql: str, *_names: str | None
        ) -> tuple[list[str], list[list[Any]]]:
            try:
                return await asyncio.to_thread(execute, sql)
            except Refusal as error:
                raise DatabricksError(
                    error_code=error.error_code, message=error.message, status_code=error.status
                ) from error

        sql_statements._execute_sql_real = executed

    def durable(self, routes: Iterable[Route]) -> list[Route]:
        """The routes, with what they change on disk before they answer."""
        kept = list(routes)
        for route in kept:
            route.app = Durable(route.app, self.save)
        return kept

    def save(self) -> None:
        """Write the state if it changed; a crash leaves the old or the new file, never half.

        Raises Refusal where it can not be written; the state is the old one then.
        """
        # Handlers run on several threads, and the draft is one file.
        with self._saving:
            self._save()

    def _save(self) -> None:
        state = {
            name: functions["get_state"]()
            for name, functions in get_state_functions().items()
            if name not in _NOT_KEPT
        }
        state["documents"] = self.documents
        content = orjson.dumps(
            StateEnvelope(state).to_dict(),
            option=orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2,
        )
        if content == self._written:
            return
        draft = self._snapshot.with_suffix(".tmp")
        try:
            # Secrets are in it.
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self._snapshot)
        except OSError as error:
            # What its client is told has failed must not be there.
            draft.unlink(missing_ok=True)
            self._reset_modules()
            self._take(_modules(self._written) if self._written else {})
            raise unwritten(error) from error
        self._written = content

    def close(self) -> None:
        """Save, and leave minilake as if it had never been opened."""
        self.save()
        self._leave()

    def _leave(self) -> None:
        minilake.app._duckdb_pool = None
        sql_statements._execute_sql_real = _minilakes_execute
        self._reset_modules()

    def _reset_modules(self) -> None:
        # Not minilake's own reset(), which also deletes files.
        for name in SERVICE_REGISTRY:
            module = get_service_module(name)
            if module is not None and hasattr(module, "_state"):
                pristine = _pristine.setdefault(name, copy.deepcopy(module._state))
                module._state = copy.deepcopy(pristine)

    def _restore(self, database: Database) -> None:
        if not self._snapshot.exists():
            return
        self._written = self._snapshot.read_bytes()
        try:
            self._take(_modules(self._written))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CanNotStart(
                f"{self._snapshot}: this is not the whole state of a workspace ({error}). Put back "
                "a copy of it; or move it away, and the next start knows of no catalog, schema, "
                "job or secret, until they are deployed again."
            ) from error
        for catalog in state_of("unity_catalog", "catalogs"):
            database.attach(catalog, database.catalog_file(catalog))
        for cluster in state_of("clusters", "clusters").values():
            # What a transition was under way to when the process ended.
            cluster["state"] = _CLUSTER_STATES.get(cluster["state"], cluster["state"])

    def _take(self, modules: dict[str, Any]) -> None:
        """Make a state that was written the present one."""
        for name, functions in get_state_functions().items():
            if (state := modules.get(name)) is not None:
                for registry in _INTEGER_KEYS.get(name, ()):
                    state[registry] = {int(key): value for key, value in state[registry].items()}
                functions["restore_state"](state)
        written = modules.get("documents", {})
        for name in {*self.documents, *written}:
            # Whoever keeps documents holds on to their dictionary.
            kept = self.documents.setdefault(name, {})
            kept.clear()
            kept.update(written.get(name, {}))


def _modules(content: bytes) -> dict[str, Any]:
    modules: dict[str, Any] = StateEnvelope.from_dict(orjson.loads(content)).modules
    return modules


@functools.cache
def _minilakes_app() -> ASGIApp:
    """It holds no state of its own, and FastAPI takes 0.1 s to prepare its routes."""
    app: ASGIApp = minilake.app.create_app()
    return app


def _taking_json(app: ASGIApp) -> ASGIApp:
    """`curl -d` calls its body a form; all that these APIs take is JSON."""
    form = (b"content-type", b"application/x-www-form-urlencoded")

    async def with_json(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and form in scope["headers"]:
            headers = [it for it in scope["headers"] if it != form]
            scope = {**scope, "headers": [*headers, (b"content-type", b"application/json")]}
        await app(scope, receive, send)

    return with_json


class Durable:
    """ASGI: a change is on disk before its answer leaves."""

    def __init__(self, app: ASGIApp, save: Callable[[], None]) -> None:
        self._app = app
        self._save = save

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Saves when the answer begins, where the request may have changed something."""
        if (
            scope["type"] != "http"
            or scope["method"] in _SAFE_METHODS
            or scope["path"].startswith(_FILE_PREFIXES)
        ):
            await self._app(scope, receive, send)
            return

        refused = False

        async def send_after_save(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                try:
                    self._save()
                except Refusal as refusal:
                    refused = True
                    await refusal.response()(scope, receive, send)
            if not refused:
                await send(message)

        await self._app(scope, receive, send_after_save)


def state_of(service: str, registry: str) -> dict[Any, Any]:
    """A registry of one of minilake's services, to read and to change."""
    module = get_service_module(service)
    found: dict[Any, Any] = module._state[registry]
    return found


def file_on_disk(path: str) -> Path:
    """Where minilake keeps a file of the Files API. Raises Refusal for one outside of its root."""
    try:
        found: Path = files._resolve(path)
    except DatabricksError as error:
        raise Refusal(error.status_code, error.error_code, error.message) from error
    return found


def record_statement(statement: dict[str, Any]) -> None:
    """Adds a statement to the query history, in minilake's form."""
    sql_statements._record_statement(statement)


def parsed(model: type[_Request], body: dict[str, Any]) -> _Request:
    """A request in minilake's form; what does not fit it is the client's mistake."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise invalid("; ".join(problems)) from error


async def call(answer: Awaitable[Any]) -> dict[str, Any]:
    """What a handler of minilake answers, without its nulls; its refusals become ours."""
    try:
        value = await answer
    except DatabricksError as error:
        raise Refusal(error.status_code, error.error_code, error.message) from error
    if hasattr(value, "model_dump"):
        value = value.model_dump(exclude_none=True, by_alias=True)
    return dict(value) if isinstance(value, Mapping) else {}

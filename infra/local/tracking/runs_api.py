"""Experiments, runs and logged models over HTTP: MLflow's own tracking server, on the registry's
database.

API: https://docs.databricks.com/api/workspace/experiments. MLflow's client of `databricks` sends
what its client of any tracking server does; what differs is how artifacts are addressed.
"""

from __future__ import annotations

import asyncio
import re
import threading
from typing import TYPE_CHECKING, Any, Final

import orjson
from minilake.services import identity
from starlette.responses import Response
from starlette.routing import Route

from infra.local.catalog.models import mlflow
from infra.local.http import json_object
from infra.local.refusal import not_emulated

if TYPE_CHECKING:
    from flask import Flask
    from starlette.requests import Request

    from infra.local.catalog.models import RegisteredModels

PATH: Final = "/api/2.0/mlflow"

_SERVED: Final = re.compile(
    r"/mlflow/(experiments/[a-z-]+|runs/[a-z-]+|metrics/get-history|artifacts/list|logged-models.*)"
)
_ROOT: Final = "dbfs:/databricks/mlflow-tracking"
"""Of Databricks' own artifacts; MLflow's client takes the Files API for what lies there."""


class RunsApi:
    """Everything that a run logs but its files."""

    def __init__(self, models: RegisteredModels) -> None:
        self._uri = models.uri
        self._artifacts = models.artifacts
        # MLflow publishes its stores without types.
        self._store: Any = None
        self._server: Flask | None = None
        self._opening = threading.Lock()

    def routes(self) -> list[Route]:
        """The calls that MLflow's tracking server answers; for the rest an honest 501."""
        methods = ["GET", "POST", "PATCH", "DELETE"]
        return [Route(f"{PATH}/{{call:path}}", self._call, methods=methods)]

    @property
    def store(self) -> Any:
        """MLflow's own store; opens or creates the database."""
        self._open()
        return self._store

    def close(self) -> None:
        """Close the connections to the database."""
        if self._store is not None:
            self._store.engine.dispose()

    async def _call(self, request: Request) -> Response:
        await json_object(request)  # MLflow's handlers stumble over anything else
        return await asyncio.to_thread(self._answer, request, await request.body())

    def _answer(self, request: Request, body: bytes) -> Response:
        server = self._open()
        path, method = request.url.path, request.method
        with server.test_request_context(
            path,
            method=method,
            query_string=request.url.query,
            data=body,
            content_type="application/json",
        ) as context:
            if context.request.routing_exception:
                raise not_emulated(f"{method} {path}")
            answered = server.full_dispatch_request()
        content = answered.get_data()
        if content and answered.status_code == 200:
            content = orjson.dumps(_as_databricks_addresses(orjson.loads(content)))
        return Response(
            content,
            answered.status_code,
            {"x-databricks-org-id": identity.FAKE_ORG_ID},
            "application/json",
        )

    def _open(self) -> Flask:
        mlflow()
        with self._opening:
            if self._server is None:
                from mlflow.server import handlers

                from infra.local.tracking.experiments import ExperimentStore

                self._store = ExperimentStore(self._uri, self._artifacts)
                self._server = _served(handlers)
                # Its handlers look for their store there; a process has one workspace.
                handlers._tracking_store = self._store
            return self._server


def _served(handlers: Any) -> Flask:
    from flask import Flask
    from mlflow.protos.service_pb2 import MlflowService

    server = Flask(__name__)
    for path, handler, methods in handlers.get_service_endpoints(
        MlflowService, handlers.get_handler
    ):
        if path.startswith("/api/2.0") and _SERVED.fullmatch(path.removeprefix("/api/2.0")):
            server.add_url_rule(path, f"{methods[0]} {path}", handler, methods=methods)
    return server


def _as_databricks_addresses(answer: Any) -> Any:
    """The answer with Databricks' addresses of artifacts in the place of this machine's."""
    if isinstance(answer, list):
        return [_as_databricks_addresses(it) for it in answer]
    if not isinstance(answer, dict):
        return answer
    for key in ("artifact_uri", "artifact_location"):
        if str(answer.get(key, "")).startswith(("file:", "/")):
            return answer | {key: _address(answer)}
    if "root_uri" in answer:
        answer = {key: it for key, it in answer.items() if key != "root_uri"}
    return {key: _as_databricks_addresses(it) for key, it in answer.items()}


def _address(described: dict[str, Any]) -> str:
    root = f"{_ROOT}/{described['experiment_id']}"
    if "model_id" in described:
        return f"{root}/logged_models/{described['model_id']}/artifacts"
    return f"{root}/{described['run_id']}/artifacts" if "run_id" in described else root

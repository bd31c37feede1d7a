"""The workspace's data side: catalogs, SQL, registered models, and what minilake adds to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
from minilake.services import identity
from starlette.routing import Route

from infra.local.alerts.alerts import Alerts
from infra.local.alerts.destinations import Destinations
from infra.local.catalog import (
    creation_api,
    grants_api,
    models_api,
    namespaces_api,
    tables_api,
    volumes_api,
)
from infra.local.catalog.grant_holders import GrantHolders
from infra.local.catalog.model_rules import ModelRules
from infra.local.catalog.models import RegisteredModels, artifacts_folder
from infra.local.catalog.namespaces import Namespaces
from infra.local.catalog.tables import Tables
from infra.local.emulator import Emulator, state_of
from infra.local.jobs import api as jobs_api
from infra.local.jobs.runs import Runs
from infra.local.objects import clusters, files, permissions, queries, secrets, warehouses
from infra.local.objects.dashboards import DRAFTS, DashboardsApi
from infra.local.refusal import not_emulated
from infra.local.serving.inference_tables import LakePayloadSink
from infra.local.settings import CanNotStart
from infra.local.sql import forms, statements_api
from infra.local.sql.engine import Engine
from infra.local.sql.scripts import run_script
from infra.local.sql.statements import Statements
from infra.local.storage.database import Database
from infra.local.tracking.artifacts_api import ArtifactsApi
from infra.local.tracking.registry_api import RegistryApi
from infra.local.tracking.runs_api import RunsApi

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp


class Lake:
    """Everything under one data directory; one lake a process.

    ``registry_uri`` is the MLflow registry that training writes, a SQLAlchemy URI. Raises
    `DataDirectoryInUse` when another process has the directory.
    """

    def __init__(self, data: Path, registry_uri: str, *, user: str = identity.USER_NAME) -> None:
        data = data.resolve()
        data.mkdir(parents=True, exist_ok=True)
        self.user = user
        self._uploads = files.Uploads(data / "uploads")
        self.database = Database(data)
        try:
            self._emulator = Emulator(self.database, data)
        except duckdb.Error as error:
            self.database.close()
            raise CanNotStart(
                f"{data}: the tables of a catalog can not be opened: {error}. Put back a copy of "
                "the file, or give --data another/directory."
            ) from error
        except BaseException:
            self.database.close()
            raise
        self.tables = Tables(self.database, user)
        self.namespaces = Namespaces(self.database, self.tables, user, self._emulator.save)
        self.models = RegisteredModels(registry_uri, artifacts_folder(registry_uri, data))
        self._runs = RunsApi(self.models)
        self.engine = Engine(
            self.database, self.tables, self.namespaces, user, forms=forms.covered()
        )
        self.statements = Statements(self.engine)

        def run_sql(script: str) -> tuple[list[str], list[list[str | None]]]:
            return run_script(self.statements, script)

        self._emulator.run_sql_by(run_sql)
        self.runs = Runs(
            self._emulator.documents.setdefault("jobs", {}),
            self._emulator.save,
            data / "jobs",
            run_sql,
        )
        self.payload_sink = LakePayloadSink(self.database, self.tables, self.namespaces)
        self.payload_sink.create_system_tables()
        self._destinations = Destinations(self._emulator.documents)
        self.alerts = Alerts(
            self._emulator.documents,
            user,
            run=lambda query: run_script(self.statements, query),
            has_warehouse=lambda it: it in state_of("sql_warehouses", "warehouses"),
            destinations=self._destinations,
        )

    @property
    def app(self) -> ASGIApp:
        """minilake's own APIs; what it changes is on disk before it answers."""
        return self._emulator.app

    def routes(self) -> list[Route]:
        """The APIs that minilake lacks or answers differently; they go before ``app``."""
        emulator, user = self._emulator, self.user
        rules = ModelRules(self.models, self.namespaces, emulator.documents, user)
        dashboards = DashboardsApi(emulator.documents, user)
        grants = emulator.documents.setdefault("grants", {})
        holders = GrantHolders(grants, self.namespaces, self.tables, self.models)
        return [
            # minilake's administration would delete files of open databases.
            Route("/_minilake/{rest:path}", _refuse, methods=["GET", "POST"]),
            # A token of it would be refused everywhere: there is one.
            Route("/api/2.0/token/create", _refuse, methods=["POST"]),
            # What these change is in the database, or changes nothing.
            *statements_api.routes(self.statements),
            *tables_api.TablesApi(self.tables, self.namespaces).routes(),
            *ArtifactsApi(self.models, self._runs, self._uploads).routes(),
            *files.routes(self._uploads),
            *emulator.durable(
                [
                    *models_api.ModelsApi(rules).routes(),
                    *RegistryApi(rules).routes(),
                    *creation_api.routes(self.namespaces, self.database),
                    *grants_api.routes(holders),
                    *namespaces_api.routes(self.namespaces, self.tables, self.models),
                    *volumes_api.routes(self.namespaces),
                    *secrets.routes(user),
                    *warehouses.routes(),
                    *clusters.routes(),
                    *jobs_api.routes(self.runs, user),
                    *queries.routes(),
                    *dashboards.routes(),
                    *self._destinations.routes(),
                    *self.alerts.routes(),
                    *permissions.routes(emulator.documents, user),
                ]
            ),
            # After the registry, whose paths are below these; runs are in the database.
            *self._runs.routes(),
        ]

    @property
    def dashboards(self) -> dict[str, dict[str, Any]]:
        """The drafts of dashboards, by their ids."""
        drafts: dict[str, dict[str, Any]] = self._emulator.documents.setdefault(DRAFTS, {})
        return drafts

    def save(self) -> None:
        """Write what has changed to disk."""
        self._emulator.save()

    def secret(self, scope: str, key: str) -> str | None:
        """The value of a secret; None if there is no such scope or key."""
        secrets = state_of("secrets", "scopes").get(scope, {}).get("secrets", {})
        value: str | None = secrets.get(key, {}).get("value")
        return value

    def close(self) -> None:
        """Stop what runs and write everything; the directory may be opened again."""
        self.statements.close()
        self._runs.close()
        self.models.close()
        self._emulator.close()
        self.database.close()


async def _refuse(request: Request) -> Response:
    raise not_emulated(request.url.path)

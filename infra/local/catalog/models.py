"""Registered models of Unity Catalog over the MLflow registry that training writes.

A registered model `catalog.schema.name` is the MLflow registered model of that very name, so that
Terraform creates what `ml.train_*` registers versions of. MLflow is imported at the first call
that needs it (measured 2026-11-24: 2 to 3 s and 120 MB, which an idle workspace need not pay).
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlparse

from ml.workspace.moved_registry import follow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

_PAGE: Final = 1000
_VERSIONS: Final = "versions"


class ModelNotFound(LookupError):
    """No such registered model or version; the text is the message for the client."""


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """What serving needs of a version; `source_path` is the folder, or URI, of its files."""

    name: str
    version: int
    status: str
    """READY, PENDING_REGISTRATION or FAILED_REGISTRATION."""
    source: str
    source_path: str


class RegisteredModels:
    """The registry at ``registry_uri``. Thread-safe; every call may take seconds at first.

    ``artifacts`` is the folder of the files that come by way of this workspace.
    """

    def __init__(self, registry_uri: str, artifacts: Path) -> None:
        self.uri = registry_uri
        self.artifacts = artifacts
        # MLflow publishes its stores without types.
        self._opened: Any = None
        self._opening = threading.Lock()
        self._numbering = threading.Lock()

    def version(self, full_name: str, version: int) -> RegisteredVersion:
        """One version; `ModelNotFound` says what is missing and what there is."""
        if self.model(full_name) is None:
            raise ModelNotFound(
                f"Registered model '{full_name}' does not exist in the registry {self.uri}. "
                "Train and register it first."
            )
        for found in self.versions(full_name):
            if int(found.version) == int(version):
                location = self._store.get_model_version_download_uri(full_name, str(version))
                return RegisteredVersion(
                    name=full_name,
                    version=int(version),
                    status=found.status,
                    source=found.source or "",
                    source_path=location,
                )
        known = ", ".join(str(found.version) for found in self.versions(full_name)) or "none"
        raise ModelNotFound(
            f"Registered model '{full_name}' has no version {version}; its versions: {known}."
        )

    def model(self, full_name: str) -> RegisteredModel | None:
        """The MLflow registered model; None if there is none."""
        if not self._exists:
            return None
        try:
            model: RegisteredModel = self._store.get_registered_model(full_name)
        except mlflow().exceptions.MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return model

    def versions(self, full_name: str) -> list[ModelVersion]:
        """All versions, newest first."""
        if not self._exists:
            return []
        quoted = full_name.replace("'", "''")
        found: list[ModelVersion] = []
        token = None
        while True:
            page = self._store.search_model_versions(
                f"name = '{quoted}'", max_results=_PAGE, page_token=token
            )
            found += page
            token = page.token
            if not token:
                return sorted(found, key=lambda version: -int(version.version))

    def list(self, catalog: str | None = None, schema: str | None = None) -> list[RegisteredModel]:
        """The models with three-level names, of a schema if one is named."""
        if not self._exists:
            return []
        found: list[RegisteredModel] = []
        token = None
        while True:
            page = self._store.search_registered_models(max_results=_PAGE, page_token=token)
            found += page
            token = page.token
            if not token:
                break
        return [
            model
            for model in found
            if (parts := model.name.split("."))
            and len(parts) == 3
            and catalog in (None, parts[0])
            and schema in (None, parts[1])
        ]

    def add_version(
        self,
        full_name: str,
        *,
        source: str | None,
        run_id: str | None,
        description: str | None,
        tags: Mapping[str, str],
        user: str,
    ) -> ModelVersion:
        """The next version of a model that exists; it is PENDING_REGISTRATION, without files yet.

        MLflow's own call would make it READY at once.
        """
        tables = mlflow().store.model_registry.dbmodels.models
        folder = self.artifacts / _VERSIONS / uuid.uuid4().hex
        with self._numbering, self._store.ManagedSessionMaker(read_only=False) as session:
            model = self._store._get_registered_model(session, full_name)
            taken = session.query(tables.SqlModelVersion.version).filter_by(name=full_name)
            number = max((number for (number,) in taken), default=0) + 1
            version = tables.SqlModelVersion(
                name=full_name,
                version=number,
                status="PENDING_REGISTRATION",
                source=source,
                storage_location=folder.as_uri(),
                run_id=run_id,
                description=description,
                user_id=user,
            )
            version.last_updated_time = version.creation_time = now = int(time.time() * 1000)
            version.model_version_tags = [
                tables.SqlModelVersionTag(name=full_name, version=number, key=key, value=value)
                for key, value in tags.items()
            ]
            model.last_updated_time = now
            session.add_all([model, version])
            session.flush()
            added: ModelVersion = version.to_mlflow_entity()
        folder.mkdir(parents=True)
        return added

    def make_ready(self, full_name: str, number: int) -> None:
        """All files of a version have come."""
        with self._store.ManagedSessionMaker(read_only=False) as session:
            version = self._store._get_sql_model_version(session, full_name, str(number))
            version.status = "READY"
            version.last_updated_time = int(time.time() * 1000)

    def delete_version(self, full_name: str, number: int) -> None:
        """With its files, where they are this workspace's; those of a run stay with the run."""
        location = self._store.get_model_version_download_uri(full_name, str(number))
        self._store.delete_model_version(full_name, str(number))
        folder = local_folder(location)
        if folder and folder.parent == (self.artifacts / _VERSIONS).resolve():
            shutil.rmtree(folder, ignore_errors=True)

    def delete(self, full_name: str) -> None:
        """A model, with all of its versions."""
        for version in self.versions(full_name):
            self.delete_version(full_name, int(version.version))
        self._store.delete_registered_model(full_name)

    @property
    def store(self) -> Any:
        """MLflow's own store, for what changes the registry; opens or creates it."""
        return self._store

    def close(self) -> None:
        """Close the connections to the registry."""
        if self._opened is not None:
            self._opened.engine.dispose()

    @property
    def _store(self) -> Any:
        with self._opening:
            if self._opened is None:
                store = mlflow().store.model_registry.sqlalchemy_store
                create: Callable[[str], Any] = store.SqlAlchemyStore
                if (file := self._file) is not None:
                    follow(file)
                self._opened = create(self.uri)
            return self._opened

    @property
    def _exists(self) -> bool:
        # Reading must not create an empty registry beside the one that training writes.
        return self._file is None or self._file.exists()

    @property
    def _file(self) -> Path | None:
        parsed = urlparse(self.uri)
        return Path(parsed.path.removeprefix("/")) if parsed.scheme == "sqlite" else None


def artifacts_folder(registry_uri: str, data: Path) -> Path:
    """Beside a registry that is a file, where training keeps its own too; or else in `data`."""
    parsed = urlparse(registry_uri)
    file = Path(parsed.path.removeprefix("/"))
    return (file.resolve().parent if parsed.scheme == "sqlite" else data) / "mlartifacts"


def local_folder(location: str) -> Path | None:
    """The folder that a URI of artifacts names; None for one that is not of this machine."""
    parsed = urlparse(location)
    return Path(unquote(parsed.path)).resolve() if parsed.scheme in ("", "file") else None


_importing = threading.Lock()


def mlflow() -> Any:
    """MLflow, imported when it is first needed: it takes seconds.

    By one thread at a time: two that begin with different modules of it lock each other out.
    """
    with _importing:
        import mlflow.exceptions
        import mlflow.store.model_registry.sqlalchemy_store

    return mlflow

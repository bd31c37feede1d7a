"""Registered models of Unity Catalog over the MLflow registry that training writes.

A registered model `catalog.schema.name` is the MLflow registered model of that very name, so that
Terraform creates what `ml.train_*` registers versions of. MLflow is imported at the first call
that needs it (measured 2026-11-24: 2 to 3 s and 120 MB, which an idle workspace need not pay).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlparse

from ml.workspace.moved_registry import follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

_PAGE: Final = 1000


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
    """The registry at ``registry_uri``. Thread-safe; every call may take seconds at first."""

    def __init__(self, registry_uri: str) -> None:
        self._uri = registry_uri
        # MLflow publishes its stores without types.
        self._opened: Any = None
        self._opening = threading.Lock()

    def version(self, full_name: str, version: int) -> RegisteredVersion:
        """One version; `ModelNotFound` says what is missing and what there is."""
        if self.model(full_name) is None:
            raise ModelNotFound(
                f"Registered model '{full_name}' does not exist in the registry {self._uri}. "
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
                self._opened = create(self._uri)
            return self._opened

    @property
    def _exists(self) -> bool:
        # Reading must not create an empty registry beside the one that training writes.
        return self._file is None or self._file.exists()

    @property
    def _file(self) -> Path | None:
        parsed = urlparse(self._uri)
        return Path(parsed.path.removeprefix("/")) if parsed.scheme == "sqlite" else None


_importing = threading.Lock()


def mlflow() -> Any:
    """MLflow, imported when it is first needed: it takes seconds.

    By one thread at a time: two that begin with different modules of it lock each other out.
    """
    with _importing:
        import mlflow.exceptions
        import mlflow.store.model_registry.sqlalchemy_store

    return mlflow

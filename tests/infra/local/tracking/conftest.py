"""MLflow's own client, as a user of Databricks has it set up."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlflow import MlflowClient


@pytest.fixture(scope="module")
def _registry(shared_workspace: Any, empty_registry: Path) -> None:
    shutil.copy(empty_registry, shared_workspace.folder / empty_registry.name)


@pytest.fixture
def client(
    shared_workspace: Any, _registry: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MlflowClient]:
    """Nothing is set but the host and the token."""
    import mlflow

    monkeypatch.setenv("DATABRICKS_HOST", str(shared_workspace.client.base_url))
    monkeypatch.setenv("DATABRICKS_TOKEN", "any")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri("databricks")
    mlflow.set_registry_uri("databricks-uc")
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])

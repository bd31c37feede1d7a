"""MLflow's store of experiments and runs, where an experiment is an object of the workspace.

Imported when it is first needed, since it imports MLflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minilake.services.workspace import resolve_workspace_path
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from infra.local.refusal import invalid, missing, not_emulated

if TYPE_CHECKING:
    from pathlib import Path

# MLflow publishes its stores without types.
_Store: Any = SqlAlchemyStore


class ExperimentStore(_Store):  # type: ignore[misc] # Any
    """Raises Refusal for what Databricks does not take."""

    def __init__(self, database_uri: str, artifacts: Path) -> None:
        super().__init__(database_uri, artifacts.as_uri())

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Any = None
    ) -> str:
        """The id of a new experiment, in a folder of the workspace that exists."""
        if artifact_location:
            # It would also make any folder of this machine one of artifacts.
            raise not_emulated("artifact_location of an experiment")
        _require_place(name)
        identity: str = super().create_experiment(name, None, tags)
        return identity

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Another name, and perhaps another folder."""
        _require_place(new_name)
        super().rename_experiment(experiment_id, new_name)


def _require_place(name: str) -> None:
    folder = name.rpartition("/")[0]
    if not folder.startswith("/"):
        raise invalid(
            f"Got an invalid experiment name {name!r}. An experiment name must be an absolute path "
            "within the Databricks workspace, e.g. '/Shared/my-experiment'."
        )
    if not resolve_workspace_path(folder).is_dir():
        raise missing(f"Parent directory {folder} does not exist.")

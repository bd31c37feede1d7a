"""A local registry goes where its folder goes."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ml.registration import registry
from ml.registration.registry import Registry

NAME = "local.models.echo"


@pytest.fixture
def open_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Registry]:
    """The local registry as in a folder; by whole paths, for MLflow keeps its connections."""

    def opened(folder: Path) -> Registry:
        place = folder / ".local"
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):  # MLflow sets them itself
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(registry, "LOCAL_FOLDER", place)
        monkeypatch.setattr(registry, "LOCAL_ARTIFACTS", place / "mlartifacts")
        monkeypatch.setattr(registry, "LOCAL_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
        return Registry(local=True)

    return opened


@pytest.fixture
def moved(tmp_path: Path, empty_registry: Path, open_in: Callable[[Path], Registry]) -> Path:
    """A project with a registered version, in another folder than it was registered in."""
    import mlflow

    before, after = tmp_path / "before", tmp_path / "the project, später"
    (before / ".local").mkdir(parents=True)
    shutil.copy(empty_registry, before / ".local" / "mlflow.db")
    opened = open_in(before)

    @mlflow.pyfunc.utils.pyfunc
    def echo(model_input: list[str]) -> list[str]:
        return model_input

    with opened.experiment("local"):
        logged = mlflow.pyfunc.log_model(name="model", python_model=echo, pip_requirements=[])
        opened.register(NAME, logged.model_uri, {}, "a version")
    before.rename(after)
    return after


def test_a_registry_that_was_moved_names_the_files_beside_it(
    moved: Path, open_in: Callable[[Path], Registry]
) -> None:
    import mlflow

    from infra.local.catalog.models import RegisteredModels

    opened = open_in(moved)
    here = (moved / ".local" / "mlartifacts").as_uri()

    assert opened.load(NAME, 1).predict(["a film"]) == ["a film"]
    with opened.experiment("local"):
        assert mlflow.get_artifact_uri().startswith(f"{here}/")
    models = RegisteredModels(opened.uri, moved / ".local" / "mlartifacts")
    assert models.version(NAME, 1).source_path.startswith(f"{here}/")
    models.close()


def test_a_workspace_serves_from_a_registry_that_was_moved(moved: Path) -> None:
    from infra.local.catalog.models import RegisteredModels

    local = moved / ".local"
    models = RegisteredModels(f"sqlite:///{local}/mlflow.db", local / "mlartifacts")
    place = models.version(NAME, 1).source_path
    models.close()

    assert place.startswith(f"{(moved / '.local' / 'mlartifacts').as_uri()}/")


@pytest.mark.parametrize(
    "place", ["s3://bucket/.local/mlartifacts", "file:///data/mlartifacts", "./mlruns/0"]
)
def test_what_is_kept_elsewhere_stays_there(
    tmp_path: Path, empty_registry: Path, open_in: Callable[[Path], Registry], place: str
) -> None:
    database = tmp_path / ".local" / "mlflow.db"
    database.parent.mkdir()
    shutil.copy(empty_registry, database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) "
            "VALUES (7, 'elsewhere', ?, 'active')",
            (place,),
        )

    opened = open_in(tmp_path)

    assert opened.client.get_experiment("7").artifact_location == place

"""Experiments, runs and logged models by MLflow's client of `databricks`."""

from __future__ import annotations

import math
import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.pyfunc.model import PythonModel

if TYPE_CHECKING:
    from mlflow import MlflowClient

_NUMBERS = count()


class Twice(PythonModel):
    """A model to be logged."""

    def predict(self, context: Any, model_input: pd.DataFrame) -> Any:  # noqa: ARG002
        return model_input["x"] * 2


@pytest.fixture
def experiment(client: MlflowClient) -> str:
    """The id of an experiment of the test's own."""
    return client.create_experiment(f"/Shared/experiment-{next(_NUMBERS)}")


def test_a_run_keeps_what_was_logged(client: MlflowClient, experiment: str) -> None:
    with mlflow.start_run(experiment_id=experiment, run_name="first") as run:
        mlflow.log_params({"epochs": 2, "seed": 7})
        mlflow.log_metric("loss", 0.5, step=1)
        mlflow.log_metric("loss", 0.25, step=2)
        mlflow.log_metric("diverged", math.nan)
        mlflow.set_tag("framework", "Keras")
    kept = client.get_run(run.info.run_id)
    assert (kept.info.run_name, kept.info.status) == ("first", "FINISHED")
    assert kept.data.params == {"epochs": "2", "seed": "7"}
    assert kept.data.metrics["loss"] == 0.25
    assert math.isnan(kept.data.metrics["diverged"])
    assert kept.data.tags["framework"] == "Keras"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.5), (2, 0.25)]


def test_a_batch_is_logged_at_once(client: MlflowClient, experiment: str) -> None:
    run = client.create_run(experiment).info.run_id
    metrics = [Metric("auc", step / 10, 1_700_000_000_000 + step, step) for step in range(50)]
    client.log_batch(run, metrics, [Param("a", "1")], [RunTag("b", "2")])
    kept = client.get_run(run)
    assert kept.data.metrics == {"auc": 4.9}
    assert kept.data.params == {"a": "1"}
    assert kept.data.tags["b"] == "2"
    assert len(client.get_metric_history(run, "auc")) == 50


def test_runs_are_searched_for_deleted_and_restored(client: MlflowClient, experiment: str) -> None:
    for value in (0.1, 0.9):
        with mlflow.start_run(experiment_id=experiment):
            mlflow.log_metric("auc", value)
    [best] = client.search_runs([experiment], "metrics.auc > 0.5")
    assert best.data.metrics == {"auc": 0.9}
    client.delete_run(best.info.run_id)
    assert client.search_runs([experiment], "metrics.auc > 0.5") == []
    client.restore_run(best.info.run_id)
    assert len(client.search_runs([experiment])) == 2


def test_an_experiment_is_found_renamed_tagged_and_deleted(client: MlflowClient) -> None:
    identity = client.create_experiment("/Shared/one", tags={"of": "mine"})
    client.rename_experiment(identity, "/Shared/another")
    client.set_experiment_tag(identity, "more", "tags")
    assert client.get_experiment_by_name("/Shared/one") is None
    found = client.get_experiment_by_name("/Shared/another")
    assert found is not None
    assert found.experiment_id == identity
    assert {"of": "mine", "more": "tags"}.items() <= found.tags.items()
    assert found.artifact_location == f"dbfs:/databricks/mlflow-tracking/{identity}"
    client.delete_experiment(identity)
    assert client.get_experiment(identity).lifecycle_stage == "deleted"


def test_artifacts_come_back_as_they_went(
    shared_workspace: Any, client: MlflowClient, experiment: str, tmp_path: Path
) -> None:
    content = {
        "evaluation/roc curve.png": np.random.default_rng(0).bytes(200_000),
        "evaluation/deep/ü.json": b"{}",
        "model_card.md": b"",
    }
    folder = tmp_path / "logged"
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_artifacts(str(folder))
        mlflow.log_text("one line", "notes/note.txt")
    identity = run.info.run_id
    assert run.info.artifact_uri == (
        f"dbfs:/databricks/mlflow-tracking/{experiment}/{identity}/artifacts"
    )
    listed = {(it.path, it.is_dir) for it in client.list_artifacts(identity)}
    assert listed == {("model_card.md", False), ("evaluation", True), ("notes", True)}
    assert client.list_artifacts(identity, "nothing") == []
    got = Path(client.download_artifacts(identity, "", str(tmp_path / "got")))
    assert {
        str(file.relative_to(got)): file.read_bytes() for file in got.rglob("*") if file.is_file()
    } == content | {"notes/note.txt": b"one line"}
    kept = shared_workspace.folder / "mlartifacts" / experiment / identity / "artifacts"
    assert (kept / "notes/note.txt").read_text() == "one line"


def test_a_large_file_goes_in_one_piece(
    client: MlflowClient, experiment: str, tmp_path: Path
) -> None:
    # Over 50 MiB the SDK offers to send parts first.
    file = tmp_path / "weights.bin"
    with file.open("wb") as stream:
        os.truncate(stream.fileno(), 51 * 1024**2)
        stream.write(b"begin")
    run = client.create_run(experiment).info.run_id
    client.log_artifact(run, str(file))
    got = Path(client.download_artifacts(run, "weights.bin", str(tmp_path / "got")))
    assert got.read_bytes() == file.read_bytes()


def test_a_logged_model_is_registered_from_its_run(
    client: MlflowClient, experiment: str, tmp_path: Path
) -> None:
    films = pd.DataFrame({"x": [1.0, 2.0]})
    with mlflow.start_run(experiment_id=experiment) as run:
        logged = mlflow.pyfunc.log_model(
            name="twice",
            python_model=Twice(),
            signature=infer_signature(films, films["x"]),
            pip_requirements=[],
        )
        mlflow.log_metric("auc", 0.8, model_id=logged.model_id)
        (tmp_path / "model_card.md").write_text("# Twice")
        client.log_model_artifacts(logged.model_id, str(tmp_path))
    version = mlflow.register_model(logged.model_uri, f"base.s.from_run_{experiment}")
    assert version.run_id == run.info.run_id
    assert version.model_id == logged.model_id
    model = client.get_logged_model(logged.model_id)
    assert model.status == "READY"
    assert [(metric.key, metric.value) for metric in model.metrics or ()] == [("auc", 0.8)]
    [found] = client.search_logged_models([experiment])
    assert found.model_id == logged.model_id
    loaded = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
    assert np.asarray(loaded.predict(films)).tolist() == [2.0, 4.0]
    copied = client.copy_model_version(f"models:/{version.name}/1", f"{version.name}_copy")
    assert (copied.name, copied.status) == (f"{version.name}_copy", "READY")
    card = mlflow.artifacts.download_artifacts(
        f"models:/{copied.name}/{copied.version}/model_card.md", dst_path=str(tmp_path / "got")
    )
    assert Path(card).read_text() == "# Twice"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("relative", "must be an absolute path"),
        ("/Nowhere/experiment", "Parent directory /Nowhere does not exist"),
    ],
)
def test_an_experiment_has_a_place_in_the_workspace(
    client: MlflowClient, experiment: str, name: str, said: str
) -> None:
    with pytest.raises(MlflowException, match=said):
        client.create_experiment(name)
    with pytest.raises(MlflowException, match=said):
        client.rename_experiment(experiment, name)


@pytest.mark.parametrize("field", ["artifact_location", "artifactLocation"])
def test_no_folder_of_this_machine_is_made_one_of_artifacts(
    shared_workspace: Any, client: MlflowClient, tmp_path: Path, field: str
) -> None:
    answer = shared_workspace.client.post(
        "/api/2.0/mlflow/experiments/create",
        json={"name": "/Shared/elsewhere", field: tmp_path.as_uri()},
    )
    assert (answer.status_code, answer.json()["error_code"]) == (501, "NOT_IMPLEMENTED")
    assert client.get_experiment_by_name("/Shared/elsewhere") is None


@pytest.mark.parametrize(
    "path",
    ["{run}/artifacts/../../../../mlflow.db", "{run}/artifacts/%2e%2e/%2e%2e/mlflow.db", "0/x"],
)
def test_the_files_of_a_run_are_in_its_folder(
    shared_workspace: Any, client: MlflowClient, experiment: str, path: str
) -> None:
    run = client.create_run(experiment).info.run_id
    root = f"/api/2.0/fs/files/WorkspaceInternal/Mlflow/Artifacts/{experiment}/Runs"
    for method in ("GET", "PUT"):
        raw = f"{root}/{path.format(run=run)}".encode()
        request = shared_workspace.client.build_request(method, root, content=b"x")
        request.url = request.url.copy_with(raw_path=raw)
        answer = shared_workspace.client.send(request)
        assert b"SQLite format" not in answer.content
        assert not (shared_workspace.folder / "mlartifacts" / experiment / "mlflow.db").exists()
    assert (shared_workspace.folder / "mlflow.db").read_bytes().startswith(b"SQLite format")


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("POST", "traces"),
        ("GET", "registered-models/search"),
        ("POST", "gateway/endpoints/create"),
        ("POST", "artifacts/credentials-for-write"),
        ("DELETE", "runs/create"),
    ],
)
def test_what_is_not_emulated_says_so(
    shared_workspace: Any, client: MlflowClient, method: str, call: str
) -> None:
    answer = shared_workspace.client.request(method, f"/api/2.0/mlflow/{call}")
    assert (answer.status_code, answer.json()["error_code"]) == (501, "NOT_IMPLEMENTED")


def test_a_body_that_is_no_object_is_refused(shared_workspace: Any, client: MlflowClient) -> None:
    for call in ("experiments/create", "runs/create"):
        answer = shared_workspace.client.post(f"/api/2.0/mlflow/{call}", content=b"[1]")
        assert answer.status_code == 400, answer.text
        answer = shared_workspace.client.post(f"/api/2.0/mlflow/{call}", content=b"{")
        assert answer.status_code == 400, answer.text


def test_what_there_is_not_is_not_found(
    shared_workspace: Any, client: MlflowClient, experiment: str
) -> None:
    with pytest.raises(MlflowException, match="not found") as refused:
        client.get_run("0" * 32)
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert client.get_experiment_by_name("/Shared/nothing") is None

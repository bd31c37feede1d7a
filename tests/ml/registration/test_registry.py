"""Registered versions, in the real MLflow registry that two short trainings have filled."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.plugin.commands import REPOSITORY

CATALOG = "healthcare_catalog_local.models"
ARMS = {
    "ml.train_keras": ("pneumonia_poc_classifier", "TensorFlow", "tensorflow", "torch"),
    "ml.train_torch": ("pneumonia_poc_classifier_pytorch", "PyTorch", "torch", "tensorflow"),
}


@pytest.fixture(params=ARMS)
def arm(request):
    return (request.param, *ARMS[request.param])


@pytest.fixture
def client(trained):
    """MLflow's own client, not ours."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=trained.tracking_uri, registry_uri=trained.tracking_uri)


@pytest.fixture
def version(client, arm):
    return client.get_model_version(f"{CATALOG}.{arm[1]}", "1")


@pytest.fixture
def artifacts(trained, version):
    import mlflow

    mlflow.set_tracking_uri(trained.tracking_uri)
    return Path(mlflow.artifacts.download_artifacts(f"models:/{version.name}/1"))


def test_a_version_is_tagged_with_where_it_comes_from(trained, version, arm):
    from importlib.metadata import version as installed

    from ml.data import loading

    tags = version.tags

    assert version.status == "READY"
    assert tags["seed"] == "7"
    assert tags["epochs"] == "2"
    assert tags["framework"] == arm[2]
    assert tags["framework_version"] == installed(arm[3])
    assert tags["data_digest"] == loading.load(trained.data).digest
    assert len(tags["code_digest"]) == 64
    assert len(tags["git_commit"]) == 40
    assert tags["git_dirty"] in {"true", "false"}
    assert tags["validation_films"] == "120"
    assert 0 <= float(tags["validation_auc"]) <= 1


def test_the_signature_is_the_serving_contract(artifacts):
    from mlflow.models import Model

    signature = Model.load(artifacts).signature

    assert [spec.to_dict() for spec in signature.inputs] == [
        {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": (-1, 28, 28, 1)}}
    ]
    assert [spec.to_dict() for spec in signature.outputs] == [
        {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": (-1, 1)}}
    ]


def test_requirements_are_pinned_and_few(artifacts, arm):
    requirements = (artifacts / "requirements.txt").read_text().split()

    assert all("==" in requirement for requirement in requirements)
    packages = {requirement.partition("==")[0] for requirement in requirements}
    assert {"mlflow", "numpy", arm[3]} <= packages <= {"mlflow", "numpy", arm[3], "keras"}


def test_an_input_example_of_the_right_shape_is_there(artifacts):
    from mlflow.models import Model

    example = Model.load(artifacts).load_input_example(str(artifacts))

    assert example.shape[1:] == (28, 28, 1)
    assert example.dtype == np.float32


def test_the_model_card_travels_with_the_version(artifacts):
    card = json.loads((artifacts / "model_card.json").read_text())
    text = (artifacts / "model_card.md").read_text()

    assert "not a medical device" in card["intended_use"]
    assert "not a medical device" in text
    assert card["validation"]["sensitivity"]["n"] + card["validation"]["specificity"]["n"] == 120
    assert card["validation"]["auc"]["low"] <= card["validation"]["auc"]["value"]
    assert any("one to five years" in limit for limit in card["limits"])


def test_the_run_keeps_card_report_and_plots(client, version):
    def files(folder=None):
        for file in client.list_artifacts(version.run_id, folder):
            yield from files(file.path) if file.is_dir else [file.path]

    assert set(files()) >= {
        "model_card.md",
        "model_card.json",
        "evaluation/report.md",
        "evaluation/report.json",
        "evaluation/roc.png",
        "evaluation/calibration.png",
    }


OUTSIDE = """
import json, sys
import mlflow, numpy as np
uri, model, images, answers, project = sys.argv[1:]
assert project not in [path.rstrip("/") for path in sys.path], sys.path
mlflow.set_tracking_uri(uri)
served = mlflow.pyfunc.load_model(model)
with np.load(images) as archive:
    batches = dict(archive)
np.savez(answers, **{name: served.predict(batch) for name, batch in batches.items()})
imported = sorted({"ml", "infra", "tensorflow", "torch"} & set(sys.modules))

from fastapi.testclient import TestClient
from mlflow.pyfunc.scoring_server import init
request = {"inputs": batches["of 2"].tolist()}
answer = TestClient(init(served)).post("/invocations", json=request)
print(json.dumps([imported, answer.status_code, answer.json()]))
"""


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What a registered version said, to MLflow alone and to its scoring server."""

    batches: Mapping[str, NDArray[np.float32]]
    probabilities: Mapping[str, NDArray[np.float32]]
    imported: list[str]
    """Of our packages and the frameworks."""
    status: int
    answer: Any


@pytest.fixture(scope="module")
def ask(trained, few_films, run_command, tmp_path_factory):
    """Asks a version in a process that has MLflow and the framework, but not our package."""
    films = (few_films["test_images"][..., np.newaxis] / 255).astype(np.float32)
    batches = {f"of {n}": films[:n] for n in (1, 8, 3, 2)}

    @functools.cache
    def ask(model):
        folder = tmp_path_factory.mktemp("outside")
        images, answers = folder / "images.npz", folder / "answers.npz"
        np.savez(images, **batches)
        done = run_command(
            "-I", "-c", OUTSIDE, trained.tracking_uri, f"models:/{CATALOG}.{model}/1",
            images, answers, REPOSITORY, cwd=folder,
        )  # fmt: skip
        assert done.status == 0, done.err
        imported, status, answer = json.loads(done.out.splitlines()[-1])
        with np.load(answers) as archive:
            probabilities = dict(archive)
        return Outside(
            batches=batches,
            probabilities=probabilities,
            imported=imported,
            status=status,
            answer=answer,
        )

    return ask


@pytest.fixture
def outside(ask, arm):
    return ask(arm[1])


def test_a_version_loads_where_our_package_is_not(outside, arm):
    assert outside.imported == [arm[3]]
    for name, batch in outside.batches.items():
        probabilities = outside.probabilities[name]
        assert probabilities.shape == (len(batch), 1)
        assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_mlflows_scoring_server_keeps_the_serving_contract(outside):
    assert outside.status == 200, outside.answer
    assert list(outside.answer) == ["predictions"]
    np.testing.assert_allclose(
        outside.answer["predictions"], outside.probabilities["of 2"], rtol=1e-4, atol=1e-5
    )


def test_a_registry_of_three_level_names_lists_its_models(client):
    assert {model.name for model in client.search_registered_models()} == {
        f"{CATALOG}.{model}" for model, *_ in ARMS.values()
    }


def test_what_mlflow_writes_here_is_for_its_owner_alone(trained):
    # The tests' own MLflow leaves a note in what it downloads.
    written = [
        path
        for path in (trained.folder / ".local/mlartifacts").rglob("*")
        if path.name != "registered_model_meta"
    ]
    assert written
    assert [path for path in written if path.stat().st_mode & 0o077] == []

"""Registered versions, in the real MLflow registry that two short trainings have filled."""

import json
from pathlib import Path

import numpy as np
import pytest

CATALOG = "healthcare_catalog_dev.models"
ARMS = {
    "ml.train_keras": ("pneumonia_poc_classifier", "TensorFlow", "tensorflow", "torch"),
    "ml.train_torch": ("pneumonia_poc_classifier_pytorch", "PyTorch", "torch", "tensorflow"),
}


@pytest.fixture(params=ARMS)
def arm(request):
    return (request.param, *ARMS[request.param])


@pytest.fixture
def registry(trained):
    """MLflow's own client, not ours."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=trained.tracking_uri, registry_uri=trained.tracking_uri)


@pytest.fixture
def version(registry, arm):
    return registry.get_model_version(f"{CATALOG}.{arm[1]}", "1")


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


def test_the_run_keeps_card_report_and_plots(registry, version):
    def files(folder=None):
        for file in registry.list_artifacts(version.run_id, folder):
            yield from files(file.path) if file.is_dir else [file.path]

    assert set(files()) >= {
        "model_card.md",
        "model_card.json",
        "evaluation/report.md",
        "evaluation/report.json",
        "evaluation/roc.png",
        "evaluation/calibration.png",
    }


def test_a_version_loads_where_our_package_is_not(answers_of, arm):
    random = np.random.default_rng(0)
    batches = {f"of {n}": random.random((n, 28, 28, 1), dtype=np.float32) for n in (1, 8, 3)}

    answers = answers_of(arm[1], **batches)

    assert answers.imported == [arm[3]]
    for name, batch in batches.items():
        probabilities = answers.probabilities[name]
        assert probabilities.shape == (len(batch), 1)
        assert ((probabilities >= 0) & (probabilities <= 1)).all()


SERVED = """
import json, sys
import mlflow, numpy as np
from fastapi.testclient import TestClient
from mlflow.pyfunc.scoring_server import init
uri, model, request = sys.argv[1:]
mlflow.set_tracking_uri(uri)
served = mlflow.pyfunc.load_model(model)
images = json.load(open(request))
answer = TestClient(init(served)).post("/invocations", json=images)
direct = served.predict(np.array(images["inputs"], np.float32))
print(json.dumps([answer.status_code, answer.json(), direct.tolist()]))
"""


def test_mlflows_scoring_server_keeps_the_serving_contract(
    trained, arm, few_films, run_command, tmp_path
):
    images = few_films["test_images"][:2, ..., np.newaxis] / 255
    (tmp_path / "request.json").write_text(json.dumps({"inputs": images.tolist()}))

    done = run_command(
        "-I", "-c", SERVED, trained.tracking_uri, f"models:/{CATALOG}.{arm[1]}/1",
        tmp_path / "request.json", cwd=tmp_path,
    )  # fmt: skip

    assert done.status == 0, done.err
    status, answer, direct = json.loads(done.out.splitlines()[-1])
    assert status == 200, answer
    assert list(answer) == ["predictions"]
    np.testing.assert_allclose(answer["predictions"], direct, rtol=1e-4, atol=1e-5)


def test_a_registry_of_three_level_names_lists_its_models(registry):
    assert {model.name for model in registry.search_registered_models()} == {
        f"{CATALOG}.{model}" for model, *_ in ARMS.values()
    }

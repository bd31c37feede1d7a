"""``python -m ml.evaluate`` as a user runs it, on versions that two short trainings registered."""

import json

import pytest
from PIL import Image

KERAS, TORCH = "pneumonia_poc_classifier", "pneumonia_poc_classifier_pytorch"


@pytest.fixture
def evaluate(trained, run_main):
    """In this process: of PyTorch's version only, since TensorFlow must not be in the same one."""
    return lambda *options: run_main(
        "ml.evaluate", *options, MLFLOW_TRACKING_URI=trained.tracking_uri
    )


@pytest.fixture
def evaluate_process(trained, run_command):
    return lambda *options: run_command("-m", "ml.evaluate", *options, cwd=trained.folder)


@pytest.mark.parametrize(
    ("model", "how"), [(KERAS, "evaluate_process"), (TORCH, "evaluate")], ids=[KERAS, TORCH]
)
def test_it_judges_on_the_test_part_and_writes_the_report(request, trained, tmp_path, model, how):
    evaluate = request.getfixturevalue(how)

    done = evaluate(
        "--model", model, "--version", "1", "--data", trained.data, "--output", tmp_path
    )

    assert done.status == 0, done.err
    assert "on the part 'test'" in done.out
    assert "90 films" in done.out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["model"] == f"healthcare_catalog_local.models.{model} version 1"
    assert report["data"]["part"] == "test"
    assert report["figures"]["n"] == 90
    assert "| sensitivity |" in (tmp_path / "report.md").read_text()
    for plot in ("roc.png", "calibration.png"):
        with Image.open(tmp_path / plot) as image:
            assert image.size == (500, 500)


def test_validation_again_gives_the_figures_of_registration(evaluate, trained, tmp_path):
    from mlflow import MlflowClient

    done = evaluate(
        "--model", f"healthcare_catalog_local.models.{TORCH}", "--version", "1",
        "--data", trained.data, "--part", "val", "--output", tmp_path,
    )  # fmt: skip

    assert done.status == 0, done.err
    client = MlflowClient(tracking_uri=trained.tracking_uri)
    tags = client.get_model_version(f"healthcare_catalog_local.models.{TORCH}", "1").tags
    figures = json.loads((tmp_path / "report.json").read_text())["figures"]
    assert float(tags["validation_auc"]) == pytest.approx(figures["auc"]["value"], abs=1e-3)
    assert float(tags["validation_brier"]) == pytest.approx(figures["brier"], abs=1e-3)


def test_without_a_test_part_it_judges_on_validation_by_default(evaluate, tmp_path):
    done = evaluate("--model", TORCH, "--version", "1", "--output", tmp_path)

    assert done.status == 0, done.err
    assert "on the part 'val' of the bundled PneumoniaMNIST films: 524 films" in done.out


def test_films_of_another_size_are_resized_to_the_signature(evaluate, folder, tmp_path):
    folder.fill("test", patients=6)
    folder.add("test/PNEUMONIA/IM-0001-0001.jpeg")

    done = evaluate(
        "--model", TORCH, "--version", "1", "--data", folder.root, "--output", tmp_path / "report"
    )

    assert done.status == 0, done.err
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["data"]["image_size"] == 28
    assert report["data"]["excluded"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", TORCH, "--version", "99"), "it has version 1. Take one that exists"),
        (("--model", "nobody", "--version", "1"), "the models there are healthcare_catalog_local"),
        (("--model", "two.levels", "--version", "1"), "a name has one level"),
        (("--model", TORCH, "--version", "0"), "argument --version: '0' is not a whole number"),
        (("--model", TORCH, "--version", "1", "--data", "nowhere"), "no such file or folder"),
        (("--model", TORCH, "--version", "1", "--part", "test"), "has no part test: it has train"),
        (("--model", TORCH, "--version", "1", "--part", "all"), "argument --part: invalid choice"),
    ],
)
def test_a_wrong_option_is_refused_with_the_way_out(evaluate, options, message):
    refused = evaluate(*options)

    assert refused.status in {1, 2}
    assert message in refused.err
    assert "Traceback" not in refused.err

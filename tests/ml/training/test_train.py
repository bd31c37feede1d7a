"""The training commands as a user runs them."""

import json
import re
import resource
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.plugin.trained import ARMS
from tests.plugin.workspaces import REPOSITORY, eventually


@pytest.fixture(params=ARMS)
def command(request):
    return request.param


def test_it_ends_with_name_version_figures_and_the_next_command(trained, command):
    out = trained.runs[command].out

    assert re.search(
        r"healthcare_catalog_local\.models\.pneumonia_poc_classifier\S* version 1", out
    )
    for figure in ("auc", "sensitivity", "specificity", "brier", "calibration error"):
        assert figure in out
    assert "python -m ml.evaluate --model pneumonia_poc_classifier" in out


def test_it_shows_loss_and_validation_auc_of_every_epoch(trained, command):
    lines = re.findall(
        r"epoch (\d)/2 +loss \d\.\d+ +validation AUC \d\.\d+", trained.runs[command].out
    )

    assert lines == ["1", "2"]


def test_libraries_keep_silent(trained, command):
    assert trained.runs[command].err == ""


def test_the_same_films_code_and_options_are_not_trained_again(trained, command, run_main):
    options = ("--data", trained.data, "--epochs", 2, "--seed", 7, "--skip-if-registered")

    again = run_main(command, *options, MLFLOW_TRACKING_URI=trained.tracking_uri)

    assert again.status == 0, again.err
    assert "gave a version already" in again.out
    assert "version 1" in again.out
    assert "epoch" not in again.out


def test_another_seed_is_not_the_same(trained):
    from ml.data import loading
    from ml.registration.registry import Registry
    from ml.train_torch import ARM
    from ml.training.session import _identity

    data = loading.load(trained.data)
    registry = Registry(trained.tracking_uri)
    name = f"healthcare_catalog_local.models.{ARM.model}"

    assert registry.existing(name, _identity(ARM, data, epochs=2, seed=7)).version == 1
    assert registry.existing(name, _identity(ARM, data, epochs=2, seed=8)) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--epochs", "0"), "argument --epochs: '0' is not a whole number from 1 to 1000"),
        (("--epochs", "many"), "argument --epochs: 'many' is not a whole number"),
        (("--seed", "-1"), "argument --seed: '-1' is not a whole number from 0"),
        (("--image-size", "8"), "argument --image-size: '8' is not a whole number from 16 to 512"),
        (("--data", "nowhere.npz"), "nowhere.npz: there is no such file or folder"),
        (("--environment", "nowhere"), "environments that exist: dev, local, pilot, prod"),
        (("--colour", "red"), "unrecognized arguments: --colour red"),
    ],
)
def test_a_wrong_option_is_refused(command, options, message, run_main, tmp_path):
    refused = run_main(command, *options)

    assert refused.status in {1, 2}
    assert message in refused.err
    assert "Traceback" not in refused.err
    assert not (tmp_path / ".local").exists()


def test_a_refusal_comes_at_once_and_imports_no_framework(command, run_command, tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    refused = run_command(
        "-X", "importtime", "-m", command, "--data", "nowhere.npz", cwd=tmp_path
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert refused.status == 1
    assert f"{command}: nowhere.npz: there is no such file or folder" in refused.err
    assert "Traceback" not in refused.err
    assert not (tmp_path / ".local").exists()
    assert "ml.training.session" in refused.imported
    assert not refused.imported & {"tensorflow", "torch", "mlflow", "sklearn", "rich"}
    # Half a second of a processor: the wall clock would measure who else is at work here.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5


def test_wrong_films_are_refused_before_the_registry_is_touched(command, run_main, tmp_path):
    np.savez(tmp_path / "films.npz", train_images=np.zeros((3, 28, 28), np.uint8))

    refused = run_main(command, "--data", "films.npz")

    assert refused.status == 1
    assert "films.npz: train_labels is missing; the file has train_images" in refused.err
    assert "Traceback" not in refused.err
    assert not (tmp_path / ".local").exists()


def test_an_interruption_is_one_line_and_registers_nothing(trained, empty_registry, tmp_path):
    options = ("--data", str(trained.data), "--epochs", "1000")
    (tmp_path / ".local").mkdir()
    shutil.copy(empty_registry, tmp_path / ".local" / "mlflow.db")
    with (tmp_path / "out").open("w+") as out, (tmp_path / "err").open("w+") as err:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "ml.train_torch", *options],
            cwd=tmp_path,
            env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
            stdout=out,
            stderr=err,
        )
        try:
            eventually(
                lambda: (
                    "epoch 1/1000" in (tmp_path / "out").read_text() or process.poll() is not None
                )
            )
            assert process.poll() is None, (tmp_path / "err").read_text()
            process.send_signal(signal.SIGINT)
            status = process.wait(timeout=240)
        finally:
            process.kill()

    assert status == 130
    assert (tmp_path / "err").read_text().strip() == (
        "ml.train_torch: interrupted; nothing was registered"
    )
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/.local/mlflow.db")
    assert client.search_registered_models() == []


@pytest.mark.slow("trains on a folder of the Kaggle layout")
def test_a_kaggle_folder_trains_through_the_same_command(folder, run_command, tmp_path):
    folder.fill("train", patients=12, films=2)
    folder.add("train/NORMAL/person900_virus_1.jpeg", shows=1)

    done = run_command(
        "-m", "ml.train_torch", "--data", folder.root, "--epochs", "1", "--image-size", "32",
        cwd=tmp_path,
    )  # fmt: skip

    assert done.status == 0, done.err
    assert "mislabelled" in done.out
    assert "train/NORMAL/person900_virus_1.jpeg" in done.out
    assert "pneumonia_poc_classifier_pytorch version 1" in done.out


@pytest.fixture
def refusing_workspace():
    """A workspace on loopback that answers every call with one status; yields (address, calls)."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    calls = []

    class Refusal(BaseHTTPRequestHandler):
        status = 403
        message = "User lacks USE SCHEMA on Schema 'healthcare_catalog_local.models'."

        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            calls.append((self.command, self.path.partition("?")[0]))
            body = json.dumps({"error_code": "PERMISSION_DENIED", "message": self.message})
            self.send_response(self.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        do_GET = do_POST = do_PATCH = do_HEAD = answer  # noqa: N815 - http.server's names

        def log_message(self, *_):
            """Keeps the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", calls, Refusal
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [401, 403])
def test_a_workspace_that_refuses_is_one_clear_message(
    refusing_workspace, run_main, tmp_path, status
):
    address, calls, refusal = refusing_workspace
    refusal.status = status

    refused = run_main(
        "ml.train_torch", "--registry", "databricks-uc",
        HOME=str(tmp_path), DATABRICKS_HOST=address, DATABRICKS_TOKEN="not-a-token",
    )  # fmt: skip

    assert refused.status == 1
    assert ("GET", "/api/2.0/mlflow/unity-catalog/registered-models/search") in calls
    assert "the registry databricks-uc failed" in refused.err
    assert "User lacks USE SCHEMA" in refused.err
    assert "Set DATABRICKS_HOST and DATABRICKS_TOKEN" in refused.err
    assert "Traceback" not in refused.err
    assert "not-a-token" not in refused.err + refused.out
    assert "epoch" not in refused.out


@pytest.mark.parametrize(
    "environment",
    [
        {"DATABRICKS_HOST": "http://127.0.0.1:9", "MLFLOW_REGISTRY_URI": "databricks-uc"},
        {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"},
        {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_REGISTRY_URI": "databricks-uc"},
    ],
)
def test_a_registry_that_does_not_answer_is_said_before_training(run_main, tmp_path, environment):
    # MLflow tries again as often as ever, but without a pause.
    patience = dict.fromkeys(
        ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER"), "0"
    )
    refused = run_main(
        "ml.train_torch", "--environment", "dev", HOME=str(tmp_path), DATABRICKS_TOKEN="x",
        **{"DATABRICKS_HOST": "http://127.0.0.1:9"} | environment | patience,
    )  # fmt: skip

    assert refused.status == 1
    assert "its host does not answer" in refused.err
    assert "Traceback" not in refused.err


def test_without_credentials_the_way_out_is_named(run_main, tmp_path):
    refused = run_main(
        "ml.train_torch", "--registry", "databricks-uc",
        HOME=str(tmp_path), DATABRICKS_HOST="", DATABRICKS_TOKEN="",
    )  # fmt: skip

    assert refused.status == 1
    assert "Set DATABRICKS_HOST and DATABRICKS_TOKEN" in refused.err
    assert "Traceback" not in refused.err

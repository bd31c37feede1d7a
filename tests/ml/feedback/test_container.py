"""The registered model in an environment that has its own requirements and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.isolation import DEVELOPERS
from tests.plugin.readings import row

if TYPE_CHECKING:
    from tests.plugin.commands import Call
    from tests.plugin.readings import Readings

pytestmark = pytest.mark.programs
BARE = pytest.mark.slow("installs the feedback model's requirements in an environment of its own")

ENVIRONMENT = """
catalog = "local"
[ab_test]
endpoint = "ab"
[ab_test.champion]
model = "keras"
version = 1
[ab_test.inference_table]
schema = "gold"
prefix = "pneumonia_classifier"
"""

# Serves one batch as serving does: the loaded model, its signature enforced.
_SERVE = """
import json, sys
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
outcomes = model.predict(pandas.DataFrame(json.loads(sys.stdin.read())))
print(json.dumps({"outcomes": outcomes, "ml": sys.modules["ml"].__path__[0],
                  "heavy": sorted({"pyspark", "infra", "tensorflow"} & set(sys.modules))}))
"""


@pytest.fixture(scope="module")
def registration(tmp_path_factory: pytest.TempPathFactory, run_command: Call) -> Path:
    """The folder in which `python -m ml.register_feedback` has registered a version."""
    folder = tmp_path_factory.mktemp("registration")
    (folder / "local.toml").write_text(ENVIRONMENT)
    done = run_command("-m", "ml.register_feedback", "--environment", "local.toml", cwd=folder)
    assert done.status == 0, done.out + done.err
    assert "local.models.feedback_processor version 1" in done.out
    return folder


@pytest.fixture(scope="module")
def model(registration: Path) -> Path:
    """The files of the version."""
    (found,) = registration.glob(".local/mlartifacts/**/MLmodel")
    return found.parent


@pytest.fixture(scope="module")
def python(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the model's requirements alone."""
    folder = tmp_path_factory.mktemp("container")
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed: THE BARE SERVING ENVIRONMENT WAS NOT TESTED")
    interpreter = folder / "bin" / "python"
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(interpreter), "-r", "requirements.txt"],
    ):
        done = subprocess.run(
            command,
            cwd=model,
            env=os.environ | DEVELOPERS,  # the way to the packages may lead through a proxy
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        if done.returncode:
            pytest.skip(
                "the model's requirements can not be installed here: THE BARE SERVING ENVIRONMENT "
                f"WAS NOT TESTED: {done.stderr[-400:]}"
            )
    return interpreter


def serve(
    python: Path, model: Path, rows: list[dict[str, Any]], variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    kept["PYTHONDONTWRITEBYTECODE"] = "1"  # the model's files are those of all tests
    return subprocess.run(
        [str(python), "-c", _SERVE, str(model)],
        input=json.dumps(rows),
        cwd=model,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def told(readings: Readings) -> dict[str, str]:
    """What the serving stack tells the processor."""
    return {
        "FEEDBACK_WAREHOUSE_ID": readings.workspace.warehouse_id,
        "FEEDBACK_TABLE": readings.table,
        "FEEDBACK_PAYLOAD_TABLE": readings.payload_table,
        "FEEDBACK_UNKNOWN_REQUEST": "pending",
    }


def test_the_same_code_is_not_registered_again(registration: Path, run_main: Call) -> None:
    again = run_main(
        *("ml.register_feedback", "--skip-if-registered", "--environment", "local.toml"),
        cwd=registration,
        MLFLOW_TRACKING_URI=f"sqlite:///{registration}/.local/mlflow.db",
    )

    assert again.status == 0, again.err
    assert "the same code gave a version already" in again.out
    assert "local.models.feedback_processor version 1" in again.out


def test_it_needs_three_packages_each_at_its_version(model: Path) -> None:
    requirements = (model / "requirements.txt").read_text().split()

    assert [it.split("==")[0] for it in requirements] == ["mlflow", "databricks-sdk", "pandas"]
    assert all("==" in it for it in requirements)


def test_it_has_a_signature_of_rows_of_readings_to_rows_of_outcomes(model: Path) -> None:
    from mlflow.models import Model

    from ml.feedback.reading import Reading

    signature = Model.load(str(model)).signature

    assert signature is not None
    assert signature.inputs.input_names() == list(Reading.__dataclass_fields__)
    assert signature.outputs.input_names() == ["feedback_id", "status", "pending", "reason"]


def test_it_is_text_without_a_pickle_and_without_a_credential(model: Path) -> None:
    files = [file for file in model.rglob("*") if file.is_file()]

    assert not [file for file in files if file.suffix == ".pkl"]
    assert "DATABRICKS_TOKEN=" not in "".join(file.read_text() for file in files)


@BARE
def test_it_writes_with_a_token_of_the_environment(
    python: Path, model: Path, readings: Readings
) -> None:
    variables = {
        "DATABRICKS_HOST": str(readings.workspace.client.base_url),
        "DATABRICKS_TOKEN": "a-token",
    }

    done = serve(python, model, [row(feedback_id="a"), row(blind=3)], told(readings) | variables)

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert [it["status"] for it in answer["outcomes"]] == ["written", "refused"]
    assert answer["ml"].startswith(str(model))
    assert answer["heavy"] == []
    assert readings.written("feedback_id") == [["a"]]


@BARE
def test_it_writes_with_what_serving_passes_through(
    python: Path, model: Path, readings: Readings, tmp_path: Path
) -> None:
    token = {"OAUTH_TOKEN": [{"oauthTokenValue": "short-lived"}]}
    (tmp_path / "model-dependencies-oauth-token").write_text(json.dumps(token))
    variables = {
        "IS_IN_DB_MODEL_SERVING_ENV": "true",
        "SERVING_CREDENTIALS_DIR": str(tmp_path),
        "DB_MODEL_SERVING_HOST_URL": str(readings.workspace.client.base_url),
    }

    done = serve(python, model, [row(feedback_id="a")], told(readings) | variables)

    assert done.returncode == 0, done.stderr
    assert readings.written("feedback_id") == [["a"]]


@BARE
def test_what_it_has_not_been_told_it_names(python: Path, model: Path) -> None:
    done = serve(python, model, [], {})

    assert done.returncode
    assert "FEEDBACK_WAREHOUSE_ID is not set; FEEDBACK_TABLE is not set" in done.stderr

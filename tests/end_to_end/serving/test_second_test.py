"""The example of a second test: four files beside the project, and none of the project changed."""

from __future__ import annotations

import csv
import datetime
import re
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.declared.environment import load
from infra.declared.experiment import load as load_experiment
from ml.compare import main as compare
from ml.feedback.__main__ import main as feedback
from ml.predict import main as predict
from ml.register import main as register
from ml.register_feedback import main as register_feedback
from ml.replay import main as replay
from tests.end_to_end.serving.sandbox import in_process
from tests.infra.local.terraform.repository import Repository
from tests.plugin.workspaces import REPOSITORY, eventually

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from tests.plugin.workspaces import RunningWorkspace

EXAMPLE = REPOSITORY / "examples" / "second_test"
ARMS = {"champion": "logistic", "challenger": "boosted"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the example's training writes."""
    folder = tmp_path_factory.mktemp("trained")
    sys.path.insert(0, str(EXAMPLE))
    try:
        import_module("train").main(folder)
    finally:
        sys.path.remove(str(EXAMPLE))
    return folder


def test_a_team_writes_four_files() -> None:
    written = {it.name for it in EXAMPLE.iterdir() if it.is_file()} - {"README.md"}

    assert written == {"task.toml", "train.py", "second.toml", "better_by_far.toml"}


def test_the_readme_counts_them() -> None:
    text = (EXAMPLE / "README.md").read_text()

    for file in ("task.toml", "train.py", "second.toml", "better_by_far.toml"):
        assert f"]({file}) |" in text


def test_its_environment_and_experiment_are_of_one_task() -> None:
    task = load(EXAMPLE / "second.toml").ab_test.task

    assert task == load_experiment(EXAMPLE / "better_by_far.toml").task
    assert task.verdicts == ("benign", "malignant", "INDETERMINATE")


@pytest.mark.parametrize("arm", ARMS.values())
def test_both_models_are_registered_after_they_answered(
    trained: Path, arm: str, empty_registry: Path, tmp_path: Path
) -> None:
    shutil.copy(empty_registry, tmp_path / "mlflow.db")

    done = in_process(
        register,
        *("--from", trained / arm, "--name", f"breast_{arm}"),
        *("--data", trained / "labelled.csv", "--environment", EXAMPLE / "second.toml"),
        cwd=tmp_path,
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db",
    )

    assert done.returncode == 0, done.stderr
    assert f"second_catalog.models.breast_{arm} version 1" in done.stdout
    assert "a probability of malignant" in done.stdout


def test_a_model_that_answers_labels_is_refused_with_what_it_answered(
    empty_registry: Path, tmp_path: Path
) -> None:
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.datasets import load_breast_cancer
    from sklearn.dummy import DummyClassifier

    data = load_breast_cancer(as_frame=True)
    model = DummyClassifier().fit(data.data, data.target)
    mlflow.sklearn.save_model(
        model,
        tmp_path / "labels",
        signature=infer_signature(data.data, model.predict(data.data)),
        input_example=data.data[:1],
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    shutil.copy(empty_registry, tmp_path / "mlflow.db")

    done = in_process(
        lambda given: _status(register, given),
        *("--from", tmp_path / "labels", "--name", "labels"),
        *("--environment", EXAMPLE / "second.toml"),
        cwd=tmp_path,
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db",
    )

    assert done.returncode == 1
    assert "finds no probability of malignant" in done.stderr
    assert "predict_proba" in done.stderr


class SecondTest(Repository):
    """The example's folder, on a workspace of the tests."""

    def __init__(self, root: Path, workspace: RunningWorkspace, registry: str) -> None:
        text = (EXAMPLE / "second.toml").read_text()
        super().__init__(root, text, workspace.token)
        self.file = self.file.rename(root / "second.toml")
        self.file.write_text(text.replace("http://127.0.0.1:8180", workspace.host))
        for name in ("task.toml", "better_by_far.toml"):
            shutil.copy(EXAMPLE / name, root)
        self._variables = {
            "DATABRICKS_TOKEN": workspace.token,
            "MLFLOW_TRACKING_URI": registry,
            "MLFLOW_EXPERIMENT_NAME": "second",
        }

    def command(self, main: Callable[..., int], *given: str | Path) -> str:
        """What a command prints that succeeds."""
        done = self._done(main, *given, "--environment", self.file)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self, stack: str) -> None:
        from infra.local.terraform.__main__ import main

        self.command(main, "apply", "--provider", "stand-in", "--auto-approve", "--stack", stack)

    def _done(
        self, main: Callable[..., int], *given: str | Path
    ) -> subprocess.CompletedProcess[str]:
        return in_process(
            lambda arguments: _status(main, arguments), *given, cwd=self.root, **self._variables
        )


@pytest.fixture
def second(
    tmp_path: Path, workspace_process: RunningWorkspace, registry: str
) -> Iterator[SecondTest]:
    yield SecondTest(tmp_path, workspace_process, registry)
    for endpoint in ("breast-mass-ab-test", "breast-mass-feedback"):
        workspace_process.client.delete(f"/api/2.0/serving-endpoints/{endpoint}")


@pytest.mark.programs
@pytest.mark.slow("deploys three stacks twice, serves two models and the feedback")
def test_it_is_deployed_predicted_labelled_compared_and_promoted_beside_the_first(
    second: SecondTest, deployed: Any, trained: Path, workspace_process: RunningWorkspace
) -> None:
    from infra.rollout.__main__ import main as rollout

    second.deploy("platform")
    for arm in ARMS.values():
        second.command(register, "--from", trained / arm, "--name", f"breast_{arm}")
    second.command(register_feedback)
    secret = {
        "scope": "champion-challenger-second",
        "key": "feedback-token",
        "string_value": workspace_process.token,
    }
    workspace_process.client.post("/api/2.0/secrets/put", json=secret).raise_for_status()
    second.deploy("serving")

    answers = second.command(predict, trained / "samples.csv", "--yes")
    rows = list(csv.DictReader(answers.splitlines(), delimiter="\t"))
    assert len(rows) == 399
    assert {row["call"] for row in rows} == {"benign", "malignant"}

    sheet = second.root / "readings.csv"
    _label(rows, trained / "truth.csv", sheet)
    assert "399 of 399 readings are written" in second.command(feedback, sheet)
    logged = "SELECT count(*) FROM second_catalog.gold.breast_mass_payload"
    assert eventually(lambda: workspace_process.sql(logged) == [["399"]])
    second.deploy("analysis")

    found = second.command(compare, second.root / "better_by_far.toml")
    assert re.search(r"^PROMOTE", found, re.MULTILINE), found
    assert "of them malignant" in found
    assert "film" not in found
    replayed = second.command(
        replay, second.root / "better_by_far.toml", "--data", trained / "labelled.csv"
    )
    assert re.search(r"^PROMOTE", replayed, re.MULTILINE), replayed
    assert "film" not in replayed
    experiment = ("--experiment", second.root / "better_by_far.toml")
    decision = second.root / ".local/decisions/better_by_far/decision.json"
    second.command(rollout, "promote", "--decision", decision, *experiment)
    second.deploy("serving")

    routes = workspace_process.get("breast-mass-ab-test")["config"]["traffic_config"]["routes"]
    assert {it["served_entity_name"]: it["traffic_percentage"] for it in routes} == {
        "breast_logistic-1": 0,
        "breast_boosted-1": 100,
    }
    # The first test has gone on answering.
    assert deployed.ask().json().keys() == {"predictions"}


def _label(rows: list[dict[str, str]], truth: Path, sheet: Path) -> None:
    """What pathology says of each sample, as a sheet of readings."""
    with truth.open() as stream:
        known = {row["sample"]: row["ground_truth"] for row in csv.DictReader(stream)}
    now = datetime.datetime.now(datetime.UTC).isoformat()
    with sheet.open("w", newline="") as stream:
        lines = csv.writer(stream)
        lines.writerow(("prediction_id", "radiologist_id", "ground_truth", "timestamp", "blind"))
        for row in rows:
            said = known[row["sample"]]
            lines.writerow((row["request_id"], "pathology", said, now, "true"))


def _status(main: Callable[..., int], given: Any) -> int:
    from ml.terminal.command import run

    return run("second", lambda _: main(given))

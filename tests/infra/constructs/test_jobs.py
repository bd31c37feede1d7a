"""The jobs' tasks are commands that exist, started as Databricks starts them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.declared.environment import load
from infra.declared.platform import VerdictDaysJob

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.programs


def start(file: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a job does: the file by its name, its folder the working directory."""
    path = ROOT / file
    return subprocess.run(
        [sys.executable, path.name, *arguments],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def with_days() -> Any:
    """An environment with every job that there is."""
    environment = load("dev")
    jobs = environment.platform.jobs
    assert jobs
    counted = jobs.model_copy(update={"verdict_days": VerdictDaysJob(experiment="pneumonia_ab")})
    platform = environment.platform.model_copy(update={"jobs": counted})
    return environment.model_copy(update={"platform": platform})


@pytest.fixture
def tasks(app: Any, synthesize: Callable[[Any], Any]) -> list[Any]:
    from infra.stacks import PlatformStack

    jobs = synthesize(PlatformStack(app, with_days()))["resource"]["databricks_job"]
    return [task["spark_python_task"] for job in jobs.values() for task in job["task"]]


def test_every_task_is_a_command_with_the_options_that_it_is_given(tasks: list[Any]) -> None:
    assert [task["parameters"][0] for task in tasks] == [
        "ml.ingest",
        "ml.train_keras",
        "ml.train_torch",
        "ml.count_days",
    ]
    for task in tasks:
        module, *arguments = task["parameters"]
        options = [argument for argument in arguments if argument.startswith("--")]

        result = start(task["python_file"], module, "--help")

        assert result.returncode == 0, result.stderr
        assert [option for option in options if option not in result.stdout] == [], module


def test_every_parameter_of_a_task_is_one_of_its_job(
    app: Any, synthesize: Callable[[Any], Any]
) -> None:
    from infra.stacks import PlatformStack

    jobs = synthesize(PlatformStack(app, with_days()))["resource"]["databricks_job"]
    for name, job in jobs.items():
        known = {f"{{{{job.parameters.{it['name']}}}}}" for it in job["parameter"]}
        used = {
            argument
            for task in job["task"]
            for argument in task["spark_python_task"]["parameters"]
            if argument.startswith("{{")
        }
        assert used == known, name


def test_the_repository_is_the_working_directory_and_first_on_the_path(tmp_path: Path) -> None:
    """And not the folder of the file that was started."""
    (tmp_path / "infra/tasks").mkdir(parents=True)
    file = tmp_path / "infra/tasks/run_module.py"
    file.write_text((ROOT / "infra/tasks/run_module.py").read_text())
    (tmp_path / "show.py").write_text(
        "import os, sys\nprint(os.getcwd(), sys.path[0], __name__, *sys.argv[1:], sep='|')\n"
    )

    result = start(str(file), "show", "--data", "films")

    assert result.stdout.strip() == f"{tmp_path}|{tmp_path}|__main__|--data|films"


def test_a_failure_of_the_module_is_the_tasks() -> None:
    result = start("infra/tasks/run_module.py", "ml.ingest", "--environment", "nowhere")

    assert result.returncode != 0
    assert "Traceback" not in result.stderr


def test_without_a_module_it_says_what_it_wants() -> None:
    result = start("infra/tasks/run_module.py")

    assert result.returncode == 1
    assert "name a module" in result.stderr

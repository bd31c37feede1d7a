"""The jobs' tasks are commands that exist, started as Databricks starts them."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.constructs import requirements
from infra.declared.environment import load
from infra.declared.monitoring import Monitoring
from infra.declared.platform import VerdictDaysJob, VerdictJob

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


def with_verdicts() -> Any:
    """An environment whose verdicts are counted and recorded by jobs."""
    environment = load("dev")
    jobs = environment.platform.jobs
    assert jobs
    every = ("pneumonia_ab", "pneumonia_replay")
    both = {
        "verdict_days": VerdictDaysJob(experiments=every),
        "verdict": VerdictJob(experiments=every),
    }
    platform = environment.platform.model_copy(update={"jobs": jobs.model_copy(update=both)})
    return environment.model_copy(update={"platform": platform, "monitoring": Monitoring()})


@pytest.fixture
def tasks(app: Any, synthesize: Callable[[Any], Any]) -> list[Any]:
    from infra.stacks import PlatformStack

    jobs = synthesize(PlatformStack(app, with_verdicts()))["resource"]["databricks_job"]
    return [task["spark_python_task"] for job in jobs.values() for task in job["task"]]


def test_every_task_is_a_command_with_the_options_that_it_is_given(tasks: list[Any]) -> None:
    assert [task["parameters"][0] for task in tasks] == [
        "ml.ingest",
        "ml.monitor",
        "ml.train_keras",
        "ml.train_torch",
        *["ml.compare"] * 2,
        *["ml.count_days"] * 2,
    ]
    started = {task["parameters"][0]: task for task in tasks}
    for task in started.values():
        module, *arguments = task["parameters"]
        options = [argument for argument in arguments if argument.startswith("--")]

        result = start(task["python_file"], module, "--help")

        assert result.returncode == 0, result.stderr
        assert [option for option in options if option not in result.stdout] == [], module


def test_every_parameter_of_a_task_is_one_of_its_job(
    app: Any, synthesize: Callable[[Any], Any]
) -> None:
    from infra.stacks import PlatformStack

    jobs = synthesize(PlatformStack(app, with_verdicts()))["resource"]["databricks_job"]
    for name, job in jobs.items():
        known = {f"{{{{job.parameters.{it['name']}}}}}" for it in job["parameter"]}
        used = {
            argument
            for task in job["task"]
            for argument in task["spark_python_task"]["parameters"]
            if argument.startswith("{{")
        }
        assert used == known, name


def test_each_experiment_is_a_task_that_runs_whatever_became_of_the_one_before(
    app: Any, synthesize: Callable[[Any], Any]
) -> None:
    from infra.stacks import PlatformStack

    jobs = synthesize(PlatformStack(app, with_verdicts()))["resource"]["databricks_job"]
    for job, command in (("verdict-days", "ml.count_days"), ("verdict", "ml.compare")):
        tasks = jobs[job]["task"]
        assert [it["task_key"] for it in tasks] == ["pneumonia_ab", "pneumonia_replay"]
        assert "depends_on" not in tasks[0]
        assert tasks[1]["depends_on"] == [{"task_key": "pneumonia_ab"}]
        assert tasks[1]["run_if"] == "ALL_DONE"
        for task in tasks:
            given = task["spark_python_task"]["parameters"]
            assert given[:2] == [command, task["task_key"]]
    assert "--record" in jobs["verdict"]["task"][0]["spark_python_task"]["parameters"]
    assert jobs["verdict"]["schedule"]["quartz_cron_expression"] == "0 0 5 * * ?"
    assert "schedule" not in jobs["verdict-days"]


def test_what_the_job_of_the_verdict_imports_is_among_its_packages(
    app: Any, synthesize: Callable[[Any], Any]
) -> None:
    from infra.stacks import PlatformStack

    jobs = synthesize(PlatformStack(app, with_verdicts()))["resource"]["databricks_job"]
    library = jobs["verdict"]["task"][0]["library"]
    installed = {re.split(r"[=><]", it["pypi"]["package"])[0] for it in library}
    every = ["judgement", "report.html_report", "report.conclusion", "counting.workspace_rows"]
    code = f"""
import sys, importlib, importlib.metadata as metadata
for name in {every}: importlib.import_module("ml.verdict." + name)
for name in ["ml.compare", "ml.monitoring.tables", "statsmodels.stats.inter_rater"]:
    importlib.import_module(name)
named = metadata.packages_distributions()
print(*{{it for name in sys.modules for it in named.get(name, ())}})
"""
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    declared = requirements.pinned((), groups=["ml", "ml-brought-along"])
    ours = {re.split(r"[=><]", it)[0] for it in declared}

    assert {*found} & ours - installed == set()


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

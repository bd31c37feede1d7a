"""Runs do what their job says, and say how it ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.jobs import starter
from infra.local.jobs.runs import Runs
from tests.infra.local.jobs.client import commit, git
from tests.plugin.workspaces import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.local.jobs.client import Jobs, Object


def condition(left: str, op: str, right: str, key: str = "c") -> Object:
    return {"task_key": key, "condition_task": {"op": op, "left": left, "right": right}}


def results(run: Object) -> dict[str, str]:
    return {it["task_key"]: it["state"]["result_state"] for it in run["tasks"]}


def after(*keys: str, outcome: str | None = None) -> list[Object]:
    return [{"task_key": key, **({"outcome": outcome} if outcome else {})} for key in keys]


def test_a_python_task_runs_with_its_parameters_and_its_output_is_kept(jobs: Jobs) -> None:
    run = jobs.run(
        jobs.python(
            "import os, sys\nprint(*sys.argv[1:], __name__, os.environ['DATABRICKS_HOST'])",
            "{{job.parameters.word}}",
            "{{job.id}}",
            "{{ of_another_language }}",
        ),
        parameters=[{"name": "word", "default": "hello"}],
    )

    said = jobs.output(run)["logs"].split(" ")
    assert run["state"]["result_state"] == "SUCCESS"
    assert run["job_parameters"] == [{"name": "word", "default": "hello", "value": "hello"}]
    assert said[:2] == ["hello", str(run["job_id"])]
    assert said[-2] == "__main__"
    assert said[-1].startswith("http://127.0.0.1:")
    assert "of_another_language" in jobs.output(run)["logs"]


def test_a_run_has_parameters_of_its_own(jobs: Jobs) -> None:
    text = "import sys; print(sys.argv[1:])"
    named = jobs.create(
        jobs.python(text, "{{job.parameters.word}}"), parameters=[{"name": "word", "default": "a"}]
    )
    listed = jobs.create(jobs.python(text, "a"))

    by_name = jobs.ended(jobs.start(named, job_parameters={"word": "b"}))
    by_list = jobs.ended(jobs.start(listed, python_params=["c", "d"]))

    assert jobs.output(by_name)["logs"] == "['b']\n"
    assert jobs.output(by_list)["logs"] == "['c', 'd']\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys; print('before'); sys.exit(3)", "exit status 3"),
        ("raise ValueError('no such film')", "ValueError: no such film"),
        ("import os; os.abort()", "exit status 134"),
        ("import", "SyntaxError"),
    ],
)
def test_a_python_task_that_fails_has_failed(jobs: Jobs, text: str, said: str) -> None:
    run = jobs.run(jobs.python(text))
    assert run["state"]["result_state"] == "FAILED"
    assert said in jobs.output(run)["error"]


@pytest.mark.parametrize("file", ["/x.py", "../task.py"])
def test_a_file_is_read_from_the_repository_and_from_nowhere_else(
    jobs: Jobs, repository: Path, file: str
) -> None:
    source = {"git_url": str(repository), "git_provider": "gitHub", "git_branch": "main"}
    task = {"task_key": "t", "spark_python_task": {"python_file": file, "source": "GIT"}}
    assert "leads out" in jobs.run(task, git_source=source)["state"]["state_message"]
    assert "no git_source" in jobs.run(task)["state"]["state_message"]


@pytest.mark.parametrize(
    ("text", "result", "said"),
    [
        ("# Databricks notebook source\nprint('ran')\n# MAGIC %md Words", "SUCCESS", ""),
        ("# Databricks notebook source\n# MAGIC %sql\n# MAGIC SELECT 1", "FAILED", "%sql"),
        ("# Databricks notebook source\ndbutils.widgets.get('a')", "FAILED", "dbutils"),
        ("print('a file')", "FAILED", "no notebook"),
    ],
)
def test_a_notebook_of_python_runs_and_no_other(
    jobs: Jobs, text: str, result: str, said: str
) -> None:
    path = jobs.file(text).removesuffix(".py")
    run = jobs.run({"task_key": "t", "notebook_task": {"notebook_path": path}})
    assert run["state"]["result_state"] == result
    assert said in run["state"]["state_message"]


def test_a_file_that_is_not_there_is_the_tasks_failure(jobs: Jobs) -> None:
    task = {"task_key": "t", "spark_python_task": {"python_file": "/Shared/nowhere.py"}}
    assert "nowhere.py" in jobs.run(task)["state"]["state_message"]


@pytest.mark.parametrize(
    ("reference", "scheme"), [("git_branch", ""), ("git_tag", "file://"), ("git_commit", "")]
)
def test_a_task_runs_from_a_repository_of_this_machine(
    jobs: Jobs, repository: Path, reference: str, scheme: str
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    (repository / "tasks" / "beside.py").write_text("WHAT = 'later'\n")
    commit(repository)
    named = {"git_branch": "main", "git_tag": "v1", "git_commit": first}[reference]
    source = {"git_url": f"{scheme}{repository}", "git_provider": "gitHub", reference: named}
    task = {"task_key": "t", "spark_python_task": {"python_file": "tasks/task.py"}}

    run = jobs.run(task, git_source=source)

    said = "later" if reference == "git_branch" else "of the branch"
    assert jobs.output(run)["logs"] == f"{said}\n", run["state"]


def test_a_remote_elsewhere_is_read_where_git_says(
    jobs: Jobs, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "https://github.com/clinic/code"
    (tmp_path / "gitconfig").write_text(f'[url "{repository}"]\n\tinsteadOf = {url}\n')
    source = {"git_url": url, "git_provider": "gitHub", "git_branch": "main"}
    task = {"task_key": "t", "spark_python_task": {"python_file": "tasks/task.py"}}
    described = {"tasks": [task], "git_source": source}

    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    job = jobs.create(task, git_source=source)
    assert jobs.ended(jobs.start(job))["state"]["result_state"] == "SUCCESS"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    assert "insteadOf" in jobs.refused("run-now", {"job_id": job})
    assert "insteadOf" in jobs.refused("create", described)
    assert "insteadOf" in jobs.refused("reset", {"job_id": job, "new_settings": described})
    assert "insteadOf" in jobs.refused("update", {"job_id": job, "new_settings": {"name": "n"}})
    assert "insteadOf" in jobs.refused("runs/submit", described)


def test_what_an_environment_calls_its_repository_is_the_project_beside_the_workspace(
    jobs: Jobs, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "https://github.com/clinic/this-project"
    environments = repository / "infra" / "environments"
    environments.mkdir(parents=True)
    (environments / "broken.toml").write_text("[")
    (environments / "local.toml").write_text(f'[platform.jobs]\nrepository = "{url}"\n')
    monkeypatch.chdir(repository)
    task = {"task_key": "t", "spark_python_task": {"python_file": "tasks/task.py"}}
    source = {"git_url": url, "git_provider": "gitHub", "git_branch": "main"}

    run = jobs.run(task, git_source=source)

    assert jobs.output(run)["logs"] == "of the branch\n", run["state"]


@pytest.mark.parametrize(
    "url", ["git@github.com:a/b", "ext::sh -c id", "relative", "--upload-pack=id"]
)
def test_nothing_that_is_not_on_this_machine_is_a_repository(jobs: Jobs, url: str) -> None:
    source = {"git_url": url, "git_provider": "gitHub", "git_branch": "main"}
    job = {"tasks": [condition("1", "EQUAL_TO", "1")], "git_source": source}
    assert url in jobs.refused("create", job)


def test_a_reference_that_is_not_there_fails_the_run(jobs: Jobs, repository: Path) -> None:
    source = {"git_url": str(repository), "git_provider": "gitHub", "git_branch": "other"}
    run = jobs.run(condition("1", "EQUAL_TO", "1"), git_source=source)
    assert run["state"]["result_state"] == "FAILED"
    assert "'other'" in run["state"]["state_message"]


@pytest.mark.parametrize(
    ("left", "op", "right", "outcome"),
    [
        ("12.0", "EQUAL_TO", "12", "false"),
        ("12.0", "NOT_EQUAL", "12", "true"),
        ("12.0", "GREATER_THAN_OR_EQUAL", "12", "true"),
        ("9", "LESS_THAN", "10", "true"),
        ("{{job.parameters.n}}", "GREATER_THAN", "6", "true"),
    ],
)
def test_a_condition_compares(jobs: Jobs, left: str, op: str, right: str, outcome: str) -> None:
    run = jobs.run(condition(left, op, right), parameters=[{"name": "n", "default": "7"}])
    assert run["tasks"][0]["condition_task"]["outcome"] == outcome


def test_a_comparison_of_what_is_no_number_fails(jobs: Jobs) -> None:
    assert results(jobs.run(condition("a", "LESS_THAN", "b"))) == {"c": "FAILED"}


def test_the_branch_of_a_condition_is_run_and_the_other_excluded(jobs: Jobs) -> None:
    run = jobs.run(
        condition("1", "EQUAL_TO", "1"),
        jobs.python("print('yes')", key="yes", depends_on=after("c", outcome="true")),
        jobs.python("print('no')", key="no", depends_on=after("c", outcome="false")),
        jobs.python("print('never')", key="behind_no", depends_on=after("no")),
        jobs.python("print('joined')", key="joined", depends_on=after("yes", "no")),
    )
    assert results(run) == {
        "c": "SUCCESS",
        "yes": "SUCCESS",
        "no": "EXCLUDED",
        "behind_no": "EXCLUDED",
        "joined": "SUCCESS",
    }
    assert run["state"]["result_state"] == "SUCCESS"


@pytest.mark.parametrize(
    ("run_if", "of_last", "of_run"),
    [
        ("ALL_SUCCESS", "UPSTREAM_FAILED", "FAILED"),
        ("NONE_FAILED", "UPSTREAM_FAILED", "FAILED"),
        ("ALL_DONE", "SUCCESS", "SUCCESS_WITH_FAILURES"),
        ("AT_LEAST_ONE_SUCCESS", "SUCCESS", "SUCCESS_WITH_FAILURES"),
        ("AT_LEAST_ONE_FAILED", "SUCCESS", "SUCCESS_WITH_FAILURES"),
        ("ALL_FAILED", "EXCLUDED", "SUCCESS_WITH_FAILURES"),
    ],
)
def test_a_task_runs_if_those_before_it_ended_as_it_says(
    jobs: Jobs, run_if: str, of_last: str, of_run: str
) -> None:
    run = jobs.run(
        condition("1", "EQUAL_TO", "1", key="good"),
        condition("a", "LESS_THAN", "b", key="bad"),
        {**condition("1", "EQUAL_TO", "1", key="last"), "depends_on": after("good", "bad"),
         "run_if": run_if},
    )  # fmt: skip
    assert results(run)["last"] == of_last
    assert run["state"]["result_state"] == of_run


def test_a_task_is_tried_again_as_often_as_it_says(jobs: Jobs, tmp_path: Path) -> None:
    text = (
        "import pathlib, sys\nfile = pathlib.Path(sys.argv[1])\n"
        "tried = len(file.read_text()) if file.exists() else 0\n"
        "file.write_text('x' * (tried + 1))\nsys.exit(tried < 2)\n"
    )
    few = jobs.run(jobs.python(text, str(tmp_path / "few"), max_retries=1))
    enough = jobs.run(jobs.python(text, str(tmp_path / "enough"), max_retries=5))
    assert (few["state"]["result_state"], (tmp_path / "few").read_text()) == ("FAILED", "xx")
    assert (enough["state"]["result_state"], (tmp_path / "enough").read_text()) == (
        "SUCCESS",
        "xxx",
    )
    assert enough["tasks"][0]["attempt_number"] == 2


@pytest.mark.parametrize("where", ["task", "job"])
def test_a_run_that_takes_too_long_is_ended(jobs: Jobs, where: str) -> None:
    limit: dict[str, Any] = {"timeout_seconds": 1}
    task = jobs.python("import time; time.sleep(60)", **(limit if where == "task" else {}))
    begun = time.monotonic()
    run = jobs.run(task, **(limit if where == "job" else {}))
    assert results(run) == {"t": "TIMEDOUT"}
    assert run["state"]["result_state"] == ("TIMEDOUT" if where == "job" else "FAILED")
    assert time.monotonic() - begun < 15


def test_a_cancelled_run_ends_with_its_processes(jobs: Jobs, tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    text = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import sys, time\\n"
        'while True:\\n open(sys.argv[1], "a").write("."); time.sleep(0.02)\', sys.argv[1]])\n'
    )
    job = jobs.create(jobs.python(text, str(beat)))
    run = jobs.start(job)
    eventually(beat.exists, bool, seconds=15)
    assert "active" in jobs.refused("runs/delete", {"run_id": run})

    jobs.post("runs/cancel", {"run_id": run})
    ended = jobs.ended(run)

    assert ended["state"]["result_state"] == "CANCELED"
    assert results(ended) == {"t": "CANCELED"}
    beats = beat.read_text()
    time.sleep(0.15)
    assert beat.read_text() == beats
    jobs.post("runs/delete", {"run_id": run})


def test_a_run_too_many_is_skipped_or_waits(jobs: Jobs) -> None:
    job = jobs.create(jobs.python("import time; time.sleep(60)"))
    first = jobs.start(job)
    skipped = jobs.ended(jobs.start(job))
    waiting = jobs.start(job, queue={"enabled": True})
    assert skipped["state"]["result_state"] == "MAXIMUM_CONCURRENT_RUNS_REACHED"
    assert jobs.get("runs/get", run_id=waiting)["state"]["life_cycle_state"] == "QUEUED"

    jobs.post("runs/cancel", {"run_id": first})

    eventually(
        lambda: jobs.get("runs/get", run_id=waiting)["state"]["life_cycle_state"],
        lambda it: it == "RUNNING",
        seconds=10,
    )
    assert len(jobs.get("runs/list", job_id=job)["runs"]) == 3
    jobs.post("runs/cancel-all", {"job_id": job})
    assert jobs.ended(waiting)["state"]["result_state"] == "CANCELED"


def test_a_job_that_allows_no_run_has_none(jobs: Jobs) -> None:
    run = jobs.run(condition("1", "EQUAL_TO", "1"), max_concurrent_runs=0)
    assert run["state"]["result_state"] == "MAXIMUM_CONCURRENT_RUNS_REACHED"


def test_a_job_without_tasks_is_not_run(jobs: Jobs) -> None:
    assert "tasks" in jobs.refused("run-now", {"job_id": jobs.create()})
    assert "tasks" in jobs.refused("runs/submit", {"tasks": []})


def test_runs_are_found_by_when_they_began(jobs: Jobs) -> None:
    run = jobs.run(condition("1", "EQUAL_TO", "1"))
    job, begun = run["job_id"], run["start_time"]

    def found(**when: int) -> int:
        return len(jobs.get("runs/list", job_id=job, **when)["runs"])

    assert found(start_time_from=begun, start_time_to=begun) == 1
    assert found(start_time_from=begun + 1) == found(start_time_to=begun - 1) == 0
    assert found(offset=1) == 0


def test_a_job_runs_a_job(jobs: Jobs) -> None:
    inner = jobs.create(
        jobs.python("import sys; print(sys.argv[1])", "{{job.parameters.word}}"),
        parameters=[{"name": "word", "default": "a"}],
    )
    task = {"job_id": inner, "job_parameters": {"word": "from {{job.id}}"}}
    outer = jobs.run({"task_key": "t", "run_job_task": task})
    run = jobs.output(outer)["run_job_output"]["run_id"]
    assert jobs.output(jobs.get("runs/get", run_id=run))["logs"] == f"from {outer['job_id']}\n"


def test_a_job_that_runs_a_failing_job_or_itself_fails(jobs: Jobs) -> None:
    failing = jobs.create(condition("a", "LESS_THAN", "b"))
    run = jobs.run({"task_key": "t", "run_job_task": {"job_id": failing}})
    assert run["state"]["result_state"] == "FAILED"

    circle = jobs.create(condition("1", "EQUAL_TO", "1"), max_concurrent_runs=5)
    task = {"task_key": "t", "run_job_task": {"job_id": circle}}
    change = {"new_settings": {"tasks": [task]}, "fields_to_remove": ["tasks/c"]}
    jobs.post("update", {"job_id": circle, **change})
    ended = jobs.ended(jobs.start(circle))
    assert "no job that runs them" in ended["state"]["state_message"]


def test_a_run_without_a_job_is_started_once_for_its_token(jobs: Jobs) -> None:
    body = {"tasks": [condition("1", "EQUAL_TO", "1")], "idempotency_token": "once"}
    first = jobs.post("runs/submit", body)
    assert jobs.post("runs/submit", body) == first
    assert jobs.ended(first["run_id"])["run_type"] == "SUBMIT_RUN"


def test_the_output_of_several_tasks_is_asked_for_one_by_one(jobs: Jobs) -> None:
    run = jobs.run(jobs.python("print(1)", key="a"), jobs.python("print(2)", key="b"))
    assert [jobs.output(run, key)["logs"] for key in ("a", "b")] == ["1\n", "2\n"]
    with pytest.raises(AssertionError, match="multiple tasks"):
        jobs.get("runs/get-output", run_id=run["run_id"])


@pytest.mark.parametrize("name", ["notebook_params", "only", "dbt_commands", "a_next_years_field"])
def test_parameters_of_what_does_not_run_here_are_refused(jobs: Jobs, name: str) -> None:
    job = jobs.create(condition("1", "EQUAL_TO", "1"))
    assert name in jobs.refused("run-now", {"job_id": job, name: ["x"]}, 501)


def test_no_process_outlives_the_workspace(tmp_path: Path) -> None:
    file = tmp_path / "task.py"
    file.write_text("import time\nprint('runs', flush=True)\ntime.sleep(60)\n")
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, starter.__file__, str(reading), str(file)],
        stdout=subprocess.PIPE,
        pass_fds=(reading,),
        start_new_session=True,
    ) as process:
        os.close(reading)
        assert process.stdout is not None
        assert process.stdout.readline() == b"runs\n"

        os.close(writing)  # as it does when the workspace is killed

        assert process.wait(timeout=10) == -9


def test_a_run_that_a_kill_interrupted_has_failed_after_the_next_start(tmp_path: Path) -> None:
    state = {"life_cycle_state": "RUNNING", "state_message": ""}
    task = {"task_key": "t", "run_id": 2, "start_time": 1, "state": {**state}}
    document = {"runs": {"1": {"run_id": 1, "start_time": 1, "state": state, "tasks": [task]}}}

    runs = Runs(document, lambda: None, tmp_path, lambda _: ([], []))

    run = runs.get(1)
    assert results(run) == {"t": "FAILED"}
    assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"

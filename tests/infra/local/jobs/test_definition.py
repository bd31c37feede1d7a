"""What a job may say: what does not run here is refused before it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.infra.local.jobs.client import Jobs

CONDITION = {"op": "EQUAL_TO", "left": "1", "right": "1"}
GIT = {"git_url": "https://github.com/clinic/code", "git_provider": "gitHub", "git_branch": "main"}
TASK = {"task_key": "t", "condition_task": CONDITION}
DAILY = {"quartz_cron_expression": "0 0 3 * * ?", "timezone_id": "Europe/Berlin"}
NOT_RUN = {
    "python_wheel_task": {"package_name": "p", "entry_point": "e"},
    "dbt_task": {"commands": ["dbt run"]},
    "pipeline_task": {"pipeline_id": "1"},
    "spark_jar_task": {"main_class_name": "C"},
    "for_each_task": {"inputs": "[1]", "task": {"task_key": "u"}},
    "dashboard_task": {"dashboard_id": "1"},
    "a_task_of_next_year_task": {},
}


def cron(expression: str) -> dict[str, str]:
    return {"quartz_cron_expression": expression}


@pytest.mark.parametrize("kind", NOT_RUN)
def test_a_type_that_does_not_run_here_is_refused_wherever_it_is_sent(
    jobs: Jobs, kind: str
) -> None:
    tasks = [{"task_key": "odd", kind: NOT_RUN[kind]}]
    job = jobs.create()
    for name, body in (
        ("create", {"name": "j", "tasks": tasks}),
        ("reset", {"job_id": job, "new_settings": {"name": "j", "tasks": tasks}}),
        ("update", {"job_id": job, "new_settings": {"tasks": tasks}}),
        ("runs/submit", {"tasks": tasks}),
    ):
        message = jobs.refused(name, body, 501)
        assert "'odd'" in message, name
        assert kind in message, name
    assert "tasks" not in jobs.get("get", job_id=job)["settings"]


def test_a_dashboard_of_sql_is_refused(jobs: Jobs) -> None:
    task = {"task_key": "t", "sql_task": {"warehouse_id": "w", "dashboard": {"dashboard_id": "d"}}}
    assert "dashboard" in jobs.refused("create", {"tasks": [task]}, 501)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tasks": [{"task_key": "t"}]}, "exactly one type"),
        ({"tasks": [{"task_key": "t", "condition_task": CONDITION, "sql_task": {}}]}, "sql_task"),
        ({"tasks": [{"task_key": "t", "condition_task": CONDITION}] * 2}, "names two tasks"),
        ({"tasks": [{"task_key": "a b", "condition_task": CONDITION}]}, "task_key: 'a b'"),
        (
            {"tasks": [{"task_key": "t", "condition_task": CONDITION, "run_if": "SOMETIMES"}]},
            "run_if",
        ),
        (
            {
                "tasks": [
                    {
                        "task_key": "t",
                        "condition_task": CONDITION,
                        "depends_on": [{"task_key": "u"}],
                    }
                ]
            },
            "no task 'u'",
        ),
        (
            {
                "tasks": [
                    {"task_key": a, "condition_task": CONDITION, "depends_on": [{"task_key": b}]}
                    for a, b in (("a", "b"), ("b", "a"))
                ]
            },
            "circle",
        ),
        (
            {"tasks": [{"task_key": "t", "condition_task": CONDITION, "job_cluster_key": "c"}]},
            "no job cluster 'c'",
        ),
        ({"tasks": [{"task_key": "t", "condition_task": {**CONDITION, "op": "LIKE"}}]}, "LIKE"),
        (
            {"tasks": [{"task_key": "t", "condition_task": {**CONDITION, "left": "{{job.naem}}"}}]},
            "job.naem",
        ),
        ({"git_source": {**GIT, "git_tag": "v1"}}, "exactly one of git_branch"),
    ],
)
def test_what_no_run_could_do_is_refused(jobs: Jobs, settings: Any, said: str) -> None:
    message = jobs.post("create", settings, 501 if "naem" in said else 400)["message"]
    assert said in message


@pytest.mark.parametrize(
    ("where", "settings"),
    [
        ("spark_python_task", {"spark_python_task": {"python_file": "/Shared/x.py"}}),
        ("a_next_years_field", {"a_next_years_field": 1}),
        ("health", {"health": {"rules": [{"metric": "RUN_DURATION_SECONDS"}]}}),
        ("webhook_notifications", {"webhook_notifications": {"on_failure": [{"id": "1"}]}}),
        ("access_control_list", {"access_control_list": [{"user_name": "a"}]}),
        ("continuous", {"continuous": {"pause_status": "UNPAUSED"}}),
        ("trigger", {"trigger": {"periodic": {"interval": 1, "unit": "HOURS"}}}),
        ("schedule.sql_condition", {"schedule": {**DAILY, "sql_condition": {"a": 1}}}),
        ("git_source.sparse_checkout", {"git_source": {**GIT, "sparse_checkout": {"a": 1}}}),
        ("tasks[0].disabled", {"tasks": [{**TASK, "disabled": True}]}),
        (
            "tasks[0].run_job_task.python_params",
            {"tasks": [{"task_key": "t", "run_job_task": {"job_id": 1, "python_params": ["a"]}}]},
        ),
    ],
)
def test_what_would_be_kept_and_do_nothing_is_refused(
    jobs: Jobs, where: str, settings: Any
) -> None:
    assert jobs.refused("create", settings, 501).startswith(f"{where} of a job")
    job = jobs.create()
    jobs.refused("update", {"job_id": job, "new_settings": settings}, 501)
    assert jobs.get("get", job_id=job)["settings"] == {"name": "j"}


@pytest.mark.parametrize("name", ["continuous", "trigger"])
def test_what_starts_nothing_is_kept(jobs: Jobs, name: str) -> None:
    settings = {name: {"pause_status": "PAUSED"}, "health": {}, "webhook_notifications": None}
    job = jobs.create(**settings)
    assert jobs.get("get", job_id=job)["settings"][name] == {"pause_status": "PAUSED"}


@pytest.mark.parametrize(
    ("where", "settings"),
    [
        ("schedule.quartz_cron_expression", {"schedule": {**DAILY, **cron("0 3 * * *")}}),
        ("schedule.quartz_cron_expression", {"schedule": {**DAILY, **cron("0 0 3 L * ?")}}),
        ("schedule.timezone_id", {"schedule": {**DAILY, "timezone_id": "Europe/Atlantis"}}),
        ("schedule.pause_status", {"schedule": {**DAILY, "pause_status": "SLEEPING"}}),
        ("max_concurrent_runs", {"max_concurrent_runs": 1001}),
        ("max_concurrent_runs", {"max_concurrent_runs": -1}),
        ("timeout_seconds", {"timeout_seconds": -1}),
        ("tasks.0.timeout_seconds", {"tasks": [{**TASK, "timeout_seconds": -1}]}),
        ("tasks.0.max_retries", {"tasks": [{**TASK, "max_retries": "often"}]}),
        ("tasks.0.max_retries", {"tasks": [{**TASK, "max_retries": -2}]}),
        ("parameters.0.default", {"parameters": [{"name": "a"}]}),
        ("parameters.0.name", {"parameters": [{"name": "a b", "default": ""}]}),
        ("name: 'a' names two parameters", {"parameters": [{"name": "a", "default": ""}] * 2}),
        ("git_source.git_provider", {"git_source": {"git_url": "/a", "git_branch": "b"}}),
        ("name", {"name": ["a"]}),
    ],
)
def test_a_value_that_databricks_does_not_take_is_refused(
    jobs: Jobs, where: str, settings: Any
) -> None:
    assert jobs.refused("create", settings).startswith(where)


def test_a_file_elsewhere_is_refused(jobs: Jobs) -> None:
    task = {"task_key": "t", "spark_python_task": {"python_file": "s3://bucket/x.py"}}
    assert "s3://bucket/x.py" in jobs.refused("create", {"tasks": [task]}, 501)


def test_what_was_sent_is_what_is_shown(jobs: Jobs) -> None:
    git = {**GIT, "git_url": "/a/repository"}
    task = {
        "task_key": "t",
        "spark_python_task": {"python_file": "a/b.py", "source": "GIT", "parameters": ["x"]},
        "max_retries": 2,
    }
    sent = {"name": "shown", "tasks": [task], "git_source": git, "queue": {"enabled": False}}
    job = jobs.post("create", sent)["job_id"]

    shown = jobs.get("get", job_id=job)["settings"]

    kept = [{"run_if": "ALL_SUCCESS", **task}]
    assert shown == {**sent, "tasks": kept, "format": "MULTI_TASK"}


def test_an_update_replaces_the_tasks_that_it_names_and_keeps_the_others(jobs: Jobs) -> None:
    job = jobs.create(
        *({"task_key": key, "condition_task": CONDITION} for key in ("one", "two", "three"))
    )
    other = {**CONDITION, "op": "NOT_EQUAL"}
    jobs.post(
        "update",
        {
            "job_id": job,
            "new_settings": {"tasks": [{"task_key": "two", "condition_task": other}]},
            "fields_to_remove": ["tasks/three"],
        },
    )

    tasks = jobs.get("get", job_id=job)["settings"]["tasks"]

    assert {it["task_key"]: it["condition_task"]["op"] for it in tasks} == {
        "one": "EQUAL_TO",
        "two": "NOT_EQUAL",
    }


def test_jobs_are_listed_in_pages(jobs: Jobs) -> None:
    for _ in range(3):
        jobs.create(name="paged")
    first = jobs.get("list", name="PAGED", limit=2)
    rest = jobs.get("list", name="paged", limit=2, page_token=first["next_page_token"])
    assert [len(first["jobs"]), len(rest["jobs"])] == [2, 1]
    assert [first["has_more"], rest["has_more"]] == [True, False]

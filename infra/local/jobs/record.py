"""What is kept of a run and of its tasks: their records, from the start to the end.

Source: https://docs.databricks.com/api/workspace/jobs/getrun.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from infra.local.jobs import orders
from infra.local.jobs.definition import Settings, kind_of
from infra.local.jobs.orders import Order

_ENDED: Final = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")


def of_order(order: Order, next_id: Callable[[], int]) -> Settings:
    """The record of a run that waits, and of its tasks; each has a number of its own."""
    settings = order.settings
    run_id = next_id()
    run: Settings = {
        "run_id": run_id,
        "number_in_job": run_id,
        "original_attempt_run_id": run_id,
        "run_name": settings.get("name") or "Untitled",
        "creator_user_name": order.caller.user,
        "state": state("PENDING"),
        "start_time": now(),
        "end_time": 0,
        "setup_duration": 0,
        "execution_duration": 0,
        "cleanup_duration": 0,
        "trigger": order.trigger,
        "run_type": "SUBMIT_RUN" if order.job_id is None else "JOB_RUN",
        "format": "MULTI_TASK",
        "job_parameters": orders.parameters(settings, order.parameters),
        "tasks": [_of_task(task, next_id()) for task in settings.get("tasks", ())],
    }
    if order.job_id is not None:
        run["job_id"] = order.job_id
    if git := settings.get("git_source"):
        run["git_source"] = git
    return run


def _of_task(task: Settings, run_id: int) -> Settings:
    kind = kind_of(task)
    shown = ("task_key", "run_if", "depends_on", "description", kind, "libraries")
    return {
        **{name: task[name] for name in shown if name in task},
        kind: dict(task[kind]),
        "run_id": run_id,
        "attempt_number": 0,
        "state": state("BLOCKED" if task.get("depends_on") else "PENDING"),
        "start_time": 0,
        "end_time": 0,
        "execution_duration": 0,
    }


def is_active(record: Settings) -> bool:
    """Whether a run, or a task of one, has not ended."""
    return record["state"]["life_cycle_state"] not in _ENDED


def state(life_cycle: str, message: str = "") -> Settings:
    """The state of a run, or of a task of one, that has no result."""
    return {"life_cycle_state": life_cycle, "state_message": message}


def end(record: Settings, life_cycle: str, result: str, message: str = "") -> None:
    """Write into a record that it has ended now."""
    record["end_time"] = now()
    begun = record["start_time"] or record["end_time"]
    record["execution_duration"] = record["run_duration"] = record["end_time"] - begun
    record["state"] = {
        **state(life_cycle, message),
        "result_state": result,
        "user_cancelled_or_timedout": result in {"CANCELED", "TIMEDOUT"},
    }


def end_all(run: Settings, life_cycle: str, result: str, message: str) -> None:
    """The same of a run and of those of its tasks that have not ended."""
    for task in run["tasks"]:
        if is_active(task):
            end(task, life_cycle, result, message)
    end(run, life_cycle, result, message)


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000

"""Values that a task's text takes from its run: `{{job.parameters.source}}`.

Source: https://docs.databricks.com/jobs/dynamic-value-references.html.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Container, Mapping
from typing import Any, Final

from infra.local.refusal import invalid, not_emulated

_REFERENCE: Final = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
_NAMESPACES: Final = ("job", "task", "tasks", "workspace", "input", "backfill")
_OF_JOB: Final = ("id", "name", "run_id", "repair_count", "trigger.type")
_OF_TASK: Final = ("name", "run_id", "execution_count")
_OF_OTHER: Final = ("run_id", "result_state", "execution_count")
_OF_CONDITION: Final = "outcome"
_OF_TIME: Final[Mapping[str, str]] = {
    "iso_date": "%Y-%m-%d",
    "iso_datetime": "%Y-%m-%dT%H:%M:%S",
    "year": "%Y",
    "month": "%-m",
    "day": "%-d",
    "hour": "%-H",
    "minute": "%-M",
    "second": "%-S",
    "iso_weekday": "%u",
}


def check(text: str, tasks: Container[str]) -> None:
    """Refuse a reference whose value no run would have; `tasks` are the job's."""
    for name in _REFERENCE.findall(text):
        space, _, rest = name.partition(".")
        if not rest or space not in _NAMESPACES:
            continue  # of the task's own language
        first, _, last = rest.partition(".")
        known = (
            (space == "job" and (rest in _OF_JOB or (first == "parameters" and last)))
            or (space == "job" and first == "start_time" and last in {*_OF_TIME, "timestamp_ms"})
            or (space == "task" and rest in _OF_TASK)
            or (space == "tasks" and last in {*_OF_OTHER, _OF_CONDITION})
        )
        if not known:
            raise not_emulated(f"The reference {{{{{name}}}}} of a job")
        if space == "tasks" and first not in tasks:
            raise invalid(f"{{{{{name}}}}}: there is no task {first!r}.")


def filled(text: str, known: Mapping[str, str]) -> str:
    """The text with the values of its references, which `of_run` and `of_task` know.

    Raises Refusal for a job's parameter that the run does not have.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name in known:
            return known[name]
        if name.startswith(("job.", "task.", "tasks.")):
            raise invalid(f"{{{{{name}}}}} has no value in this run.")
        return found[0]

    return _REFERENCE.sub(value, text)


def of_run(run: Mapping[str, Any]) -> dict[str, str]:
    """What every task of a run may name."""
    milliseconds = run["start_time"]
    started = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return {
        "job.id": str(run.get("job_id", "")),
        "job.name": run["run_name"],
        "job.run_id": str(run["run_id"]),
        "job.repair_count": "0",
        "job.trigger.type": run["trigger"].lower(),
        "job.start_time.timestamp_ms": str(milliseconds),
        **{f"job.start_time.{it}": _of_time(started, it) for it in _OF_TIME},
        **{f"job.parameters.{it['name']}": it["value"] for it in run["job_parameters"]},
    }


def of_task(task: Mapping[str, Any]) -> dict[str, str]:
    """What a task may name of itself; `of_ended` is what others may name of it."""
    return {
        "task.name": task["task_key"],
        "task.run_id": str(task["run_id"]),
        "task.execution_count": str(task["attempt_number"] + 1),
    }


def of_ended(task: Mapping[str, Any]) -> dict[str, str]:
    """What later tasks may name of one that has ended."""
    name = f"tasks.{task['task_key']}"
    known = {
        f"{name}.run_id": str(task["run_id"]),
        f"{name}.result_state": task["state"]["result_state"].lower(),
        f"{name}.execution_count": str(task["attempt_number"] + 1),
    }
    if outcome := task.get("condition_task", {}).get("outcome"):
        known[f"{name}.{_OF_CONDITION}"] = outcome
    return known


def _of_time(time: datetime.datetime, part: str) -> str:
    return time.strftime(_OF_TIME[part])

"""Whether a task runs, by how those before it ended, and how a run ended by its tasks.

Sources: https://docs.databricks.com/jobs/run-if.html,
https://docs.databricks.com/jobs/repair-job-failures.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_SUCCEEDED: Final = ("SUCCESS", "EXCLUDED")
"""An excluded task counts as one that succeeded."""


NOT_RUN: Final = {
    "EXCLUDED": "The task was not run: the condition of its dependencies was not met.",
    "UPSTREAM_FAILED": "The task was not run: tasks that it depends on failed.",
}
"""What is said of a task that was not run, by its result."""


def instead_of_running(task: Mapping[str, Any], ended: Mapping[str, Mapping[str, Any]]) -> str:
    """The result of a task that does not run; "" of one that does.

    `ended` are the tasks of the run that have ended, by their keys.
    """
    results = [_result_for(it, ended[it["task_key"]]) for it in task.get("depends_on", ())]
    if not results:
        return ""
    if all(it == "EXCLUDED" for it in results):
        return "EXCLUDED"
    good = [it in _SUCCEEDED for it in results]
    match task["run_if"]:
        case "ALL_DONE":
            return ""
        case "AT_LEAST_ONE_SUCCESS":
            return "" if any(good) else "UPSTREAM_FAILED"
        case "ALL_FAILED":
            return "EXCLUDED" if any(good) else ""
        case "AT_LEAST_ONE_FAILED":
            return "EXCLUDED" if all(good) else ""
        case _:
            return "" if all(good) else "UPSTREAM_FAILED"


def result_of_run(tasks: Sequence[Mapping[str, Any]]) -> str:
    """By the tasks that no other waits for: FAILED where one of those failed."""
    waited_for = {it["task_key"] for task in tasks for it in task.get("depends_on", ())}
    failed = {task["task_key"] for task in tasks if task["state"]["result_state"] not in _SUCCEEDED}
    if failed - waited_for:
        return "FAILED"
    return "SUCCESS_WITH_FAILURES" if failed else "SUCCESS"


def _result_for(dependency: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    result: str = task["state"]["result_state"]
    wanted = dependency.get("outcome")
    if wanted and result == "SUCCESS" and task["condition_task"]["outcome"] != wanted:
        return "EXCLUDED"
    return result

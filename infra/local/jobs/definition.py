"""What a job may say, so that its runs do it here: everything else is refused before it is kept.

Source: https://docs.databricks.com/api/workspace/jobs/create.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from minilake.models.jobs import JobSettings
from pydantic import ValidationError

from infra.local.jobs import notebook, python_task, values
from infra.local.refusal import Refusal, invalid

Settings = dict[str, Any]

RUN_HERE: Final = (
    "spark_python_task",
    "notebook_task",
    "sql_task",
    "condition_task",
    "run_job_task",
)
RUN_IF: Final = (
    "ALL_SUCCESS",
    "ALL_DONE",
    "NONE_FAILED",
    "AT_LEAST_ONE_SUCCESS",
    "ALL_FAILED",
    "AT_LEAST_ONE_FAILED",
)
OPERATORS: Final = (
    "EQUAL_TO",
    "NOT_EQUAL",
    "GREATER_THAN",
    "GREATER_THAN_OR_EQUAL",
    "LESS_THAN",
    "LESS_THAN_OR_EQUAL",
)
_SQL_SOURCES: Final = ("file", "query", "alert")
_TASK_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LONGEST_LISTS: Final = {"tasks": 1000, "job_clusters": 100}


def checked(settings: Settings) -> Settings:
    """The settings as a job keeps them, with Databricks' defaults. Raises Refusal."""
    settings = _without_nulls(settings)
    try:
        kept: Settings = JobSettings.model_validate(settings).model_dump(exclude_none=True)
    except ValidationError as error:
        problem = error.errors()[0]
        raise invalid(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}.") from error
    # minilake's form has fewer fields than was sent.
    kept.pop("tasks", None)
    kept |= {name: value for name, value in settings.items() if name != "tasks"}
    if tasks := settings.get("tasks"):
        kept["tasks"] = [{"run_if": "ALL_SUCCESS", **task} for task in tasks]
        kept["format"] = "MULTI_TASK"
    _check_git(kept)
    _check_tasks(kept)
    return kept


def merged(settings: Settings, new: Settings, removed: list[str]) -> Settings:
    """What `jobs/update` makes of settings: lists of tasks, clusters and parameters by their keys.

    https://docs.databricks.com/api/workspace/jobs/update
    """
    found = {**settings, **{name: it for name, it in new.items() if it is not None}}
    for name, key in _KEYS.items():
        if new.get(name) is not None:
            by_key = {it.get(key): it for it in [*settings.get(name, ()), *new[name]]}
            found[name] = [*by_key.values()]
    for path in removed:
        name, _, key = path.partition("/")
        if not key:
            found.pop(name, None)
        elif name in _KEYS:
            found[name] = [it for it in found.get(name, ()) if it.get(_KEYS[name]) != key]
        else:
            raise invalid(f"fields_to_remove: {path!r} is no field of a job.")
    return found


_KEYS: Final = {"tasks": "task_key", "job_clusters": "job_cluster_key", "parameters": "name"}


def kind_of(task: Mapping[str, Any]) -> str:
    """The one type of a task, as `spark_python_task`. Raises Refusal for none and for several."""
    kinds = [name for name in task if name.endswith("_task")]
    if len(kinds) != 1:
        raise invalid(
            f"Task {task.get('task_key')!r} must be of exactly one type: it has "
            f"{', '.join(kinds) or 'none'}. Those that run here are {', '.join(RUN_HERE)}."
        )
    return kinds[0]


def dependencies(task: Mapping[str, Any]) -> list[str]:
    """The keys of the tasks that a task waits for."""
    return [it["task_key"] for it in task.get("depends_on", ())]


def _check_tasks(settings: Settings) -> None:
    tasks = settings.get("tasks", [])
    for name, most in _LONGEST_LISTS.items():
        if len(settings.get(name, ())) > most:
            raise invalid(f"{name}: a job has at most {most}.")
    by_key: dict[str, Settings] = {}
    for task in tasks:
        key = task["task_key"]
        if not _TASK_KEY.fullmatch(key):
            raise invalid(
                f"task_key: {key!r} is not 1 to 100 letters, digits, hyphens and underscores."
            )
        if key in by_key:
            raise invalid(f"task_key: {key!r} names two tasks.")
        by_key[key] = task
    clusters = {it.get("job_cluster_key") for it in settings.get("job_clusters", ())}
    for key, task in by_key.items():
        try:
            _check_task(task, by_key, clusters, has_git=bool(settings.get("git_source")))
        except Refusal as refusal:
            where = f"Task {key!r}"
            if not refusal.message.startswith(where):
                refusal.message = f"{where}: {refusal.message}"
            raise
    try:
        TopologicalSorter({key: dependencies(task) for key, task in by_key.items()}).prepare()
    except CycleError as error:
        raise invalid(f"depends_on: the tasks {', '.join(error.args[1])} form a circle.") from None


def _check_task(
    task: Settings, by_key: Mapping[str, Settings], clusters: set[Any], *, has_git: bool
) -> None:
    kind = kind_of(task)
    if kind not in RUN_HERE:
        raise Refusal(
            501,
            "NOT_IMPLEMENTED",
            f"Task {task['task_key']!r}: a {kind} is not run by the local workspace (see "
            f"PARITY.md). Those that run here are {', '.join(RUN_HERE)}.",
        )
    if task["run_if"] not in RUN_IF:
        raise invalid(f"run_if: {task['run_if']!r} is none of {', '.join(RUN_IF)}.")
    for needed in task.get("depends_on", ()):
        if needed["task_key"] not in by_key:
            raise invalid(f"depends_on: there is no task {needed['task_key']!r}.")
        if needed.get("outcome") and "condition_task" not in by_key[needed["task_key"]]:
            raise invalid(f"depends_on: {needed['task_key']!r} is no condition_task.")
    if (cluster := task.get("job_cluster_key")) and cluster not in clusters:
        raise invalid(f"job_cluster_key: there is no job cluster {cluster!r}.")
    for text in _texts(task[kind]):
        values.check(text, by_key)
    match kind:
        case "spark_python_task":
            python_task.check(task[kind], has_git=has_git)
        case "notebook_task":
            python_task.check(notebook.as_python(task[kind]), has_git=has_git)
        case "sql_task":
            _check_sql(task[kind])
        case "condition_task":
            _check_condition(task[kind])
        case "run_job_task":
            if not isinstance(task[kind].get("job_id"), int):
                raise invalid("run_job_task.job_id: a job's id is required.")


def _check_condition(condition: Settings) -> None:
    if condition.get("op") not in OPERATORS:
        raise invalid(f"condition_task.op: {condition.get('op')!r} is none of {OPERATORS}.")
    for side in ("left", "right"):
        if not isinstance(condition.get(side), str):
            raise invalid(f"condition_task.{side}: a string is required.")


def _check_sql(sql: Settings) -> None:
    sources = [name for name in (*_SQL_SOURCES, "dashboard") if name in sql]
    if sources == ["dashboard"]:
        raise Refusal(
            501,
            "NOT_IMPLEMENTED",
            "a sql_task with a dashboard is not run by the local workspace (see PARITY.md).",
        )
    if len(sources) != 1:
        raise invalid(f"sql_task: exactly one of {', '.join(_SQL_SOURCES)} is required.")


def _check_git(settings: Settings) -> None:
    git = settings.get("git_source")
    if git is None:
        return
    for field in ("git_url", "git_provider"):
        if not isinstance(git.get(field), str) or not git[field]:
            raise invalid(f"git_source.{field}: a non-empty string is required.")
    named = [it for it in ("git_branch", "git_tag", "git_commit") if git.get(it)]
    if len(named) != 1:
        raise invalid("git_source: exactly one of git_branch, git_tag and git_commit is required.")


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for it in value.values():
                yield from _texts(it)
        case list():
            for it in value:
                yield from _texts(it)


def _without_nulls(value: Any) -> Any:
    match value:
        case Mapping():
            return {name: _without_nulls(it) for name, it in value.items() if it is not None}
        case list():
            return [_without_nulls(it) for it in value]
        case _:
            return value

"""What a job may say, so that its runs do it here: everything else is refused before it is kept.

Source: https://docs.databricks.com/api/workspace/jobs/create.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from infra.local.jobs import form, notebook, python_task, repository, values
from infra.local.refusal import Refusal, invalid

Settings = dict[str, Any]

RUN_HERE: Final = (
    "spark_python_task",
    "notebook_task",
    "sql_task",
    "condition_task",
    "run_job_task",
)
_SQL_SOURCES: Final = ("file", "query", "alert")


async def accepted(settings: Settings) -> Settings:
    """The settings as a job keeps them, of a repository that can be read. Raises Refusal."""
    kept = checked(settings)
    if git := kept.get("git_source"):
        await repository.source(git)
    return kept


def checked(settings: Settings) -> Settings:
    """The settings as a job keeps them, with Databricks' defaults. Raises Refusal."""
    kept = form.read(_without_nulls(settings))
    kept.setdefault("name", "Untitled")
    for name, key in _KEYS.items():
        keys = [it[key] for it in kept.get(name, ())]
        if twice := next((it for it in keys if keys.count(it) > 1), None):
            raise invalid(f"{key}: {twice!r} names two {name}.")
    if tasks := kept.pop("tasks", None):
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
    by_key: dict[str, Settings] = {it["task_key"]: it for it in settings.get("tasks", [])}
    clusters = {it["job_cluster_key"] for it in settings.get("job_clusters", ())}
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

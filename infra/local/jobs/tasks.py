"""What each type of task does, and how it ended."""

from __future__ import annotations

import asyncio
import dataclasses
import operator
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from minilake.errors import DatabricksError
from minilake.services import alerts, saved_queries

from infra.local.emulator import state_of
from infra.local.jobs import notebook, python_task, values
from infra.local.jobs.definition import Settings, kind_of
from infra.local.refusal import Refusal, invalid

Script = Callable[[str], tuple[list[str], list[list[str | None]]]]
"""Runs the statements of a text; names and rows of the last result."""

_NUMBERS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_OR_EQUAL": operator.ge,
    "LESS_THAN": operator.lt,
    "LESS_THAN_OR_EQUAL": operator.le,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ended:
    """How an attempt of a task ended: one of `RunResultState`, and what there is to say."""

    result: str
    message: str = ""
    output: Settings = dataclasses.field(default_factory=dict)
    """What `runs/get-output` says of it; a Python task's log is in its file."""
    seen: Settings = dataclasses.field(default_factory=dict)
    """What `runs/get` says of it, by the type of the task."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Around:
    """What a task knows of where it runs."""

    known: Mapping[str, str]
    """Values by the names of their references."""
    python_parameters: list[str] | None
    repository: Path | None
    cluster: Mapping[str, Any]
    log: Path
    host: str
    token: str
    script: Script
    run_job: Callable[[int, dict[str, str]], Awaitable[Settings]]
    """Runs another job to its end; its run."""


async def run(task: Settings, around: Around) -> Ended:
    """Do it. What it refuses is its failure."""
    kind = kind_of(task)
    try:
        return await _RUN[kind](task[kind], around)
    except Refusal as refusal:
        return _failed(refusal.message)
    except DatabricksError as error:
        return _failed(error.message)
    except OSError as error:
        return _failed(str(error))


async def _run_python(task: Settings, around: Around) -> Ended:
    parameters = around.python_parameters
    if parameters is None:
        parameters = [values.filled(it, around.known) for it in task.get("parameters", ())]
    status = await python_task.run(
        python_task.Start(
            file=python_task.file_of(task, around.repository),
            arguments=parameters,
            variables=python_task.variables(around.cluster, around.host, around.token),
            log=around.log,
        )
    )
    if status == 0:
        return Ended(result="SUCCESS")
    said, _ = python_task.output(around.log)
    return _failed(python_task.error_of(said, status))


async def _run_notebook(task: Settings, around: Around) -> Ended:
    as_python = notebook.as_python(task)
    notebook.check_text(python_task.file_of(as_python, around.repository))
    return await _run_python(as_python, around)


async def _run_sql(task: Settings, around: Around) -> Ended:
    warehouse = task["warehouse_id"]
    if warehouse not in state_of("sql_warehouses", "warehouses"):
        raise invalid(f"Warehouse {warehouse!r} not found.")
    if alert := task.get("alert"):
        evaluated = await alerts.evaluate_alert(alert["alert_id"], warehouse)
        return Ended(
            result="SUCCESS",
            message=f"Alert {evaluated.state}",
            output={"logs": f"alert_state={evaluated.state}\n{evaluated.message}"},
        )
    text = _sql_text(task, around.repository)
    for name, value in task.get("parameters", {}).items():
        text = text.replace(f"{{{{{name}}}}}", values.filled(value, around.known))
    columns, rows = await asyncio.to_thread(around.script, text)
    return Ended(result="SUCCESS", output={"logs": f"columns={columns}\nrows={rows}"})


def _sql_text(task: Settings, repository: Path | None) -> str:
    if query := task.get("query"):
        text: str = saved_queries.resolve_query_text(query["query_id"])
        return text
    file = {"python_file": task["file"]["path"], "source": task["file"].get("source")}
    return python_task.file_of(file, repository).read_text()


async def _run_condition(task: Settings, around: Around) -> Ended:
    left, right = (values.filled(task[side], around.known) for side in ("left", "right"))
    match task["op"]:
        case "EQUAL_TO":
            outcome = left == right
        case "NOT_EQUAL":
            outcome = left != right
        case compared:
            try:
                outcome = _NUMBERS[compared](float(left), float(right))
            except ValueError:
                return _failed(f"{compared} compares numbers, not {left!r} and {right!r}.")
    return Ended(result="SUCCESS", seen={"outcome": str(outcome).lower()})


async def _run_job(task: Settings, around: Around) -> Ended:
    parameters = {
        name: values.filled(it, around.known) for name, it in task.get("job_parameters", {}).items()
    }
    run = await around.run_job(task["job_id"], parameters)
    seen = {"run_id": run["run_id"]}
    output = {"run_job_output": seen}
    result = run["state"]["result_state"]
    if result in {"SUCCESS", "SUCCESS_WITH_FAILURES"}:
        return Ended(result="SUCCESS", output=output)
    message = f"Run {run['run_id']} of job {task['job_id']} ended {result}."
    return Ended(result="FAILED", message=message, output={**output, "error": message})


def _failed(message: str) -> Ended:
    return Ended(result="FAILED", message=message, output={"error": message})


_RUN: Final[Mapping[str, Callable[[Settings, Around], Awaitable[Ended]]]] = {
    "spark_python_task": _run_python,
    "notebook_task": _run_notebook,
    "sql_task": _run_sql,
    "condition_task": _run_condition,
    "run_job_task": _run_job,
}

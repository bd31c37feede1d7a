"""The Jobs API: runs of jobs, in the place of minilake's.

Source: https://docs.databricks.com/api/workspace/jobs/runnow.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.http import json_object, only, texts
from infra.local.jobs import definition, python_task, repository
from infra.local.jobs.orders import Caller, Order, settings_of
from infra.local.jobs.record import is_active
from infra.local.jobs.requests import id_in, paged
from infra.local.jobs.runs import Runs
from infra.local.refusal import invalid

if TYPE_CHECKING:
    from starlette.requests import Request

_OF_A_RUN: Final = ("idempotency_token", "performance_target", "queue")
_OF_RUN_NOW: Final = ("job_id", "job_parameters", "python_params", *_OF_A_RUN)

_LISTED: Final = 20
_MOST_LISTED: Final = 25


def routes(path: str, runs: Runs, user: str) -> list[Route]:
    """The runs of jobs, and runs without a job."""
    api = _Runs(runs, user)
    return [
        Route(f"{path}/run-now", api.run_now, methods=["POST"]),
        Route(f"{path}/runs/submit", api.submit, methods=["POST"]),
        Route(f"{path}/runs/get", api.get, methods=["GET"]),
        Route(f"{path}/runs/list", api.list, methods=["GET"]),
        Route(f"{path}/runs/cancel", api.cancel, methods=["POST"]),
        Route(f"{path}/runs/cancel-all", api.cancel_all, methods=["POST"]),
        Route(f"{path}/runs/delete", api.delete, methods=["POST"]),
        Route(f"{path}/runs/get-output", api.get_output, methods=["GET"]),
    ]


class _Runs:
    def __init__(self, runs: Runs, user: str) -> None:
        self._runs = runs
        self._user = user

    async def run_now(self, request: Request) -> Response:
        body = await json_object(request)
        job_id = id_in(body.get("job_id"), "job_id")
        settings = settings_of(job_id)
        only(body, _OF_RUN_NOW, "a run")
        given = body.get("job_parameters") or {}
        python = texts(body, "python_params")
        if not isinstance(given, dict):
            raise invalid("job_parameters: an object of names and values is required.")
        if python and (given or settings.get("parameters")):
            raise invalid("python_params: the parameters of a job with job parameters are those.")
        parameters = {name: str(value) for name, value in given.items()}
        order = Order(
            settings=settings,
            caller=self._caller(request),
            job_id=job_id,
            parameters=parameters,
            python_parameters=python or None,
        )
        run = await self._start(order, body)
        return JSONResponse({"run_id": run["run_id"], "number_in_job": run["number_in_job"]})

    async def submit(self, request: Request) -> Response:
        body = await json_object(request)
        described = {name: it for name, it in body.items() if name not in (*_OF_A_RUN, "run_name")}
        name = body.get("run_name") or "Untitled"
        settings = await definition.accepted({**described, "name": name})
        run = await self._start(Order(settings=settings, caller=self._caller(request)), body)
        return JSONResponse({"run_id": run["run_id"]})

    async def get(self, request: Request) -> Response:
        run_id = id_in(request.query_params.get("run_id"), "run_id")
        if task := self._runs.task(run_id):
            return JSONResponse(_shown_task(task))
        return JSONResponse(_shown(self._runs.get(run_id), request, tasks=True))

    async def list(self, request: Request) -> Response:
        asked = request.query_params
        runs = [*reversed(self._runs.records.values())]
        if job := asked.get("job_id"):
            job_id = id_in(job, "job_id")
            runs = [it for it in runs if it.get("job_id") == job_id]
        if kind := asked.get("run_type"):
            runs = [it for it in runs if it["run_type"] == kind]
        for name, active in (("active_only", True), ("completed_only", False)):
            if asked.get(name) == "true":
                runs = [it for it in runs if is_active(it) is active]
        if since := asked.get("start_time_from"):
            earliest = id_in(since, "start_time_from")
            runs = [it for it in runs if it["start_time"] >= earliest]
        if until := asked.get("start_time_to"):
            latest = id_in(until, "start_time_to")
            runs = [it for it in runs if it["start_time"] <= latest]
        tasks = asked.get("expand_tasks") == "true"
        page, further = paged(runs, request, usual=_LISTED, most=_MOST_LISTED)
        return JSONResponse({"runs": [_shown(it, request, tasks=tasks) for it in page], **further})

    async def cancel(self, request: Request) -> Response:
        self._runs.cancel(id_in((await json_object(request)).get("run_id"), "run_id"))
        return JSONResponse({})

    async def cancel_all(self, request: Request) -> Response:
        job_id = id_in((await json_object(request)).get("job_id"), "job_id")
        for run in [*self._runs.records.values()]:
            if run.get("job_id") == job_id:
                self._runs.cancel(run["run_id"])
        return JSONResponse({})

    async def delete(self, request: Request) -> Response:
        self._runs.delete(id_in((await json_object(request)).get("run_id"), "run_id"))
        return JSONResponse({})

    async def get_output(self, request: Request) -> Response:
        run_id = id_in(request.query_params.get("run_id"), "run_id")
        task = self._runs.task(run_id)
        if task is None:
            tasks = self._runs.get(run_id)["tasks"]
            if len(tasks) != 1:
                raise invalid(
                    "Retrieving the output of runs with multiple tasks is not supported: ask for "
                    "each task's own run_id."
                )
            (task,) = tasks
        answer = {"metadata": _shown_task(task), **task.get("output", {})}
        if {"spark_python_task", "notebook_task"} & task.keys():
            logs, cut = python_task.output(self._runs.log(task["run_id"]))
            answer |= {"logs": logs, "logs_truncated": cut}
        return JSONResponse(answer)

    async def _start(self, order: Order, body: dict[str, Any]) -> dict[str, Any]:
        token = body.get("idempotency_token")
        if token and (known := self._runs.of_token(str(token))):
            return known
        if git := order.settings.get("git_source"):
            await repository.source(git)
        if isinstance(queue := body.get("queue"), dict):
            order = dataclasses.replace(order, settings={**order.settings, "queue": queue})
        return self._runs.start(order, token=str(token) if token else None)

    def _caller(self, request: Request) -> Caller:
        _, _, token = request.headers.get("authorization", "").partition(" ")
        return Caller(user=self._user, host=str(request.base_url).rstrip("/"), token=token)


def _shown_task(task: dict[str, Any]) -> dict[str, Any]:
    return {name: it for name, it in task.items() if name != "output"}


def _shown(run: dict[str, Any], request: Request, *, tasks: bool) -> dict[str, Any]:
    """As clients see it: the CLI looks in its page's address for the run's number."""
    host = str(request.base_url).rstrip("/")
    shown = {
        **run,
        "run_page_url": f"{host}/#job/{run.get('job_id', 0)}/run/{run['run_id']}",
    }
    shown.pop("idempotency_token", None)
    shown["tasks"] = [_shown_task(task) for task in run["tasks"]]
    if not tasks:
        del shown["tasks"]
    return shown

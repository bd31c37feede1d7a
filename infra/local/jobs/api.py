"""The Jobs API: definitions of jobs, in the place of minilake's.

Source: https://docs.databricks.com/api/workspace/jobs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.emulator import state_of
from infra.local.http import json_object, only, texts
from infra.local.jobs import definition, runs_api
from infra.local.jobs.requests import id_in, paged
from infra.local.refusal import invalid, missing

if TYPE_CHECKING:
    from starlette.requests import Request

    from infra.local.jobs.runs import Runs

PATHS: Final = ("/api/2.2/jobs", "/api/2.1/jobs")
_FIRST: Final = "/api/2.0/jobs"
_MOST_LISTED: Final = 100
_LISTED: Final = 20


def routes(runs: Runs, user: str) -> list[Route]:
    """All of the Jobs API that there is here."""
    jobs = _Jobs(runs, user)
    reading = {"get": jobs.get, "list": jobs.list}
    writing = {
        "create": jobs.create,
        "reset": jobs.reset,
        "update": jobs.update,
        "delete": jobs.delete,
    }
    return [
        # What Terraform's provider asks for a job that it imports.
        Route(f"{_FIRST}/get", jobs.get, methods=["GET"]),
        *(
            Route(f"{path}/{name}", answer, methods=[method])
            for path in PATHS
            for method, answers in (("GET", reading), ("POST", writing))
            for name, answer in answers.items()
        ),
        *(route for path in PATHS for route in runs_api.routes(path, runs, user)),
    ]


class _Jobs:
    def __init__(self, runs: Runs, user: str) -> None:
        self._runs = runs
        self._user = user

    async def create(self, request: Request) -> Response:
        settings = await definition.accepted(await json_object(request))
        job_id = self._runs.next_id()
        state_of("jobs", "jobs")[job_id] = {
            "job_id": job_id,
            "created_time": time.time_ns() // 1_000_000,
            "creator_user_name": self._user,
            "settings": settings,
        }
        return JSONResponse({"job_id": job_id})

    async def reset(self, request: Request) -> Response:
        body = await json_object(request)
        job = _job(body.get("job_id"))
        only(body, ("job_id", "new_settings"), "jobs/reset")
        job["settings"] = await definition.accepted(_settings(body))
        return JSONResponse({})

    async def update(self, request: Request) -> Response:
        body = await json_object(request)
        job = _job(body.get("job_id"))
        only(body, ("job_id", "new_settings", "fields_to_remove"), "jobs/update")
        new = _settings(body) if body.get("new_settings") is not None else {}
        removed = texts(body, "fields_to_remove") or []
        job["settings"] = await definition.accepted(
            definition.merged(job["settings"], new, removed)
        )
        return JSONResponse({})

    async def delete(self, request: Request) -> Response:
        job = _job((await json_object(request)).get("job_id"))
        for run in [*self._runs.records.values()]:
            if run.get("job_id") == job["job_id"]:
                self._runs.cancel(run["run_id"])
        del state_of("jobs", "jobs")[job["job_id"]]
        return JSONResponse({})

    async def get(self, request: Request) -> Response:
        return JSONResponse(_described(_job(request.query_params.get("job_id", "")), tasks=True))

    async def list(self, request: Request) -> Response:
        name = request.query_params.get("name")
        jobs = [
            it
            for it in reversed(state_of("jobs", "jobs").values())
            if name is None or it["settings"].get("name", "").lower() == name.lower()
        ]
        tasks = request.query_params.get("expand_tasks", "false") == "true"
        page, further = paged(jobs, request, usual=_LISTED, most=_MOST_LISTED)
        return JSONResponse({"jobs": [_described(it, tasks=tasks) for it in page], **further})


def _described(job: dict[str, Any], *, tasks: bool) -> dict[str, Any]:
    if tasks:
        return job
    left_out = {"tasks", "job_clusters", "parameters", "environments"}
    settings = {name: it for name, it in job["settings"].items() if name not in left_out}
    return {**job, "settings": settings}


def _job(given: Any) -> dict[str, Any]:
    job: dict[str, Any] | None = state_of("jobs", "jobs").get(job_id := id_in(given, "job_id"))
    if job is None:
        raise missing(f"Job {job_id} does not exist.")
    return job


def _settings(body: dict[str, Any]) -> dict[str, Any]:
    settings = body.get("new_settings")
    if not isinstance(settings, dict):
        raise invalid("new_settings: an object is required.")
    return settings

"""Jobs: where the file of a Python task is, which minilake drops.

Source: https://docs.databricks.com/api/workspace/jobs/create, `tasks.spark_python_task.source`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from minilake.models.jobs import CreateJobRequest, ResetJobRequest
from minilake.services import jobs
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.emulator import call, state_of
from infra.local.http import json_object
from infra.local.refusal import invalid

if TYPE_CHECKING:
    from starlette.requests import Request

PATH: Final = "/api/2.2/jobs"
_FIRST: Final = "/api/2.0/jobs"
_SOURCES: Final = "python_sources"
"""Where a job's record keeps the sources of its Python tasks, by task."""

_Request = TypeVar("_Request", CreateJobRequest, ResetJobRequest)


def routes() -> list[Route]:
    """Create, reset and get; the rest is minilake's."""

    async def create(request: Request) -> Response:
        body = await json_object(request)
        created = await call(jobs.create_job(_parsed(CreateJobRequest, body)))
        _keep(created["job_id"], body)
        return JSONResponse(created)

    async def reset(request: Request) -> Response:
        body = await json_object(request)
        parsed = _parsed(ResetJobRequest, body)
        await call(jobs.reset_job(parsed))
        _keep(parsed.job_id, body["new_settings"])
        return JSONResponse({})

    async def get(request: Request) -> Response:
        job_id = request.query_params.get("job_id", "")
        if not job_id.isdigit():
            raise invalid(f"job_id: {job_id!r} is not a job's id.")
        described = await call(jobs.get_job(int(job_id)))
        sources = described.pop(_SOURCES, {})
        for task in described["settings"].get("tasks", ()):
            if task["task_key"] in sources:
                task["spark_python_task"]["source"] = sources[task["task_key"]]
        if described["settings"].get("tasks"):
            described["settings"]["format"] = "MULTI_TASK"
        return JSONResponse(described)

    return [
        Route(f"{PATH}/create", create, methods=["POST"]),
        Route(f"{PATH}/reset", reset, methods=["POST"]),
        Route(f"{PATH}/get", get, methods=["GET"]),
        # What Terraform's provider asks for a job that it imports.
        Route(f"{_FIRST}/get", get, methods=["GET"]),
    ]


def _parsed(model: type[_Request], body: dict[str, Any]) -> _Request:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        problem = error.errors()[0]
        raise invalid(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}.") from error


def _keep(job_id: int, settings: dict[str, Any]) -> None:
    state_of("jobs", "jobs")[job_id][_SOURCES] = {
        task["task_key"]: task["spark_python_task"]["source"]
        for task in settings.get("tasks") or ()
        if (task.get("spark_python_task") or {}).get("source")
    }

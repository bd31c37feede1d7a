"""The Statement Execution API over HTTP, `/api/2.0/sql/statements`.

https://docs.databricks.com/api/workspace/statementexecution
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.emulator import state_of
from infra.local.refusal import Refusal, invalid, missing, not_emulated
from infra.local.sql.statements import PATH, StatementBody

if TYPE_CHECKING:
    from starlette.requests import Request

    from infra.local.sql.statements import Statements


def routes(statements: Statements) -> list[Route]:
    """The Statement Execution API."""

    async def execute(request: Request) -> Response:
        body = await _body(request)
        _start_warehouse(body.warehouse_id)
        return JSONResponse((await statements.execute(body)).answer())

    async def get(request: Request) -> Response:
        return JSONResponse(statements.find(request.path_params["statement_id"]).answer())

    async def chunk(request: Request) -> Response:
        execution = statements.find(request.path_params["statement_id"])
        index = request.path_params["index"]
        if execution.state != "SUCCEEDED" or index >= len(execution.chunks):
            raise missing(f"The statement {execution.statement_id} has no chunk {index}.")
        return JSONResponse(execution.chunk(index))

    async def cancel(request: Request) -> Response:
        statements.find(request.path_params["statement_id"]).cancel()
        return JSONResponse({})

    return [
        Route(PATH, execute, methods=["POST"]),
        Route(f"{PATH}/", execute, methods=["POST"]),
        Route(f"{PATH}/{{statement_id}}", get, methods=["GET"]),
        Route(f"{PATH}/{{statement_id}}/cancel", cancel, methods=["POST"]),
        Route(f"{PATH}/{{statement_id}}/result/chunks/{{index:int}}", chunk, methods=["GET"]),
    ]


async def _body(request: Request) -> StatementBody:
    try:
        body = StatementBody.model_validate_json(await request.body())
    except ValidationError as error:
        problems = (
            f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise invalid("; ".join(problems)) from error
    if body.disposition not in ("INLINE", "INLINE_OR_EXTERNAL_LINKS"):
        raise not_emulated(f"The disposition {body.disposition}")
    if body.format != "JSON_ARRAY":
        raise not_emulated(f"The format {body.format}")
    return body


def _start_warehouse(warehouse_id: str) -> None:
    """A statement starts its warehouse, as on Databricks."""
    warehouse = state_of("sql_warehouses", "warehouses").get(warehouse_id)
    if warehouse is None:
        raise Refusal(
            400,
            "INVALID_PARAMETER_VALUE",
            f"{warehouse_id} is not a valid endpoint id: no SQL warehouse of this workspace has "
            "it. List them with GET /api/2.0/sql/warehouses.",
        )
    warehouse["state"] = "RUNNING"

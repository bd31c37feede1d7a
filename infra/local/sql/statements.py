"""The Statement Execution API, `/api/2.0/sql/statements`.

Source: https://docs.databricks.com/api/workspace/statementexecution. A statement that fails is an
HTTP 200 with `status.state` FAILED; only a request that is not one is a 400.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from infra.local.emulator import record_statement
from infra.local.refusal import missing
from infra.local.sql.dialect import Parameter
from infra.local.sql.engine import Cancellation, Result, ResultColumn, Statement
from infra.local.sql.errors import (
    INTERNAL_ERROR,
    RESULT_TOO_LARGE,
    StatementCanceled,
    StatementError,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

    from infra.local.sql.engine import Engine

logger = logging.getLogger(__name__)

PATH: Final = "/api/2.0/sql/statements"
MAX_STATEMENT_BYTES: Final = 16 * 1024 * 1024
MAX_INLINE_BYTES: Final = 25 * 1024 * 1024
CHUNK_BYTES: Final = 4 * 1024 * 1024
RESULTS_KEPT_SECONDS: Final = 3600.0
RESULTS_KEPT: Final = 1000
RESULT_BYTES_KEPT: Final = 128 * 1024 * 1024
"""Results of finished statements in memory; the oldest go first."""
THREADS: Final = 4
_JOBS: Final = "jobs"
"""The warehouse of a job's statement, in the query history."""
_HISTORY_TEXT: Final = 10_000
_TOO_LARGE: Final = (
    f"Inline byte limit exceeded: the result of a statement with disposition INLINE is at most "
    f"{MAX_INLINE_BYTES} bytes. Select fewer columns or rows, or set row_limit."
)

State = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "CLOSED"]


class ParameterBody(BaseModel):
    """A named parameter: its value as text, and the type it is cast to."""

    name: str = Field(min_length=1)
    value: str | None = None
    type: str = "STRING"

    @field_validator("value", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        # The API takes strings; a number or a truth value is what JSON clients mean by one.
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, int | float) else value


class StatementBody(BaseModel):
    """The body of a request; unknown fields are ignored, as Databricks does."""

    model_config = ConfigDict(populate_by_name=True)

    statement: str = Field(min_length=1)
    warehouse_id: str = Field(min_length=1)
    catalog: str | None = None
    default_schema: str | None = Field(default=None, alias="schema")
    parameters: list[ParameterBody] = []
    row_limit: int | None = Field(default=None, ge=1)
    byte_limit: int | None = Field(default=None, ge=1)
    wait_timeout: str = "10s"
    on_wait_timeout: Literal["CONTINUE", "CANCEL"] = "CONTINUE"
    disposition: str = "INLINE"
    format: str = "JSON_ARRAY"

    @field_validator("statement")
    @classmethod
    def _short_enough(cls, statement: str) -> str:
        if len(statement.encode()) > MAX_STATEMENT_BYTES:
            raise ValueError(f"is longer than {MAX_STATEMENT_BYTES} bytes")
        return statement

    @field_validator("wait_timeout")
    @classmethod
    def _seconds(cls, timeout: str) -> str:
        number = timeout.removesuffix("s")
        if number == timeout or not number.isdigit() or int(number) not in (0, *range(5, 51)):
            raise ValueError("must be '0s' or between '5s' and '50s'")
        return timeout

    @property
    def wait_seconds(self) -> int:
        """How long the request waits; 0 answers at once."""
        return int(self.wait_timeout.removesuffix("s"))


@dataclass
class Execution:
    """One statement on its way, and its result for an hour."""

    body: StatementBody
    statement_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: State = "PENDING"
    cancellation: Cancellation = field(default_factory=Cancellation)
    started: float = field(default_factory=time.time)
    ended: float | None = None
    error: StatementError | None = None
    columns: tuple[ResultColumn, ...] = ()
    chunks: list[list[list[str | None]]] = field(default_factory=list)
    truncated: bool = False
    size: int = 0

    @property
    def finished(self) -> bool:
        """Whether its state changes no more."""
        return self.state not in ("PENDING", "RUNNING")

    def succeed(self, result: Result) -> None:
        """Keep the result in chunks; too much for one inline answer is a failure."""
        chunk: list[list[str | None]] = []
        chunk_size = 0
        for row in result.rows:
            row_size = sum(len(value) if value is not None else 4 for value in row)
            if chunk and chunk_size + row_size > CHUNK_BYTES:
                self.chunks.append(chunk)
                chunk, chunk_size = [], 0
            chunk.append(list(row))
            chunk_size += row_size
            self.size += row_size
        self.chunks.append(chunk)
        self.columns, self.truncated = tuple(result.columns), result.truncated
        self._end("SUCCEEDED")

    def fail(self, error: StatementError) -> None:
        """Keeps what it failed with."""
        self.error = error
        self._end("FAILED")

    def cancel(self) -> None:
        """Stop it; a finished statement stays as it is."""
        if not self.finished:
            self.cancellation.request()
            self._end("CANCELED")

    def _end(self, state: State) -> None:
        if not self.finished:  # a cancel that came first stands
            self.state, self.ended = state, time.time()

    def answer(self) -> dict[str, Any]:
        """StatementResponse."""
        status: dict[str, Any] = {"state": self.state}
        if self.error is not None:
            status["error"] = {"error_code": "BAD_REQUEST", "message": str(self.error)}
            status["sql_state"] = self.error.sql_state
        answer: dict[str, Any] = {"statement_id": self.statement_id, "status": status}
        if self.state == "SUCCEEDED":
            answer["manifest"] = self._manifest()
            answer["result"] = self.chunk(0)
        return answer

    def chunk(self, index: int) -> dict[str, Any]:
        """ResultData of one chunk."""
        rows = self.chunks[index]
        data: dict[str, Any] = {
            "chunk_index": index,
            "row_offset": self._offset(index),
            "row_count": len(rows),
        }
        if self.columns:
            data["data_array"] = rows
        if index + 1 < len(self.chunks):
            data["next_chunk_index"] = index + 1
            data["next_chunk_internal_link"] = (
                f"{PATH}/{self.statement_id}/result/chunks/{index + 1}"
            )
        return data

    def _offset(self, index: int) -> int:
        return sum(len(chunk) for chunk in self.chunks[:index])

    def _manifest(self) -> dict[str, Any]:
        return {
            "format": "JSON_ARRAY",
            "schema": {
                "column_count": len(self.columns),
                "columns": [
                    _column(position, column) for position, column in enumerate(self.columns)
                ],
            },
            "total_chunk_count": len(self.chunks),
            "total_row_count": sum(len(chunk) for chunk in self.chunks),
            "total_byte_count": self.size,
            "truncated": self.truncated,
            "chunks": [
                {
                    "chunk_index": index,
                    "row_offset": self._offset(index),
                    "row_count": len(chunk),
                }
                for index, chunk in enumerate(self.chunks)
            ],
        }


def _column(position: int, column: ResultColumn) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": column.name,
        "type_text": column.type.text.upper(),
        "type_name": column.type.name,
        "position": position,
    }
    if column.type.precision is not None:
        described["type_precision"] = column.type.precision
        described["type_scale"] = column.type.scale or 0
    return described


class Statements:
    """Runs statements on threads of their own, so that serving is never held up by SQL."""

    def __init__(self, engine: Engine) -> None:
        self.second = 1.0
        """How long a second of `wait_timeout` takes; tests have less time."""
        self._engine = engine
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sql")
        self._executions: OrderedDict[str, Execution] = OrderedDict()
        self._lock = threading.Lock()

    async def execute(self, body: StatementBody) -> Execution:
        """Start a statement and wait for it as long as its request says."""
        execution = Execution(body=body)
        self._remember(execution)
        future = self._threads.submit(self._run, execution)
        await self._wait(future, body.wait_seconds)
        if not execution.finished and body.wait_seconds and body.on_wait_timeout == "CANCEL":
            execution.cancel()
        return execution

    def run(self, text: str) -> Execution:
        """Run a statement of a job or an alert, and wait for its end."""
        execution = Execution(body=StatementBody(statement=text, warehouse_id=_JOBS))
        self._remember(execution)
        self._threads.submit(self._run, execution).result()
        return execution

    def find(self, statement_id: str) -> Execution:
        """The statement; 404 if there is none or its time is over."""
        with self._lock:
            self._forget_old()
            execution = self._executions.get(statement_id)
        if execution is None:
            raise missing(f"The statement {statement_id} was not found.")
        return execution

    def close(self) -> None:
        """Cancel what runs and wait for it."""
        with self._lock:
            for execution in self._executions.values():
                execution.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _wait(self, future: Future[None], seconds: int) -> None:
        if seconds:
            await asyncio.wait([asyncio.wrap_future(future)], timeout=seconds * self.second)

    def _run(self, execution: Execution) -> None:
        body = execution.body
        if execution.finished:
            return
        execution.state = "RUNNING"
        statement = Statement(
            text=body.statement,
            parameters=[
                Parameter(name=p.name, value=p.value, type=p.type) for p in body.parameters
            ],
            catalog=body.catalog,
            schema=body.default_schema,
            row_limit=body.row_limit,
            byte_limit=min(body.byte_limit or MAX_INLINE_BYTES, MAX_INLINE_BYTES),
        )
        try:
            result = self._engine.execute(statement, execution.cancellation)
            if result.truncated and not (body.byte_limit or body.row_limit):
                execution.fail(StatementError(RESULT_TOO_LARGE, _TOO_LARGE))
            else:
                execution.succeed(result)
        except StatementCanceled:
            execution.cancel()
        except StatementError as error:
            execution.fail(error)
        except Exception as error:  # a fault of the workspace is the statement's failure, not a 500
            logger.exception("A statement failed unexpectedly: %s", body.statement[:_HISTORY_TEXT])
            execution.fail(StatementError(INTERNAL_ERROR, f"{type(error).__name__}: {error}"))
        _record_history(execution)

    def _remember(self, execution: Execution) -> None:
        with self._lock:
            self._executions[execution.statement_id] = execution
            self._forget_old()

    def _forget_old(self) -> None:
        """Drop results after their hour, and the oldest when they are too many or too large."""
        horizon = time.time() - RESULTS_KEPT_SECONDS
        kept = sum(execution.size for execution in self._executions.values())
        for statement_id, execution in list(self._executions.items()):
            too_many = len(self._executions) > RESULTS_KEPT or kept > RESULT_BYTES_KEPT
            too_old = execution.ended is not None and execution.ended < horizon
            if not too_old and not (too_many and execution.finished):
                if not too_many:
                    return
                continue
            kept -= execution.size
            del self._executions[statement_id]


def _record_history(execution: Execution) -> None:
    """Query history is minilake's; it gets what was run, without the rows."""
    body = execution.body
    record_statement(
        {
            "id": execution.statement_id,
            "sql": body.statement[:_HISTORY_TEXT],
            "warehouse_id": body.warehouse_id,
            "status": execution.state,
            "row_count": sum(len(chunk) for chunk in execution.chunks),
            "error_code": "BAD_REQUEST" if execution.error else None,
            "error_message": str(execution.error) if execution.error else None,
            "created_at": int(execution.started * 1000),
            "started_at": int(execution.started * 1000),
            "ended_at": int((execution.ended or time.time()) * 1000),
        }
    )

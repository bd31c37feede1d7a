"""SQL on a warehouse, through the Statement Execution API.

A statement that fails is HTTP 200 with the state FAILED; values travel as named parameters, never
in the text: docs/reference/serving.md#sql-statements.
"""

import time
from typing import TYPE_CHECKING

from ml.workspace.connection import WorkspaceError, explained

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.sql import StatementResponse

Row = dict[str, str | None]
"""A row of a result by column; every value is text, as the API sends it."""

_WAIT = "50s"
"""The longest that one call may wait; a warehouse that has to start takes longer."""
_POLL_SECONDS = 2.0
_LONGEST_SECONDS = 1200.0


class StatementError(WorkspaceError):
    """The warehouse ran a statement, and it failed."""


class Warehouse:
    """One SQL warehouse. Thread-safe."""

    def __init__(self, client: "WorkspaceClient", warehouse_id: str) -> None:
        self._client = client
        self._id = warehouse_id

    @property
    def id(self) -> str:
        """As the workspace's APIs know it."""
        return self._id

    @classmethod
    def named(cls, client: "WorkspaceClient", wanted: str) -> "Warehouse":
        """The warehouse of that name or id. Raises WorkspaceError with those that there are."""
        with explained(client.config.host):
            there = list(client.warehouses.list())
        found = [
            str(warehouse.id) for warehouse in there if wanted in (warehouse.id, warehouse.name)
        ]
        if len(found) == 1:
            return cls(client, found[0])
        names = ", ".join(f"{warehouse.name} ({warehouse.id})" for warehouse in there)
        raise WorkspaceError(
            f"{client.config.host}: {len(found) or 'no'} SQL warehouses have the name or id "
            f"{wanted!r}; there: {names or 'none'}. The platform stack creates it; --warehouse "
            "takes the name or id of another one."
        )

    def execute(self, statement: str, **parameters: str) -> list[Row]:
        """Runs one statement to its end, and returns its rows.

        Raises StatementError, or WorkspaceError where the workspace itself fails.
        """
        from databricks.sdk.service.sql import (
            ExecuteStatementRequestOnWaitTimeout,
            StatementParameterListItem,
        )

        with explained(self._client.config.host):
            response = self._client.statement_execution.execute_statement(
                statement,
                self._id,
                parameters=[
                    StatementParameterListItem(name=name, value=value)
                    for name, value in parameters.items()
                ],
                wait_timeout=_WAIT,
                on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CONTINUE,
            )
            return self._rows(self._finished(response))

    def _finished(self, response: "StatementResponse") -> "StatementResponse":
        from databricks.sdk.service.sql import StatementState

        deadline = time.monotonic() + _LONGEST_SECONDS
        statements = self._client.statement_execution
        while (status := response.status) is None or status.state in (
            StatementState.PENDING,
            StatementState.RUNNING,
        ):
            if time.monotonic() > deadline:
                statements.cancel_execution(str(response.statement_id))
                raise StatementError(
                    f"warehouse {self._id}: a statement was not done after "
                    f"{_LONGEST_SECONDS / 60:.0f} minutes and was cancelled. Look at the warehouse."
                )
            time.sleep(_POLL_SECONDS)
            response = statements.get_statement(str(response.statement_id))
        if status.state is not StatementState.SUCCEEDED:
            reason = status.error.message if status.error else None
            state = status.state.value if status.state else "unknown"
            raise StatementError(
                f"warehouse {self._id}: statement {state}: {reason or 'no reason'}"
            )
        return response

    def _rows(self, response: "StatementResponse") -> list[Row]:
        manifest, chunk = response.manifest, response.result
        columns = (manifest.schema.columns if manifest and manifest.schema else None) or []
        names = [str(column.name) for column in columns]
        rows: list[Row] = []
        while chunk is not None:
            rows += [dict(zip(names, row, strict=True)) for row in chunk.data_array or ()]
            chunk = (
                self._client.statement_execution.get_statement_result_chunk_n(
                    str(response.statement_id), chunk.next_chunk_index
                )
                if chunk.next_chunk_index is not None
                else None
            )
        return rows

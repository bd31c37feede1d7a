"""The SQL of a job's task goes through the engine: its rules, its errors, off the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.workspaces import eventually

if TYPE_CHECKING:
    from tests.plugin.served import Served


def run(workspace: Served, sql: str) -> dict[str, Any]:
    """The ended run of a job whose one task is this query."""
    client = workspace.client
    query = {"display_name": sql[:40], "query_text": sql, "warehouse_id": workspace.warehouse_id}
    created = client.post("/api/2.0/sql/queries", json={"query": query}).json()
    task = {"warehouse_id": workspace.warehouse_id, "query": {"query_id": created["id"]}}
    job = client.post(
        "/api/2.2/jobs/create",
        json={"name": "j", "tasks": [{"task_key": "t", "sql_task": task}]},
    ).json()
    started = client.post("/api/2.2/jobs/run-now", json={"job_id": job["job_id"]}).json()
    ended: dict[str, Any] = eventually(
        lambda: client.get(f"/api/2.2/jobs/runs/get?run_id={started['run_id']}").json(),
        lambda answer: answer["state"]["life_cycle_state"] == "TERMINATED",
        seconds=20,
    )
    return ended


def test_the_statements_of_a_jobs_query_run_one_after_the_other(shared_workspace: Served) -> None:
    sql = "CREATE TABLE base.s.by_job (a INT); INSERT INTO base.s.by_job VALUES (1); -- done"
    assert run(shared_workspace, sql)["state"]["result_state"] == "SUCCESS"
    assert shared_workspace.rows("SELECT a FROM base.s.by_job") == [["1"]]


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO 'anywhere'",
        "DETACH base",
        "SET memory_limit = '100GB'",
        "SELECT * FROM duckdb_settings()",
        "DROP SCHEMA main",
    ],
)
def test_a_jobs_query_reaches_nothing_that_a_statement_does_not(
    shared_workspace: Served, sql: str
) -> None:
    assert run(shared_workspace, sql)["state"]["result_state"] == "FAILED"

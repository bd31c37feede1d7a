"""What the workspace's tables and views say of the requests, by Databricks SQL."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from rich.table import Column, Table

from infra.declared.analysis import Analysis
from infra.declared.naming import payload_table
from infra.local.demo.commands import DemoFailed, console
from ml.workspace.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from databricks.sdk import WorkspaceClient

    from infra.declared.environment import Environment
    from infra.local.demo.requests import Answer

_DELIVERED_IN = 30.0


class Book:
    """The tables of an environment."""

    def __init__(self, client: WorkspaceClient, environment: Environment) -> None:
        logged, analysis = environment.ab_test.inference_table, Analysis.of(environment)
        if logged is None or analysis is None:
            raise DemoFailed(f"{environment.name}.toml has no [ab_test.inference_table] to show.")
        catalog = logged.catalog or environment.catalog
        self._payload = payload_table(catalog, logged.schema_name, logged.prefix)
        self._analysis = analysis
        self._tables = client.tables
        self._warehouse = Warehouse.named(client, environment.warehouse_name)

    def show_payload(self, answers: Sequence[Answer]) -> None:
        """Waits for the rows of these answers, and shows the last of them."""
        asked = json.dumps([answer.request_id for answer in answers])
        deadline = time.monotonic() + _DELIVERED_IN
        while self._logged(asked) < len(answers):
            if time.monotonic() > deadline:
                raise DemoFailed(f"{self._payload} lacks rows of the {len(answers)} requests.")
            time.sleep(0.5)
        statement = f"""
            SELECT client_request_id, served_entity_name, status_code, execution_duration_ms,
                   round(CAST(get_json_object(response, '$.predictions[0][0]') AS DOUBLE), 4)
            FROM {self._payload}
            JOIN (SELECT DISTINCT served_entity_id, served_entity_name
                  FROM system.serving.served_entities) USING (served_entity_id)
            ORDER BY request_time DESC LIMIT 5"""  # noqa: S608 - names from a checked file
        table = _folding("client_request_id", "arm", "status", "ms", "P(PNEUMONIA)")
        self._show(self._payload, table, statement)

    def _logged(self, asked: str) -> int:
        """None yet where serving has not created the table, which it does with the first row."""
        if not self._tables.exists(self._payload).table_exists:
            return 0
        [row] = self._warehouse.execute(
            f"SELECT count(*) AS n FROM {self._payload} JOIN"  # noqa: S608 - as above
            " (SELECT explode(from_json(:asked, 'ARRAY<STRING>')) AS id) AS asked"
            " ON client_request_id = asked.id",
            asked=asked,
        )
        return int(row["n"] or 0)

    def show_traffic(self) -> None:
        """The share of each arm, of all requests until now."""
        view = self._analysis.full_name("traffic")
        statement = f"""
            SELECT arm, sum(requests), round(sum(requests) / sum(sum(requests)) OVER (), 3)
            FROM {view} GROUP BY arm ORDER BY arm"""  # noqa: S608 - as above
        self._show(view, _folding("arm", "requests", "share"), statement)

    def show_outcomes(self) -> None:
        """How often each arm was right by the readings, with Wilson intervals."""
        view = self._analysis.full_name("outcomes")
        rows = self._warehouse.execute(f"SELECT * FROM {view} ORDER BY arm")  # noqa: S608 - as above
        table = _folding("arm", "n", "sensitivity (95 %)", "specificity (95 %)")
        for row in rows:
            hits, misses, passes, alarms = (
                int(row[f"{outcome}s"] or 0)
                for outcome in (
                    "true_positive",
                    "false_negative",
                    "true_negative",
                    "false_positive",
                )
            )
            table.add_row(row["arm"], row["labelled"], _share(hits, misses), _share(passes, alarms))
        console.print(f"  {view}")
        console.print(table)

    def _show(self, title: str, table: Table, statement: str) -> None:
        for row in self._warehouse.execute(statement):
            table.add_row(*map(str, row.values()))
        console.print(f"  {title}")
        console.print(table)


def _folding(*heads: str) -> Table:
    """Cuts no id and no name: two of them may differ at their ends alone."""
    return Table(*(Column(head, overflow="fold") for head in heads))


def _share(right: int, wrong: int) -> str:
    n = right + wrong
    if not n:
        return "no film"
    # Imported when there is something to show: it takes as long as the demo may take to begin.
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(right, n, method="wilson")
    return f"{right / n:.3f} [{low:.3f}, {high:.3f}], n = {n}"

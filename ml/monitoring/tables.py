"""The tables that monitoring reads: references of versions, measures of inputs, verdicts.

Rows are added once, and none is ever changed: a retry adds what is missing.
"""

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ml.contract.tables import (
    INPUT_MEASURES,
    REFERENCE_DISTRIBUTIONS,
    REPLAY_MARK,
    SHADOW_MARK,
    VERDICTS,
    Table,
)
from ml.monitoring.reference import Reference
from ml.workspace.additions import addition, as_texts
from ml.workspace.connection import WorkspaceError
from ml.workspace.unity_catalog import exists
from ml.workspace.warehouse import Warehouse

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from infra.declared.environment import Environment

_KNOWN_VERSIONS: Final = "SELECT DISTINCT model_name, model_version FROM IDENTIFIER(:table)"

_UNMEASURED: Final = """
SELECT payload.databricks_request_id, payload.request_time
FROM IDENTIFIER(:payload) AS payload
LEFT JOIN (SELECT DISTINCT databricks_request_id FROM IDENTIFIER(:measures)) AS measured
  ON measured.databricks_request_id = payload.databricks_request_id
WHERE measured.databricks_request_id IS NULL
  AND payload.status_code = 200
  AND payload.request IS NOT NULL
  AND payload.request_time >= CAST(:since AS TIMESTAMP)
  AND (
    payload.client_request_id IS NULL
    OR NOT (
      startswith(payload.client_request_id, :replay)
      OR startswith(payload.client_request_id, :shadow)
    )
  )
ORDER BY payload.request_time DESC, payload.databricks_request_id
LIMIT 10000
"""

_BODIES: Final = """
SELECT databricks_request_id, request_time, request
FROM IDENTIFIER(:payload)
WHERE databricks_request_id IN (SELECT explode(from_json(:wanted, 'ARRAY<STRING>')))
"""


_ADD_REFERENCE: Final = addition(
    REFERENCE_DISTRIBUTIONS, "model_name", "model_version", "measure", "bin"
)
_ADD_MEASURES: Final = addition(INPUT_MEASURES, "databricks_request_id", "image_index", "measure")
_ADD_VERDICT: Final = addition(VERDICTS, "experiment_hash", "endpoint_name", "as_of")


class MonitoringTables:
    """The tables of one environment."""

    def __init__(self, warehouse: Warehouse, catalog: str) -> None:
        self._warehouse = warehouse
        self._reference = REFERENCE_DISTRIBUTIONS.full_name(catalog)
        self._measures = INPUT_MEASURES.full_name(catalog)
        self._verdicts = VERDICTS.full_name(catalog)

    @classmethod
    def of(
        cls,
        environment: "Environment",
        client: "WorkspaceClient",
        warehouse: str | None = None,
        *,
        used: Sequence[Table],
    ) -> "MonitoringTables":
        """Raises WorkspaceError where one that is ``used`` is missing; nobody but an owner is
        granted all of them."""
        for table in used:
            name = table.full_name(environment.catalog)
            if not exists(client, "table", name):
                raise WorkspaceError(
                    f"{client.config.host}: there is no table {name}, or you may not see it. "
                    f"Write [monitoring] into {environment.name}.toml and deploy "
                    f"{environment.platform_stack}, which creates it."
                )
        named = Warehouse.named(client, warehouse or environment.warehouse_name)
        return cls(named, environment.catalog)

    def known_versions(self) -> frozenset[tuple[str, int]]:
        """The full names and versions whose reference is there."""
        rows = self._warehouse.execute(_KNOWN_VERSIONS, table=self._reference)
        return frozenset((str(it["model_name"]), int(it["model_version"] or 0)) for it in rows)

    def add_reference(self, model: str, version: int, reference: Reference) -> None:
        """Adds the reference of one version."""
        rows = [
            {
                "model_name": model,
                "model_version": version,
                "measure": measure,
                "bin": place,
                "lower_bound": one.lower_bound,
                "upper_bound": one.upper_bound,
                "share": one.share,
            }
            for measure, bins in reference.items()
            for place, one in enumerate(bins)
        ]
        self._warehouse.execute(_ADD_REFERENCE, table=self._reference, rows=as_texts(rows))

    def unmeasured(self, payload: str, since: datetime.datetime) -> list[str]:
        """The ids of answered requests of which nothing is measured, the newest first; at most
        10,000. What was asked to compare arms is no traffic, and is measured nowhere."""
        rows = self._warehouse.execute(
            _UNMEASURED,
            payload=payload,
            measures=self._measures,
            since=since.isoformat(),
            replay=REPLAY_MARK,
            shadow=SHADOW_MARK,
        )
        return [str(it["databricks_request_id"]) for it in rows]

    def bodies(self, payload: str, requests: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """The id, time and body of each request."""
        for row in self._warehouse.execute(_BODIES, payload=payload, wanted=json.dumps(requests)):
            yield str(row["databricks_request_id"]), str(row["request_time"]), str(row["request"])

    def add_measures(self, measured: Sequence[tuple[str, str, int, Mapping[str, float]]]) -> None:
        """Adds what was measured: the request, its time, the input's place, the figures."""
        rows = [
            {
                "databricks_request_id": request,
                "image_index": place,
                "request_time": time,
                "measure": measure,
                "value": value,
            }
            for request, time, place, figures in measured
            for measure, value in figures.items()
        ]
        if rows:
            self._warehouse.execute(_ADD_MEASURES, table=self._measures, rows=as_texts(rows))

    def add_verdict(self, **verdict: object) -> None:
        """Adds what `ml.compare` has found."""
        row = {**verdict, "recorded_at": datetime.datetime.now(datetime.UTC).isoformat()}
        self._warehouse.execute(_ADD_VERDICT, table=self._verdicts, rows=as_texts([row]))

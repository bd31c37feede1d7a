"""A book of readings in a real lake, and what a test says about a reading."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from ml.contract.tables import PREDICTION_FEEDBACK

if TYPE_CHECKING:
    from ml.feedback.book import ReadingBook
    from tests.plugin.served import Served

_NOON = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)
_schemas = itertools.count()

Row = dict[str, Any]


def row(**fields: Any) -> Row:
    """A reading as JSON, with an id of its own."""
    return {
        "feedback_id": str(uuid.uuid4()),
        "prediction_id": "request-1",
        "radiologist_id": "reader-1",
        "ground_truth": "PNEUMONIA",
        "timestamp": _NOON.isoformat(),
        "blind": True,
        **fields,
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Readings:
    """The tables of one environment, and books that write into them."""

    workspace: Served
    schema: str

    @property
    def table(self) -> str:
        return f"{self.schema}.{PREDICTION_FEEDBACK.name}"

    @property
    def payload_table(self) -> str:
        return f"{self.schema}.pneumonia_classifier_payload"

    def book(self, unknown_request: str = "pending", **changes: Any) -> ReadingBook:
        from ml.feedback.book import ReadingBook
        from ml.feedback.setting import Setting
        from ml.workspace.warehouse import Warehouse

        setting = Setting(
            warehouse_id=self.workspace.warehouse_id,
            table=self.table,
            payload_table=self.payload_table,
            unknown_request=unknown_request,  # type: ignore[arg-type]
        )
        setting = dataclasses.replace(setting, **changes)
        return ReadingBook(Warehouse(self.workspace.sdk(), setting.warehouse_id), setting)

    def log(self, client_request_id: str | None, *probabilities: float, status: int = 200) -> str:
        """Serving logs a request with that many images; returns Databricks' id of it."""
        from infra.local.serving.payload import PayloadRow, PayloadTable

        request_id = str(uuid.uuid4())
        catalog, schema = self.schema.split(".")
        self.workspace.lake.payload_sink.deliver(
            PayloadTable(catalog=catalog, schema=schema, prefix="pneumonia_classifier"),
            [
                PayloadRow(
                    databricks_request_id=request_id,
                    request_date=_NOON.date(),
                    client_request_id=client_request_id,
                    request_time=_NOON,
                    status_code=status,
                    sampling_fraction=1.0,
                    execution_duration_ms=9,
                    response=json.dumps({"predictions": [[it] for it in probabilities]}),
                    logging_error_codes=(),
                    served_entity_id="e" * 32,
                    requester="clinic",
                )
            ],
        )
        return request_id

    def written(self, columns: str = "*") -> list[list[str | None]]:
        """The rows of the table, by feedback id."""
        return self.workspace.rows(f"SELECT {columns} FROM {self.table} ORDER BY feedback_id")


@pytest.fixture
def readings(shared_workspace: Served) -> Readings:
    """An empty table of verdicts; there is no inference table before something is logged."""
    schema = f"feedback_{next(_schemas)}"
    shared_workspace.client.post(
        "/api/2.1/unity-catalog/schemas", json={"name": schema, "catalog_name": "base"}
    ).raise_for_status()
    readings = Readings(workspace=shared_workspace, schema=f"base.{schema}")
    columns = ", ".join(
        f"{column.name} {column.type}{'' if column.nullable else ' NOT NULL'}"
        for column in PREDICTION_FEEDBACK.columns
    )
    shared_workspace.rows(f"CREATE TABLE {readings.table} ({columns})")
    return readings

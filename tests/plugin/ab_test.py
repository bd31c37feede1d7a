"""An A/B test that has been answered and judged, in the local workspace's own tables.

The payload and the system table are written by what writes them in the workspace, the verdicts
by SQL, the views as Terraform's provider creates them.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.declared.analysis import VIEWS, Analysis
from ml.contract.tables import PREDICTION_CONTEXT, PREDICTION_FEEDBACK
from tests.plugin.ingestion import create_table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.served import Served

CHAMPION, CHALLENGER = "keras-1", "torch-2"
_IDS = {CHAMPION: "c" * 32, CHALLENGER: "d" * 32}
_NOON = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)
_catalogs = itertools.count()

ENVIRONMENT = """\
catalog = "{catalog}"

[workspace]
host = "{host}"

[platform.warehouse]
name = "fx"

[ab_test]
endpoint = "ab-test"

[ab_test.champion]
model = "keras"
version = 1

[[ab_test.challengers]]
model = "torch"
version = 2
traffic = 50

[ab_test.inference_table]
schema = "gold"
prefix = "pneumonia_classifier"
"""
"""The file of the bed's environment, but for its catalog and host."""
_WATCHED = f"{ENVIRONMENT}\n[monitoring]\n"

Row = dict[str, Any]


@dataclasses.dataclass
class ABTestBed:
    """One endpoint's tables; rows are put in, and the views are read."""

    workspace: Served
    analysis: Analysis
    _requests: Any = dataclasses.field(default_factory=itertools.count)
    _verdicts: Any = dataclasses.field(default_factory=itertools.count)

    def serve(
        self,
        arm: str,
        *,
        config_version: int = 1,
        entity_version: int | None = None,
        minutes: float = -60,
    ) -> None:
        """The arm is in a configuration that is live `minutes` after noon."""
        from infra.local.serving.payload import ServedEntityRow

        model, _, version = arm.rpartition("-")
        self.workspace.lake.payload_sink.deliver_served_entities(
            [
                ServedEntityRow(
                    served_entity_id=self._entity_id(arm),
                    created_by="deployer",
                    endpoint_name="ab-test",
                    endpoint_id="e" * 32,
                    served_entity_name=arm,
                    entity_type="CUSTOM_MODEL",
                    entity_name=f"{self.analysis.catalog}.models.{model}",
                    entity_version=str(entity_version or version),
                    endpoint_config_version=config_version,
                    workload_size="Small",
                    workload_type="CPU",
                    change_time=_NOON + datetime.timedelta(minutes=minutes),
                )
            ]
        )

    def answer(
        self,
        arm: str,
        *probabilities: float,
        id: str | None = None,  # noqa: A002 - the client's request id
        minutes: float = 0,
        milliseconds: int = 20,
        status: int = 200,
        request: str | None = None,
        response: str | None = "of the probabilities",
    ) -> str:
        """A logged request, `minutes` after noon; returns Databricks' id of it."""
        from infra.local.serving.payload import PayloadRow, PayloadTable

        request_id = f"request-{next(self._requests):03}"
        time = _NOON + datetime.timedelta(minutes=minutes)
        if response == "of the probabilities":
            response = json.dumps({"predictions": [[p] for p in probabilities]})
        self.workspace.lake.payload_sink.deliver(
            PayloadTable(
                catalog=self.analysis.catalog,
                schema=self.analysis.schema,
                prefix=self.analysis.prefix,
            ),
            [
                PayloadRow(
                    databricks_request_id=request_id,
                    request_date=time.date(),
                    client_request_id=id,
                    request_time=time,
                    status_code=status,
                    sampling_fraction=1.0,
                    execution_duration_ms=milliseconds,
                    request=request,
                    response=response,
                    logging_error_codes=(),
                    served_entity_id=self._entity_id(arm),
                    requester="clinic",
                )
            ],
        )
        return request_id

    def use(self, arm: str, request_id: str, *, status: int = 200, minutes: float = 0) -> None:
        """A request in the table of the usage, `minutes` after noon."""
        from infra.local.serving.payload import UsageRow

        self.workspace.lake.payload_sink.deliver_usage(
            [
                UsageRow(
                    databricks_request_id=request_id,
                    client_request_id=None,
                    requester="clinic",
                    status_code=status,
                    request_time=_NOON + datetime.timedelta(minutes=minutes),
                    served_entity_id=self._entity_id(arm),
                )
            ]
        )

    def judge(
        self,
        prediction: str,
        truth: str,
        *,
        reader: str = "reader-1",
        minutes: float = 60,
        **columns: str,
    ) -> str:
        """A reader's verdict on a prediction; returns its id."""
        time = _NOON + datetime.timedelta(minutes=minutes)
        values = {
            "feedback_id": f"verdict-{next(self._verdicts):03}",
            "prediction_id": prediction,
            "timestamp": time.isoformat(),
            "ground_truth": truth,
            "radiologist_id": reader,
            **columns,
        }
        types = {column.name: column.type for column in PREDICTION_FEEDBACK.columns}
        markers = ", ".join(f":{name}" for name in values)
        self.workspace.rows(
            f"INSERT INTO {self.analysis.feedback} ({', '.join(values)}) VALUES ({markers})",
            parameters=[
                {"name": name, "value": value, "type": types[name]}
                for name, value in values.items()
            ],
        )
        return values["feedback_id"]

    def describe(self, prediction: str, **known: str) -> None:
        """What is known of a prediction's film."""
        values = {"prediction_id": prediction, "recorded_at": _NOON.isoformat(), **known}
        types = {column.name: column.type for column in PREDICTION_CONTEXT.columns}
        markers = ", ".join(f":{name}" for name in values)
        self.workspace.rows(
            f"INSERT INTO {self.analysis.context} ({', '.join(values)}) VALUES ({markers})",
            parameters=[
                {"name": name, "value": value, "type": types[name]}
                for name, value in values.items()
            ],
        )

    def create_views(self) -> None:
        for view in VIEWS:
            name = self.analysis.full_name(view.name)
            self.workspace.rows(f"CREATE VIEW {name} AS {self.analysis.query(view.name)}")

    def read(self, view: str, *order: str) -> list[Row]:
        """The rows of a view, with numbers as numbers."""
        by = ", ".join(order) or "1"
        return self.query(f"SELECT * FROM {self.analysis.full_name(view)} ORDER BY {by}")

    def query(self, statement: str) -> list[Row]:
        answer = self.workspace.sql(statement)
        assert answer["status"]["state"] == "SUCCEEDED", answer["status"]
        columns = answer["manifest"]["schema"]["columns"]
        return [
            {
                column["name"]: _value(column["type_name"], value)
                for column, value in zip(columns, row, strict=True)
            }
            for row in answer["result"].get("data_array", [])
        ]

    def write_environment(self, folder: Path) -> Path:
        """An environment file of this test, which is watched; with the tables of the watch."""
        from infra.declared.tables import WATCH_TABLES

        for table in WATCH_TABLES:
            self.workspace.rows(create_table(table, self.analysis.catalog))
        file = folder / "clinic.toml"
        file.write_text(
            _WATCHED.format(
                catalog=self.analysis.catalog,
                host=str(self.workspace.client.base_url).rstrip("/"),
            ),
            encoding="utf-8",
        )
        return file

    def _entity_id(self, arm: str) -> str:
        # The workspace of a file is shared, and so is its system table.
        return f"{_IDS[arm][: -len(self.analysis.catalog)]}{self.analysis.catalog}"


def _value(type_name: str, value: str | None) -> Any:
    if value is None:
        return None
    match type_name:
        case "INT" | "LONG":
            return int(value)
        case "DOUBLE":
            return float(value)
        case _:
            return value


def new_bed(workspace: Served) -> ABTestBed:
    """In a catalog of its own."""
    catalog = f"catalog_{next(_catalogs)}"
    client = workspace.client
    client.post("/api/2.1/unity-catalog/catalogs", json={"name": catalog}).raise_for_status()
    client.post(
        "/api/2.1/unity-catalog/schemas", json={"name": "gold", "catalog_name": catalog}
    ).raise_for_status()
    analysis = Analysis(
        catalog=catalog,
        schema="gold",
        prefix="pneumonia_classifier",
        feedback=PREDICTION_FEEDBACK.full_name(catalog),
        context=PREDICTION_CONTEXT.full_name(catalog),
    )
    workspace.rows(create_table(PREDICTION_FEEDBACK, catalog))
    workspace.rows(create_table(PREDICTION_CONTEXT, catalog))
    bed = ABTestBed(workspace=workspace, analysis=analysis)
    bed.serve(CHAMPION)
    bed.serve(CHALLENGER)
    return bed


@pytest.fixture
def ab_test(shared_workspace: Served) -> ABTestBed:
    """Both arms are served; the views are created when there are rows, as on Databricks."""
    return new_bed(shared_workspace)


@pytest.fixture
def watched(ab_test: ABTestBed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment file of the test, which leads to its workspace."""
    monkeypatch.setenv("DATABRICKS_TOKEN", "any")
    return ab_test.write_environment(tmp_path)

"""Rows of serving arrive once, in the documented columns, or not at all."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

UTC = datetime.UTC
WHEN = datetime.datetime(2026, 11, 24, 12, 0, 0, 123000, tzinfo=UTC)


def payload(number: int, **changes: Any) -> Any:
    from infra.local.serving.payload import PayloadRow

    row = PayloadRow(
        databricks_request_id=f"00000000-0000-0000-0000-{number:012d}",
        request_date=WHEN.date(),
        client_request_id=f"film-{number}",
        request_time=WHEN,
        status_code=200,
        sampling_fraction=1.0,
        execution_duration_ms=12,
        request='{"inputs": [[0.5]]}',
        response='{"predictions": [[0.25]]}',
        logging_error_codes=(),
        served_entity_id="2c5e22cf20044862812dfb724749c87c",
        requester="me",
    )
    return dataclasses.replace(row, **changes)


def table(prefix: str = "p", schema: str = "s") -> Any:
    from infra.local.serving.payload import PayloadTable

    return PayloadTable(catalog="base", schema=schema, prefix=prefix)


def served_entity(**changes: Any) -> Any:
    from infra.local.serving.payload import ServedEntityRow

    row = ServedEntityRow(
        served_entity_id="2c5e22cf20044862812dfb724749c87c",
        created_by="me",
        endpoint_name="ab",
        endpoint_id="0123",
        served_entity_name="model-1",
        entity_type="CUSTOM_MODEL",
        entity_name="base.s.model",
        entity_version="1",
        endpoint_config_version=1,
        workload_size="Small",
        workload_type="CPU",
        change_time=WHEN,
    )
    return dataclasses.replace(row, **changes)


def test_the_first_row_makes_the_table_in_its_documented_columns(new_workspace: Any) -> None:
    new_workspace.lake.payload_sink.deliver(table(), [payload(1)])
    info = new_workspace.client.get("/api/2.1/unity-catalog/tables/base.s.p_payload").json()
    assert [(column["name"], column["type_text"]) for column in info["columns"]] == [
        ("databricks_request_id", "string"),
        ("request_date", "date"),
        ("client_request_id", "string"),
        ("request_time", "timestamp"),
        ("status_code", "int"),
        ("sampling_fraction", "double"),
        ("execution_duration_ms", "bigint"),
        ("request", "string"),
        ("response", "string"),
        ("logging_error_codes", "array<string>"),
        ("served_entity_id", "string"),
        ("requester", "string"),
    ]
    assert info["properties"]["clusteringColumns"] == '[["request_date"]]'


def test_a_row_is_read_as_it_was_written(new_workspace: Any) -> None:
    row = payload(
        1, client_request_id=None, request=None, logging_error_codes=("MAX_REQUEST_SIZE_EXCEEDED",)
    )
    new_workspace.lake.payload_sink.deliver(table(), [row])
    assert new_workspace.rows("SELECT * FROM base.s.p_payload") == [
        [
            "00000000-0000-0000-0000-000000000001",
            "2026-11-24",
            None,
            "2026-11-24T12:00:00.123Z",
            "200",
            "1.0",
            "12",
            None,
            '{"predictions": [[0.25]]}',
            '["MAX_REQUEST_SIZE_EXCEEDED"]',
            "2c5e22cf20044862812dfb724749c87c",
            "me",
        ]
    ]


def test_a_row_that_comes_twice_is_there_once(new_workspace: Any) -> None:
    sink = new_workspace.lake.payload_sink
    sink.deliver(table(), [payload(1), payload(2), payload(2)])
    sink.deliver(table(), [payload(2), payload(3)])
    rows = new_workspace.rows("SELECT client_request_id FROM base.s.p_payload ORDER BY 1")
    assert rows == [["film-1"], ["film-2"], ["film-3"]]


def test_without_the_schema_nothing_is_written_and_the_way_out_is_named(new_workspace: Any) -> None:
    from infra.local.serving.inference_tables import UndeliverablePayload

    with pytest.raises(UndeliverablePayload, match=r"schema base\.gone does not exist.*Create it"):
        new_workspace.lake.payload_sink.deliver(table(schema="gone"), [payload(1)])
    new_workspace.rows("CREATE SCHEMA base.gone")
    new_workspace.lake.payload_sink.deliver(table(schema="gone"), [payload(1)])
    assert new_workspace.rows("SELECT count(*) FROM base.gone.p_payload") == [["1"]]


def test_another_table_of_that_name_is_left_alone(new_workspace: Any) -> None:
    from infra.local.serving.inference_tables import UndeliverablePayload

    new_workspace.rows("CREATE TABLE base.s.p_payload (mine INT)")
    with pytest.raises(UndeliverablePayload, match="another table_name_prefix"):
        new_workspace.lake.payload_sink.deliver(table(), [payload(1)])
    assert new_workspace.rows("DESCRIBE base.s.p_payload") == [["mine", "int", None]]


def test_usage_and_served_entities_are_in_the_system_catalog(new_workspace: Any) -> None:
    from infra.local.serving.payload import UsageRow

    usage = UsageRow(
        databricks_request_id="r1",
        client_request_id=None,
        requester="me",
        status_code=200,
        request_time=WHEN,
        served_entity_id="2c5e22cf20044862812dfb724749c87c",
    )
    sink = new_workspace.lake.payload_sink
    sink.deliver_usage([usage])
    sink.deliver_usage([usage])
    sink.deliver_served_entities([served_entity()])
    rows = new_workspace.rows(
        "SELECT u.status_code, e.served_entity_name, e.custom_model_config.workload_size "
        "FROM system.serving.endpoint_usage u JOIN system.serving.served_entities e "
        "ON u.served_entity_id = e.served_entity_id"
    )
    assert rows == [["200", "model-1", "Small"]]


def test_a_later_state_of_a_served_entity_replaces_the_earlier(new_workspace: Any) -> None:
    sink = new_workspace.lake.payload_sink
    sink.deliver_served_entities([served_entity(), served_entity(endpoint_config_version=2)])
    sink.deliver_served_entities([served_entity(endpoint_delete_time=WHEN)])
    rows = new_workspace.rows(
        "SELECT endpoint_config_version, endpoint_delete_time FROM system.serving.served_entities "
        "ORDER BY 1"
    )
    assert rows == [["1", "2026-11-24T12:00:00.123Z"], ["2", None]]


def test_system_tables_are_read_only(new_workspace: Any) -> None:
    for statement in (
        "DELETE FROM system.serving.endpoint_usage",
        "DROP TABLE system.serving.served_entities",
        "CREATE SCHEMA system.mine",
    ):
        assert new_workspace.error(statement).startswith("[INSUFFICIENT_PERMISSIONS]")


def test_the_prediction_view_of_the_platform_runs(new_workspace: Any) -> None:
    """Payload joined with the served entities: the arm, the version, the probability."""
    sink = new_workspace.lake.payload_sink
    sink.deliver_served_entities([served_entity()])
    sink.deliver(table(), [payload(1), payload(2, response="not JSON"), payload(3, response=None)])
    new_workspace.rows(
        "CREATE VIEW base.s.predictions (request_id COMMENT 'joins feedback', arm, version, p) AS "
        "SELECT p.client_request_id, e.served_entity_name, CAST(e.entity_version AS INT), "
        "try_cast(p.response:predictions[0][0] AS DOUBLE) "
        "FROM base.s.p_payload p JOIN system.serving.served_entities e "
        "ON p.served_entity_id = e.served_entity_id WHERE p.status_code = 200 "
        "QUALIFY row_number() OVER (PARTITION BY p.databricks_request_id "
        "ORDER BY e.change_time DESC) = 1"
    )
    assert new_workspace.rows("SELECT * FROM base.s.predictions ORDER BY request_id") == [
        ["film-1", "model-1", "1", "0.25"],
        ["film-2", "model-1", "1", None],
        ["film-3", "model-1", "1", None],
    ]

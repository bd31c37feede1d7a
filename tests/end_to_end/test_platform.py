"""The platform, deployed: real Terraform, the local workspace, the synthesized JSON as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.end_to_end.conftest import Stack, Workspace

pytestmark = pytest.mark.programs

CATALOG = "healthcare_catalog_local"
UNITY = "/api/2.1/unity-catalog"
PAYLOAD = f"{CATALOG}.gold.pneumonia_classifier_payload"


@pytest.fixture
def platform(synthesize: Callable[..., dict[str, Stack]]) -> Stack:
    return synthesize()["platform"]


@pytest.fixture
def deployed(platform: Stack) -> Stack:
    platform.apply()
    return platform


def test_it_deploys_whole_changes_nothing_twice_and_goes_without_a_trace(
    platform: Stack, workspace: Workspace
) -> None:
    platform.apply()

    assert workspace.get(f"{UNITY}/catalogs/{CATALOG}")["name"] == CATALOG
    schemas = workspace.get(f"{UNITY}/schemas", catalog_name=CATALOG)["schemas"]
    assert {"bronze", "silver", "gold", "models"} <= {it["name"] for it in schemas}
    assert platform.output("films_path") == f"/Volumes/{CATALOG}/bronze/xray_images"
    assert workspace.exists(f"{UNITY}/volumes/{CATALOG}.bronze.xray_images")
    assert workspace.exists(f"{UNITY}/models/{CATALOG}.models.pneumonia_poc_classifier")
    assert len(workspace.get("/api/2.2/jobs/list")["jobs"]) == 2
    assert platform.changes() == []

    platform.destroy()

    assert not workspace.exists(f"{UNITY}/catalogs/{CATALOG}")
    assert workspace.get("/api/2.2/jobs/list").get("jobs", []) == []
    assert workspace.get("/api/2.0/lakeview/dashboards").get("dashboards", []) == []
    assert workspace.get("/api/2.0/secrets/scopes/list").get("scopes", []) == []


def test_tables_have_their_types_comments_and_what_must_not_be_null(
    deployed: Stack, workspace: Workspace
) -> None:
    table = workspace.get(f"{UNITY}/tables/{CATALOG}.bronze.kaggle_xray_metadata")

    columns = {column["name"]: column for column in table["columns"]}
    assert table["table_type"] == "MANAGED"
    assert table["comment"]
    assert columns["sha256"]["type_text"].lower() == "string"
    assert columns["width"]["type_text"].lower() == "int"
    assert columns["ingested_at"]["type_text"].lower() == "timestamp"
    assert all(column["comment"] for column in columns.values())
    assert columns["label"]["nullable"] is False
    assert columns["patient_key"]["nullable"] is True


def test_a_row_without_a_label_is_refused(deployed: Stack, workspace: Workspace) -> None:
    with pytest.raises(AssertionError, match="label"):
        workspace.sql(
            "INSERT INTO healthcare_catalog_local.bronze.kaggle_xray_metadata (image_id) "
            "VALUES ('film')",
            deployed.output("warehouse_id"),
        )


def test_what_was_granted_by_others_stays(deployed: Stack, workspace: Workspace) -> None:
    permissions = f"{UNITY}/permissions/schema/{CATALOG}.gold"
    workspace.client.patch(
        permissions, json={"changes": [{"principal": "auditors", "add": ["USE_SCHEMA"]}]}
    ).raise_for_status()

    assert deployed.changes() == []
    deployed.apply()

    assignments = {
        it["principal"]: it["privileges"]
        for it in workspace.get(permissions)["privilege_assignments"]
    }
    assert assignments["auditors"] == ["USE_SCHEMA"]
    assert assignments["analysts"] == ["USE_SCHEMA"]


def test_a_catalog_that_is_there_is_used_and_survives(
    synthesize: Callable[..., dict[str, Stack]], workspace: Workspace
) -> None:
    workspace.client.post(f"{UNITY}/catalogs", json={"name": CATALOG}).raise_for_status()
    platform = synthesize(add="\n[platform.catalog]\ncreate = false\n")["platform"]

    platform.apply()
    assert workspace.exists(f"{UNITY}/schemas/{CATALOG}.gold")
    platform.destroy()

    assert workspace.exists(f"{UNITY}/catalogs/{CATALOG}")
    assert not workspace.exists(f"{UNITY}/schemas/{CATALOG}.gold")


def test_a_warehouse_that_is_there_is_used_and_survives(
    synthesize: Callable[..., dict[str, Stack]], workspace: Workspace
) -> None:
    created = workspace.client.post(
        "/api/2.0/sql/warehouses", json={"name": "shared", "cluster_size": "Small"}
    ).json()
    add = '\n[platform.warehouse]\ncreate = false\nname = "shared"\n'
    platform = synthesize(add=add)["platform"]

    platform.apply()
    assert platform.output("warehouse_id") == created["id"]
    assert platform.changes() == []
    platform.destroy()

    assert workspace.exists(f"/api/2.0/sql/warehouses/{created['id']}")


class TestProtection:
    def test_a_protected_platform_is_not_destroyed(
        self, synthesize: Callable[..., dict[str, Stack]], workspace: Workspace
    ) -> None:
        protected = synthesize(("[platform.jobs]", "[platform]\nprotect = true\n\n[platform.jobs]"))
        protected["platform"].apply()
        assert protected["platform"].changes() == []

        refusal = protected["platform"].destroy(check=False)

        assert "Instance cannot be destroyed" in refusal
        assert workspace.exists(f"{UNITY}/tables/{CATALOG}.gold.prediction_feedback")
        assert workspace.exists(f"{UNITY}/volumes/{CATALOG}.bronze.xray_images")

    def test_the_way_that_it_names_leads_out(
        self, synthesize: Callable[..., dict[str, Stack]], workspace: Workspace
    ) -> None:
        """Set protect = false, deploy, destroy."""
        jobs = "[platform.jobs]"
        synthesize((jobs, f"[platform]\nprotect = true\n\n{jobs}"))["platform"].apply()

        released = synthesize((jobs, f"[platform]\nprotect = false\n\n{jobs}"))["platform"]
        released.apply()
        released.destroy()

        assert not workspace.exists(f"{UNITY}/catalogs/{CATALOG}")


class TestAnalysis:
    def test_the_views_come_when_serving_has_logged_and_go_before_the_platform(
        self, synthesize: Callable[..., dict[str, Stack]], workspace: Workspace
    ) -> None:
        stacks = synthesize()
        platform, analysis = stacks["platform"], stacks["analysis"]
        platform.apply()

        too_early = analysis.apply(check=False)
        assert "TABLE_OR_VIEW_NOT_FOUND" in too_early

        warehouse = platform.output("warehouse_id")
        _log_a_request(workspace, warehouse)
        analysis.apply()
        assert analysis.changes() == []
        predictions = workspace.sql(
            "SELECT prediction_id, probability "
            "FROM healthcare_catalog_local.gold.pneumonia_classifier_predictions",
            warehouse,
        )
        assert predictions == [["film-1", "0.9"]]

        analysis.destroy()
        platform.destroy()
        assert not workspace.exists(f"{UNITY}/catalogs/{CATALOG}")


def _log_a_request(workspace: Workspace, warehouse: str) -> None:
    """What serving does with the first request: the table and a row of it."""
    from infra.local.serving.inference_tables import PAYLOAD_COLUMNS

    columns = ", ".join(f"{column.name} {column.type.text}" for column in PAYLOAD_COLUMNS)
    workspace.sql(f"CREATE TABLE {PAYLOAD} ({columns})", warehouse)
    workspace.sql(
        """
        INSERT INTO healthcare_catalog_local.gold.pneumonia_classifier_payload (
          databricks_request_id, client_request_id, request_time, status_code,
          execution_duration_ms, response, served_entity_id
        ) VALUES (
          'request-1', 'film-1', TIMESTAMP '2026-03-02 12:00:00', 200,
          20, '{"predictions": [[0.9]]}', 'cccccccccccccccccccccccccccccccc'
        )
        """,
        warehouse,
    )

"""The platform, deployed: real Terraform, the local workspace, the synthesized JSON as it is."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.terraform.__main__ import main as deploy
from infra.rollout.__main__ import main as rollout
from tests.end_to_end.serving.sandbox import in_process
from tests.end_to_end.stack import Stack, synthesized
from tests.infra.local.terraform.repository import Repository
from tests.plugin.served import serving
from tests.plugin.terraform import TOKEN
from tests.plugin.workspaces import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.plugin.workspaces import Workspace

pytestmark = pytest.mark.programs

CATALOG = "healthcare_catalog_local"
UNITY = "/api/2.1/unity-catalog"
FEEDBACK = f"{CATALOG}.gold.prediction_feedback"
READINGS = f"SELECT feedback_id FROM {FEEDBACK}"
PAYLOAD = f"{CATALOG}.gold.pneumonia_classifier_payload"


@pytest.fixture
def workspace(tmp_path: Path, empty_registry: Path) -> Iterator[Workspace]:
    """A new one, to which Terraform's provider has the token."""
    registry = shutil.copy(empty_registry, tmp_path / "mlflow.db")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "token").write_text(TOKEN)
    with serving(tmp_path, f"sqlite:///{registry}") as workspace:
        yield workspace


@pytest.fixture
def stacks(
    workspace: Workspace, attached_environment: dict[str, str], tmp_path: Path
) -> Callable[..., dict[str, Stack]]:
    """The stacks of `local` on this workspace, by the first word of their names.

    `add` goes to the end of the environment file; replacements are made in it before.
    """

    def stacks(*replacements: tuple[str, str], add: str = "") -> dict[str, Stack]:
        text = (REPOSITORY / "infra/environments/local.toml").read_text(encoding="utf-8")
        for old, new in (("http://127.0.0.1:8180", workspace.host), *replacements):
            assert old in text, f"local.toml has no {old!r} to replace"
            text = text.replace(old, new, 1)
        file = tmp_path / "local.toml"
        file.write_text(text + add, encoding="utf-8")
        found = {}
        for kind in ("platform", "analysis"):
            folder = synthesized(kind, file, tmp_path / "cdktf.out")
            found[kind] = Stack(folder=folder, environment=attached_environment)
            found[kind].init()
        return found

    return stacks


@pytest.fixture
def platform(stacks: Callable[..., dict[str, Stack]]) -> Stack:
    return stacks()["platform"]


@pytest.fixture
def deployed(platform: Stack) -> Stack:
    platform.apply()
    return platform


def test_it_deploys_whole_changes_nothing_twice_and_goes_without_a_trace(
    platform: Stack, workspace: Workspace
) -> None:
    platform.apply()

    assert get(workspace, f"{UNITY}/catalogs/{CATALOG}")["name"] == CATALOG
    schemas = get(workspace, f"{UNITY}/schemas", catalog_name=CATALOG)["schemas"]
    assert {"bronze", "silver", "gold", "models"} <= {it["name"] for it in schemas}
    assert platform.output("films_path") == f"/Volumes/{CATALOG}/bronze/xray_images"
    assert exists(workspace, f"{UNITY}/volumes/{CATALOG}.bronze.xray_images")
    assert exists(workspace, f"{UNITY}/models/{CATALOG}.models.pneumonia_poc_classifier")
    assert len(get(workspace, "/api/2.2/jobs/list")["jobs"]) == 2
    assert platform.changes() == []

    platform.destroy()

    assert not exists(workspace, f"{UNITY}/catalogs/{CATALOG}")
    assert get(workspace, "/api/2.2/jobs/list").get("jobs", []) == []
    assert get(workspace, "/api/2.0/lakeview/dashboards").get("dashboards", []) == []
    assert get(workspace, "/api/2.0/secrets/scopes/list").get("scopes", []) == []


def test_tables_have_their_types_comments_and_what_must_not_be_null(
    deployed: Stack, workspace: Workspace
) -> None:
    table = get(workspace, f"{UNITY}/tables/{CATALOG}.bronze.kaggle_xray_metadata")

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
        query(
            workspace,
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
        for it in get(workspace, permissions)["privilege_assignments"]
    }
    assert assignments["auditors"] == ["USE_SCHEMA"]
    assert assignments["analysts"] == ["USE_SCHEMA"]


def test_a_catalog_that_is_there_is_used_and_survives(
    stacks: Callable[..., dict[str, Stack]], workspace: Workspace
) -> None:
    workspace.client.post(f"{UNITY}/catalogs", json={"name": CATALOG}).raise_for_status()
    platform = stacks(add="\n[platform.catalog]\ncreate = false\n")["platform"]

    platform.apply()
    assert exists(workspace, f"{UNITY}/schemas/{CATALOG}.gold")
    platform.destroy()

    assert exists(workspace, f"{UNITY}/catalogs/{CATALOG}")
    assert not exists(workspace, f"{UNITY}/schemas/{CATALOG}.gold")


def test_a_warehouse_that_is_there_is_used_and_survives(
    stacks: Callable[..., dict[str, Stack]], workspace: Workspace
) -> None:
    created = workspace.client.post(
        "/api/2.0/sql/warehouses", json={"name": "shared", "cluster_size": "Small"}
    ).json()
    add = '\n[platform.warehouse]\ncreate = false\nname = "shared"\n'
    platform = stacks(add=add)["platform"]

    platform.apply()
    assert platform.output("warehouse_id") == created["id"]
    assert platform.changes() == []
    platform.destroy()

    assert exists(workspace, f"/api/2.0/sql/warehouses/{created['id']}")


def test_tables_and_a_volume_that_are_there_are_adopted_with_what_is_in_them(
    stacks: Callable[..., dict[str, Stack]], workspace: Workspace
) -> None:
    first = stacks()["platform"]
    first.apply()
    warehouse = first.output("warehouse_id")
    insert_a_reading(workspace, warehouse)
    held = ("tables.kaggle_xray_metadata", "tables.prediction_feedback", "volumes.xray_images")
    (state,) = first.folder.parents[2].glob("terraform.platform-local.tfstate")
    whole = json.loads(state.read_text())
    whole["resources"] = [
        it
        for it in whole["resources"]
        if it["type"] not in {"databricks_sql_table", "databricks_volume"}
    ]
    state.write_text(json.dumps(whole))

    adopting = stacks(add="".join(f"\n[platform.{it}]\nadopt = true\n" for it in held))["platform"]
    adopting.apply()

    assert query(workspace, READINGS, warehouse) == [["f"]]
    assert adopting.changes() == []


def test_a_table_that_something_else_takes_care_of_from_now_on_is_forgotten_not_dropped(
    stacks: Callable[..., dict[str, Stack]], workspace: Workspace
) -> None:
    first = stacks()["platform"]
    first.apply()
    warehouse = first.output("warehouse_id")
    insert_a_reading(workspace, warehouse)

    referring = stacks(
        add="\n[platform.tables.prediction_feedback]\ncreate = false\n"
        "\n[platform.warehouse]\ncreate = false\n"
    )["platform"]
    referring.apply()

    assert query(workspace, READINGS, warehouse) == [["f"]]
    assert referring.changes() == []


def type_in(command: str, repository: Repository, environment: dict[str, str]) -> None:
    """Runs a command that a refusal has named, as it was printed."""
    done = subprocess.run(
        shlex.split(command),
        cwd=repository.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class TestProtection:
    def test_a_protected_platform_is_not_destroyed(
        self, stacks: Callable[..., dict[str, Stack]], workspace: Workspace
    ) -> None:
        protected = stacks(("[platform.jobs]", "[platform]\nprotect = true\n\n[platform.jobs]"))
        protected["platform"].apply()
        assert protected["platform"].changes() == []

        refusal = protected["platform"].refused("destroy")

        assert "Instance cannot be destroyed" in refusal
        assert exists(workspace, f"{UNITY}/tables/{CATALOG}.gold.prediction_feedback")
        assert exists(workspace, f"{UNITY}/volumes/{CATALOG}.bronze.xray_images")

    def test_the_way_that_it_names_leads_out(
        self, stacks: Callable[..., dict[str, Stack]], workspace: Workspace
    ) -> None:
        """Set protect = false, deploy, destroy."""
        jobs = "[platform.jobs]"
        stacks((jobs, f"[platform]\nprotect = true\n\n{jobs}"))["platform"].apply()

        released = stacks((jobs, f"[platform]\nprotect = false\n\n{jobs}"))["platform"]
        released.apply()
        released.destroy()

        assert not exists(workspace, f"{UNITY}/catalogs/{CATALOG}")


class TestAnalysis:
    def test_the_views_come_when_serving_has_logged_and_go_before_the_platform(
        self, stacks: Callable[..., dict[str, Stack]], workspace: Workspace
    ) -> None:
        synthesized = stacks()
        platform, analysis = synthesized["platform"], synthesized["analysis"]
        platform.apply()

        too_early = analysis.refused()
        assert "TABLE_OR_VIEW_NOT_FOUND" in too_early

        warehouse = platform.output("warehouse_id")
        _log_a_request(workspace, warehouse)
        analysis.apply()
        assert analysis.changes() == []
        predictions = query(
            workspace,
            "SELECT prediction_id, probability "
            "FROM healthcare_catalog_local.gold.pneumonia_classifier_predictions",
            warehouse,
        )
        assert predictions == [["film-1", "0.9"]]

        analysis.destroy()
        platform.destroy()
        assert not exists(workspace, f"{UNITY}/catalogs/{CATALOG}")


MONITORING = """
[monitoring]
minimum_requests = 1
notify = [{ user = "oncall@clinic.example" }, { webhook = "http://127.0.0.1:9/alerts" }]

[monitoring.limits]
latency_p95_ms = 1
"""


class TestMonitoring:
    def test_its_alerts_come_look_change_and_go(
        self, stacks: Callable[..., dict[str, Stack]], workspace: Workspace
    ) -> None:
        synthesized = stacks(add=MONITORING)
        platform, analysis = synthesized["platform"], synthesized["analysis"]
        platform.apply()
        _log_a_request(workspace, platform.output("warehouse_id"))

        analysis.apply()
        states = {name: _looked_at(workspace, it) for name, it in _alerts(workspace).items()}

        assert analysis.changes() == []
        assert len(states) == 8
        # The logged request is months old, so that no window has it.
        assert set(states.values()) == {"OK"}

        changed = stacks(add=MONITORING.replace("minimum", "paused = true\nminimum"))["analysis"]
        changed.apply()

        paused = {it["schedule"]["pause_status"] for it in _alerts(workspace).values()}
        assert paused == {"PAUSED"}
        assert changed.changes() == []

        changed.destroy()
        assert _alerts(workspace) == {}
        assert get(workspace, "/api/2.0/notification-destinations")["results"] == []


def _alerts(workspace: Workspace) -> dict[str, Any]:
    return {it["display_name"]: it for it in get(workspace, "/api/2.0/alerts")["alerts"]}


def _looked_at(workspace: Workspace, alert: dict[str, Any]) -> str:
    path = f"/api/2.0/local/alerts/{alert['id']}/evaluate"
    answer = workspace.client.post(path).json()
    state: str = answer["evaluation"]["state"]
    return state


def _log_a_request(workspace: Workspace, warehouse: str) -> None:
    """What serving does with the first request: the table and a row of it."""
    from infra.local.serving.inference_tables import PAYLOAD_COLUMNS

    columns = ", ".join(f"{column.name} {column.type.text}" for column in PAYLOAD_COLUMNS)
    query(workspace, f"CREATE TABLE {PAYLOAD} ({columns})", warehouse)
    query(
        workspace,
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


def get(workspace: Workspace, path: str, **query: str) -> Any:
    response = workspace.client.get(path, params=query)
    response.raise_for_status()
    return response.json()


def exists(workspace: Workspace, path: str) -> bool:
    return workspace.client.get(path).is_success


def query(workspace: Workspace, statement: str, warehouse: str) -> list[list[str | None]]:
    answer = workspace.client.post(
        "/api/2.0/sql/statements", json={"statement": statement, "warehouse_id": warehouse}
    ).json()
    assert answer["status"]["state"] == "SUCCEEDED", answer["status"]
    rows: list[list[str | None]] = answer["result"].get("data_array", [])
    return rows


def insert_a_reading(workspace: Workspace, warehouse: str) -> None:
    query(
        workspace,
        f"INSERT INTO {FEEDBACK} (feedback_id, prediction_id, timestamp, ground_truth,"
        " radiologist_id) VALUES ('f', 'p', TIMESTAMP '2026-03-02 12:00:00', 'NORMAL', 'reader')",
        warehouse,
    )


class TestWhatTheStateDoesNotKnow:
    """Readings of radiologists are in a table that Terraform's provider creates by replacing it."""

    @pytest.fixture
    def repository(self, tmp_path: Path, workspace: Workspace) -> Repository:
        """An environment in a catalog, with schemas and a warehouse, of an organisation."""
        workspace.client.post(f"{UNITY}/catalogs", json={"name": CATALOG}).raise_for_status()
        for name in ("bronze", "silver", "gold", "models"):
            schema = {"catalog_name": CATALOG, "name": name}
            workspace.client.post(f"{UNITY}/schemas", json=schema).raise_for_status()
        warehouse = {"name": "shared", "cluster_size": "Small"}
        workspace.client.post("/api/2.0/sql/warehouses", json=warehouse).raise_for_status()
        text = (REPOSITORY / "infra/environments/local.toml").read_text(encoding="utf-8")
        text = text.replace("http://127.0.0.1:8180", workspace.host)
        text += "\n[platform]\nprotect = true\n\n[platform.catalog]\ncreate = false\n"
        for name in ("bronze", "silver", "gold", "models"):
            text += f"\n[platform.schemas.{name}]\ncreate = false\n"
        text += '\n[platform.warehouse]\ncreate = false\nname = "shared"\n'
        root = tmp_path / "repository"
        root.mkdir()
        return Repository(root, text, TOKEN)

    @pytest.fixture
    def apply(self, repository: Repository) -> Callable[[], subprocess.CompletedProcess[str]]:
        return lambda: in_process(
            deploy,
            *("apply", "--stack", "platform", "--provider", "stand-in", "--auto-approve"),
            *("--environment", repository.file),
            cwd=repository.root,
            DATABRICKS_TOKEN=TOKEN,
        )

    def test_a_reading_outlives_an_apply_and_the_way_that_is_named_leads_on(
        self,
        repository: Repository,
        apply: Callable[[], subprocess.CompletedProcess[str]],
        workspace: Workspace,
        terraform_environment: dict[str, str],
    ) -> None:
        first = apply()
        assert first.returncode == 0, first.stdout + first.stderr
        (warehouse,) = get(workspace, "/api/2.0/sql/warehouses")["warehouses"]
        insert_a_reading(workspace, warehouse["id"])
        (state,) = repository.root.glob(".local/**/terraform.platform-sandbox.tfstate")
        whole = json.loads(state.read_text())
        held = {f"{CATALOG}.bronze.xray_images", f"{CATALOG}.bronze.kaggle_xray_metadata"}
        held |= {f"{CATALOG}.gold.prediction_context", FEEDBACK}

        state.unlink()
        refused = apply()

        assert refused.returncode == 1
        for name in held:
            assert f"{name}: this " in refused.stderr
        assert "CREATE OR REPLACE TABLE" in refused.stderr
        assert query(workspace, READINGS, warehouse["id"]) == [["f"]]
        assert not state.exists()

        checked = in_process(
            rollout,
            *("check", "--stack", "platform", "--environment", repository.file),
            cwd=repository.root,
            DATABRICKS_TOKEN=TOKEN,
        )
        commands = re.findall(r"^  (terraform .*)$", refused.stderr, re.MULTILINE)
        assert len(commands) == len(held)
        assert checked.returncode == 3, checked.stderr
        for command in commands:
            assert command in checked.stdout

        # What else is in a state, an organisation takes care of.
        whole["resources"] = [
            it
            for it in whole["resources"]
            if it["type"] not in {"databricks_sql_table", "databricks_volume"}
        ]
        state.write_text(json.dumps(whole))
        for command in commands:
            type_in(command, repository, terraform_environment)
        again = apply()

        assert again.returncode == 0, again.stdout + again.stderr
        assert query(workspace, READINGS, warehouse["id"]) == [["f"]]

    def test_a_model_that_was_trained_before_the_platform_is_told_with_the_way_out(
        self,
        repository: Repository,
        apply: Callable[[], subprocess.CompletedProcess[str]],
        workspace: Workspace,
        terraform_environment: dict[str, str],
    ) -> None:
        name = f"{CATALOG}.models.pneumonia_poc_classifier"
        model = {"catalog_name": CATALOG, "schema_name": "models", "name": name.split(".")[2]}
        workspace.client.post(f"{UNITY}/models", json=model).raise_for_status()

        refused = apply()
        checked = in_process(
            rollout,
            *("check", "--stack", "platform", "--environment", repository.file),
            cwd=repository.root,
            DATABRICKS_TOKEN=TOKEN,
        )

        assert refused.returncode == 1
        assert f"{name}: this model exists" in refused.stderr
        (command,) = re.findall(r"^  (terraform .*)$", refused.stderr, re.MULTILINE)
        assert checked.returncode == 3
        assert command in checked.stdout
        type_in(command, repository, terraform_environment)
        done = apply()
        assert done.returncode == 0, done.stdout + done.stderr

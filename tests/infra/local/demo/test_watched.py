"""The last act of the demo: a challenger that is slow and wrong, told of and stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tomlkit
from databricks.sdk import WorkspaceClient
from databricks.sdk.service import sql

from infra.declared.environment import load
from infra.declared.watching import Watch
from infra.local.demo import project, slow_model, watched
from infra.local.demo.commands import DemoFailed
from infra.local.page.session import path_with_key
from tests.plugin.served import serving
from tests.plugin.workspaces import BRIGHTNESS, entity

if TYPE_CHECKING:
    from pathlib import Path

    from infra.declared.environment import Environment
    from tests.plugin.workspaces import RunningWorkspace, Workspace


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The demo's file with version 2 of the slow model."""
    monkeypatch.chdir(tmp_path)
    file = project.environment_file()
    file.parent.mkdir(parents=True)
    document = project.environment()
    document["monitoring"] = watched.monitoring()
    file.write_text(tomlkit.dumps(document))
    return watched.declare(2)


def sdk(workspace: Workspace) -> WorkspaceClient:
    return WorkspaceClient(host=workspace.host, token=workspace.token, auth_type="pat")


def test_it_is_one_challenger_more_and_takes_its_share_from_the_champion(
    declared: Environment,
) -> None:
    before = load("local").ab_test

    [*others, slow] = declared.ab_test.challengers
    assert [(it.model, it.traffic) for it in others] == [
        (it.model, it.traffic) for it in before.challengers
    ]
    assert (slow.served_entity_name, slow.traffic) == ("slow_classifier-2", 5)


def test_the_demo_is_told_of_slow_and_failed_answers_alone(declared: Environment) -> None:
    watch = Watch.of(declared)

    assert watch
    assert [it.name for it in watch.alerts] == ["error_rate", "latency_p95_ms"]


def test_the_slow_model_takes_longer_than_the_alert_allows_and_calls_by_brightness(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    films = np.stack([np.full((28, 28, 1), it, np.float32) for it in (0.2, 0.9)])

    answers = slow_model.SlowModel().predict(films)

    assert answers.tolist() == [[0], [1]]
    assert 1000 * sum(waited) > watched.monitoring()["limits"]["latency_p95_ms"]


def test_what_the_alert_has_told_is_said(
    declared: Environment, workspace_process: RunningWorkspace
) -> None:
    workspace_process.sql("SELECT 1")  # creates a warehouse
    client = sdk(workspace_process)
    title = f"{declared.ab_test.endpoint}: answers are slow"
    alert = client.alerts_v2.create_alert(
        sql.AlertV2(
            display_name=title,
            custom_summary=f"{title}: {{{{QUERY_RESULT_VALUE}}}}",
            query_text="SELECT 1500D AS slow",
            warehouse_id=next(iter(client.warehouses.list())).id,
            evaluation=sql.AlertV2Evaluation(
                source=sql.AlertV2OperandColumn(name="slow"),
                comparison_operator=sql.ComparisonOperator.GREATER_THAN,
                threshold=sql.AlertV2Operand(value=sql.AlertV2OperandValue(double_value=1000)),
            ),
            schedule=sql.CronSchedule(quartz_cron_schedule="0 0 3 1 1 ? 2199", timezone_id="UTC"),
        )
    )

    said = watched.fired(client, declared)
    client.alerts_v2.trash_alert(str(alert.id))

    assert said == f"TRIGGERED, {title}: 1500.0 ms"


def test_the_page_with_the_brake_on_it_is_found_and_its_link_printed(
    workspace_process: RunningWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    brake = [{"key": "brake", "value": "slow stopped"}]
    workspace_process.create("braked", entity(BRIGHTNESS), tags=brake)
    try:
        watched.show_page(sdk(workspace_process))
    finally:
        workspace_process.client.delete("/api/2.0/serving-endpoints/braked")

    assert (
        workspace_process.host + path_with_key(workspace_process.token) in capsys.readouterr().out
    )


def test_a_page_without_the_brake_ends_the_demo(tmp_path: Path, registry: str) -> None:
    with (
        serving(tmp_path, registry) as empty,
        pytest.raises(DemoFailed, match="does not show the brake"),
    ):
        watched.show_page(sdk(empty))

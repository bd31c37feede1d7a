"""Texts of a file, deployed: what the workspace keeps is what the file says."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import tomlkit

from tests.end_to_end.stack import Stack, synthesized
from tests.plugin.hostile import HOSTILE
from tests.plugin.served import serving
from tests.plugin.terraform import TOKEN
from tests.plugin.workspaces import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.programs


def test_what_the_workspace_keeps_is_what_the_file_says(
    tmp_path: Path, empty_registry: Path, attached_environment: dict[str, str]
) -> None:
    registry = shutil.copy(empty_registry, tmp_path / "mlflow.db")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "token").write_text(TOKEN)
    tags = {f"tag {text}": text for text in HOSTILE} | dict.fromkeys(HOSTILE, "key")
    with serving(tmp_path, f"sqlite:///{registry}") as workspace:
        text = (REPOSITORY / "infra/environments/local.toml").read_text(encoding="utf-8")
        table = tomlkit.parse(text.replace("http://127.0.0.1:8180", workspace.host))
        table["tags"] = tags
        table["platform"]["jobs"]["ingestion"] = {"source": HOSTILE[0]}  # type: ignore[index]
        table["platform"]["warehouse"] = {"name": "a ${warehouse}"}  # type: ignore[index]
        (file := tmp_path / "local.toml").write_text(tomlkit.dumps(table), encoding="utf-8")
        folder = synthesized("platform", file, tmp_path / "cdktf.out")
        stack = Stack(folder=folder, environment=attached_environment)
        stack.init()
        stack.plan()
        stack.apply()

        assert stack.changes() == []
        warehouses = workspace.client.get("/api/2.0/sql/warehouses").json()["warehouses"]
        [warehouse] = [it for it in warehouses if it["name"] == "a ${warehouse}"]
        kept = {it["key"]: it["value"] for it in warehouse["tags"]["custom_tags"]}
        assert kept == tags
        jobs = workspace.client.get("/api/2.2/jobs/list", params={"expand_tasks": True}).json()
        settings = [
            workspace.client.get("/api/2.2/jobs/get", params={"job_id": it["job_id"]}).json()[
                "settings"
            ]
            for it in jobs["jobs"]
        ]
        assert [it["tags"] for it in settings] == [tags, tags]
        defaults = [
            it["default"] for job in settings for it in job["parameters"] if it["name"] == "source"
        ]
        assert defaults == [HOSTILE[0]]


def test_a_container_is_told_what_the_file_says(
    tmp_path: Path, registry: str, attached_environment: dict[str, str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "token").write_text(TOKEN)
    variables = {f"V{number}": text for number, text in enumerate(HOSTILE)}
    with serving(tmp_path, registry) as workspace:
        table = {
            "catalog": "local",
            "workspace": {"host": workspace.host},
            "tags": dict.fromkeys(HOSTILE, "${x}"),
            "ab_test": {
                "endpoint": "hostile",
                "description": HOSTILE[0],
                "budget_policy_id": HOSTILE[1],
                "email_notifications": {"on_update_failure": ["${x}%{if}@clinic.example"]},
                "rate_limits": [{"calls": 9, "key": "user_group", "principal": HOSTILE[2]}],
                "champion": {"model": "brightness", "version": 1, "environment_vars": variables},
                "permissions": [{"group": it, "level": "CAN_QUERY"} for it in HOSTILE],
            },
        }
        (file := tmp_path / "local.toml").write_text(tomlkit.dumps(table), encoding="utf-8")
        folder = synthesized("serving", file, tmp_path / "cdktf.out")
        stack = Stack(folder=folder, environment=attached_environment)
        stack.init()
        stack.apply()

        assert stack.changes() == []
        endpoint = workspace.get("hostile")
        assert endpoint["description"] == HOSTILE[0]
        [limit] = endpoint["ai_gateway"]["rate_limits"]
        assert limit["principal"] == HOSTILE[2]
        [entity] = endpoint["config"]["served_entities"]
        assert entity["environment_vars"] == variables
        assert {it["key"]: it["value"] for it in endpoint["tags"]} == table["tags"]
        permissions = workspace.client.get(
            f"/api/2.0/permissions/serving-endpoints/{endpoint['id']}"
        ).json()
        groups = {it.get("group_name") for it in permissions["access_control_list"]}
        assert set(HOSTILE) <= groups

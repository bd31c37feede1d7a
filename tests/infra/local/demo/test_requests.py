"""The demo's films are such as its client sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.demo import requests
from tests.plugin.workspaces import BRIGHTNESS, entity

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.plugin.workspaces import RunningWorkspace


def test_every_film_is_asked_about_and_answered(
    workspace_process: RunningWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from databricks.sdk import WorkspaceClient

    monkeypatch.chdir(tmp_path)
    workspace_process.create("demo-films", entity(BRIGHTNESS, name="brightness-1"))
    client = WorkspaceClient(host=workspace_process.host, token=workspace_process.token)

    with requests.connect(client, "demo-films") as asked:
        answers = requests.ask_all(asked, 5)

    assert [it.arm for it in answers] == ["brightness-1"] * 5
    assert all(0 <= it.prediction.probability <= 1 for it in answers)

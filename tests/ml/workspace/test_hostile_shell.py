"""A shell that is set up for a workspace elsewhere changes nothing about the one here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from infra.declared.environment import Environment, load
from infra.declared.local_workspace import pass_by_proxies, tokens, without_other_workspaces
from ml.contract.errors import UserError
from ml.registration.registry import LOCAL_TRACKING_URI
from ml.workspace.connection import connect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.commands import Call
    from tests.plugin.workspaces import RunningWorkspace

NOBODY = "http://127.0.0.1:9"
THEIRS = {
    "DATABRICKS_HOST": "https://dbc-2.cloud.databricks.com",
    "DATABRICKS_TOKEN": "dapi-theirs",
    "DATABRICKS_CLIENT_ID": "theirs",
    "DATABRICKS_CLIENT_SECRET": "theirs",
    "DATABRICKS_CONFIG_PROFILE": "theirs",
    "DATABRICKS_AUTH_TYPE": "oauth-m2m",
    "AWS_PROFILE": "theirs",
    "MLFLOW_TRACKING_URI": "databricks",
    "MLFLOW_REGISTRY_URI": "databricks-uc",
    "MLFLOW_RUN_ID": "theirs",
    "TF_WORKSPACE": "theirs",
    "TF_CLI_ARGS_plan": "-var-file=theirs.tfvars",
    **dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"), NOBODY),
}


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workspace_process: RunningWorkspace
) -> Path:
    """The file of a local environment, in a shell of somebody who works elsewhere."""
    file = tmp_path / "here.toml"
    local = load("local").workspace.host
    text = (file_of_local()).replace(str(local), workspace_process.host)
    file.write_text(text)
    token = tmp_path / ".local" / "workspace" / "token"
    token.parent.mkdir(parents=True)
    token.write_text(workspace_process.token)
    monkeypatch.chdir(tmp_path)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    for name, value in THEIRS.items():
        monkeypatch.setenv(name, value)
    return file


def file_of_local() -> str:
    from infra.declared.environment import ENVIRONMENTS

    return (ENVIRONMENTS / "local.toml").read_text(encoding="utf-8")


def test_the_workspace_is_reached_with_its_own_token(here: Path) -> None:
    client = connect(load(here))

    assert client.current_user.me().user_name
    assert client.config.token != THEIRS["DATABRICKS_TOKEN"]
    assert client.config.profile is None
    assert {name: os.environ[name] for name in THEIRS} == THEIRS  # for environments elsewhere


def test_the_profile_of_an_environment_elsewhere_is_not_forgotten(
    here: Path, tmp_path: Path
) -> None:
    connect(load(here))
    elsewhere = load("dev").model_copy(update={"name": "elsewhere"})

    with pytest.raises(UserError, match="no way to authenticate"):
        connect(Environment.model_validate(elsewhere))


def test_a_command_works_here(here: Path, run_main: Call) -> None:
    arms = run_main("ml.arms", "--environment", here)

    assert arms.status == 1
    assert f"has no version 1 in {LOCAL_TRACKING_URI}" in arms.err


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", ["ours", "given"]),
        ("http://127.0.0.1:8180", ["ours", "given"]),
        ("localhost:8180", ["ours", "given"]),
        ("https://dbc-2.cloud.databricks.com", ["ours"]),
        ("dbc-2.cloud.databricks.com", ["ours"]),
    ],
)
def test_a_token_for_another_host_is_never_sent_here(
    tmp_path: Path, host: str, expected: list[str]
) -> None:
    (tmp_path / "token").write_text("ours\n")

    assert tokens({"DATABRICKS_HOST": host, "DATABRICKS_TOKEN": "given"}, tmp_path) == expected


def test_what_leads_elsewhere_is_left_out() -> None:
    proxies = {name: it for name, it in THEIRS.items() if it == NOBODY}

    assert without_other_workspaces({**THEIRS, "PATH": "/bin"}) == {**proxies, "PATH": "/bin"}


@pytest.mark.parametrize("before", ["", "example.com", "*", "127.0.0.1,localhost,::1"])
def test_this_machine_is_no_matter_of_proxies(before: str) -> None:
    variables = {"NO_PROXY": before}

    pass_by_proxies(variables)
    once = dict(variables)
    pass_by_proxies(variables)

    assert variables == once
    assert before == "*" or {"127.0.0.1", "localhost"} <= set(once["NO_PROXY"].split(","))
    assert once["NO_PROXY"].startswith(before)

"""How Terraform finds the stand-in, what that says, and that it leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.terraform.installation import Installation, NotInstalled

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {"databricks_schema": {"this": {"catalog_name": "c", "name": "s"}}}


@pytest.fixture
def plain(
    tmp_path: Path, make_terraform: Any, server: Any, terraform_environment: dict[str, str]
) -> Any:
    """Terraform as a user runs it: it starts the provider itself, several times a command."""
    terraform = make_terraform(tmp_path, server.url, dict(terraform_environment))
    terraform.write(**SCHEMA)
    return terraform


def test_plain_terraform_finds_it_and_deploys(plain: Any, workspace: Any) -> None:
    plain.init()
    plain.apply()
    assert plain.plan() == ""
    assert "2.1/unity-catalog/schemas/c.s" in workspace.objects
    plain.destroy()
    assert not workspace.objects


def test_it_says_what_it_is_whenever_it_runs(plain: Any) -> None:
    plain.init()
    says = "Stand-in provider, not databricks/databricks"
    assert says in plain.apply()
    assert says in plain.run("plan", "-no-color").stdout, "with nothing to change"


def test_it_sends_the_token_that_it_is_given(plain: Any, server: Any) -> None:
    plain.init()
    plain.apply()
    assert server.tokens == {f"Bearer {plain.environment['DATABRICKS_TOKEN']}"}


def test_the_lock_does_not_change_with_the_code(
    installation: Any, plain: Any, tmp_path: Path
) -> None:
    plain.init()
    lock = (tmp_path / ".terraform.lock.hcl").read_text()
    shim = next(installation.folder.rglob("terraform-provider-databricks_v1.99.0"))
    assert len(shim.read_text().splitlines()) == 2
    assert "stand_in" in shim.read_text(), "it starts the code, and holds none of it"

    installation.write()
    plain.run("init", "-input=false", "-lockfile=readonly")
    assert (tmp_path / ".terraform.lock.hcl").read_text() == lock


def test_no_shared_plugin_cache_gets_it(installation: Installation) -> None:
    environment = installation.environment({"TF_PLUGIN_CACHE_DIR": "/cache", "TF_DATA_DIR": "/d"})
    assert "TF_PLUGIN_CACHE_DIR" not in environment
    assert "TF_DATA_DIR" not in environment
    assert environment["CDKTF_DISABLE_PLUGIN_CACHE_ENV"] == "1"


def test_a_moved_repository_gets_a_new_shim_and_loses_the_locks_of_the_old_one(
    tmp_path: Path,
) -> None:
    python = tmp_path / "one" / ".stand-in" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    installation = Installation(root=tmp_path / "one")
    installation.write()
    lock = installation.output / "stacks" / "serving-local" / ".terraform.lock.hcl"
    lock.parent.mkdir(parents=True)
    lock.touch()
    installation.write()
    assert lock.exists()

    shutil.move(tmp_path / "one", tmp_path / "two")
    moved = Installation(root=tmp_path / "two")
    moved.write()
    assert not (moved.output / "stacks" / "serving-local" / ".terraform.lock.hcl").exists()


def test_a_missing_environment_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match=r"uv pip sync.*requirements-stand-in\.lock"):
        Installation(root=tmp_path).write()


def test_started_by_hand_it_says_who_starts_it(installation: Any) -> None:
    root = installation.root
    done = subprocess.run(
        [root / ".stand-in" / "bin" / "python", "-m", "infra.local.terraform.stand_in"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Terraform starts it, not you" in done.stderr


@pytest.mark.parametrize(
    "host",
    ["https://dbc-1.cloud.databricks.com", "http://10.0.0.1:8180", "dbc-1.cloud.databricks.com",
     "http://127.0.0.1.example.com", "http://0.0.0.0:8180"],
)  # fmt: skip
def test_it_refuses_a_host_that_is_not_this_machine(host: str, deployed: Any, server: Any) -> None:
    deployed.provider["host"] = host
    deployed.write(**SCHEMA)

    output = " ".join(deployed.apply(check=False).split())
    assert "serves the local workspace only" in output
    assert "nothing has been sent" in output
    assert server.take() == []


def test_the_host_may_come_from_the_environment(plain: Any, server: Any) -> None:
    plain.provider = {}
    plain.environment["DATABRICKS_HOST"] = server.url
    plain.write(**SCHEMA)
    plain.init()
    plain.apply()
    assert server.take()


def test_no_host_and_no_token_are_named(plain: Any, server: Any) -> None:
    plain.provider = {}
    plain.write(**SCHEMA)
    plain.init()
    assert "no workspace is given" in plain.apply(check=False)

    plain.provider = {"host": server.url}
    plain.write(**SCHEMA)
    del plain.environment["DATABRICKS_TOKEN"]
    assert ".local/workspace/token" in plain.apply(check=False)


def test_data_sources_read_what_the_workspace_has(deployed: Any, workspace: Any) -> None:
    deployed.write(
        databricks_registered_model={"m": {"catalog_name": "c", "schema_name": "s", "name": "m"}},
        databricks_sql_endpoint={"w": {"name": "w", "cluster_size": "Small"}},
    )
    deployed.apply()
    document = json.loads((deployed.folder / "main.tf.json").read_text())
    document["data"] = {
        "databricks_current_user": {"me": {}},
        "databricks_serving_endpoints": {"all": {}},
        "databricks_registered_model": {"m": {"full_name": "c.s.m"}},
        "databricks_sql_warehouse": {"w": {"id": "${databricks_sql_endpoint.w.id}"}},
    }
    document["output"] = {
        "user": {"value": "${data.databricks_current_user.me.user_name}"},
        "endpoints": {"value": "${length(data.databricks_serving_endpoints.all.endpoints)}"},
        "owner": {"value": "${data.databricks_registered_model.m.model_info[0].owner}"},
        "size": {"value": "${data.databricks_sql_warehouse.w.cluster_size}"},
    }
    (deployed.folder / "main.tf.json").write_text(json.dumps(document))
    deployed.apply()

    outputs = json.loads(deployed.run("output", "-json").stdout)
    assert {name: output["value"] for name, output in outputs.items()} == {
        "user": "me@example.com",
        "endpoints": 0,
        "owner": "me@example.com",
        "size": "Small",
    }

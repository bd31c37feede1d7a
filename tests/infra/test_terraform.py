"""What Terraform itself makes of the JSON where no provider is involved: references, lifecycle,
import. `terraform_data`, which is built in, holds the endpoint's arguments in the endpoint's place.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.declared.environment import load

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on PATH"),
]

HOST = '[workspace]\nhost = "https://adb-1.7.azuredatabricks.net"\n'
KEEP_VERSIONS = ("[ab_test.champion]", "ignore_version_changes = true\n[ab_test.champion]")
CHAMPION_2 = ('classifier"\nversion = 1', 'classifier"\nversion = 2')
CHALLENGER_2 = ('classifier_pytorch"\nversion = 1', 'classifier_pytorch"\nversion = 2')
ADDED_BEHIND = (
    "[ab_test.inference_table]",
    '[[ab_test.challengers]]\nmodel = "third"\nversion = 7\ntraffic = 5\n[ab_test.inference_table]',
)


def in_terraforms_own_terms(stack: Any) -> Any:
    endpoints = {}
    for name, endpoint in stack["resource"]["databricks_model_serving"].items():
        lifecycle = endpoint.pop("lifecycle", {})
        paths = [f"input.{path}" for path in lifecycle.get("ignore_changes", [])]
        # A block is a list of one element, to the provider's schema and in these paths.
        config = endpoint["config"]
        config["traffic_config"] = [config["traffic_config"]]
        endpoint["config"] = [config]
        endpoints[name] = {"input": endpoint, "lifecycle": {"ignore_changes": paths}}
    stack = {key: stack[key] for key in ("output", "import") if key in stack}
    stack["resource"] = {"terraform_data": endpoints}
    text = json.dumps(stack).replace("databricks_model_serving.", "terraform_data.")
    # Which a provider would look up.
    return json.loads(text.replace("${data.databricks_sql_warehouse.warehouse.id}", "w-1"))


@pytest.fixture
def terraform(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}

    def terraform(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["terraform", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return terraform


@pytest.fixture
def write_stack(
    cdktf: Any, tmp_path: Path, write: Callable[..., Path], synthesize: Callable[[Any], Any]
) -> Callable[..., None]:
    from infra.stacks import ServingStack

    def write_stack(*replacements: tuple[str, str]) -> None:
        app = cdktf.Testing.app(outdir=str(tmp_path / "cdktf.out"))
        stack = synthesize(ServingStack(app, load(write(*replacements, add=HOST))))
        (tmp_path / "cdk.tf.json").write_text(json.dumps(in_terraforms_own_terms(stack)))

    return write_stack


@pytest.fixture
def deployed(write_stack: Callable[..., None], terraform: Callable[..., Any]) -> None:
    """Version 1 of both arms at 50/50, with `ignore_version_changes`."""
    write_stack(KEEP_VERSIONS)
    assert terraform("init", "-input=false").returncode == 0
    assert terraform("apply", "-auto-approve").returncode == 0


@pytest.fixture
def planned(terraform: Callable[..., Any]) -> Callable[[], Any]:
    """The arguments of the A/B endpoint after an apply; None where there is nothing to change."""

    def planned() -> Any:
        plan = terraform("plan", "-detailed-exitcode", "-out=plan")
        assert plan.returncode in {0, 2}, plan.stderr
        if plan.returncode == 0:
            return None
        resources = json.loads(terraform("show", "-json", "plan").stdout)["resource_changes"]
        (endpoint,) = (it for it in resources if it["address"] == "terraform_data.ab-test")
        return endpoint["change"]["after"]["input"]["config"][0]

    return planned


def test_the_json_is_valid(write_stack: Callable[..., None], terraform: Callable[..., Any]) -> None:
    write_stack(("[ab_test.champion]", "adopt = true\n[ab_test.champion]"))

    assert terraform("init", "-input=false").returncode == 0
    assert terraform("validate").returncode == 0


def test_an_endpoint_that_exists_is_imported_not_created(
    write_stack: Callable[..., None], terraform: Callable[..., Any]
) -> None:
    write_stack(("[ab_test.champion]", "adopt = true\n[ab_test.champion]"))
    terraform("init", "-input=false")

    plan = terraform("plan", "-no-color").stdout

    assert "terraform_data.ab-test will be imported" in plan or "1 to import" in plan


@pytest.mark.usefixtures("deployed")
def test_other_versions_than_the_deployed_ones_are_left_alone(
    write_stack: Callable[..., None], planned: Callable[[], Any]
) -> None:
    write_stack(KEEP_VERSIONS, CHAMPION_2, CHALLENGER_2)

    assert planned() is None


@pytest.mark.usefixtures("deployed")
def test_an_arm_renamed_and_listed_last_is_left_alone_whole(
    write_stack: Callable[..., None],
    terraform: Callable[..., Any],
    planned: Callable[[], Any],
    tmp_path: Path,
) -> None:
    """Somebody else has deployed version 2 of the champion under a new name: the provider, which
    sorts by the names it knew, now lists it behind the challenger. Its route keeps its place."""
    write_stack(CHAMPION_2)
    live = json.loads((tmp_path / "cdk.tf.json").read_text())
    live["resource"]["terraform_data"]["ab-test"]["input"]["config"][0]["served_entities"].reverse()
    (tmp_path / "cdk.tf.json").write_text(json.dumps(live))
    assert terraform("apply", "-auto-approve").returncode == 0

    write_stack(KEEP_VERSIONS)

    assert planned() is None


@pytest.mark.usefixtures("deployed")
def test_the_split_is_still_the_files(
    write_stack: Callable[..., None], planned: Callable[[], Any]
) -> None:
    write_stack(KEEP_VERSIONS, CHAMPION_2, ("traffic = 50", "traffic = 10"))

    config = planned()

    assert [it["name"] for it in config["served_entities"]] == [
        "pneumonia_poc_classifier-1",
        "pneumonia_poc_classifier_pytorch-1",
    ]
    assert config["traffic_config"][0]["routes"] == [
        {"served_model_name": "pneumonia_poc_classifier-1", "traffic_percentage": 90},
        {"served_model_name": "pneumonia_poc_classifier_pytorch-1", "traffic_percentage": 10},
    ]


@pytest.mark.usefixtures("deployed")
def test_a_challenger_added_behind_comes_with_its_version_and_leaves_the_others_theirs(
    write_stack: Callable[..., None], planned: Callable[[], Any]
) -> None:
    write_stack(KEEP_VERSIONS, CHAMPION_2, CHALLENGER_2, ADDED_BEHIND)

    config = planned()

    names = ["pneumonia_poc_classifier-1", "pneumonia_poc_classifier_pytorch-1", "third-7"]
    assert [it["name"] for it in config["served_entities"]] == names
    assert [it["entity_version"] for it in config["served_entities"]] == ["1", "1", "7"]
    routes = config["traffic_config"][0]["routes"]
    assert [it["served_model_name"] for it in routes] == names
    assert [it["traffic_percentage"] for it in routes] == [45, 50, 5]

"""What every environment deploys: the snapshots are for reviewers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from infra.environment import available, load


@pytest.fixture
def serving(app: Any, synthesize: Callable[[Any], Any]) -> Callable[[str | Path], Any]:
    from infra.stacks import ServingStack

    return lambda environment: synthesize(ServingStack(app, load(environment)))


@pytest.mark.parametrize("name", available())
def test_serving_stack(
    name: str, serving: Callable[[str], Any], snapshot_json: SnapshotAssertion
) -> None:
    assert serving(name) == snapshot_json


def test_the_outputs_are_the_endpoints_addresses(
    serving: Callable[[Path], Any], write: Callable[..., Path]
) -> None:
    file = write(add='[workspace]\nhost = "https://adb-1.7.azuredatabricks.net"')

    outputs = serving(file)["output"]

    endpoints = "https://adb-1.7.azuredatabricks.net/serving-endpoints"
    assert {name: output["value"] for name, output in outputs.items()} == {
        "ab_test_endpoint_url": f"{endpoints}/pneumonia-classifier-ab-test/invocations",
        "feedback_endpoint_url": f"{endpoints}/feedback-endpoint/invocations",
    }


def test_a_file_without_a_host_takes_it_from_the_provider(
    serving: Callable[[Path], Any], write: Callable[..., Path]
) -> None:
    """Whatever DATABRICKS_HOST is while synthesizing, the JSON stays the same."""
    stack = serving(write())

    assert stack["output"]["ab_test_endpoint_url"]["value"].startswith(
        "${data.databricks_current_user.deployer.workspace_url}/serving-endpoints/"
    )
    assert stack["data"] == {"databricks_current_user": {"deployer": {}}}
    assert stack["provider"]["databricks"] == [{}]


def test_a_file_with_a_host_asks_nobody_for_it(
    serving: Callable[[Path], Any], write: Callable[..., Path]
) -> None:
    stack = serving(write(add='[workspace]\nhost = "https://adb-1.7.azuredatabricks.net"'))

    assert "data" not in stack
    assert stack["provider"]["databricks"] == [{"host": "https://adb-1.7.azuredatabricks.net"}]


def test_a_profile_goes_to_the_provider(
    serving: Callable[[Path], Any], write: Callable[..., Path]
) -> None:
    stack = serving(write(add='[workspace]\nprofile = "clinic"'))

    assert stack["provider"]["databricks"] == [{"profile": "clinic"}]


def test_without_feedback_there_is_one_endpoint_and_one_output(
    serving: Callable[[str], Any],
) -> None:
    local = serving("local")

    assert list(local["resource"]["databricks_model_serving"]) == ["ab-test"]
    assert list(local["output"]) == ["ab_test_endpoint_url"]


def test_the_provider_is_pinned_exactly(serving: Callable[[str], Any]) -> None:
    assert serving("dev")["terraform"]["required_providers"] == {
        "databricks": {"source": "databricks/databricks", "version": "1.99.0"}
    }

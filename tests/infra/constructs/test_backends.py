"""Each kind of backend, as Terraform reads it."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.declared.state import CloudState, HttpState, LocalState, S3State, State


@pytest.fixture
def backend(app: Any, cdktf: Any, synthesize: Callable[[Any], Any]) -> Callable[[State], Any]:
    from infra.constructs.backends import keep_state

    def backend(state: State) -> Any:
        stack = cdktf.TerraformStack(app, "serving-dev")
        keep_state(stack, "serving-dev", state)
        return synthesize(stack)["terraform"]

    return backend


def test_local_state_lies_in_the_project_by_a_relative_path(
    backend: Callable[[State], Any],
) -> None:
    assert backend(LocalState())["backend"] == {
        "local": {"path": "../../../terraform.serving-dev.tfstate"}
    }


def test_s3_state_is_encrypted_and_locked_by_a_file(backend: Callable[[State], Any]) -> None:
    state = S3State(type="s3", bucket="state", region="eu-central-1", key_prefix="clinic/dev")

    assert backend(state)["backend"] == {
        "s3": {
            "bucket": "state",
            "key": "clinic/dev/serving-dev.tfstate",
            "region": "eu-central-1",
            "encrypt": True,
            "use_lockfile": True,
        }
    }


def test_http_state_is_locked_as_gitlab_does(backend: Callable[[State], Any]) -> None:
    address = "https://gitlab.example.com/api/v4/projects/7/terraform/state"

    assert backend(HttpState(type="http", address=address))["backend"] == {
        "http": {
            "address": f"{address}/serving-dev",
            "lock_address": f"{address}/serving-dev/lock",
            "lock_method": "POST",
            "unlock_address": f"{address}/serving-dev/lock",
            "unlock_method": "DELETE",
        }
    }


def test_http_state_without_a_lock_has_an_address_only(backend: Callable[[State], Any]) -> None:
    state = HttpState(type="http", address="https://state.example.com", lock=False)

    assert backend(state)["backend"] == {
        "http": {"address": "https://state.example.com/serving-dev"}
    }


def test_cloud_state_has_a_workspace_per_stack(backend: Callable[[State], Any]) -> None:
    state = CloudState(type="cloud", organization="clinic", workspace_prefix="xray-")

    assert backend(state)["cloud"] == {
        "organization": "clinic",
        "workspaces": {"name": "xray-serving-dev"},
    }

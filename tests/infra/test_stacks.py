"""What every environment deploys: the snapshots are for reviewers."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from infra.declared.environment import ENVIRONMENTS, available, load


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
    assert stack["data"]["databricks_current_user"] == {"deployer": {}}
    assert stack["provider"]["databricks"] == [{}]


def test_a_file_with_a_host_asks_nobody_for_it(
    serving: Callable[[Path], Any], write: Callable[..., Path]
) -> None:
    stack = serving(write(add='[workspace]\nhost = "https://adb-1.7.azuredatabricks.net"'))

    assert "databricks_current_user" not in stack["data"]
    assert stack["provider"]["databricks"] == [{"host": "https://adb-1.7.azuredatabricks.net"}]


def variables(stack: Any) -> dict[str, str]:
    [endpoint] = stack["resource"]["databricks_model_serving"]["feedback"]["config"][
        "served_entities"
    ]
    found: dict[str, str] = endpoint["environment_vars"]
    return found


class TestFeedback:
    def test_it_is_told_where_to_write_and_what_becomes_of_unknown_requests(
        self, serving: Callable[[Path], Any], write: Callable[..., Path]
    ) -> None:
        told = variables(serving(write(("[feedback]", '[feedback]\nunknown_request = "refuse"'))))

        assert told["FEEDBACK_TABLE"] == "healthcare_catalog_dev.gold.prediction_feedback"
        assert told["FEEDBACK_PAYLOAD_TABLE"] == (
            "healthcare_catalog_dev.gold.pneumonia_classifier_payload"
        )
        assert told["FEEDBACK_WAREHOUSE_ID"] == "${data.databricks_sql_warehouse.warehouse.id}"
        assert told["FEEDBACK_UNKNOWN_REQUEST"] == "refuse"

    @pytest.mark.parametrize(
        ("authentication", "variables_of_the_sdk"),
        [
            ("oauth", {"DATABRICKS_HOST", "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"}),
            ("token", {"DATABRICKS_HOST", "DATABRICKS_TOKEN"}),
            ("passthrough", set()),
        ],
    )
    def test_it_signs_in_by_references_to_secrets_or_by_what_is_passed_through(
        self,
        serving: Callable[[Path], Any],
        write: Callable[..., Path],
        authentication: str,
        variables_of_the_sdk: set[str],
    ) -> None:
        told = variables(
            serving(write(("[feedback]", f'[feedback]\nauthentication = "{authentication}"')))
        )

        of_the_sdk = {name for name in told if name.startswith("DATABRICKS_")}
        assert of_the_sdk == variables_of_the_sdk
        for name in of_the_sdk - {"DATABRICKS_HOST"}:
            assert re.fullmatch(
                r"\{\{secrets/champion-challenger-dev/feedback-[a-z-]+\}\}", told[name]
            )

    def test_a_variable_of_the_file_wins(
        self, serving: Callable[[Path], Any], write: Callable[..., Path]
    ) -> None:
        own = 'environment_vars = { DATABRICKS_CLIENT_ID = "{{secrets/ours/id}}" }'

        told = variables(serving(write(("[feedback]", f"[feedback]\n{own}"))))

        assert told["DATABRICKS_CLIENT_ID"] == "{{secrets/ours/id}}"


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


def test_the_feedback_that_local_offers_is_one_uncommented_table_away(
    serving: Callable[[Path], Any], tmp_path: Path
) -> None:
    text = (ENVIRONMENTS / "local.toml").read_text()
    table = re.search(r"^# \[feedback\]\n(# .*\n)+", text, re.MULTILINE)
    assert table
    file = tmp_path / "local.toml"
    file.write_text(text.replace(table[0], table[0].replace("# ", "", 1).replace("\n# ", "\n")))

    stack = serving(file)

    assert stack["output"]["feedback_endpoint_url"]["value"] == (
        "http://127.0.0.1:8180/serving-endpoints/feedback-endpoint/invocations"
    )
    assert variables(stack)["DATABRICKS_TOKEN"] == (
        "{{secrets/champion-challenger-local/feedback-token}}"
    )


def test_the_provider_is_pinned_exactly(serving: Callable[[str], Any]) -> None:
    assert serving("dev")["terraform"]["required_providers"] == {
        "databricks": {"source": "databricks/databricks", "version": "1.99.0"}
    }

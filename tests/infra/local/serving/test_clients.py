"""The clients that people use against Databricks, unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.workspaces import ENDPOINTS, PROBE, config, entity

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from tests.plugin.workspaces import Workspace


@pytest.fixture
def sdk(workspace: Workspace) -> WorkspaceClient:
    from databricks.sdk import WorkspaceClient

    return WorkspaceClient(host=workspace.host, token=workspace.token)


@pytest.fixture
def mlflow_client(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Any:
    from mlflow.deployments import get_deploy_client

    monkeypatch.setenv("DATABRICKS_HOST", workspace.host)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    return get_deploy_client("databricks")


def test_the_sdk_creates_waits_queries_updates_and_deletes(
    sdk: WorkspaceClient, workspace: Workspace
) -> None:
    from databricks.sdk.service import serving

    api = sdk.serving_endpoints
    served = serving.ServedEntityInput(
        name="probe-1",
        entity_name=PROBE,
        entity_version="1",
        workload_size="Small",
        scale_to_zero_enabled=True,
    )
    endpoint = api.create_and_wait(
        "sdk", config=serving.EndpointCoreConfigInput(name="sdk", served_entities=[served])
    )
    assert endpoint.state is not None
    assert endpoint.state.ready is serving.EndpointStateReady.READY
    answer = api.query("sdk", dataframe_records=[{"action": "echo:hi"}], client_request_id="1")
    assert answer.predictions == ["hi"]

    again = serving.ServedEntityInput(
        name="probe-2", entity_name=PROBE, entity_version="2", scale_to_zero_enabled=True
    )
    traffic = serving.TrafficConfig(
        routes=[
            serving.Route(traffic_percentage=70, served_entity_name="probe-1"),
            serving.Route(traffic_percentage=30, served_entity_name="probe-2"),
        ]
    )
    updated = api.update_config_and_wait(
        "sdk", served_entities=[served, again], traffic_config=traffic
    )
    assert updated.config is not None
    assert updated.config.config_version == 2
    assert "sdk" in {listed.name for listed in api.list()}

    tags = api.patch("sdk", add_tags=[serving.EndpointTag("team", "ml")]).tags
    assert tags == [serving.EndpointTag("team", "ml")]
    tracking = serving.AiGatewayUsageTrackingConfig(enabled=True)
    put = api.put_ai_gateway("sdk", usage_tracking_config=tracking)
    assert put.usage_tracking_config == tracking
    mail = serving.EmailNotifications(on_update_failure=["a@example.com"])
    assert api.update_notifications("sdk", email_notifications=mail).email_notifications == mail
    assert isinstance(api.logs("sdk", "probe-1").logs, str)
    assert "Model loaded" in api.build_logs("sdk", "probe-1").logs
    metrics = api.export_metrics("sdk").contents
    assert metrics is not None
    assert b"request_count_total" in metrics.read()
    schema = api.get_open_api("sdk").contents
    assert schema is not None
    assert b"openapi" in schema.read()

    identity = updated.id or ""
    grant = serving.ServingEndpointAccessControlRequest(
        group_name="analysts", permission_level=serving.ServingEndpointPermissionLevel.CAN_QUERY
    )
    given = api.set_permissions(identity, access_control_list=[grant])
    assert given.object_type == "serving-endpoint"
    assert api.get_permissions(identity).access_control_list == given.access_control_list
    assert api.get_permission_levels(identity).permission_levels
    api.delete("sdk")
    assert workspace.client.get(f"{ENDPOINTS}/sdk").status_code == 404


def test_the_sdk_understands_refusals(sdk: WorkspaceClient, ab: str) -> None:
    from databricks.sdk import errors
    from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput

    api = sdk.serving_endpoints
    with pytest.raises(errors.ResourceDoesNotExist):
        api.get("nobody")
    served = [ServedEntityInput(name="a", entity_name=PROBE, entity_version="1")]
    with pytest.raises(errors.ResourceAlreadyExists):
        api.create(ab, config=EndpointCoreConfigInput(name=ab, served_entities=served))
    with pytest.raises(errors.InvalidParameterValue):
        api.create("a b")
    with pytest.raises(errors.BadRequest):
        api.query(ab, inputs=[[1]])


def test_the_sdk_names_the_caller(sdk: WorkspaceClient, ab: str) -> None:
    assert sdk.serving_endpoints.get(ab).creator == sdk.current_user.me().user_name


def test_mlflows_deployments_client_creates_predicts_and_deletes(
    mlflow_client: Any, workspace: Workspace
) -> None:
    body = config(entity(PROBE))
    created = mlflow_client.create_endpoint(config={"name": "deployed", "config": body})
    assert created["name"] == "deployed"
    workspace.settled("deployed")
    answer = mlflow_client.predict(
        endpoint="deployed", inputs={"dataframe_records": [{"action": "echo:hi"}]}
    )
    assert answer["predictions"] == ["hi"]
    assert mlflow_client.get_endpoint("deployed")["state"]["ready"] == "READY"
    assert "deployed" in [endpoint["name"] for endpoint in mlflow_client.list_endpoints()]
    mlflow_client.update_endpoint_config("deployed", config=body)
    mlflow_client.update_endpoint_tags("deployed", config={"add_tags": [{"key": "a"}]})
    assert workspace.get("deployed")["tags"] == [{"key": "a"}]
    mlflow_client.delete_endpoint("deployed")
    assert workspace.client.get(f"{ENDPOINTS}/deployed").status_code == 404


def test_mlflows_client_shows_the_models_refusal(mlflow_client: Any, ab: str) -> None:
    import requests

    with pytest.raises(requests.HTTPError, match="does not match expected shape"):
        mlflow_client.predict(endpoint=ab, inputs={"inputs": [[1]]})

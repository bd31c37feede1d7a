"""What minilake lacks for the resources in use, through the Databricks SDK as the client."""

from __future__ import annotations

from typing import Any

import pytest


def test_a_warehouse_shows_its_tags_and_can_be_edited(shared_workspace: Any) -> None:
    from databricks.sdk.service.sql import EndpointTagPair, EndpointTags

    sdk = shared_workspace.sdk()
    tags = EndpointTags(custom_tags=[EndpointTagPair(key="team", value="ml")])
    created = sdk.warehouses.create(name="edited", cluster_size="2X-Small", tags=tags).result()
    assert created.tags == tags
    sdk.warehouses.edit(id=created.id, name="edited", cluster_size="Small", auto_stop_mins=20)
    edited = sdk.warehouses.get(created.id)
    assert (edited.cluster_size, edited.auto_stop_mins, edited.tags) == ("Small", 20, tags)


def test_a_warehouse_has_a_name_of_its_own(shared_workspace: Any) -> None:
    answer = shared_workspace.client.post("/api/2.0/sql/warehouses", json={"name": "fx"})
    assert answer.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"


@pytest.mark.parametrize(
    ("path", "body", "mentioned"),
    [
        ("2.0/sql/warehouses", {"name": "x", "auto_stop_mins": "soon"}, "auto_stop_mins"),
        ("2.0/sql/warehouses", {}, "name"),
        ("2.0/sql/warehouses/{w}/edit", {"max_num_clusters": "many"}, "max_num_clusters"),
        ("2.1/clusters/create", {"cluster_name": "x"}, "spark_version"),
        ("2.1/clusters/edit", {"spark_version": "x"}, "cluster_id"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(
    shared_workspace: Any, path: str, body: dict[str, Any], mentioned: str
) -> None:
    url = f"/api/{path.format(w=shared_workspace.warehouse_id)}"
    answer = shared_workspace.client.post(url, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert mentioned in answer.json()["message"]


def test_what_curl_sends_without_a_content_type_is_read_as_json(shared_workspace: Any) -> None:
    client = shared_workspace.client
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for path, body in (
        ("scopes/create", '{"scope": "by-curl"}'),
        ("put", '{"scope": "by-curl", "key": "k", "string_value": "v"}'),
    ):
        answer = client.post(f"/api/2.0/secrets/{path}", content=body, headers=form)
        assert answer.status_code == 200, answer.text
    listed = client.get("/api/2.0/secrets/list", params={"scope": "by-curl"}).json()
    assert [it["key"] for it in listed["secrets"]] == ["k"]


def test_an_unknown_warehouse_cannot_be_edited(shared_workspace: Any) -> None:
    answer = shared_workspace.client.post("/api/2.0/sql/warehouses/none/edit", json={"name": "x"})
    assert answer.status_code == 404


def test_a_cluster_shows_what_was_sent(shared_workspace: Any) -> None:
    from databricks.sdk.service.compute import DataSecurityMode

    sdk = shared_workspace.sdk()
    cluster = sdk.clusters.create(
        spark_version="15.4.x-scala2.12",
        cluster_name="single",
        node_type_id="i3.xlarge",
        num_workers=0,
        data_security_mode=DataSecurityMode.SINGLE_USER,
        single_user_name="me",
    ).result()
    assert cluster.data_security_mode == DataSecurityMode.SINGLE_USER
    assert cluster.single_user_name == "me"


def test_only_pinned_clusters_are_in_the_list_of_pinned_ones(shared_workspace: Any) -> None:
    from databricks.sdk.service.compute import ListClustersFilterBy

    sdk = shared_workspace.sdk()
    ids = [
        sdk.clusters.create(spark_version="15.4.x-scala2.12", cluster_name=name, num_workers=1)
        .result()
        .cluster_id
        for name in ("pinned", "free")
    ]
    pinned = ListClustersFilterBy(is_pinned=True)
    assert list(sdk.clusters.list(filter_by=pinned)) == []
    sdk.clusters.pin(ids[0])
    assert [cluster.cluster_id for cluster in sdk.clusters.list(filter_by=pinned)] == ids[:1]
    sdk.clusters.unpin(ids[0])
    assert list(sdk.clusters.list(filter_by=pinned)) == []
    assert set(ids) <= {cluster.cluster_id for cluster in sdk.clusters.list(page_size=1)}


def test_a_query_is_updated_by_its_mask(shared_workspace: Any) -> None:
    from databricks.sdk.service.sql import (
        CreateQueryRequestQuery,
        QueryParameter,
        TextValue,
        UpdateQueryRequestQuery,
    )

    sdk = shared_workspace.sdk()
    query = sdk.queries.create(
        query=CreateQueryRequestQuery(
            display_name="q1", query_text="SELECT :a", description="d", tags=["x"]
        )
    )
    updated = sdk.queries.update(
        query.id,
        update_mask="query_text,parameters,description",
        query=UpdateQueryRequestQuery(
            query_text="SELECT :b",
            parameters=[QueryParameter(name="b", text_value=TextValue(value="v"))],
            display_name="ignored, because the mask does not name it",
        ),
    )
    assert updated.query_text == "SELECT :b"
    assert updated.parameters[0].text_value.value == "v"
    assert updated.display_name == "q1"
    assert updated.description is None  # named by the mask and not sent: cleared
    assert updated.tags == ["x"]


def test_an_unknown_field_in_the_mask_changes_nothing(shared_workspace: Any) -> None:
    from databricks.sdk.service.sql import CreateQueryRequestQuery

    created = shared_workspace.sdk().queries.create(
        query=CreateQueryRequestQuery(display_name="q2", query_text="SELECT 1")
    )
    body = {"update_mask": "query_text,nothing", "query": {"query_text": "SELECT 2"}}
    path = f"/api/2.0/sql/queries/{created.id}"
    assert shared_workspace.client.patch(path, json=body).status_code == 400
    assert shared_workspace.client.get(path).json()["query_text"] == "SELECT 1"


def test_a_dashboard_is_drafted_published_changed_and_trashed(shared_workspace: Any) -> None:
    from databricks.sdk.errors import NotFound
    from databricks.sdk.service.dashboards import Dashboard

    lakeview = shared_workspace.sdk().lakeview
    draft = lakeview.create(
        Dashboard(
            display_name="d1",
            parent_path="/Shared",
            serialized_dashboard='{"pages": []}',
            warehouse_id=shared_workspace.warehouse_id,
        )
    )
    assert draft.path == "/Shared/d1.lvdash.json"
    published = lakeview.publish(draft.dashboard_id, embed_credentials=False)
    assert (published.display_name, published.embed_credentials) == ("d1", False)
    changed = lakeview.update(draft.dashboard_id, Dashboard(display_name="d2", etag=draft.etag))
    assert (changed.display_name, changed.serialized_dashboard) == ("d2", '{"pages": []}')
    assert changed.etag != draft.etag
    assert lakeview.get_published(draft.dashboard_id).display_name == "d1"
    assert draft.dashboard_id in [d.dashboard_id for d in lakeview.list()]
    lakeview.trash(draft.dashboard_id)
    assert lakeview.get(draft.dashboard_id).lifecycle_state.value == "TRASHED"
    with pytest.raises(NotFound):
        lakeview.publish(draft.dashboard_id)
    assert draft.dashboard_id not in [d.dashboard_id for d in lakeview.list()]


@pytest.mark.parametrize(
    ("body", "status", "mentioned"),
    [
        ({}, 400, "display_name"),
        ({"display_name": "x", "serialized_dashboard": "{"}, 400, "not valid JSON"),
        ({"display_name": "taken", "parent_path": "/Shared"}, 409, "already exists"),
    ],
)
def test_what_is_no_dashboard_is_refused(
    shared_workspace: Any, body: dict[str, Any], status: int, mentioned: str
) -> None:
    path = "/api/2.0/lakeview/dashboards"
    shared_workspace.client.post(path, json={"display_name": "taken", "parent_path": "/Shared"})
    answer = shared_workspace.client.post(path, json=body)
    assert answer.status_code == status
    assert mentioned in answer.json()["message"]


def test_a_dashboard_changed_by_somebody_else_is_not_overwritten(shared_workspace: Any) -> None:
    path = "/api/2.0/lakeview/dashboards"
    draft = shared_workspace.client.post(path, json={"display_name": "mine"}).json()
    one = f"{path}/{draft['dashboard_id']}"
    shared_workspace.client.patch(one, json={"display_name": "theirs"})
    body = {"display_name": "mine again", "etag": draft["etag"]}
    answer = shared_workspace.client.patch(one, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "RESOURCE_CONFLICT")
    assert shared_workspace.client.get(one).json()["display_name"] == "theirs"


@pytest.mark.parametrize(
    ("segment", "object_type", "level"),
    [
        ("warehouses", "warehouses", "CAN_USE"),
        ("sql/warehouses", "warehouses", "CAN_USE"),
        ("registered-models", "registered-model", "CAN_READ"),
        ("dashboards", "dashboard", "CAN_READ"),
        ("notebooks", "notebook", "CAN_RUN"),
        ("directories", "directory", "CAN_READ"),
    ],
)
def test_an_access_list_names_the_kind_of_its_object(
    shared_workspace: Any, segment: str, object_type: str, level: str
) -> None:
    id_ = shared_workspace.warehouse_id
    path = f"/api/2.0/permissions/{segment}/{id_}"
    body = {"access_control_list": [{"group_name": "g", "permission_level": level}]}
    answer = shared_workspace.client.put(path, json=body).json()
    assert (answer["object_id"], answer["object_type"]) == (f"/{segment}/{id_}", object_type)
    assert answer == shared_workspace.client.get(path).json()
    assert answer["access_control_list"] == [
        {"group_name": "g", "all_permissions": [{"permission_level": level, "inherited": False}]}
    ]


def test_the_sdk_changes_access(shared_workspace: Any) -> None:
    from databricks.sdk.service.iam import AccessControlRequest, PermissionLevel

    permissions = shared_workspace.sdk().permissions
    id_ = shared_workspace.warehouse_id
    for group, level in (("a", PermissionLevel.CAN_USE), ("b", PermissionLevel.CAN_MANAGE)):
        entry = AccessControlRequest(group_name=group, permission_level=level)
        permissions.update("warehouses", id_, access_control_list=[entry])
    listed = permissions.get("warehouses", id_).access_control_list
    found = {e.group_name: e.all_permissions[0].permission_level for e in listed}
    assert found["a"] == PermissionLevel.CAN_USE
    assert found["b"] == PermissionLevel.CAN_MANAGE
    levels = permissions.get_permission_levels("warehouses", id_).permission_levels
    assert "CAN_USE" in [level.permission_level.value for level in levels]


@pytest.mark.parametrize(
    ("path", "entries", "status", "mentioned"),
    [
        ("jobs/999", [], 404, "job 999 does not exist"),
        ("warehouses/{w}", [{"group_name": "g", "permission_level": "CAN_FLY"}], 400, "CAN_FLY"),
        ("warehouses/{w}", [{"permission_level": "CAN_USE"}], 400, "exactly one of"),
        ("genie/1", [], 501, "genie"),
    ],
)
def test_what_is_no_access_list_is_refused(
    shared_workspace: Any, path: str, entries: list[dict[str, str]], status: int, mentioned: str
) -> None:
    url = f"/api/2.0/permissions/{path.format(w=shared_workspace.warehouse_id)}"
    answer = shared_workspace.client.put(url, json={"access_control_list": entries})
    assert answer.status_code == status
    assert mentioned in answer.json()["message"]


def test_a_job_has_exactly_one_owner(shared_workspace: Any) -> None:
    job = shared_workspace.client.post("/api/2.2/jobs/create", json={"name": "j"}).json()["job_id"]
    path = f"/api/2.0/permissions/jobs/{job}"
    body = {"access_control_list": [{"group_name": "g", "permission_level": "CAN_VIEW"}]}
    answer = shared_workspace.client.put(path, json=body)
    assert answer.status_code == 400
    assert "exactly one IS_OWNER" in answer.json()["message"]


def test_a_body_that_is_no_json_is_refused(shared_workspace: Any) -> None:
    answer = shared_workspace.client.post("/api/2.0/lakeview/dashboards", content=b"{")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")


def test_a_job_is_found_where_an_import_looks_for_it(shared_workspace: Any) -> None:
    client = shared_workspace.client
    task = {"task_key": "a", "spark_python_task": {"python_file": "/x", "source": "GIT"}}
    job = client.post("/api/2.2/jobs/create", json={"name": "imported", "tasks": [task]}).json()

    first = client.get("/api/2.0/jobs/get", params=job).json()

    assert first == client.get("/api/2.2/jobs/get", params=job).json()
    assert first["settings"]["format"] == "MULTI_TASK"
    assert client.get("/api/2.0/jobs/get", params={"job_id": "x"}).status_code == 400


def test_a_secret_is_read_as_base64_and_its_scope_is_its_creators(shared_workspace: Any) -> None:
    sdk = shared_workspace.sdk()
    sdk.secrets.create_scope("read")
    sdk.secrets.put_secret("read", "k", string_value="ä")

    (acl,) = sdk.secrets.list_acls("read")
    assert (acl.principal, acl.permission.value) == (sdk.current_user.me().user_name, "MANAGE")
    assert sdk.secrets.get_secret("read", "k").value == "w6Q="
    answer = shared_workspace.client.get("/api/2.0/secrets/get?scope=read&key=none")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_token_that_nothing_would_take_is_not_made(shared_workspace: Any) -> None:
    assert shared_workspace.client.post("/api/2.0/token/create", json={}).status_code == 501


@pytest.mark.parametrize("size", ["Huge", "2x-small", "XX-Small"])
def test_a_warehouse_has_one_of_the_sizes_that_there_are(shared_workspace: Any, size: str) -> None:
    body = {"name": f"sized-{size}", "cluster_size": size}
    path = "/api/2.0/sql/warehouses"
    created = shared_workspace.client.post(path, json=body)
    edited = shared_workspace.client.post(
        f"{path}/{shared_workspace.warehouse_id}/edit", json={"cluster_size": size}
    )

    for answer in (created, edited):
        assert answer.status_code == 400
        assert "2X-Small" in answer.json()["message"]


def test_a_cluster_does_not_say_that_it_has_a_library(shared_workspace: Any) -> None:
    body = {"spark_version": "15.4.x-scala2.12", "num_workers": 1}
    libraries = {"libraries": [{"pypi": {"package": "x"}}]}
    answer = shared_workspace.client.post("/api/2.1/clusters/create", json=body | libraries)
    assert answer.status_code == 501


def test_a_trashed_dashboard_is_shown_as_such(shared_workspace: Any) -> None:
    path = "/api/2.0/lakeview/dashboards"
    client = shared_workspace.client
    one = client.post(path, json={"display_name": "trashed", "parent_path": "/Shared"}).json()
    client.delete(f"{path}/{one['dashboard_id']}")

    def listed(query: str) -> set[str]:
        return {it["dashboard_id"] for it in client.get(path + query).json()["dashboards"]}

    found = client.get(f"{path}/{one['dashboard_id']}").json()
    assert found["lifecycle_state"] == "TRASHED"
    assert one["dashboard_id"] in listed("?show_trashed=true") - listed("")


def test_everybodys_folder_is_there(shared_workspace: Any) -> None:
    answer = shared_workspace.client.get("/api/2.0/workspace/get-status?path=/Shared")
    assert answer.json()["object_type"] == "DIRECTORY"


def test_a_workspace_has_one_id(shared_workspace: Any) -> None:
    client = shared_workspace.client
    header = client.get("/api/2.0/preview/scim/v2/Me").headers["x-databricks-org-id"]
    assigned = client.get("/api/2.1/unity-catalog/current-metastore-assignment").json()
    assert header == str(assigned["workspace_id"])

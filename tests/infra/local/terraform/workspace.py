"""A workspace in memory, as small as the provider lets it be: what it is sent, it gives back.

The server for tests of the provider alone. What the local workspace answers is tested with it.
"""

from __future__ import annotations

import copy
import json
import re
import urllib.parse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = tuple[int, Any]
Object = dict[str, Any]

ME = {"id": "1", "userName": "me@example.com"}
_MISSING = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "it does not exist"}


class Workspace:
    """Call it with a request. `objects` are all there are, by the path that reads them."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.updates_seen: list[str] = []
        """States that GET of an endpoint goes through before NOT_UPDATING."""
        self._number = 0

    def __call__(self, request: Any) -> Answer:
        url = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        for pattern, handle in _ROUTES:
            match = re.fullmatch(pattern, f"{request.method} {url.path.removeprefix('/api/')}")
            if match:
                body = copy.deepcopy(request.body)
                status, answer = handle(self, *match.groups(), body=body, query=query)
                return status, copy.deepcopy(answer)
        return 404, {"error_code": "ENDPOINT_NOT_FOUND", "message": f"no {request.call}"}

    def endpoint(self, name: str) -> Object:
        return self.objects[f"2.0/serving-endpoints/{name}"]

    def new_id(self) -> str:
        self._number += 1
        return f"{self._number:032x}"


def _get(key: str) -> Callable[..., Answer]:
    def handle(workspace: Workspace, *groups: str, **_: Any) -> Answer:
        found = workspace.objects.get(key.format(*groups))
        return (200, found) if found is not None else (404, _MISSING)

    return handle


def _delete(key: str) -> Callable[..., Answer]:
    def handle(workspace: Workspace, *groups: str, **_: Any) -> Answer:
        found = workspace.objects.pop(key.format(*groups), None)
        return (200, {}) if found is not None else (404, _MISSING)

    return handle


def _patch(key: str) -> Callable[..., Answer]:
    def handle(workspace: Workspace, *groups: str, body: Object, **_: Any) -> Answer:
        found = workspace.objects.get(key.format(*groups))
        if found is None:
            return 404, _MISSING
        found |= body
        return 200, found

    return handle


def _create_unity(kind: str) -> Callable[..., Answer]:
    def handle(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
        parts = [body.get("catalog_name"), body.get("schema_name"), body["name"]]
        full_name = ".".join(part for part in parts if part)
        key = f"2.1/unity-catalog/{kind}/{full_name}"
        if key in workspace.objects:
            return 409, {"error_code": "ALREADY_EXISTS", "message": f"{full_name} already exists"}
        extra = {"full_name": full_name, "owner": ME["userName"], "created_at": 1795523623512}
        workspace.objects[key] = body | extra
        return 200, workspace.objects[key]

    return handle


def _create_endpoint(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
    key = f"2.0/serving-endpoints/{body['name']}"
    if key in workspace.objects:
        message = f"Serving endpoint with name {body['name']} already exists"
        return 409, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": message}
    for entity in body["config"]["served_entities"]:
        if entity["entity_name"].endswith(".missing"):
            message = f"Registered model {entity['entity_name']} does not exist"
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": message}
    id_ = workspace.new_id()
    workspace.objects[key] = body | {
        "id": id_,
        "creator": ME["userName"],
        "config": _answered_config(body["config"]),
        "description": body.get("description", ""),
        "state": {"ready": "READY", "config_update": "NOT_UPDATING"},
    }
    workspace.objects[f"2.0/permissions/serving-endpoints/{id_}"] = _acl("serving-endpoint", [])
    return 200, workspace.objects[key]


def _get_endpoint(workspace: Workspace, name: str, **_: Any) -> Answer:
    found = workspace.objects.get(f"2.0/serving-endpoints/{name}")
    if found is None:
        return 404, _MISSING
    update = workspace.updates_seen.pop(0) if workspace.updates_seen else "NOT_UPDATING"
    return 200, found | {"state": {"ready": "READY", "config_update": update}}


def _delete_endpoint(workspace: Workspace, name: str, **_: Any) -> Answer:
    found = workspace.objects.pop(f"2.0/serving-endpoints/{name}", None)
    if found is None:
        return 404, _MISSING
    workspace.objects.pop(f"2.0/permissions/serving-endpoints/{found['id']}", None)
    return 200, {}


def _answered_config(config: Object) -> Object:
    for entity in config["served_entities"]:
        entity.setdefault("workload_type", "CPU")
        entity["state"] = {"deployment": "DEPLOYMENT_READY", "deployment_state_message": ""}
    routes = config.setdefault("traffic_config", {}).setdefault("routes", [])
    if not routes:
        name = config["served_entities"][0]["name"]
        routes.append({"served_model_name": name, "traffic_percentage": 100})
    for route in routes:
        name = route.get("served_entity_name") or route["served_model_name"]
        route |= {"served_entity_name": name, "served_model_name": name}
    return config


def _put_config(workspace: Workspace, name: str, *, body: Object, **_: Any) -> Answer:
    workspace.endpoint(name)["config"] = _answered_config(body)
    return 200, workspace.endpoint(name)


def _put_gateway(workspace: Workspace, name: str, *, body: Object, **_: Any) -> Answer:
    workspace.endpoint(name)["ai_gateway"] = body
    return 200, body


def _patch_tags(workspace: Workspace, name: str, *, body: Object, **_: Any) -> Answer:
    tags = {tag["key"]: tag for tag in workspace.endpoint(name).get("tags", [])}
    tags |= {tag["key"]: tag for tag in body.get("add_tags", [])}
    for key in body.get("delete_tags", []):
        del tags[key]
    workspace.endpoint(name)["tags"] = list(tags.values())
    return 200, {"tags": list(tags.values())}


def _acl(object_type: str, entries: list[Object]) -> Object:
    listed = [
        {name: value for name, value in entry.items() if name != "permission_level"}
        | {"all_permissions": [{"permission_level": entry["permission_level"]}]}
        for entry in entries
    ]
    return {"object_type": object_type, "access_control_list": listed}


def _put_permissions(
    workspace: Workspace, kind: str, id_: str, *, body: Object, **_: Any
) -> Answer:
    types = {"serving-endpoints": "serving-endpoint", "jobs": "job", "sql/warehouses": "warehouses"}
    key = f"2.0/permissions/{kind}/{id_}"
    workspace.objects[key] = _acl(types[kind], body["access_control_list"])
    return 200, workspace.objects[key]


def _grants(workspace: Workspace, kind: str, name: str, *, body: Any, **_: Any) -> Answer:
    key = f"2.1/unity-catalog/permissions/{kind}/{name}"
    granted = workspace.objects.setdefault(key, {})
    for change in (body or {}).get("changes", []):
        privileges = set(granted.get(change["principal"], []))
        privileges |= set(change.get("add", []))
        privileges -= set(change.get("remove", []))
        granted[change["principal"]] = sorted(privileges)
    assignments = [
        {"principal": principal, "privileges": privileges}
        for principal, privileges in granted.items()
        if privileges
    ]
    return 200, {"privilege_assignments": assignments}


def _statement(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
    """Just enough SQL for the statements of the lifecycle test."""
    statement = body["statement"]
    names = re.findall(r"`(\w+)`", statement)
    full_name = ".".join(names[:3])
    key = f"2.1/unity-catalog/tables/{full_name}"
    if statement.startswith("CREATE"):
        columns = re.findall(r"`(\w+)` (\w+)( NOT NULL)?(?: COMMENT '([^']*)')?", statement)
        comment = re.search(r"\nCOMMENT '([^']*)'", statement)
        properties = re.findall(r"'(\w+)'='(\w+)'", statement)
        workspace.objects[key] = {
            "name": names[2], "catalog_name": names[0], "schema_name": names[1],
            "table_type": "VIEW" if "VIEW" in statement else "MANAGED",
            "data_source_format": "DELTA", "comment": comment and comment[1], "table_id": "t1",
            "owner": ME["userName"],
            "properties": dict(properties) | {"delta.minReaderVersion": "1"},
            "columns": [
                {
                    "name": name, "type_text": type_, "nullable": not required,
                    "comment": text or None, "type_json": json.dumps({"name": name}),
                }
                for name, type_, required, text in columns
            ],
        }  # fmt: skip
    elif statement.startswith("DROP"):
        del workspace.objects[key]
    elif statement.startswith("COMMENT"):
        workspace.objects[key]["comment"] = statement.split("'")[1]
    elif "ADD COLUMN" in statement:
        name, type_ = re.findall(r"ADD COLUMN `(\w+)` (\w+)", statement)[0]
        column = {"name": name, "type_text": type_, "nullable": True, "type_json": "{}"}
        workspace.objects[key]["columns"].append(column)
    elif "SET TBLPROPERTIES" in statement:
        pairs = re.findall(r"'(\w+)'='(\w+)'", statement)
        workspace.objects[key]["properties"] |= dict(pairs)
    else:
        error = {"error_code": "BAD_REQUEST", "message": f"cannot parse {statement}"}
        return 200, {"status": {"state": "FAILED", "error": error}}
    return 200, {"status": {"state": "SUCCEEDED"}}


def _create_numbered(key: str, id_name: str) -> Callable[..., Answer]:
    def handle(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
        id_ = workspace.new_id()
        body = body.get("query", body)
        workspace.objects[key.format(id_)] = body | {id_name: id_}
        return 200, workspace.objects[key.format(id_)]

    return handle


def _create_warehouse(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
    id_ = workspace.new_id()
    workspace.objects[f"2.0/sql/warehouses/{id_}"] = body | {
        "id": id_, "state": "RUNNING", "num_clusters": 1, "min_num_clusters": 1,
        "odbc_params": {"hostname": "h", "path": "/p", "port": 443, "protocol": "https"},
    }  # fmt: skip
    return 200, {"id": id_}


def _data_sources(workspace: Workspace, **_: Any) -> Answer:
    ids = [one["id"] for key, one in workspace.objects.items() if "warehouses" in key]
    return 200, [{"id": f"source-{id_}", "warehouse_id": id_, "name": "wh"} for id_ in ids]


def _update_query(workspace: Workspace, id_: str, *, body: Object, **_: Any) -> Answer:
    query = workspace.objects[f"2.0/sql/queries/{id_}"]
    for name in body["update_mask"].split(","):
        query[name] = body["query"].get(name)
    return 200, query


def _dashboard(workspace: Workspace, id_: str = "", *, body: Object, **_: Any) -> Answer:
    id_ = id_ or workspace.new_id()
    workspace.objects[f"2.0/lakeview/dashboards/{id_}"] = body | {
        "dashboard_id": id_, "etag": workspace.new_id(), "lifecycle_state": "ACTIVE",
    }  # fmt: skip
    return 200, workspace.objects[f"2.0/lakeview/dashboards/{id_}"]


def _create_job(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
    id_ = int(workspace.new_id(), 16)
    for task in body["tasks"]:
        task["run_if"] = "ALL_SUCCESS"
    workspace.objects[f"2.2/jobs/{id_}"] = {"job_id": id_, "settings": body}
    return 200, {"job_id": id_}


def _reset_job(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
    workspace.objects[f"2.2/jobs/{body['job_id']}"]["settings"] = body["new_settings"]
    return 200, {}


def _by(name: str, key: str, source: str = "query") -> Callable[..., Answer]:
    def handle(workspace: Workspace, **more: Any) -> Answer:
        found = workspace.objects.get(key.format(more[source][name]))
        return (200, found) if found is not None else (404, _MISSING)

    return handle


def _delete_by(name: str, key: str) -> Callable[..., Answer]:
    def handle(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
        del workspace.objects[key.format(body[name])]
        return 200, {}

    return handle


def _edit_by(name: str, key: str) -> Callable[..., Answer]:
    def handle(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
        workspace.objects[key.format(body[name])] |= body
        return 200, {}

    return handle


def _create_cluster(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
    id_ = workspace.new_id()
    workspace.objects[f"2.1/clusters/{id_}"] = body | {"cluster_id": id_, "state": "RUNNING"}
    return 200, {"cluster_id": id_}


def _pinned(workspace: Workspace, **_: Any) -> Answer:
    return 200, {"clusters": [one for one in workspace.objects.values() if one.get("is_pinned")]}


def _pin(verb: str) -> Callable[..., Answer]:
    def handle(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
        workspace.objects[f"2.1/clusters/{body['cluster_id']}"]["is_pinned"] = verb == "pin"
        return 200, {}

    return handle


def _put_secret(kind: str, *names: str) -> Callable[..., Answer]:
    def handle(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
        key = "/".join([kind, *(body[name] for name in names)])
        backend = {"backend_type": "DATABRICKS", "name": body["scope"]}
        workspace.objects[key] = body | backend | {"last_updated_timestamp": 1}
        return 200, {}

    return handle


def _delete_secret(kind: str, *names: str) -> Callable[..., Answer]:
    def handle(workspace: Workspace, *, body: Object, **_: Any) -> Answer:
        del workspace.objects["/".join([kind, *(body[name] for name in names)])]
        return 200, {}

    return handle


def _list_secrets(kind: str, name: str) -> Callable[..., Answer]:
    def handle(workspace: Workspace, **_: Any) -> Answer:
        found = [one for key, one in workspace.objects.items() if key.startswith(f"{kind}/")]
        return 200, {name: found}

    return handle


def _list_endpoints(workspace: Workspace, **_: Any) -> Answer:
    prefix = "2.0/serving-endpoints/"
    found = [one for key, one in workspace.objects.items() if key.startswith(prefix)]
    return 200, {"endpoints": found}


def _unity(kind: str) -> list[tuple[str, Callable[..., Answer]]]:
    path = f"2.1/unity-catalog/{kind}"
    key = path + "/{}"
    return [
        (f"POST {path}", _create_unity(kind)),
        (f"GET {path}/(.+)", _get(key)),
        (f"PATCH {path}/(.+)", _patch(key)),
        (f"DELETE {path}/(.+)", _delete(key)),
    ]


_SERVING = "2.0/serving-endpoints"
_ROUTES: list[tuple[str, Callable[..., Answer]]] = [
    ("GET 2.0/preview/scim/v2/Me", lambda _, **__: (200, ME)),
    (f"GET {_SERVING}", _list_endpoints),
    (f"POST {_SERVING}", _create_endpoint),
    (f"GET {_SERVING}/([^/]+)", _get_endpoint),
    (f"DELETE {_SERVING}/([^/]+)", _delete_endpoint),
    (f"PUT {_SERVING}/([^/]+)/config", _put_config),
    (f"PUT {_SERVING}/([^/]+)/ai-gateway", _put_gateway),
    (f"PATCH {_SERVING}/([^/]+)/tags", _patch_tags),
    ("GET 2.0/permissions/(.+)", _get("2.0/permissions/{}")),
    ("PUT 2.0/permissions/(.+)/([^/]+)", _put_permissions),
    *_unity("catalogs"),
    *_unity("schemas"),
    *_unity("volumes"),
    *_unity("models"),
    ("(?:GET|PATCH) 2.1/unity-catalog/permissions/([^/]+)/(.+)", _grants),
    ("GET 2.1/unity-catalog/tables/(.+)", _get("2.1/unity-catalog/tables/{}")),
    ("PATCH 2.1/unity-catalog/tables/(.+)", _patch("2.1/unity-catalog/tables/{}")),
    ("POST 2.0/sql/statements", _statement),
    ("POST 2.0/sql/warehouses", _create_warehouse),
    ("GET 2.0/sql/warehouses/([^/]+)", _get("2.0/sql/warehouses/{}")),
    ("DELETE 2.0/sql/warehouses/([^/]+)", _delete("2.0/sql/warehouses/{}")),
    ("POST 2.0/sql/warehouses/([^/]+)/edit", _patch("2.0/sql/warehouses/{}")),
    ("GET 2.0/preview/sql/data_sources", _data_sources),
    ("POST 2.0/sql/queries", _create_numbered("2.0/sql/queries/{}", "id")),
    ("GET 2.0/sql/queries/([^/]+)", _get("2.0/sql/queries/{}")),
    ("PATCH 2.0/sql/queries/([^/]+)", _update_query),
    ("DELETE 2.0/sql/queries/([^/]+)", _delete("2.0/sql/queries/{}")),
    ("POST 2.0/lakeview/dashboards", _dashboard),
    ("GET 2.0/lakeview/dashboards/([^/]+)", _get("2.0/lakeview/dashboards/{}")),
    ("PATCH 2.0/lakeview/dashboards/([^/]+)", _dashboard),
    ("DELETE 2.0/lakeview/dashboards/([^/]+)", _delete("2.0/lakeview/dashboards/{}")),
    ("POST 2.0/lakeview/dashboards/[^/]+/published", lambda _, **__: (200, {})),
    ("POST 2.2/jobs/create", _create_job),
    ("GET 2.2/jobs/get", _by("job_id", "2.2/jobs/{}")),
    ("POST 2.2/jobs/reset", _reset_job),
    ("POST 2.2/jobs/delete", _delete_by("job_id", "2.2/jobs/{}")),
    ("POST 2.1/clusters/create", _create_cluster),
    ("GET 2.1/clusters/get", _by("cluster_id", "2.1/clusters/{}")),
    ("POST 2.1/clusters/edit", _edit_by("cluster_id", "2.1/clusters/{}")),
    ("POST 2.1/clusters/permanent-delete", _delete_by("cluster_id", "2.1/clusters/{}")),
    ("GET 2.1/clusters/list", _pinned),
    ("POST 2.1/clusters/pin", _pin("pin")),
    ("POST 2.1/clusters/unpin", _pin("unpin")),
    ("POST 2.0/policies/clusters/create", _create_numbered("policy/{}", "policy_id")),
    ("GET 2.0/policies/clusters/get", _by("policy_id", "policy/{}")),
    ("POST 2.0/policies/clusters/edit", _edit_by("policy_id", "policy/{}")),
    ("POST 2.0/policies/clusters/delete", _delete_by("policy_id", "policy/{}")),
    ("POST 2.0/secrets/scopes/create", _put_secret("scopes", "scope")),
    ("GET 2.0/secrets/scopes/list", _list_secrets("scopes", "scopes")),
    ("POST 2.0/secrets/scopes/delete", _delete_secret("scopes", "scope")),
    ("POST 2.0/secrets/put", _put_secret("secrets", "scope", "key")),
    ("GET 2.0/secrets/list", _list_secrets("secrets", "secrets")),
    ("POST 2.0/secrets/delete", _delete_secret("secrets", "scope", "key")),
    ("POST 2.0/secrets/acls/put", _put_secret("acls", "scope", "principal")),
    ("GET 2.0/secrets/acls/get", lambda w, query, **_: (
        200, w.objects[f"acls/{query['scope']}/{query['principal']}"])),
    ("POST 2.0/secrets/acls/delete", _delete_secret("acls", "scope", "principal")),
]  # fmt: skip

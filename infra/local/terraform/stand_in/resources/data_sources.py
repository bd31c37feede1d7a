"""Data sources: each one asks the workspace and says what it answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from infra.local.terraform.stand_in.conversion import convert
from infra.local.terraform.stand_in.resources.resource import Refused

if TYPE_CHECKING:
    from infra.local.terraform.stand_in.rest import Rest
    from infra.local.terraform.stand_in.schema import Attribute, Block
    from infra.local.terraform.stand_in.values import Value

DataSource = Callable[["Rest", "Block", Mapping[str, Any]], dict[str, Any]]


def _current_user(rest: Rest, _: Block, __: Mapping[str, Value]) -> dict[str, Value]:
    me = rest.get("2.0/preview/scim/v2/Me")
    name = me["userName"]
    short = name.split("@")[0]
    return {
        "id": me.get("id"),
        "user_name": name,
        "external_id": me.get("externalId") or "",
        "home": f"/Users/{name}",
        "repos": f"/Repos/{name}",
        "alphanumeric": re.sub(r"[^a-z0-9]", "_", short.lower()),
        "acl_principal_id": f"users/{name}",
        "workspace_url": rest.host,
    }


def _serving_endpoints(rest: Rest, block: Block, config: Mapping[str, Value]) -> dict[str, Value]:
    answer = rest.get("2.0/serving-endpoints")
    return dict(config) | {
        "endpoints": _nested(block.attributes["endpoints"], answer.get("endpoints") or [])
    }


def _registered_model(rest: Rest, block: Block, config: Mapping[str, Value]) -> dict[str, Value]:
    query = {
        name: str(config[name]).lower()
        for name in ("include_aliases", "include_browse")
        if config.get(name)
    }
    answer = rest.get(f"2.1/unity-catalog/models/{config['full_name']}", query)
    return dict(config) | {"model_info": _nested(block.attributes["model_info"], [answer])}


def _model_versions(rest: Rest, block: Block, config: Mapping[str, Value]) -> dict[str, Value]:
    path = f"2.1/unity-catalog/models/{config['full_name']}/versions"
    versions: list[Any] = []
    token: str | None = None
    while True:
        answer = rest.get(path, {"page_token": token} if token else None)
        versions += answer.get("model_versions") or []
        token = answer.get("next_page_token")
        if not token:
            break
    return dict(config) | {"model_versions": _nested(block.attributes["model_versions"], versions)}


def _sql_warehouse(rest: Rest, block: Block, config: Mapping[str, Value]) -> dict[str, Value]:
    sources = rest.get("2.0/preview/sql/data_sources")
    wanted, name = config.get("id"), config.get("name")
    if bool(wanted) == bool(name):
        raise Refused("set one of id and name")
    found = [
        source
        for source in sources
        if (source.get("warehouse_id") == wanted if wanted else source.get("name") == name)
    ]
    if len(found) != 1:
        which = f"id {wanted}" if wanted else f"name {name}"
        raise Refused(f"there are {len(found)} warehouses with {which}, one is needed")
    id_ = found[0]["warehouse_id"]
    answer = rest.get(f"2.0/sql/warehouses/{id_}")
    state = _flat(block, answer)
    return state | {"id": id_, "data_source_id": found[0]["id"]}


def _catalog(rest: Rest, block: Block, config: Mapping[str, Value]) -> dict[str, Value]:
    answer = rest.get(f"2.1/unity-catalog/catalogs/{config['name']}")
    info = _flat(block.blocks["catalog_info"].block, answer)
    return dict(config) | {"id": config["name"], "catalog_info": [info]}


def _schema(rest: Rest, block: Block, config: Mapping[str, Value]) -> dict[str, Value]:
    answer = rest.get(f"2.1/unity-catalog/schemas/{config['name']}")
    info = _flat(block.blocks["schema_info"].block, answer)
    return dict(config) | {"id": config["name"], "schema_info": [info]}


DATA_SOURCES: Mapping[str, DataSource] = {
    "databricks_catalog": _catalog,
    "databricks_current_user": _current_user,
    "databricks_registered_model": _registered_model,
    "databricks_registered_model_versions": _model_versions,
    "databricks_schema": _schema,
    "databricks_serving_endpoints": _serving_endpoints,
    "databricks_sql_warehouse": _sql_warehouse,
}


def _flat(block: Block, answer: Mapping[str, Any]) -> dict[str, Value]:
    """Everything of `block` that the answer has."""
    state = block.empty() | {
        name: convert(attribute.type, answer.get(name))
        for name, attribute in block.attributes.items()
    }
    for name, nested in block.blocks.items():
        inner = answer.get(name)
        if inner:
            elements = [inner] if nested.is_object else inner
            state[name] = [_flat(nested.block, element) for element in elements]
    return state


def _nested(attribute: Attribute, answer: Any) -> Value:
    """An attribute that is a list of objects; the API has an object where there is at most one."""
    if attribute.nested is None:
        return convert(attribute.type, answer)
    if answer is None:
        return None
    elements = [answer] if isinstance(answer, dict) else answer
    values = [
        {
            name: _nested(inner, element.get(name))
            for name, inner in attribute.nested.attributes.items()
        }
        for element in elements
    ]
    return values[0] if attribute.nested.nesting == "single" else values

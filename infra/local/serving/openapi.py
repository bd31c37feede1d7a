"""The query schema of an endpoint, as `GET .../openapi` gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def document(endpoint: str, signatures: Mapping[str, dict[str, Any] | None]) -> dict[str, Any]:
    """`signatures` are MLflow's, by served entity; an entity without one takes anything."""
    schemas = {
        name: _request(signature) for name, signature in signatures.items() if signature is not None
    }
    paths = {f"/serving-endpoints/{endpoint}/invocations": _operation(_one_of(schemas.values()))}
    for name in signatures:
        path = f"/serving-endpoints/{endpoint}/served-models/{name}/invocations"
        paths[path] = _operation(schemas.get(name, {}))
    return {
        "openapi": "3.1.0",
        "info": {"title": endpoint, "version": "1"},
        "servers": [{"url": "/"}],
        "paths": paths,
    }


def _one_of(schemas: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What a request must be: with a schema twice, `oneOf` would hold for none."""
    different: list[dict[str, Any]] = []
    for schema in schemas:
        if schema not in different:
            different.append(schema)
    match different:
        case []:
            return {}
        case [schema]:
            return schema
        case _:
            return {"oneOf": different}


def _operation(schema: dict[str, Any]) -> dict[str, Any]:
    response = {"type": "object", "properties": {"predictions": {}}}
    return {
        "post": {
            "requestBody": {"content": {"application/json": {"schema": schema}}},
            "responses": {
                "200": {
                    "description": "Successful operation",
                    "content": {"application/json": {"schema": response}},
                }
            },
        }
    }


def _request(signature: dict[str, Any]) -> dict[str, Any]:
    inputs = orjson.loads(signature["inputs"]) if signature.get("inputs") else []
    if len(inputs) == 1 and "name" not in inputs[0]:
        schema = _schema(inputs[0])
    else:
        schema = {
            "type": "object",
            "properties": {column["name"]: _schema(column) for column in inputs},
        }
    properties = {"inputs": schema, "client_request_id": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": ["inputs"]}


def _schema(column: dict[str, Any]) -> dict[str, Any]:
    """JSON schema of one column or tensor of a signature."""
    if column["type"] != "tensor":
        return {"type": _JSON_TYPES.get(column["type"], "string")}
    tensor = column["tensor-spec"]
    schema: dict[str, Any] = {"type": "number", "format": tensor["dtype"]}
    for size in reversed(tensor["shape"]):
        schema = {"type": "array", "items": schema}
        if size >= 0:
            schema |= {"minItems": size, "maxItems": size}
    return schema


_JSON_TYPES = {
    "boolean": "boolean",
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
}

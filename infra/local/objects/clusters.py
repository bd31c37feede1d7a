"""Clusters: the fields that minilake drops, and the list of pinned ones.

Source: docs/reference/terraform-provider.md#what-other-resources-need,
https://docs.databricks.com/api/workspace/clusters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from minilake.models.clusters import ClusterInfo, CreateClusterRequest, EditClusterRequest
from minilake.services import clusters
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.emulator import call, parsed, state_of
from infra.local.http import json_object
from infra.local.refusal import invalid, missing, not_emulated

if TYPE_CHECKING:
    from starlette.requests import Request

PATH: Final = "/api/2.1/clusters"
_REQUEST_ONLY: Final = frozenset({"apply_policy_default_values", "clone_from", "libraries"})
_DEFAULT_PAGE: Final = 20


def routes() -> list[Route]:
    """Create, edit, get and list; the rest is minilake's."""

    async def create(request: Request) -> Response:
        body = await json_object(request)
        _refuse_libraries(body)
        created = await call(clusters.create_cluster(parsed(CreateClusterRequest, body)))
        _keep(created["cluster_id"], body)
        return JSONResponse(created)

    async def edit(request: Request) -> Response:
        body = await json_object(request)
        _refuse_libraries(body)
        await call(clusters.edit_cluster(parsed(EditClusterRequest, body)))
        _keep(body["cluster_id"], body)
        return JSONResponse({})

    async def get(request: Request) -> Response:
        return JSONResponse(_describe(_existing(request.query_params.get("cluster_id", ""))))

    async def listing(request: Request) -> Response:
        query = request.query_params
        pinned = query.get("filter_by.is_pinned", "").lower() == "true"
        states = set(query.getlist("filter_by.cluster_states"))
        found = [
            _describe(cluster)
            for cluster in state_of("clusters", "clusters").values()
            if (not pinned or cluster.get("pinned_by_user_name"))
            and (not states or cluster["state"] in states)
        ]
        start, size = _integer(query, "page_token", 0), _integer(query, "page_size", _DEFAULT_PAGE)
        page: dict[str, Any] = {"clusters": found[start : start + size]}
        if start + size < len(found):
            page["next_page_token"] = str(start + size)
        return JSONResponse(page)

    return [
        Route(f"{PATH}/create", create, methods=["POST"]),
        Route(f"{PATH}/edit", edit, methods=["POST"]),
        Route(f"{PATH}/get", get, methods=["GET"]),
        Route(f"{PATH}/list", listing, methods=["GET"]),
    ]


def _refuse_libraries(body: dict[str, Any]) -> None:
    """Nothing is installed here, and a cluster that says it has them would not be believed."""
    if body.get("libraries"):
        raise not_emulated("A library of a cluster")


def _existing(cluster_id: str) -> dict[str, Any]:
    cluster: dict[str, Any] | None = state_of("clusters", "clusters").get(cluster_id)
    if cluster is None:
        raise missing(f"Cluster {cluster_id} does not exist.")
    return cluster


def _keep(cluster_id: str, body: dict[str, Any]) -> None:
    """Keep what was sent and minilake has no field for, in the place of what was kept before."""
    cluster = _existing(cluster_id)
    for field in [field for field in cluster if field not in ClusterInfo.model_fields]:
        del cluster[field]
    known = ClusterInfo.model_fields.keys() | _REQUEST_ONLY
    cluster.update({field: value for field, value in body.items() if field not in known})


def _describe(cluster: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in cluster.items() if value is not None}


def _integer(query: Any, name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError as error:
        raise invalid(f"{name}: {query.get(name)!r} is not an integer.") from error

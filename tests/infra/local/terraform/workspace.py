"""The local workspace in this process, but for the processes of its served entities.

What Terraform's provider is answered is what the workspace answers. Tests of the provider alone
may have it answer something else: see `Workspace.shown`, `Workspace.updates_seen`, and `Server`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.plugin.served import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from tests.infra.local.terraform.server import Answer, Request

Object = dict[str, Any]

MODELS = ("c.s.m", "c.models.pneumonia_poc_classifier", "c.models.pneumonia_poc_classifier_pytorch")
"""Registered in versions 1 and 2."""
UNITY = "/api/2.1/unity-catalog"
ENDPOINTS = "/api/2.0/serving-endpoints"
_LISTS = (
    ENDPOINTS,
    f"{UNITY}/catalogs",
    f"{UNITY}/schemas?catalog_name=c",
    f"{UNITY}/volumes?catalog_name=c&schema_name=s",
    f"{UNITY}/models?catalog_name=c&schema_name=s",
    f"{UNITY}/tables?catalog_name=c&schema_name=s",
    f"{UNITY}/permissions/schema/c.s",
    f"{UNITY}/permissions/table/c.s.given",
    "/api/2.0/sql/warehouses",
    "/api/2.0/sql/queries",
    "/api/2.0/alerts",
    "/api/2.0/notification-destinations",
    "/api/2.0/lakeview/dashboards",
    "/api/2.0/policies/clusters/list",
    "/api/2.0/secrets/scopes/list",
    "/api/2.0/secrets/list?scope=given",
    "/api/2.0/secrets/acls/list?scope=given",
    "/api/2.1/clusters/list",
    "/api/2.2/jobs/list",
)


class Workspace:
    """Call it with a request. It has a catalog `c`, a schema `c.s`, a job and a warehouse."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.updates_seen: list[str] = []
        """States that GET of an endpoint goes through before the real one."""
        self.shown: Callable[[Object], object] | None = None
        """Changes how GET shows an endpoint."""
        for kind, body in (
            ("catalogs", {"name": "c"}),
            ("schemas", {"catalog_name": "c", "name": "s"}),
        ):
            self.ask("POST", f"{UNITY}/{kind}", body)
        self.warehouse = self.ask(
            "POST", "/api/2.0/sql/warehouses", {"name": "given", "cluster_size": "Small"}
        )["id"]
        self.job = str(self.ask("POST", "/api/2.2/jobs/create", {"name": "given"})["job_id"])
        self.ask("POST", "/api/2.0/secrets/scopes/create", {"scope": "given"})
        statement = {"warehouse_id": self.warehouse, "statement": "CREATE TABLE c.s.given (id INT)"}
        self.ask("POST", "/api/2.0/sql/statements", statement)
        self._given = self.inventory()

    def __call__(self, request: Request) -> Answer:
        status, body = self._send(request.method, request.path, request.body)
        if request.method == "GET" and request.path.startswith(f"{ENDPOINTS}/") and status == 200:
            if self.updates_seen:
                body["state"]["config_update"] = self.updates_seen.pop(0)
            if self.shown is not None:
                self.shown(body)
        return status, body

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What it really answers, to a request that must succeed."""
        status, answer = self._send(method, path, body)
        assert status == 200, f"{method} {path}: HTTP {status} {answer}"
        return answer

    def exists(self, path: str) -> bool:
        return self._send("GET", path, None)[0] == 200

    def endpoint(self, name: str) -> Object:
        """As it really is."""
        found: Object = self.ask("GET", f"{ENDPOINTS}/{name}")
        return found

    def inventory(self) -> dict[str, Any]:
        """Everything that Terraform may create in it."""
        paths = (*_LISTS, f"/api/2.0/permissions/jobs/{self.job}")
        return {path: self.ask("GET", path) for path in paths}

    @property
    def is_as_given(self) -> bool:
        return self.inventory() == self._given

    def clear(self) -> None:
        """What a test has deployed and left."""
        self.updates_seen, self.shown = [], None
        for one in self.ask("GET", ENDPOINTS).get("endpoints", []):
            self.ask("DELETE", f"{ENDPOINTS}/{one['name']}")
        for one in self.ask("GET", f"{UNITY}/schemas?catalog_name=c")["schemas"]:
            if one["full_name"] == "c.t":
                self.ask("DELETE", f"{UNITY}/schemas/c.t")

    def _send(self, method: str, path: str, body: object) -> Answer:
        response = self._client.request(method, path, json=body)
        return response.status_code, response.json() if response.content else {}


class NoProcess:
    """In the place of a served entity's process: loads no model and answers nothing."""

    pid = None
    signature = None
    alive = True

    def __init__(self) -> None:
        self.ended = asyncio.get_running_loop().create_future()

    @classmethod
    async def start(cls, _: object, **__: object) -> Self:
        return cls()

    async def stop(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


@contextlib.contextmanager
def opened(folder: Path, registry: str) -> Iterator[Workspace]:
    """The workspace with its data in `folder`; `registry` has the MODELS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.local.serving.entity.EntityProcess", NoProcess)
        with serving(folder, registry) as served:
            yield Workspace(served.client)

"""Catalogs, schemas, volumes and registered models of Unity Catalog.

Owner changes are a PATCH of their own, before the rest; a rest that fails puts the old owner back.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.terraform.stand_in.calls import CallError
from infra.local.terraform.stand_in.planning import (
    Change,
    Suppress,
    empty_keeps_old,
    same_ignoring_case,
)
from infra.local.terraform.stand_in.resources.resource import Data, Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.terraform.stand_in.rest import Rest

_PATH = "2.1/unity-catalog"


def _update(rest: Rest, path: str, data: Data, send_rest: Callable[[], None]) -> None:
    settings = set(data.state) - {"owner"}
    if data.changed("owner"):
        rest.patch(path, {"owner": data.text("owner")})
    if not data.changed(*settings):
        return
    try:
        send_rest()
    except CallError:
        if data.changed("owner") and data.prior.get("owner"):
            with contextlib.suppress(CallError):
                rest.patch(path, {"owner": data.prior["owner"]})
        raise


def _force(data: Data) -> dict[str, Any] | None:
    return {"force": "true"} if data.get("force_destroy") else None


def _storage_is_the_same(change: Change) -> bool:
    return empty_keeps_old(change) or (change.old or "").rstrip("/") == (change.new or "").rstrip(
        "/"
    )


class Catalog(Resource):
    """databricks_catalog."""

    type = "databricks_catalog"
    suppress: ClassVar[dict[str, Suppress]] = {
        "name": same_ignoring_case,
        "storage_root": _storage_is_the_same,
    }
    _sent = frozenset(
        {
            "comment", "connection_name", "name", "options", "properties", "provider_name",
            "share_name", "storage_root",
        }
    )  # fmt: skip
    _updated = frozenset(
        {"comment", "enable_predictive_optimization", "isolation_mode", "options", "properties"}
    )

    def create(self, rest: Rest, data: Data) -> None:
        path = f"{_PATH}/catalogs"
        rest.post(path, self.conversion.request(self.block, data.state, only=self._sent))
        data.id = data.text("name")
        if not any(data.get(name) for name in ("provider_name", "share_name", "connection_name")):
            try:  # a schema that nobody asked for
                rest.delete(f"{_PATH}/schemas/{data.id}.default")
            except CallError as problem:
                if not problem.is_missing:
                    raise
        late = frozenset({"owner", "isolation_mode", "enable_predictive_optimization"})
        body = self.conversion.request(self.block, data.state, only=late)
        if body:
            rest.patch(f"{path}/{data.id}", body)

    def read(self, rest: Rest, data: Data) -> None:
        answer = rest.get(f"{_PATH}/catalogs/{data.id}")
        data.state = self.conversion.read(
            self.block, answer, data.state, is_new=data.is_new, without=frozenset({"force_destroy"})
        )

    def update(self, rest: Rest, data: Data) -> None:
        path = f"{_PATH}/catalogs/{data.id}"

        def send_rest() -> None:
            body = self.conversion.request(self.block, data.state, only=self._updated)
            if data.changed("name"):
                body["new_name"] = data.text("name")
            rest.patch(path, body)
            data.id = data.text("name")

        _update(rest, path, data, send_rest)

    def delete(self, rest: Rest, data: Data) -> None:
        rest.delete(f"{_PATH}/catalogs/{data.id}", _force(data))


class Schema(Resource):
    """databricks_schema."""

    type = "databricks_schema"
    suppress: ClassVar[dict[str, Suppress]] = {
        "name": same_ignoring_case,
        "catalog_name": same_ignoring_case,
        "storage_root": _storage_is_the_same,
    }
    _sent = frozenset({"catalog_name", "comment", "name", "properties", "storage_root"})
    _updated = frozenset({"comment", "enable_predictive_optimization", "properties"})

    def create(self, rest: Rest, data: Data) -> None:
        rest.post(
            f"{_PATH}/schemas", self.conversion.request(self.block, data.state, only=self._sent)
        )
        data.id = f"{data.text('catalog_name')}.{data.text('name')}"
        late = frozenset({"owner", "enable_predictive_optimization"})
        body = self.conversion.request(self.block, data.state, only=late)
        if body:
            rest.patch(f"{_PATH}/schemas/{data.id}", body)

    def read(self, rest: Rest, data: Data) -> None:
        answer = rest.get(f"{_PATH}/schemas/{data.id}")
        data.state = self.conversion.read(
            self.block, answer, data.state, is_new=data.is_new, without=frozenset({"force_destroy"})
        )

    def update(self, rest: Rest, data: Data) -> None:
        path = f"{_PATH}/schemas/{data.id}"
        _update(
            rest,
            path,
            data,
            lambda: rest.patch(
                path, self.conversion.request(self.block, data.state, only=self._updated)
            ),
        )

    def delete(self, rest: Rest, data: Data) -> None:
        rest.delete(f"{_PATH}/schemas/{data.id}", _force(data))


class Volume(Resource):
    """databricks_volume."""

    type = "databricks_volume"
    suppress: ClassVar[dict[str, Suppress]] = {
        "name": same_ignoring_case,
        "catalog_name": same_ignoring_case,
        "schema_name": same_ignoring_case,
        "storage_location": _storage_is_the_same,
    }
    _sent = frozenset(
        {"catalog_name", "comment", "name", "schema_name", "storage_location", "volume_type"}
    )

    def create(self, rest: Rest, data: Data) -> None:
        rest.post(
            f"{_PATH}/volumes", self.conversion.request(self.block, data.state, only=self._sent)
        )
        data.id = _full_name(data)
        if data.get("owner"):
            rest.patch(f"{_PATH}/volumes/{data.id}", {"owner": data.text("owner")})

    def read(self, rest: Rest, data: Data) -> None:
        answer = rest.get(f"{_PATH}/volumes/{data.id}")
        data.state = self.conversion.read(
            self.block, answer, data.state, is_new=data.is_new, without=frozenset({"volume_path"})
        )
        data.state["volume_path"] = "/Volumes/" + data.id.replace(".", "/")

    def update(self, rest: Rest, data: Data) -> None:
        path = f"{_PATH}/volumes/{data.id}"

        def send_rest() -> None:
            body = self.conversion.request(self.block, data.state, only=frozenset({"comment"}))
            if data.changed("name"):
                body["new_name"] = data.text("name")
            rest.patch(path, body)
            data.id = _full_name(data)

        _update(rest, path, data, send_rest)

    def delete(self, rest: Rest, data: Data) -> None:
        rest.delete(f"{_PATH}/volumes/{data.id}")


class RegisteredModel(Resource):
    """databricks_registered_model."""

    type = "databricks_registered_model"
    suppress: ClassVar[dict[str, Suppress]] = {
        "name": same_ignoring_case,
        "catalog_name": same_ignoring_case,
        "schema_name": same_ignoring_case,
    }
    _sent = frozenset({"catalog_name", "comment", "name", "schema_name", "storage_location"})
    _updated = _sent | {
        "browse_only", "created_at", "created_by", "metastore_id", "updated_at", "updated_by",
    }  # fmt: skip

    def create(self, rest: Rest, data: Data) -> None:
        model = rest.post(
            f"{_PATH}/models", self.conversion.request(self.block, data.state, only=self._sent)
        )
        data.id = model["full_name"]
        if data.get("owner"):
            rest.patch(f"{_PATH}/models/{data.id}", {"owner": data.text("owner")})

    def read(self, rest: Rest, data: Data) -> None:
        answer = rest.get(f"{_PATH}/models/{data.id}")
        data.state = self.conversion.read(self.block, answer, data.state, is_new=data.is_new)

    def update(self, rest: Rest, data: Data) -> None:
        path = f"{_PATH}/models/{data.id}"

        def send_rest() -> None:
            body = self.conversion.request(self.block, data.state, only=self._updated)
            rest.patch(path, body)
            rest.patch(path, body)  # the real provider sends it twice

        _update(rest, path, data, send_rest)

    def delete(self, rest: Rest, data: Data) -> None:
        rest.delete(f"{_PATH}/models/{data.id}")


def _full_name(data: Data) -> str:
    return ".".join(data.text(name) for name in ("catalog_name", "schema_name", "name"))

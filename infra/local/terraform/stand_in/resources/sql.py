"""SQL warehouses, queries and dashboards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.terraform.stand_in.calls import Call, WaitError
from infra.local.terraform.stand_in.conversion import Conversion
from infra.local.terraform.stand_in.resources.resource import Data, Refused, Resource, seconds

if TYPE_CHECKING:
    from infra.local.terraform.stand_in.planning import Change, Suppress
    from infra.local.terraform.stand_in.rest import Rest

_WAREHOUSES = "2.0/sql/warehouses"
_QUERIES = "2.0/sql/queries"
_DASHBOARDS = "2.0/lakeview/dashboards"
_PROVISION_SECONDS = 20 * 60.0


class SqlEndpoint(Resource):
    """databricks_sql_endpoint, a warehouse."""

    type = "databricks_sql_endpoint"
    conversion: ClassVar[Conversion] = Conversion(
        omits_required_zeros=True,
        always_sent=frozenset({"enable_photon", "enable_serverless_compute"}),
    )
    _sent = frozenset(
        {
            "auto_stop_mins", "channel", "cluster_size", "creator_name", "enable_photon",
            "enable_serverless_compute", "instance_profile_arn", "max_num_clusters",
            "min_num_clusters", "name", "spot_instance_policy", "tags", "warehouse_type",
        }
    )  # fmt: skip
    _without = frozenset({"data_source_id", "no_wait"})

    def create(self, rest: Rest, data: Data) -> None:
        body = self.conversion.request(self.block, data.state, only=self._sent)
        data.id = rest.post(_WAREHOUSES, body)["id"]
        if not data.get("no_wait"):
            rest.poll(
                f"{_WAREHOUSES}/{data.id}",
                self._is_running,
                seconds=seconds(data.get("timeouts"), "create", _PROVISION_SECONDS),
                what=f"warehouse {data.id} is not running",
            )

    @staticmethod
    def _is_running(warehouse: Any) -> bool:
        state = warehouse.get("state")
        if state in {"STOPPED", "DELETED"}:
            call = Call(method="GET", path=f"/api/{_WAREHOUSES}/{warehouse.get('id')}")
            raise WaitError(call, f"failed to reach RUNNING, got {state}")
        return bool(state == "RUNNING")

    def read(self, rest: Rest, data: Data) -> None:
        warehouse = rest.get(f"{_WAREHOUSES}/{data.id}")
        for name in ("odbc_params", "health"):
            if warehouse.get(name) is not None:
                warehouse[name] = [_with_lists(warehouse[name])]
        data.state = self.conversion.read(
            self.block, warehouse, data.state, is_new=data.is_new, without=self._without
        )
        data.state["data_source_id"] = next(
            (
                source["id"]
                for source in rest.get("2.0/preview/sql/data_sources")
                if source.get("warehouse_id") == data.id
            ),
            "",
        )

    def update(self, rest: Rest, data: Data) -> None:
        body = self.conversion.request(self.block, data.state, only=self._sent)
        rest.post(f"{_WAREHOUSES}/{data.id}/edit", body)

    def delete(self, rest: Rest, data: Data) -> None:
        rest.delete(f"{_WAREHOUSES}/{data.id}")


def _with_lists(answer: dict[str, Any]) -> dict[str, Any]:
    """Terraform has a list of one where the API has an object."""
    return {
        name: [inner] if isinstance(inner, dict) and name == "failure_reason" else inner
        for name, inner in answer.items()
    }


def _is_same_folder(change: Change) -> bool:
    """/Workspace/Shared and /Shared are the same folder."""
    old, new = (
        (value or "").removeprefix("/Workspace").rstrip("/") for value in (change.old, change.new)
    )
    return not new or old == new


class Query(Resource):
    """databricks_query."""

    type = "databricks_query"
    conversion: ClassVar[Conversion] = Conversion(names={"parameter": "parameters"})
    suppress: ClassVar[dict[str, Suppress]] = {"parent_path": _is_same_folder}
    _computed = frozenset(
        {"create_time", "last_modifier_user_name", "lifecycle_state", "update_time"}
    )
    _always_masked = ("display_name", "query_text", "warehouse_id", "parameters")
    _masked = (
        "run_as_mode", "owner_user_name", "description", "tags", "catalog", "schema",
        "apply_auto_limit",
    )  # fmt: skip

    def create(self, rest: Rest, data: Data) -> None:
        created = rest.post(
            _QUERIES, {"auto_resolve_display_name": False, "query": self._query(data)}
        )
        data.id = created["id"]
        owner = data.text("owner_user_name")
        if owner and owner != created.get("owner_user_name"):
            rest.patch(
                f"{_QUERIES}/{data.id}",
                {"query": {"owner_user_name": owner}, "update_mask": "owner_user_name"},
            )

    def read(self, rest: Rest, data: Data) -> None:
        answer = rest.get(f"{_QUERIES}/{data.id}")
        if answer.get("lifecycle_state") == "TRASHED":
            data.id = ""
            return
        data.state = self.conversion.read(self.block, answer, data.state, is_new=data.is_new)

    def update(self, rest: Rest, data: Data) -> None:
        mask = [*self._always_masked, *(name for name in self._masked if data.changed(name))]
        query = self._query(data)
        query.pop("parent_path", None)
        rest.patch(
            f"{_QUERIES}/{data.id}",
            {
                "auto_resolve_display_name": False,
                "query": query,
                "update_mask": ",".join(mask),
            },
        )

    def delete(self, rest: Rest, data: Data) -> None:
        rest.delete(f"{_QUERIES}/{data.id}")

    def _query(self, data: Data) -> dict[str, Any]:
        sent = frozenset({*self.block.attributes, *self.block.blocks}) - self._computed - {"id"}
        return self.conversion.request(self.block, data.state, only=sent)


def _is_same_json(change: Change) -> bool:
    try:
        return bool(json.loads(change.old or "") == json.loads(change.new or ""))
    except ValueError:
        return False


class Dashboard(Resource):
    """databricks_dashboard, published after each change."""

    type = "databricks_dashboard"
    suppress: ClassVar[dict[str, Suppress]] = {
        "parent_path": _is_same_folder,
        "serialized_dashboard": _is_same_json,
    }
    _own = frozenset({"dashboard_change_detected", "embed_credentials", "file_path", "md5"})

    def create(self, rest: Rest, data: Data) -> None:
        answer = rest.post(_DASHBOARDS, self._body(data))
        data.id = answer["dashboard_id"]
        data.state["etag"] = answer.get("etag")
        self._publish(rest, data)

    def read(self, rest: Rest, data: Data) -> None:
        answer = rest.get(f"{_DASHBOARDS}/{data.id}")
        if answer.get("lifecycle_state") == "TRASHED":
            data.id = ""
            return
        etag = data.get("etag")
        data.state = self.conversion.read(
            self.block,
            answer,
            data.state,
            is_new=data.is_new,
            without=self._own | {"serialized_dashboard"},
        )
        data.state["md5"] = data.get("md5") or ""
        if etag and etag != answer.get("etag"):
            data.state["dashboard_change_detected"] = True

    def update(self, rest: Rest, data: Data) -> None:
        answer = rest.patch(f"{_DASHBOARDS}/{data.id}", self._body(data))
        data.state["etag"] = answer.get("etag")
        self._publish(rest, data)

    def delete(self, rest: Rest, data: Data) -> None:
        rest.delete(f"{_DASHBOARDS}/{data.id}")

    def _body(self, data: Data) -> dict[str, Any]:
        sent = frozenset(self.block.attributes) - self._own - {"id"}
        body = self.conversion.request(self.block, data.state, only=sent)
        if data.text("file_path"):
            try:
                body["serialized_dashboard"] = Path(data.text("file_path")).read_text()
            except OSError as problem:
                raise Refused(f"file_path: {problem}") from problem
        return body

    def _publish(self, rest: Rest, data: Data) -> None:
        body = {
            "embed_credentials": bool(data.get("embed_credentials")),
            "warehouse_id": data.text("warehouse_id"),
        }
        rest.post(f"{_DASHBOARDS}/{data.id}/published", body)

"""Clusters, cluster policies and jobs."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.terraform.stand_in.calls import Call, CallError, WaitError
from infra.local.terraform.stand_in.conversion import Conversion
from infra.local.terraform.stand_in.resources.resource import Data, Resource, seconds
from infra.local.terraform.stand_in.values import is_zero

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.terraform.stand_in.planning import Change, Suppress
    from infra.local.terraform.stand_in.rest import Rest

_CLUSTERS = "2.1/clusters"
_POLICIES = "2.0/policies/clusters"
_JOBS = "2.2/jobs"
_JOBS_BEFORE = "2.0/jobs"
_CLUSTER_SECONDS = 30 * 60.0
_SIZE = ("autoscale", "num_workers")
"""What changes in a cluster that runs without a restart."""


def _are_both_false(change: Change) -> bool:
    return is_zero(change.old) and is_zero(change.new)


class Cluster(Resource):
    """databricks_cluster, which is waited for until it runs, and deleted for good."""

    type = "databricks_cluster"
    conversion: ClassVar[Conversion] = Conversion(names={"library": "libraries"})
    suppress: ClassVar[dict[str, Suppress]] = {
        "is_pinned": _are_both_false,
        "no_wait": _are_both_false,
    }
    refused = frozenset({"apply_policy_default_values", "library", "provider_config"})
    _own = refused | {
        "cluster_id", "default_tags", "id", "is_pinned", "no_wait", "state", "timeouts", "url"
    }  # fmt: skip

    def create(self, rest: Rest, data: Data) -> None:
        data.id = rest.post(f"{_CLUSTERS}/create", self._body(data))["cluster_id"]
        data.state["cluster_id"] = data.id
        if data.get("is_pinned"):
            rest.post(f"{_CLUSTERS}/pin", {"cluster_id": data.id})
        if not data.get("no_wait"):
            self._wait(rest, data)

    def read(self, rest: Rest, data: Data) -> None:
        cluster = rest.get(f"{_CLUSTERS}/get", {"cluster_id": data.id})
        # A single node has num_workers 0, which is a value here and not an absence.
        data.state = self.conversion.read(
            self.block, cluster, data.state, is_new=data.is_new,
            without=frozenset({"is_pinned", "no_wait", "url", "apply_policy_default_values"}),
        )  # fmt: skip
        data.state["url"] = f"{rest.host}/#setting/clusters/{data.id}/configuration"
        pinned = rest.get(f"{_CLUSTERS}/list", {"filter_by.is_pinned": "true", "page_size": "100"})
        data.state["is_pinned"] = any(
            one.get("cluster_id") == data.id for one in pinned.get("clusters") or []
        )

    def update(self, rest: Rest, data: Data) -> None:
        there = rest.get(f"{_CLUSTERS}/get", {"cluster_id": data.id})
        settings = set(self.block.attributes) | set(self.block.blocks)
        edited = settings - {"is_pinned", "no_wait", *_SIZE}
        if data.changed(*edited) or (data.changed(*_SIZE) and there.get("state") != "RUNNING"):
            rest.post(f"{_CLUSTERS}/edit", self._body(data) | {"cluster_id": data.id})
        elif data.changed(*_SIZE):
            body = self._body(data)
            size = {name: body[name] for name in _SIZE if name in body}
            rest.post(f"{_CLUSTERS}/resize", size | {"cluster_id": data.id})
        if data.changed("is_pinned"):
            verb = "pin" if data.get("is_pinned") else "unpin"
            rest.post(f"{_CLUSTERS}/{verb}", {"cluster_id": data.id})

    def delete(self, rest: Rest, data: Data) -> None:
        rest.post(f"{_CLUSTERS}/permanent-delete", {"cluster_id": data.id})

    def _body(self, data: Data) -> dict[str, Any]:
        sent = frozenset({*self.block.attributes, *self.block.blocks}) - self._own
        body = self.conversion.request(self.block, data.state, only=sent)
        if not data.get("autoscale"):
            body["num_workers"] = data.get("num_workers") or 0
        return body

    def _wait(self, rest: Rest, data: Data) -> None:
        path = f"{_CLUSTERS}/get?cluster_id={data.id}"

        def is_running(cluster: Mapping[str, Any]) -> bool:
            state = cluster.get("state")
            if state in {"ERROR", "TERMINATED"}:
                call = Call(method="GET", path=f"/api/{path}")
                message = cluster.get("state_message") or "no message"
                raise WaitError(call, f"failed to reach RUNNING, got {state}: {message}")
            return state == "RUNNING"

        try:
            rest.poll(
                f"{_CLUSTERS}/get",
                is_running,
                query={"cluster_id": data.id},
                seconds=seconds(data.get("timeouts"), "create", _CLUSTER_SECONDS),
                what=f"cluster {data.id} is not running",
            )
        except (CallError, WaitError):
            with contextlib.suppress(CallError):
                rest.post(f"{_CLUSTERS}/permanent-delete", {"cluster_id": data.id})
            data.id = ""
            raise


def _is_same_definition(change: Change) -> bool:
    try:
        return bool(json.loads(change.old or "") == json.loads(change.new or ""))
    except ValueError:
        return not change.new


class ClusterPolicy(Resource):
    """databricks_cluster_policy."""

    type = "databricks_cluster_policy"
    suppress: ClassVar[dict[str, Suppress]] = {
        "definition": _is_same_definition,
        "policy_family_definition_overrides": _is_same_definition,
    }
    _own = frozenset({"id", "policy_id"})

    def create(self, rest: Rest, data: Data) -> None:
        data.id = rest.post(f"{_POLICIES}/create", self._body(data))["policy_id"]

    def read(self, rest: Rest, data: Data) -> None:
        answer = rest.get(f"{_POLICIES}/get", {"policy_id": data.id})
        data.state = self.conversion.read(self.block, answer, data.state, is_new=data.is_new)
        data.state["policy_id"] = data.id

    def update(self, rest: Rest, data: Data) -> None:
        rest.post(f"{_POLICIES}/edit", self._body(data) | {"policy_id": data.id})

    def delete(self, rest: Rest, data: Data) -> None:
        rest.post(f"{_POLICIES}/delete", {"policy_id": data.id})

    def _body(self, data: Data) -> dict[str, Any]:
        sent = frozenset({*self.block.attributes, *self.block.blocks}) - self._own
        return self.conversion.request(self.block, data.state, only=sent)


_GIT = {
    "git_source.url": "git_url",
    "git_source.provider": "git_provider",
    "git_source.branch": "git_branch",
    "git_source.tag": "git_tag",
    "git_source.commit": "git_commit",
}


class Job(Resource):
    """databricks_job, whose settings are replaced as a whole."""

    type = "databricks_job"
    conversion: ClassVar[Conversion] = Conversion(
        names={
            "task": "tasks",
            "task.library": "libraries",
            "task.for_each_task.task.library": "libraries",
            "library": "libraries",
            "job_cluster": "job_clusters",
            "parameter": "parameters",
            "environment": "environments",
            **_GIT,
        }
    )
    refused = frozenset(
        {"always_running", "control_run_state", "max_retries", "min_retry_interval_millis",
         "provider_config", "retry_on_timeout"}
    )  # fmt: skip
    _own = refused | {"id", "timeouts", "url"}

    def create(self, rest: Rest, data: Data) -> None:
        data.id = str(rest.post(f"{_JOBS}/create", self._settings(data))["job_id"])

    def read(self, rest: Rest, data: Data) -> None:
        # What is imported is not known to have tasks yet.
        path = _JOBS if data.get("task") or data.get("format") == "MULTI_TASK" else _JOBS_BEFORE
        job = rest.get(f"{path}/get", {"job_id": data.id})
        settings = job.get("settings") or {}
        if settings.get("tasks"):
            settings["tasks"] = sorted(settings["tasks"], key=lambda task: task["task_key"])
        without = self._own
        if not data.get("run_as") and not data.is_new:
            without |= {"run_as"}
        data.state = self.conversion.read(
            self.block, settings, data.state, is_new=data.is_new, without=without
        )
        data.state["url"] = f"{rest.host}/#job/{data.id}"

    def update(self, rest: Rest, data: Data) -> None:
        body = {"job_id": int(data.id), "new_settings": self._settings(data)}
        rest.post(f"{_JOBS}/reset", body)

    def delete(self, rest: Rest, data: Data) -> None:
        rest.post(f"{_JOBS}/delete", {"job_id": int(data.id)})

    def _settings(self, data: Data) -> dict[str, Any]:
        sent = frozenset({*self.block.attributes, *self.block.blocks}) - self._own
        settings = self.conversion.request(self.block, data.state, only=sent)
        if settings.get("tasks"):
            settings["tasks"] = sorted(settings["tasks"], key=lambda task: task["task_key"])
        settings.setdefault("queue", {"enabled": False})
        for one in (*settings.get("job_clusters", ()), *settings.get("tasks", ())):
            if "new_cluster" in one and "autoscale" not in one["new_cluster"]:
                one["new_cluster"].setdefault("num_workers", 0)
        return settings

"""What is to be run: a job's settings, with whose it is and the parameters of this run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from infra.local.emulator import state_of
from infra.local.jobs.definition import Settings
from infra.local.refusal import missing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Caller:
    """Whose run it is: the address and the token by which its tasks reach this workspace."""

    user: str
    host: str
    token: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be run."""

    settings: Settings
    caller: Caller
    job_id: int | None = None
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    python_parameters: list[str] | None = None
    trigger: str = "ONE_TIME"
    """What it was ordered by: one of Databricks' `TriggerType`."""
    inside: tuple[int, ...] = ()
    """The jobs whose task this run is, the outermost first."""


def settings_of(job_id: int) -> Settings:
    """What a job says. Raises Refusal where there is none."""
    job = state_of("jobs", "jobs").get(job_id)
    if job is None:
        raise missing(f"Job {job_id} does not exist.")
    settings: Settings = job["settings"]
    return settings


def parameters(settings: Settings, given: Mapping[str, str]) -> list[Settings]:
    """A run's parameters: the job's, and those that it was given."""
    defaults = {it["name"]: it["default"] for it in settings.get("parameters", ())}
    return [
        {
            "name": name,
            **({"default": defaults[name]} if name in defaults else {}),
            "value": str(given.get(name, defaults.get(name))),
        }
        for name in sorted({*defaults, *given})
    ]


def cluster(task: Settings, settings: Settings) -> Mapping[str, Any]:
    """The cluster that a task would run on; its environment variables count."""
    if key := task.get("job_cluster_key"):
        for cluster in settings.get("job_clusters", ()):
            if cluster["job_cluster_key"] == key:
                found: Mapping[str, Any] = cluster.get("new_cluster", {})
                return found
    own: Mapping[str, Any] = task.get("new_cluster", {})
    return own

"""The fields of a job that count here, and what may be in them.

A field that is not here would be kept and do nothing, so whoever sends one is told.
Source: https://docs.databricks.com/api/workspace/jobs/create.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from infra.local.alerts.quartz import Schedule, zone
from infra.local.refusal import invalid, not_emulated

Text = Annotated[str, Field(min_length=1)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
Seconds = Annotated[int, Field(ge=0)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="allow")


def _is_known(name: str) -> str:
    zone(name)
    return name


def _fires(expression: str) -> str:
    Schedule.parse(expression)
    return expression


class _Cron(_Form):
    quartz_cron_expression: Annotated[Text, AfterValidator(_fires)]
    timezone_id: Annotated[Text, AfterValidator(_is_known)]
    pause_status: Literal["PAUSED", "UNPAUSED"] = "UNPAUSED"


class _Git(_Form):
    git_url: Text
    git_provider: Text
    git_branch: str | None = None
    git_tag: str | None = None
    git_commit: str | None = None


class _Cluster(_Form):
    job_cluster_key: Key
    new_cluster: dict[str, Any]


class _Parameter(_Form):
    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    default: str


class _Queue(_Form):
    enabled: bool


class _Dependency(_Form):
    task_key: str
    outcome: Literal["true", "false"] | None = None


class _Python(_Form):
    python_file: Text
    parameters: list[str] | None = None
    source: Literal["GIT", "WORKSPACE"] | None = None


class _Notebook(_Form):
    notebook_path: Text
    base_parameters: dict[str, str] | None = None
    source: Literal["GIT", "WORKSPACE"] | None = None


class _Query(_Form):
    query_id: Text


class _Alert(_Form):
    alert_id: Text
    pause_subscriptions: bool | None = None
    subscriptions: list[dict[str, Any]] | None = None


class _File(_Form):
    path: Text
    source: Literal["GIT", "WORKSPACE"] | None = None


class _Sql(_Form):
    warehouse_id: Text
    query: _Query | None = None
    alert: _Alert | None = None
    file: _File | None = None
    dashboard: dict[str, Any] | None = None
    parameters: dict[str, str] | None = None


class _Condition(_Form):
    op: Literal[
        "EQUAL_TO",
        "NOT_EQUAL",
        "GREATER_THAN",
        "GREATER_THAN_OR_EQUAL",
        "LESS_THAN",
        "LESS_THAN_OR_EQUAL",
    ]
    left: str
    right: str


class _RunJob(_Form):
    job_id: int
    job_parameters: dict[str, str] | None = None


class _Task(_Form):
    task_key: Key
    spark_python_task: _Python | None = None
    notebook_task: _Notebook | None = None
    sql_task: _Sql | None = None
    condition_task: _Condition | None = None
    run_job_task: _RunJob | None = None
    depends_on: list[_Dependency] | None = None
    run_if: Literal[
        "ALL_SUCCESS",
        "ALL_DONE",
        "NONE_FAILED",
        "AT_LEAST_ONE_SUCCESS",
        "ALL_FAILED",
        "AT_LEAST_ONE_FAILED",
    ] = "ALL_SUCCESS"
    max_retries: Annotated[int, Field(ge=-1)] = 0
    min_retry_interval_millis: Seconds = 0
    retry_on_timeout: bool = False
    timeout_seconds: Seconds = 0
    description: str | None = None
    # Where it would run; of the cluster the environment variables count.
    job_cluster_key: str | None = None
    new_cluster: dict[str, Any] | None = None
    existing_cluster_id: str | None = None
    environment_key: str | None = None
    libraries: list[dict[str, Any]] | None = None
    disable_auto_optimization: bool | None = None
    email_notifications: dict[str, Any] | None = None
    notification_settings: dict[str, Any] | None = None


class _Job(_Form):
    name: str = "Untitled"
    description: str | None = None
    tags: dict[str, str] | None = None
    tasks: Annotated[list[_Task], Field(max_length=1000)] | None = None
    job_clusters: Annotated[list[_Cluster], Field(max_length=100)] | None = None
    parameters: list[_Parameter] | None = None
    git_source: _Git | None = None
    schedule: _Cron | None = None
    queue: _Queue | None = None
    max_concurrent_runs: Annotated[int, Field(ge=0, le=1000)] = 1
    timeout_seconds: Seconds = 0
    # What changes no run here: there is one user, nobody pays, and no mail leaves.
    run_as: dict[str, Any] | None = None
    format: str | None = None
    deployment: dict[str, Any] | None = None
    edit_mode: str | None = None
    environments: list[dict[str, Any]] | None = None
    email_notifications: dict[str, Any] | None = None
    notification_settings: dict[str, Any] | None = None
    performance_target: str | None = None
    budget_policy_id: str | None = None
    usage_policy_id: str | None = None


_STARTERS = ("continuous", "trigger")
"""What else would start a run; one that is paused starts none, and may be kept."""


def read(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with their types. Raises Refusal for what breaks a rule and what nobody does."""
    try:
        job = _Job.model_validate(settings)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise invalid(f"{where}: {problem['input']!r}: {problem['msg']}.") from error
    for path, value in _unknown(job):
        is_paused = isinstance(value, dict) and value.get("pause_status") == "PAUSED"
        # The type of a task is looked at with the others of its task.
        is_type = path.startswith("tasks[") and path.endswith("_task")
        if value and not is_type and not (path in _STARTERS and is_paused):
            raise not_emulated(f"{path} of a job")
    return job.model_dump(exclude_unset=True, exclude_none=True)


def _unknown(form: BaseModel, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in (form.model_extra or {}).items():
        yield f"{path}{name}", value
    for name in type(form).model_fields:
        value = getattr(form, name)
        for number, it in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(it, BaseModel):
                of_list = f"[{number}]" if isinstance(value, list) else ""
                yield from _unknown(it, f"{path}{name}{of_list}.")

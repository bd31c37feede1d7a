"""What the page shows: read by the workspace's own SQL, so that it says what every client sees.

Never a body: of a logged request its ids, time, arm and status, of its answer the one number or the
code of the error.
"""

from __future__ import annotations

import asyncio
import datetime
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from infra.local.refusal import Refusal
from infra.local.serving.endpoint import document
from infra.local.sql.scripts import run_script

if TYPE_CHECKING:
    from infra.local.lake import Lake
    from infra.local.serving.endpoints import Endpoints

MINUTES: Final = 15
_LAST_ROWS: Final = 10
_FIRED: Final = 10
_BRAKE: Final = "brake"
"""The tag of `python -m infra.rollout guard --stop`."""

_NAMED: Final = """
FROM {table} AS logged
LEFT JOIN (
  SELECT DISTINCT served_entity_id, served_entity_name FROM system.serving.served_entities
) AS named ON named.served_entity_id = logged.served_entity_id
"""
_RECENT: Final = f"""
SELECT served_entity_name AS arm, COUNT(*) AS requests, COUNT_IF(status_code <> 200) AS failures,
  percentile(execution_duration_ms, 0.95) AS latency_p95_ms
{_NAMED}
WHERE request_time >= current_timestamp() - INTERVAL '{MINUTES}' MINUTE
GROUP BY served_entity_name
"""
_LAST: Final = f"""
SELECT databricks_request_id, client_request_id, request_time, status_code, execution_duration_ms,
  COALESCE(served_entity_name, logged.served_entity_id) AS arm,
  get_json_object(response, '$.predictions[0]') AS prediction,
  get_json_object(response, '$.error_code') AS error_code
{_NAMED}
ORDER BY request_time DESC
LIMIT {_LAST_ROWS}
"""

Row = dict[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One served entity: what is declared of it and what it did in the last minutes."""

    name: str
    model: str
    version: str
    state: str
    percent: int
    requests: int | None
    """None where nothing is logged, or the table can not be read."""
    failures: int | None
    latency_p95_ms: float | None
    share: float | None
    """Of the requests in the last minutes that arms of now have answered."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One endpoint."""

    name: str
    ready: str
    update: str
    brake: str
    """What the tag of the brake says; empty where there is none."""
    pending: tuple[str, ...]
    """What the update that runs, or has failed, says of each served entity."""
    arms: tuple[Arm, ...]
    rows: tuple[Row, ...]
    remark: str


@dataclass(frozen=True, kw_only=True)
class Glance:
    """Everything at one moment."""

    at: str
    endpoints: tuple[Shown, ...]
    alerts: tuple[dict[str, Any], ...]
    fired: tuple[dict[str, Any], ...]
    dashboards: tuple[tuple[str, str], ...]
    """Id and name of each."""


async def glance(lake: Lake, endpoints: Endpoints) -> Glance:
    """Reads everything; the statements run beside the event loop."""
    # What requests change is read here, between two of them.
    documents = [document(it) for it in endpoints.all()]
    drafts = [it for it in lake.dashboards.values() if it["lifecycle_state"] == "ACTIVE"]
    alerts = tuple(lake.alerts.active())
    fired = tuple(reversed(lake.alerts.fired[-_FIRED:]))
    at = datetime.datetime.now(datetime.UTC)
    shown = await asyncio.to_thread(lambda: tuple(_shown(lake, it) for it in documents))
    return Glance(
        at=f"{at:%Y-%m-%d %H:%M:%S}",
        endpoints=shown,
        alerts=alerts,
        fired=fired,
        dashboards=tuple((it["dashboard_id"], it["display_name"]) for it in drafts),
    )


def _shown(lake: Lake, endpoint: dict[str, Any]) -> Shown:
    config = endpoint.get("config") or {}
    table, remark = _payload_table(endpoint), ""
    recent: dict[str | None, Row] = {}
    rows: list[Row] = []
    if table is None:
        remark = "It logs nothing: it has no inference table."
    else:
        try:
            recent = {it["arm"]: it for it in _rows(lake, _RECENT.format(table=table))}
            rows = _rows(lake, _LAST.format(table=table))
        except Refusal as refusal:
            missing = "TABLE_OR_VIEW_NOT_FOUND" in refusal.message
            remark = "Nothing is logged yet." if missing else refusal.message
    arms = _arms(config, recent, is_logged=table is not None and not remark)
    for row in rows:
        row["at"] = (row["request_time"] or "")[:19].replace("T", " ")
        row["answer"] = row.pop("error_code") or _number(row.pop("prediction"))
    tags = {it["key"]: str(it.get("value") or "") for it in endpoint.get("tags") or ()}
    return Shown(
        name=str(endpoint["name"]),
        ready=endpoint["state"]["ready"],
        update=endpoint["state"]["config_update"],
        brake=tags.get(_BRAKE, ""),
        pending=_pending(endpoint),
        arms=arms,
        rows=tuple(rows),
        remark=remark,
    )


def _arms(
    config: dict[str, Any], recent: dict[str | None, Row], *, is_logged: bool
) -> tuple[Arm, ...]:
    routes = (config.get("traffic_config") or {}).get("routes") or ()
    percents = {
        it.get("served_entity_name") or it.get("served_model_name"): int(it["traffic_percentage"])
        for it in routes
    }
    entities = config.get("served_entities") or ()
    seen = {it["name"]: recent.get(it["name"], {}) for it in entities}
    total = sum(int(row.get("requests") or 0) for row in seen.values())
    found = []
    for entity in entities:
        row = seen[entity["name"]]
        requests = int(row.get("requests") or 0) if is_logged else None
        latency = row.get("latency_p95_ms")
        found.append(
            Arm(
                name=str(entity["name"]),
                model=str(entity["entity_name"]),
                version=str(entity["entity_version"]),
                state=_bare(entity["state"]["deployment"]),
                percent=percents.get(entity["name"], 0),
                requests=requests,
                failures=int(row.get("failures") or 0) if is_logged else None,
                latency_p95_ms=float(latency) if latency else None,
                share=requests / total if requests is not None and total else None,
            )
        )
    return tuple(found)


def _payload_table(endpoint: dict[str, Any]) -> str | None:
    gateway = (endpoint.get("ai_gateway") or {}).get("inference_table_config") or {}
    captured = (endpoint.get("config") or {}).get("auto_capture_config") or {}
    for table in (gateway, captured):
        parts = [table.get(it) for it in ("catalog_name", "schema_name", "table_name_prefix")]
        if all(parts) and table.get("enabled", True):
            return ".".join(f"`{part}`" for part in (*parts[:2], f"{parts[2]}_payload"))
    return None


def _rows(lake: Lake, statement: str) -> list[Row]:
    names, rows = run_script(lake.statements, statement)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _pending(endpoint: dict[str, Any]) -> tuple[str, ...]:
    entities = (endpoint.get("pending_config") or {}).get("served_entities") or ()
    return tuple(
        f"{it['name']}: {_bare(it['state']['deployment'])}, "
        f"{it['state'].get('deployment_state_message') or ''}"
        for it in entities
        if it["state"]["deployment"] != "DEPLOYMENT_READY"
    )


def _bare(deployment: str) -> str:
    return deployment.removeprefix("DEPLOYMENT_")


def _number(prediction: str | None) -> str:
    """The one number of an answer, as deep as it lies; empty for anything else."""
    try:
        value = json.loads(prediction or "null")
    except ValueError:
        return ""
    while isinstance(value, list | dict) and len(value) == 1:
        [value] = value.values() if isinstance(value, dict) else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"{value:.4f}"

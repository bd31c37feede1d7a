"""What the page shows: read by the workspace's own SQL, so that it says what every client sees.

Never what was sent: of a logged request its ids, time, arm, status and answer alone.
"""

from __future__ import annotations

import datetime
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
_LONGEST_ANSWER: Final = 80

_RECENT: Final = f"""
SELECT served_entity_id, COUNT(*) AS requests, COUNT_IF(status_code <> 200) AS failures,
  percentile(execution_duration_ms, 0.95) AS latency_p95_ms
FROM {{table}}
WHERE request_time >= current_timestamp() - INTERVAL '{MINUTES}' MINUTE
GROUP BY served_entity_id
"""  # noqa: S608 - the table's name is the endpoint's own
_LAST: Final = f"""
SELECT databricks_request_id, client_request_id, request_time, served_entity_id, status_code,
  execution_duration_ms, response
FROM {{table}}
ORDER BY request_time DESC
LIMIT {_LAST_ROWS}
"""  # noqa: S608 - the table's name is the endpoint's own

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
    """Of the endpoint's requests in the last minutes."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One endpoint."""

    name: str
    ready: str
    update: str
    brake: str
    """What the tag of the brake says; empty where there is none."""
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


def glance(lake: Lake, endpoints: Endpoints) -> Glance:
    """Reads everything; takes some statements, so not on the event loop."""
    drafts = [it for it in lake.dashboards.values() if it["lifecycle_state"] == "ACTIVE"]
    return Glance(
        at=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S}",
        endpoints=tuple(_shown(lake, document(it)) for it in endpoints.all()),
        alerts=tuple(lake.alerts.active()),
        fired=tuple(reversed(lake.alerts.fired[-_FIRED:])),
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
            recent = {it["served_entity_id"]: it for it in _rows(lake, _RECENT.format(table=table))}
            rows = _rows(lake, _LAST.format(table=table))
        except Refusal as refusal:
            missing = "TABLE_OR_VIEW_NOT_FOUND" in refusal.message
            remark = "Nothing is logged yet." if missing else refusal.message
    names = {it.get("id"): str(it["name"]) for it in config.get("served_entities") or ()}
    arms = _arms(config, recent, is_logged=table is not None and not remark)
    for row in rows:
        row["arm"] = names.get(row["served_entity_id"]) or row["served_entity_id"]
        row["response"] = _cut(row["response"])
    tags = {it["key"]: str(it.get("value") or "") for it in endpoint.get("tags") or ()}
    return Shown(
        name=str(endpoint["name"]),
        ready=endpoint["state"]["ready"],
        update=endpoint["state"]["config_update"],
        brake=tags.get("brake", ""),
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
    total = sum(int(row["requests"] or 0) for row in recent.values())
    found = []
    for entity in config.get("served_entities") or ():
        row = recent.get(entity.get("id"), {})
        requests = int(row.get("requests") or 0) if is_logged else None
        latency = row.get("latency_p95_ms")
        state = (entity.get("state") or {}).get("deployment") or ""
        found.append(
            Arm(
                name=str(entity["name"]),
                model=str(entity["entity_name"]),
                version=str(entity["entity_version"]),
                state=str(state).removeprefix("DEPLOYMENT_"),
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


def _cut(answer: str | None) -> str:
    text = answer or ""
    return text if len(text) <= _LONGEST_ANSWER else f"{text[:_LONGEST_ANSWER]}…"

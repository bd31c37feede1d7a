"""Alerts, version 2 of their API: kept, looked at, given back.

Source: docs/reference/terraform-provider.md#alerts; `databricks.sdk.service.sql.AlertV2`.
"""

from __future__ import annotations

import asyncio
import datetime
import uuid
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.alerts import condition, quartz
from infra.local.http import json_object, text
from infra.local.refusal import Refusal, invalid, missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from infra.local.alerts.destinations import Destinations

PATH: Final = "/api/2.0/alerts"
EVALUATION: Final = "/api/2.0/local/alerts"
"""Ours: Databricks looks on demand in its user interface only."""
MOST_FIRED: Final = 1000

_WRITABLE: Final = (
    *("custom_description", "custom_summary", "display_name", "evaluation", "parent_path"),
    *("query_text", "run_as", "run_as_user_name", "schedule", "warehouse_id"),
)
_REQUIRED: Final = ("display_name", "evaluation", "query_text", "schedule", "warehouse_id")


class Alerts:
    """The alerts in the workspace's documents, and what fired."""

    def __init__(
        self,
        documents: dict[str, dict[str, Any]],
        user: str,
        *,
        run: Callable[[str], tuple[list[str], list[list[str | None]]]],
        has_warehouse: Callable[[str], bool],
        destinations: Destinations,
    ) -> None:
        self._alerts = documents.setdefault("alerts_v2", {})
        self._fired: dict[str, list[dict[str, Any]]] = documents.setdefault("fired_alerts", {})
        self._fired.setdefault("entries", [])
        self._user = user
        self._run = run
        self._has_warehouse = has_warehouse
        self._destinations = destinations

    def routes(self) -> list[Route]:
        """Create, list, get, update, trash; and, of ours, look now."""
        one = f"{PATH}/{{id}}"
        return [
            Route(PATH, self._create, methods=["POST"]),
            Route(PATH, self._list, methods=["GET"]),
            Route(one, self._get, methods=["GET"]),
            Route(one, self._update, methods=["PATCH"]),
            Route(one, self._trash, methods=["DELETE"]),
            Route(f"{EVALUATION}/{{id}}/evaluate", self._look_now, methods=["POST"]),
            Route(f"{EVALUATION}/fired", self._list_fired, methods=["GET"]),
        ]

    def active(self) -> list[dict[str, Any]]:
        """Those that are not in the trash, in the order of their creation."""
        return [it for it in self._alerts.values() if it["lifecycle_state"] == "ACTIVE"]

    @property
    def fired(self) -> list[dict[str, Any]]:
        """What was told, the latest last."""
        return self._fired["entries"]

    def due(self, after: datetime.datetime, until: datetime.datetime) -> list[dict[str, Any]]:
        """Those whose schedule fires between two moments."""
        return [it for it in self.active() if _fires(it["schedule"], after, until)]

    async def look(self, alert: dict[str, Any]) -> None:
        """Runs the statement, keeps the state, and tells whoever is to be told."""
        evaluation = alert["evaluation"]
        before = evaluation["state"]
        value: condition.Value = None
        problem = ""
        try:
            names, rows = await asyncio.to_thread(self._run, alert["query_text"])
            state, value = condition.state_of(evaluation, names, rows)
        except (Refusal, condition.NotComparable) as error:
            state, problem = condition.ERROR, str(error)
        now = datetime.datetime.now(datetime.UTC)
        evaluation["state"] = state
        evaluation["last_evaluated_at"] = _stamp(now)
        if _is_told(evaluation, before, state, self._last_told(alert["id"]), now):
            entry = {
                "alert_id": alert["id"],
                "display_name": alert["display_name"],
                "state": state,
                "value": value,
                "problem": problem,
                "summary": (alert.get("custom_summary") or "").replace(
                    "{{QUERY_RESULT_VALUE}}", "" if value is None else str(value)
                ),
                "fired_at": _stamp(now),
                "told": [],
            }
            self.fired.append(entry)
            del self.fired[:-MOST_FIRED]
            subscriptions = (evaluation.get("notification") or {}).get("subscriptions") or []
            entry["told"] = await self._destinations.tell(subscriptions, entry)

    def _last_told(self, alert_id: str) -> datetime.datetime | None:
        for entry in reversed(self.fired):
            if entry["alert_id"] == alert_id and entry["state"] == condition.TRIGGERED:
                return datetime.datetime.fromisoformat(entry["fired_at"])
        return None

    async def _create(self, request: Request) -> Response:
        body = await json_object(request)
        alert = {key: body[key] for key in _WRITABLE if body.get(key) is not None}
        self._check(alert)
        now = _stamp(datetime.datetime.now(datetime.UTC))
        alert |= {
            "id": str(uuid.uuid4()),
            "lifecycle_state": "ACTIVE",
            "create_time": now,
            "update_time": now,
            "owner_user_name": self._user,
        }
        alert["evaluation"]["state"] = condition.UNKNOWN
        self._add_effective(alert)
        self._alerts[alert["id"]] = alert
        return JSONResponse(alert)

    async def _list(self, _request: Request) -> Response:
        return JSONResponse({"alerts": self.active()})

    async def _get(self, request: Request) -> Response:
        return JSONResponse(self._known(request))

    async def _update(self, request: Request) -> Response:
        body, alert = await json_object(request), self._existing(request)
        fields = [it for it in request.query_params.get("update_mask", "").split(",") if it]
        if not fields:
            raise invalid("update_mask: the names of the fields that change, or *.")
        if fields == ["*"]:
            fields = list(_WRITABLE)
        unknown = sorted({it.partition(".")[0] for it in fields} - set(_WRITABLE))
        if unknown:
            raise invalid(f"update_mask: no field of an alert: {', '.join(unknown)}.")
        changed = {key: it for key, it in alert.items() if key in _WRITABLE}
        for field in (it.partition(".")[0] for it in fields):
            if body.get(field) is None:
                changed.pop(field, None)
            else:
                changed[field] = body[field]
        if changed.get("parent_path") != alert.get("parent_path"):
            raise invalid("parent_path: an alert can not be moved; create another one.")
        self._check(changed)
        state = {
            key: alert["evaluation"][key]
            for key in ("state", "last_evaluated_at")
            if key in alert["evaluation"]
        }
        changed["evaluation"] = {**changed["evaluation"], **state}
        for key in _WRITABLE:
            alert.pop(key, None)
        alert |= changed
        alert["update_time"] = _stamp(datetime.datetime.now(datetime.UTC))
        self._add_effective(alert)
        return JSONResponse(alert)

    async def _trash(self, request: Request) -> Response:
        self._existing(request)["lifecycle_state"] = "DELETED"
        return JSONResponse({})

    async def _look_now(self, request: Request) -> Response:
        alert = self._existing(request)
        await self.look(alert)
        return JSONResponse(alert)

    async def _list_fired(self, _request: Request) -> Response:
        return JSONResponse({"fired": self.fired})

    def _known(self, request: Request) -> dict[str, Any]:
        alert: dict[str, Any] | None = self._alerts.get(request.path_params["id"])
        if alert is None:
            raise missing(f"Alert {request.path_params['id']} does not exist.")
        return alert

    def _existing(self, request: Request) -> dict[str, Any]:
        alert = self._known(request)
        if alert["lifecycle_state"] != "ACTIVE":
            raise missing(f"Alert {alert['id']} is in the trash.")
        return alert

    def _add_effective(self, alert: dict[str, Any]) -> None:
        alert["effective_run_as"] = alert.get("run_as") or {"user_name": self._user}
        notification = alert["evaluation"].get("notification")
        if notification is not None:
            notification["effective_notify_on_ok"] = bool(notification.get("notify_on_ok"))
            notification["effective_retrigger_seconds"] = int(
                notification.get("retrigger_seconds") or 0
            )

    def _check(self, alert: dict[str, Any]) -> None:
        for field in _REQUIRED:
            if not alert.get(field):
                raise invalid(f"{field} is required.")
        text(alert, "display_name")
        text(alert, "query_text")
        if not self._has_warehouse(str(alert["warehouse_id"])):
            raise invalid(f"warehouse_id: no SQL warehouse has the id {alert['warehouse_id']}.")
        _check_evaluation(alert["evaluation"])
        _check_schedule(alert["schedule"])
        notification = alert["evaluation"].get("notification") or {}
        self._destinations.check(notification.get("subscriptions") or [])


def _check_evaluation(evaluation: Any) -> None:
    if not isinstance(evaluation, dict) or not isinstance(evaluation.get("source"), dict):
        raise invalid("evaluation: an object with a source is required.")
    operands = [evaluation["source"]]
    threshold = evaluation.get("threshold") or {}
    if "column" in threshold:
        operands.append(threshold["column"])
    for operand in operands:
        text(operand, "name")
        if operand.get("aggregation") not in (None, *condition.AGGREGATIONS):
            raise invalid(
                f"aggregation: one of {', '.join(condition.AGGREGATIONS)}, "
                f"not {operand['aggregation']!r}."
            )
    if evaluation.get("comparison_operator") not in condition.OPERATORS:
        raise invalid(
            f"evaluation.comparison_operator: one of {', '.join(condition.OPERATORS)}, "
            f"not {evaluation.get('comparison_operator')!r}."
        )
    if evaluation.get("empty_result_state") not in (None, *condition.EMPTY_STATES):
        raise invalid(
            f"evaluation.empty_result_state: one of {', '.join(condition.EMPTY_STATES)}, "
            f"not {evaluation['empty_result_state']!r}."
        )


def _check_schedule(schedule: Any) -> None:
    if not isinstance(schedule, dict):
        raise invalid("schedule: an object is required.")
    try:
        quartz.Schedule.parse(text(schedule, "quartz_cron_schedule"))
        quartz.zone(text(schedule, "timezone_id"))
    except ValueError as error:
        raise invalid(f"schedule: {error}.") from error
    if schedule.get("pause_status") not in (None, "PAUSED", "UNPAUSED"):
        raise invalid(
            f"schedule.pause_status: PAUSED or UNPAUSED, not {schedule['pause_status']!r}."
        )


def _fires(schedule: dict[str, Any], after: datetime.datetime, until: datetime.datetime) -> bool:
    return schedule.get("pause_status") != "PAUSED" and quartz.fires(
        schedule["quartz_cron_schedule"], schedule["timezone_id"], after, until
    )


def _is_told(
    evaluation: dict[str, Any],
    before: str,
    state: str,
    last_told: datetime.datetime | None,
    now: datetime.datetime,
) -> bool:
    """On each change to TRIGGERED, again after the time that the alert waits, and, if asked for,
    when it is over."""
    notification = evaluation.get("notification") or {}
    if state == condition.TRIGGERED:
        wait = int(notification.get("retrigger_seconds") or 0)
        again = wait > 0 and (last_told is None or (now - last_told).total_seconds() >= wait)
        return before != condition.TRIGGERED or again
    over = before == condition.TRIGGERED and state == condition.OK
    failed = state == condition.ERROR and before != condition.ERROR
    return failed or (over and bool(notification.get("notify_on_ok")))


def _stamp(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""Alerts as their clients see them: kept, looked at, told."""

from __future__ import annotations

import datetime
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from databricks.sdk.service import sql

from infra.local.alerts.quartz import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.plugin.served import Served

pytestmark = pytest.mark.programs


@pytest.fixture
def hook() -> Iterator[tuple[str, list[Any]]]:
    """A webhook of this machine, and what it is told."""
    told: list[Any] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", told
        server.shutdown()


@pytest.fixture
def create(shared_workspace: Served) -> Callable[..., Any]:
    def create(query: str, limit: float = 0.05, **changed: Any) -> Any:
        body: dict[str, Any] = {
            "display_name": "error rate",
            "query_text": query,
            "warehouse_id": shared_workspace.warehouse_id,
            "custom_summary": "Error rate {{QUERY_RESULT_VALUE}}",
            "evaluation": {
                "source": {"name": "error_rate", "aggregation": "MAX"},
                "comparison_operator": "GREATER_THAN",
                "threshold": {"value": {"double_value": limit}},
                "empty_result_state": "OK",
            },
            "schedule": {"quartz_cron_schedule": "0 0 3 1 1 ? 2199", "timezone_id": "UTC"},
        }
        return shared_workspace.client.post("/api/2.0/alerts", json=body | changed)

    return create


@pytest.fixture
def look(shared_workspace: Served) -> Callable[[str], Any]:
    def look(identity: str) -> Any:
        path = f"/api/2.0/local/alerts/{identity}/evaluate"
        return shared_workspace.client.post(path).json()["evaluation"]["state"]

    return look


ROWS = "SELECT * FROM VALUES ('a', 0.01D), ('b', 0.08D) AS seen(arm, error_rate)"


def test_a_value_beyond_the_limit_triggers(create: Any, look: Any) -> None:
    assert look(create(ROWS).json()["id"]) == "TRIGGERED"
    assert look(create(ROWS, limit=0.08).json()["id"]) == "OK"


def test_no_row_is_what_the_alert_says_of_it(create: Any, look: Any) -> None:
    assert look(create(f"{ROWS} WHERE error_rate > 1").json()["id"]) == "OK"


@pytest.mark.parametrize("query", ["SELECT 1 AS other", "SELECT nothing FROM nowhere", "DROP"])
def test_a_statement_that_can_not_be_compared_is_an_error(
    create: Any, look: Any, query: str
) -> None:
    assert look(create(query).json()["id"]) == "ERROR"


def test_whoever_is_named_is_told_once_and_when_it_is_over(
    create: Any, look: Any, hook: tuple[str, list[Any]], shared_workspace: Served
) -> None:
    url, told = hook
    destination = shared_workspace.client.post(
        "/api/2.0/notification-destinations",
        json={"display_name": f"hook {url}", "config": {"generic_webhook": {"url": url}}},
    ).json()
    shared_workspace.sql("CREATE OR REPLACE TABLE base.s.seen AS SELECT 0.5D AS error_rate")
    evaluation = {
        "source": {"name": "error_rate", "aggregation": "MAX"},
        "comparison_operator": "GREATER_THAN",
        "threshold": {"value": {"double_value": 0.05}},
        "notification": {
            "notify_on_ok": True,
            "subscriptions": [
                {"destination_id": destination["id"]},
                {"user_email": "oncall@clinic.example"},
            ],
        },
    }
    alert = create("SELECT error_rate FROM base.s.seen", evaluation=evaluation).json()

    look(alert["id"])
    look(alert["id"])
    shared_workspace.sql("UPDATE base.s.seen SET error_rate = 0")
    look(alert["id"])

    assert [(it["state"], it["summary"]) for it in told] == [
        ("TRIGGERED", "Error rate 0.5"),
        ("OK", "Error rate 0.0"),
    ]
    fired = shared_workspace.client.get("/api/2.0/local/alerts/fired").json()["fired"]
    mine = [it for it in fired if it["alert_id"] == alert["id"]]
    assert len(mine) == 2
    assert mine[0]["told"][1].startswith("not sent to oncall@clinic.example")


def test_the_sdk_lists_updates_and_trashes(create: Any, shared_workspace: Served) -> None:
    identity = create(ROWS).json()["id"]
    client = shared_workspace.sdk()

    alert = client.alerts_v2.get_alert(identity)
    alert.display_name = "another name"
    changed = client.alerts_v2.update_alert(identity, alert, update_mask="display_name")
    client.alerts_v2.trash_alert(identity)

    assert changed.display_name == "another name"
    assert identity not in {it.id for it in client.alerts_v2.list_alerts()}
    assert client.alerts_v2.get_alert(identity).lifecycle_state is sql.AlertLifecycleState.DELETED


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"warehouse_id": "nowhere"}, "warehouse_id"),
        ({"query_text": ""}, "query_text"),
        ({"schedule": {"quartz_cron_schedule": "*/5 * * * *", "timezone_id": "UTC"}}, "fields"),
        ({"schedule": {"quartz_cron_schedule": "0 0 3 ? * L", "timezone_id": "UTC"}}, "'L'"),
        ({"schedule": {"quartz_cron_schedule": "0 0 3 ? * 2", "timezone_id": "Mars"}}, "Mars"),
        ({"evaluation": {"source": {"name": "x"}}}, "comparison_operator"),
        (
            {
                "evaluation": {
                    "source": {"name": "x", "aggregation": "P95"},
                    "comparison_operator": "EQUAL",
                }
            },
            "aggregation",
        ),
    ],
)
def test_what_no_alert_can_be_is_refused_by_its_field(
    create: Any, wrong: dict[str, Any], named: str
) -> None:
    answer = create(ROWS, **wrong)

    assert answer.status_code == 400
    assert named in answer.json()["message"]


def test_a_secret_of_a_destination_is_not_given_back(shared_workspace: Served) -> None:
    config = {"slack": {"url": "https://hooks.example/secret"}}
    created = shared_workspace.client.post(
        "/api/2.0/notification-destinations", json={"display_name": "slack", "config": config}
    ).json()

    read = shared_workspace.client.get(f"/api/2.0/notification-destinations/{created['id']}")

    assert read.json()["config"] == {"slack": {"url_set": True}}
    assert read.json()["destination_type"] == "SLACK"


@pytest.mark.parametrize(
    ("expression", "fires", "rests"),
    [
        ("0 0/5 * * * ?", "2026-03-01T10:15:00", "2026-03-01T10:16:00"),
        ("30 0 3 ? * SUN", "2026-03-01T03:00:30", "2026-03-02T03:00:30"),
        ("0 0 8-17/3 ? * 2-6", "2026-03-02T11:00:00", "2026-03-02T12:00:00"),
        ("0 0 0 1,15 JAN,JUL ? 2026", "2026-07-15T00:00:00", "2027-07-15T00:00:00"),
    ],
)
def test_a_schedule_fires_as_quartz_does(expression: str, fires: str, rests: str) -> None:
    schedule = Schedule.parse(expression)

    assert schedule.fires_at(datetime.datetime.fromisoformat(fires))
    assert not schedule.fires_at(datetime.datetime.fromisoformat(rests))

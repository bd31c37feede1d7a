"""Takes the README's picture of the page: `python -m tests.infra.local.page.screenshot`."""

from __future__ import annotations

import random
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.sync_api import sync_playwright

from infra.local.page.session import path_with_key
from tests.plugin.browser import ROOT, executable
from tests.plugin.models import register, registry_uri
from tests.plugin.served import serving
from tests.plugin.workspaces import BRIGHTNESS, CONTRAST, config, entity, eventually, gateway

if TYPE_CHECKING:
    from tests.plugin.workspaces import Workspace

PICTURE: Final = ROOT / "docs" / "workspace-page.png"
TEST: Final = "pneumonia-classifier-ab-test"
REQUESTS: Final = 200
SLOW: Final = """SELECT served_entity_name AS arm, percentile(execution_duration_ms, 0.95) AS p95
FROM local.gold.shown_payload JOIN system.serving.served_entities USING (served_entity_id)
GROUP BY served_entity_name"""


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with register("probe", folder) as registering:
            _, errors = registering.communicate()
        assert registering.returncode == 0, errors
        workspace = stack.enter_context(serving(folder, registry_uri(folder), delivery_seconds=0.1))
        _fill(workspace)
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=executable()
        )
        page = browser.new_page(viewport={"width": 1080, "height": 680})
        page.goto(workspace.host + path_with_key(workspace.token))
        page.screenshot(path=PICTURE)
        browser.close()
    print(PICTURE.relative_to(ROOT))


def _fill(workspace: Workspace) -> None:
    for schema in ("gold", "models"):
        workspace.create_schema("local", schema)
    workspace.sql("SELECT 1")  # creates the warehouse
    arms = config(
        entity(BRIGHTNESS, name="pneumonia_poc_classifier-1"),
        entity(CONTRAST, name="pneumonia_poc_classifier_pytorch-1"),
        split=[90, 10],
    )
    body = {"name": TEST, "config": arms, "ai_gateway": gateway("shown")}
    workspace.client.post("/api/2.0/serving-endpoints", json=body)
    workspace.settled(TEST)
    draw = random.Random(0)  # noqa: S311 - a picture
    for number in range(REQUESTS):
        film = [[[draw.random()] for _ in range(28)] for _ in range(28)]
        workspace.invoke(TEST, {"inputs": [film], "client_request_id": f"film-{number:03}"})
    count = "SELECT count(*) FROM local.gold.shown_payload"
    eventually(lambda: workspace.sql(count), lambda it: bool(it) and it[0][0] == str(REQUESTS))
    for title, limit in (("answers are slow", 0.5), ("requests fail", 1e6)):
        _look(workspace, title, limit)


def _look(workspace: Workspace, title: str, limit: float) -> None:
    [warehouse] = workspace.client.get("/api/2.0/sql/warehouses").json()["warehouses"]
    alert = {
        "display_name": f"{TEST}: {title}",
        "custom_summary": f"{TEST}: {title}: {{{{QUERY_RESULT_VALUE}}}}",
        "query_text": SLOW,
        "warehouse_id": warehouse["id"],
        "evaluation": {
            "source": {"name": "p95", "aggregation": "MAX"},
            "comparison_operator": "GREATER_THAN",
            "threshold": {"value": {"double_value": limit}},
        },
        "schedule": {"quartz_cron_schedule": "0 0/5 * * * ?", "timezone_id": "UTC"},
    }
    made = workspace.client.post("/api/2.0/alerts", json=alert).json()
    workspace.client.post(f"/api/2.0/local/alerts/{made['id']}/evaluate")


if __name__ == "__main__":
    main()

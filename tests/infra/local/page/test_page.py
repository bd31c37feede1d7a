"""The page in headless Chromium: what it shows, to whom, on which screen, while things change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.page.session import path_with_key
from tests.plugin.browser import AXE
from tests.plugin.served import serving
from tests.plugin.workspaces import BRIGHTNESS, CONTRAST, PROBE, config, entity, eventually, gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Locator, Page

    from tests.plugin.workspaces import RunningWorkspace, Workspace

pytestmark = pytest.mark.programs

PIXEL = 0.123456
FILM = [[[PIXEL]] * 28] * 28
HOSTILE = "<img src=x onerror=alert(1)>"
SCREENS = {"desk": (1280, 800, "light"), "phone": (390, 844, "light"), "dark": (1280, 800, "dark")}
TEST = "shown-ab-test"


def ask(workspace: Workspace, request_id: str, *, film: Any = FILM) -> int:
    body = {"inputs": [film], "client_request_id": request_id}
    return workspace.invoke(TEST, body).status_code


def logged(workspace: Workspace, n: int) -> None:
    table = "local.gold.shown_payload"
    rows = eventually(
        lambda: workspace.sql(f"SELECT count(*) FROM {table}"),
        lambda rows: bool(rows) and int(rows[0][0]) >= n,
    )
    assert int(rows[0][0]) >= n


@pytest.fixture(scope="module")
def workspace(workspace_process: RunningWorkspace) -> Iterator[RunningWorkspace]:
    """With an A/B test that was asked, an alert that has fired and a dashboard, all of it named as
    hostile as the APIs allow."""
    arms = config(entity(BRIGHTNESS, name="kind"), entity(CONTRAST, name="other"), split=[100, 0])
    created = workspace_process.client.post(
        "/api/2.0/serving-endpoints",
        json={"name": TEST, "config": arms, "ai_gateway": gateway("shown")},
    )
    assert created.status_code == 200, created.text
    workspace_process.settled(TEST)
    for number in range(3):
        assert ask(workspace_process, f"film {number}") == 200
    assert ask(workspace_process, HOSTILE, film=[[PIXEL]]) == 400
    logged(workspace_process, 4)
    _declare_alert(workspace_process)
    _create_dashboard(workspace_process)
    yield workspace_process
    workspace_process.client.delete(f"/api/2.0/serving-endpoints/{TEST}")


def _declare_alert(workspace: Workspace) -> None:
    [*_, warehouse] = workspace.client.get("/api/2.0/sql/warehouses").json()["warehouses"]
    alert = {
        "display_name": f"slow {HOSTILE}",
        "query_text": "SELECT 2.5D AS seen",
        "warehouse_id": warehouse["id"],
        "custom_summary": f"{HOSTILE} {{{{QUERY_RESULT_VALUE}}}}",
        "evaluation": {
            "source": {"name": "seen"},
            "comparison_operator": "GREATER_THAN",
            "threshold": {"value": {"double_value": 1}},
        },
        "schedule": {"quartz_cron_schedule": "0 0 3 1 1 ? 2199", "timezone_id": "UTC"},
    }
    for name in (f"slow {HOSTILE}", "quiet"):
        made = workspace.client.post("/api/2.0/alerts", json=alert | {"display_name": name}).json()
        if name != "quiet":
            workspace.client.post(f"/api/2.0/local/alerts/{made['id']}/evaluate")


def _create_dashboard(workspace: Workspace) -> None:
    spec = {
        "widgetType": "bar",
        "encodings": {
            "x": {"fieldName": "arm"},
            "y": {"fieldName": "n", "scale": {"type": "quantitative"}},
        },
        "frame": {"title": f"Chart {HOSTILE}"},
    }
    query = {"name": "main_query", "query": {"datasetName": "d"}}
    table = {
        "widgetType": "table",
        "encodings": {"columns": [{"fieldName": "arm"}, {"fieldName": "n"}]},
        "frame": {"title": "Table"},
    }
    layout = [
        {"widget": {"name": "w", "queries": [query], "spec": it}, "position": {"width": 6}}
        for it in (spec, table)
    ]
    text = f"SELECT '{HOSTILE}' AS arm, count(*) AS n FROM local.gold.shown_payload"
    dashboard = {
        "datasets": [{"name": "d", "queryLines": [text]}],
        "pages": [{"name": "p", "displayName": f"Page {HOSTILE}", "layout": layout}],
    }
    body = {"display_name": f"Shown {HOSTILE}", "serialized_dashboard": json.dumps(dashboard)}
    answer = workspace.client.post("/api/2.0/lakeview/dashboards", json=body)
    assert answer.status_code == 200, answer.text


def enter(page: Page, workspace: Workspace) -> Locator:
    """Opens the page; what it says of the A/B test."""
    page.goto(workspace.host + path_with_key(workspace.token))
    shown = page.locator("article").filter(has=page.get_by_role("heading", name=TEST))
    shown.wait_for()
    return shown


def opened_dashboard(page: Page) -> None:
    page.get_by_role("link", name=f"Shown {HOSTILE}").click()
    page.get_by_role("heading", name="Table").wait_for()


def cells(shown: Locator, arm: str) -> list[str]:
    row = shown.get_by_role("row").filter(has=shown.page.get_by_role("rowheader", name=arm))
    return row.first.locator("th, td").all_text_contents()


def test_its_numbers_are_those_of_the_payload_table(workspace: Workspace, page: Page) -> None:
    kind = cells(enter(page, workspace), "kind")

    [[requests, failures, p95]] = workspace.sql(
        "SELECT count(*), count_if(status_code <> 200), percentile(execution_duration_ms, 0.95) "
        "FROM local.gold.shown_payload"
    )
    assert kind[6:] == [requests, failures, f"{float(p95):.0f} ms"]
    assert kind[1:6] == [BRIGHTNESS, "1", "READY", "100 %", "100.0 %"]


def test_an_arm_that_nobody_asked_has_no_latency(workspace: Workspace, page: Page) -> None:
    other = cells(enter(page, workspace), "other")

    assert other[4:] == ["0 %", "0.0 %", "0", "0", "–"]


def test_of_a_request_its_ids_arm_status_and_number_are_shown_and_no_body(
    workspace: Workspace, page: Page
) -> None:
    shown = enter(page, workspace)
    shown.get_by_text("Last rows of its inference table").click()
    rows = shown.get_by_role("region", name="Last rows").get_by_role("row")

    film = rows.filter(has_text="film 0").locator("td").all_text_contents()
    failed = rows.filter(has_text=HOSTILE).locator("td").all_text_contents()

    assert (film[3], film[4], film[6]) == ("kind", "200", f"{PIXEL:.4f}")
    assert (failed[3], failed[4], failed[6]) == ("kind", "400", "INVALID_PARAMETER_VALUE")
    assert str(PIXEL) not in page.content()


def test_an_answer_that_repeats_what_was_sent_is_not_shown(
    workspace: Workspace, page: Page
) -> None:
    workspace.create("shown-echo", entity(PROBE), ai_gateway=gateway("shown_echo"))
    workspace.probe("shown-echo", "echo:a patient's name")
    workspace.probe("shown-echo", "a patient's name")
    try:
        table = "local.gold.shown_echo_payload"
        rows = eventually(
            lambda: workspace.sql(f"SELECT response FROM {table}"), lambda rows: len(rows) == 2
        )
        assert all("a patient's name" in row for [row] in rows)

        enter(page, workspace)

        assert "patient" not in page.content()
    finally:
        workspace.client.delete("/api/2.0/serving-endpoints/shown-echo")


def test_alerts_are_shown_with_their_state_and_what_was_told(
    workspace: Workspace, page: Page
) -> None:
    enter(page, workspace)
    alerts = page.get_by_role("region", name="Table of alerts").get_by_role("row")

    assert "TRIGGERED" in (alerts.filter(has_text="slow").first.text_content() or "")
    quiet = alerts.filter(has_text="quiet").first.text_content() or ""
    assert "UNKNOWN" in quiet
    assert "not yet" in quiet
    assert page.get_by_role("listitem").filter(has_text=f"{HOSTILE} 2.5").count() == 1


def test_a_dashboard_is_drawn_from_its_json(workspace: Workspace, page: Page) -> None:
    enter(page, workspace)
    opened_dashboard(page)

    [[n]] = workspace.sql("SELECT count(*) FROM local.gold.shown_payload")
    table = page.get_by_role("region", name="Numbers of Table")
    assert table.locator("td").all_text_contents() == [HOSTILE, n]
    chart = page.get_by_role("img", name=f"Chart: Chart {HOSTILE}")
    assert chart.evaluate("(it) => it.decode().then(() => it.naturalWidth)") > 200


def test_names_are_shown_as_they_are_and_never_run(workspace: Workspace, page: Page) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda it: (dialogs.append(it.message), it.dismiss()))

    shown = enter(page, workspace)
    shown.get_by_text("Last rows of its inference table").click()
    assert page.get_by_text(f"slow {HOSTILE}").is_visible()
    opened_dashboard(page)

    assert page.locator("img[src=x]").count() == 0
    assert dialogs == []


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("is_dashboard", [False, True])
def test_it_breaks_no_rule_of_accessibility_and_fits_the_screen(
    workspace: Workspace, page: Page, screen: str, is_dashboard: bool
) -> None:
    """axe-core's rules for WCAG 2.2 A and AA, contrast among them, and its best practices."""
    width, height, scheme = SCREENS[screen]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.add_init_script(path=AXE)
    enter(page, workspace)
    if is_dashboard:
        opened_dashboard(page)
    closed = page.locator("details:not([open]) > summary")  # of other tests' endpoints too
    while closed.count():
        closed.first.click()

    found = page.evaluate("axe.run(document)")

    assert [f"{it['id']}: {json.dumps(it['nodes'])[:600]}" for it in found["violations"]] == []
    assert len(found["passes"]) > 15
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_everything_is_reached_by_keyboard(workspace: Workspace, page: Page) -> None:
    enter(page, workspace)
    focused = (
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"
    )

    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "To the content"
    place = "[...document.querySelectorAll('*')].indexOf(document.activeElement)"
    reached, places = [], set[int]()
    while (now := page.evaluate(place)) not in places:
        places.add(now)
        reached.append(page.evaluate(focused))
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            page.keyboard.press("Enter")

    for stop in (f"Arms of {TEST}", f"Last rows of {TEST}", "Table of alerts", f"Shown {HOSTILE}"):
        assert stop in reached


def test_it_follows_what_happens_and_leaves_the_reader_where_he_is(
    workspace: Workspace, page: Page
) -> None:
    page.set_viewport_size({"width": 390, "height": 500})
    shown = enter(page, workspace)
    before = int(cells(shown, "kind")[6])
    summary = shown.get_by_text("Last rows of its inference table")
    summary.click()
    summary.focus()
    region = shown.get_by_role("region", name="Last rows")
    region.evaluate("(it) => { it.scrollLeft = 120; }")
    page.evaluate("scrollTo(0, 160)")
    assert ask(workspace, "a later film") == 200
    logged(workspace, before + 1)

    shown.get_by_text("a later film").wait_for()

    assert int(cells(shown, "kind")[6]) == before + 1
    assert page.evaluate("scrollY") == 160
    assert region.evaluate("(it) => it.scrollLeft") == 120
    assert "Last rows" in page.evaluate("document.activeElement.innerText")


def test_a_workspace_that_does_not_answer_is_told_of(workspace: Workspace, page: Page) -> None:
    enter(page, workspace)

    page.route("**/page/live", lambda route: route.abort())

    page.get_by_text("The workspace does not answer").wait_for()


def test_a_workspace_with_nothing_in_it_says_how_to_begin(
    page: Page, tmp_path: Path, registry: str
) -> None:
    with serving(tmp_path, registry) as empty:
        page.goto(empty.host + path_with_key(empty.token))

        text = page.locator("main").inner_text()

    assert "No endpoint is deployed. python -m infra.local.terraform apply" in text
    assert text.count("There is none.") == 2

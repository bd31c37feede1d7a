"""What is confirmed counts: the book and the views agree on what an id names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ml.contract.tables import REPLAY_MARK, SHADOW_MARK
from tests.plugin.ab_test import CHALLENGER, CHAMPION
from tests.plugin.readings import row

if TYPE_CHECKING:
    from ml.feedback.book import ReadingBook
    from tests.plugin.ab_test import ABTestBed

pytestmark = pytest.mark.programs


def book(ab_test: ABTestBed) -> ReadingBook:
    from ml.feedback.book import ReadingBook
    from ml.feedback.setting import Setting
    from ml.workspace.warehouse import Warehouse

    setting = Setting(
        warehouse_id=ab_test.workspace.warehouse_id,
        table=ab_test.analysis.feedback,
        payload_table=ab_test.analysis.payload,
        unknown_request="pending",
    )
    return ReadingBook(Warehouse(ab_test.workspace.sdk(), setting.warehouse_id), setting)


COUNT = (
    *("film-1", "film-1#1", "request-000", "request-000#1", "request-001", "request-002"),
    *("tried twice", "two words", "a'b", 'a"b', "ä€\U0001f600", "a\\b", "%", "with#1", "x" * 256),
)
WAIT = (
    *("film-1#0", "FILM-1", "film-1 ", "_", "failed", "request-005", "elsewhere", "request-00"),
    "request-0000",
)
BEYOND = ("film-1#2", "request-000#9", "with#1#1")
MARKED = (f"{SHADOW_MARK}film-1", f"{REPLAY_MARK}film-1")
MARKED_BY_DATABRICKS_ID = ("request-006", "request-006#1")


def log(ab_test: ABTestBed) -> None:
    ab_test.answer(CHAMPION, 0.9, 0.8, id="film-1")
    ab_test.answer(CHAMPION, 0.9)
    ab_test.answer(CHALLENGER, 0.9, id="tried twice", minutes=1)
    ab_test.answer(CHAMPION, status=503, id="tried twice")
    ab_test.answer(CHAMPION, 0.9, 0.7, id="film-1", minutes=2)
    ab_test.answer(CHAMPION, status=400, id="failed")
    ab_test.answer(CHALLENGER, 0.9, 0.9, id=f"{SHADOW_MARK}film-1")
    ab_test.answer(CHALLENGER, 0.9, id=f"{REPLAY_MARK}film-1")
    for name in COUNT[COUNT.index("two words") :]:
        ab_test.answer(CHAMPION, 0.9, id=name)


@pytest.mark.parametrize("logged_before", [True, False])
def test_what_is_confirmed_counts_and_what_waits_says_why(
    ab_test: ABTestBed, logged_before: bool
) -> None:
    names = (*COUNT, *WAIT, *BEYOND, *MARKED, *MARKED_BY_DATABRICKS_ID)
    if logged_before:
        log(ab_test)
    outcomes = book(ab_test).write([row(prediction_id=it, radiologist_id=it) for it in names])
    if not logged_before:
        log(ab_test)
    ab_test.create_views()

    found = dict(zip(names, outcomes, strict=True))
    refused = {*MARKED, *((*BEYOND, *MARKED_BY_DATABRICKS_ID) if logged_before else ())}
    assert {it for it, outcome in found.items() if outcome.status == "refused"} == refused
    waits = {it for it, outcome in found.items() if outcome.pending}
    assert waits == ({*WAIT} if logged_before else {*names} - refused)
    assert all(f"{it!r}: " in str(found[it].reason) for it in waits | refused)
    assert {it["radiologist_id"] for it in ab_test.read("labelled")} == {*COUNT}

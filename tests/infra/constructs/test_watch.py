"""The watch over real rows: its views, its alerts' statements, its pages of the dashboard."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from infra.declared.environment import load
from infra.declared.monitoring import Limits, Monitoring
from infra.declared.tables import WATCH_TABLES
from infra.declared.watching import WATCHED, Watch
from ml.monitoring.reference import Bin
from ml.monitoring.tables import MonitoringTables
from ml.workspace.warehouse import Warehouse
from tests.infra.constructs.test_dashboard import shown, widgets
from tests.plugin.ab_test import _NOON, CHALLENGER, CHAMPION
from tests.plugin.ingestion import create_table

if TYPE_CHECKING:
    from tests.plugin.ab_test import ABTestBed

pytestmark = pytest.mark.programs

TENTHS = tuple(
    Bin(
        lower_bound=place / 10 if place else None,
        upper_bound=(place + 1) / 10 if place < 9 else None,
        share=0.1,
    )
    for place in range(10)
)


def minutes_ago(minutes: float) -> float:
    """As the bed counts time: from its noon."""
    now = datetime.datetime.now(datetime.UTC)
    return (now - _NOON).total_seconds() / 60 - minutes


@pytest.fixture
def watch(ab_test: ABTestBed) -> Watch:
    """Over the bed's arms, whose split is even."""
    arms = {"champion": CHAMPION, "challenger": CHALLENGER}
    served = {
        role: {"model": name.rpartition("-")[0], "version": int(name.rpartition("-")[2])}
        for role, name in arms.items()
    }
    test = load("local").ab_test
    test = test.model_copy(
        update={
            "endpoint": "ab-test",
            "champion": test.champion.model_copy(update=served["champion"]),
            "challengers": (test.challengers[0].model_copy(update=served["challenger"]),),
        }
    )
    for table in WATCH_TABLES:
        ab_test.workspace.rows(create_table(table, ab_test.analysis.catalog))
    return Watch(
        analysis=ab_test.analysis,
        test=test,
        monitoring=Monitoring(
            muted_minutes=1, minimum_requests=1, minimum_films=1, limits=Limits(positive_share=0.9)
        ),
        catalog=ab_test.analysis.catalog,
    )


@pytest.fixture
def tables(ab_test: ABTestBed) -> MonitoringTables:
    warehouse = Warehouse(ab_test.workspace.sdk(), ab_test.workspace.warehouse_id)
    return MonitoringTables(warehouse, ab_test.analysis.catalog)


def create_views(ab_test: ABTestBed, watch: Watch) -> None:
    ab_test.create_views()
    for view in WATCHED:
        name = ab_test.analysis.full_name(view.name)
        ab_test.workspace.rows(f"CREATE VIEW {name} AS {watch.query(view.name)}")


def alert(ab_test: ABTestBed, watch: Watch, name: str) -> list[dict[str, Any]]:
    (found,) = (it for it in watch.alerts if it.name == name)
    return ab_test.query(found.query)


def test_health_is_that_of_the_window(ab_test: ABTestBed, watch: Watch) -> None:
    for number in range(3):
        ab_test.answer(CHAMPION, 0.9, minutes=minutes_ago(5), milliseconds=10 + number)
    ab_test.answer(CHALLENGER, status=500, response=None, minutes=minutes_ago(5), milliseconds=90)
    ab_test.answer(CHALLENGER, 0.9, minutes=minutes_ago(5), milliseconds=30)
    ab_test.answer(CHALLENGER, 0.1, minutes=minutes_ago(90), milliseconds=9000)
    create_views(ab_test, watch)

    champion, challenger = ab_test.read("health", "arm")

    assert (champion["arm"], champion["requests"], champion["error_rate"]) == (CHAMPION, 3, 0.0)
    assert (challenger["requests"], challenger["failures"]) == (2, 1)
    assert challenger["error_rate"] == 0.5
    assert challenger["latency_p95_ms"] < 100
    assert (champion["share"], champion["declared_share"]) == (0.6, 0.5)
    assert champion["positive_share"] == 1.0


def test_an_arm_that_nobody_asks_is_a_row_without_a_rate(ab_test: ABTestBed, watch: Watch) -> None:
    ab_test.answer(CHAMPION, 0.9, minutes=minutes_ago(5))
    create_views(ab_test, watch)

    rows = ab_test.read("health", "arm")

    assert [(it["arm"], it["requests"], it["error_rate"]) for it in rows] == [
        (CHAMPION, 1, 0.0),
        (CHALLENGER, 0, None),
    ]
    assert [it["arm"] for it in alert(ab_test, watch, "error_rate")] == [CHAMPION]


@pytest.mark.parametrize(("requests", "is_told"), [(4, False), (40, True)])
def test_a_split_is_told_where_chance_does_not_explain_it(
    ab_test: ABTestBed, watch: Watch, requests: int, is_told: bool
) -> None:
    for _ in range(requests):
        ab_test.answer(CHAMPION, 0.9, minutes=minutes_ago(5))
    create_views(ab_test, watch)

    rows = alert(ab_test, watch, "share_deviation")

    assert [it["share_deviation"] for it in rows] == ([0.5, 0.5] if is_told else [])


def test_the_first_minutes_after_a_change_are_not_looked_at(
    ab_test: ABTestBed, watch: Watch
) -> None:
    ab_test.answer(CHAMPION, 0.9, minutes=minutes_ago(5))
    ab_test.serve(CHALLENGER, config_version=2, minutes=minutes_ago(8))
    muted = watch.monitoring.model_copy(update={"muted_minutes": 10})
    create_views(ab_test, dataclasses.replace(watch, monitoring=muted))

    assert {it["requests"] for it in ab_test.read("health", "arm")} == {0}


def test_answers_that_moved_have_a_high_index_and_others_none(
    ab_test: ABTestBed, watch: Watch, tables: MonitoringTables
) -> None:
    catalog = ab_test.analysis.catalog
    for model, version in (("keras", 1), ("torch", 2)):
        tables.add_reference(f"{catalog}.models.{model}", version, {"probability": TENTHS})
    for place in range(20):
        ab_test.answer(CHAMPION, (place + 0.5) / 20, minutes=minutes_ago(5))
        ab_test.answer(CHALLENGER, 0.95, id=f"film-{place}", minutes=minutes_ago(5))
    ab_test.describe("film-1", site="north")
    create_views(ab_test, watch)

    found = {(it["arm"], it["split_by"], it["part"]): it for it in ab_test.read("drift", "arm")}

    assert found[CHAMPION, "all", "all"]["psi"] == pytest.approx(0, abs=1e-9)
    share = np.array([1e-4] * 9 + [1])
    psi = float(((share - 0.1) * np.log(share / 0.1)).sum())
    assert found[CHALLENGER, "all", "all"]["psi"] == pytest.approx(psi)
    assert found[CHALLENGER, "all", "all"]["observed"] == 20
    assert found[CHALLENGER, "site", "north"]["observed"] == 1
    assert {it["arm"] for it in alert(ab_test, watch, "drift") if it["psi"] > 0.25} == {CHALLENGER}


def test_a_drift_is_looked_at_over_days(
    ab_test: ABTestBed, watch: Watch, tables: MonitoringTables
) -> None:
    """A clinic's films of an hour are too few, and a change of the traffic changes no version."""
    catalog = ab_test.analysis.catalog
    tables.add_reference(f"{catalog}.models.keras", 1, {"probability": TENTHS})
    day = 24 * 60
    for minutes in (5, 3 * day, 6 * day, 8 * day):
        ab_test.answer(CHAMPION, 0.5, id=f"film-{minutes}", minutes=minutes_ago(minutes))
    ab_test.serve(CHAMPION, config_version=2, minutes=minutes_ago(day))
    create_views(ab_test, watch)

    (found,) = ab_test.read("drift", "arm")

    assert found["observed"] == 3


def test_a_request_is_lost_where_it_was_answered_and_no_row_has_it(
    ab_test: ABTestBed, watch: Watch
) -> None:
    logged = ab_test.answer(CHAMPION, 0.9, minutes=minutes_ago(90))
    for request, ago, status in (
        (logged, 90, 200),
        ("lost", 90, 200),
        ("failed", 90, 500),
        ("perhaps on its way", 5, 200),
        ("long ago", 300, 200),
    ):
        ab_test.use(CHAMPION, request, status=status, minutes=minutes_ago(ago))
    create_views(ab_test, watch)

    assert ab_test.read("unlogged") == [{"answered": 2, "unlogged": 1, "unlogged_share": 0.5}]


def test_what_is_added_again_is_there_once(
    ab_test: ABTestBed, tables: MonitoringTables, watch: Watch
) -> None:
    for _ in range(2):
        tables.add_reference("c.models.m", 1, {"probability": TENTHS})
        tables.add_measures([("request-1", "2026-03-02T12:00:00Z", 0, {"mean": 0.5})])

    assert tables.known_versions() == {("c.models.m", 1)}
    assert len(ab_test.query(watch.filled_in("SELECT * FROM $reference"))) == len(TENTHS)
    assert len(ab_test.query(watch.filled_in("SELECT * FROM $input_measures"))) == 1


def record(tables: MonitoringTables, verdict: str, hour: int) -> None:
    tables.add_verdict(
        endpoint_name="ab-test",
        experiment="trial",
        experiment_hash="h",
        champion=CHAMPION,
        challenger=CHALLENGER,
        as_of=f"2026-03-02T{hour:02}:00:00Z",
        verdict=verdict,
        labels=100,
    )


def test_a_rollback_that_was_taken_back_is_not_told(
    ab_test: ABTestBed, watch: Watch, tables: MonitoringTables
) -> None:
    ab_test.answer(CHAMPION, 0.9, minutes=minutes_ago(90))
    create_views(ab_test, watch)
    record(tables, "ROLLBACK", 12)
    assert alert(ab_test, watch, "rollback") == [{"rollbacks": 1}]
    record(tables, "INCONCLUSIVE", 13)
    assert alert(ab_test, watch, "rollback") == [{"rollbacks": 0}]
    record(tables, "ROLLBACK", 14)
    assert alert(ab_test, watch, "rollback") == [{"rollbacks": 1}]
    # The brake: everybody is sent to the champion.
    ab_test.answer(CHAMPION, 0.9, minutes=minutes_ago(5))
    assert alert(ab_test, watch, "rollback") == [{"rollbacks": 0}]


def test_a_rollback_is_not_told_once_the_file_has_taken_the_traffic(
    ab_test: ABTestBed, watch: Watch, tables: MonitoringTables
) -> None:
    stopped = watch.test.challengers[0].model_copy(update={"traffic": 0})
    test = watch.test.model_copy(update={"challengers": (stopped,)})
    ab_test.answer(CHAMPION, 0.9, minutes=minutes_ago(90))
    create_views(ab_test, watch := dataclasses.replace(watch, test=test))
    record(tables, "ROLLBACK", 12)

    assert alert(ab_test, watch, "rollback") == [{"rollbacks": 0}]


def test_every_widget_of_its_pages_shows_columns_of_its_statement(
    ab_test: ABTestBed, watch: Watch
) -> None:
    from infra.constructs.dashboard import layout

    ab_test.answer(CHAMPION, 0.9, minutes=minutes_ago(5))
    create_views(ab_test, watch)
    definition = layout("watch", watch)
    columns = {}
    for dataset in definition["datasets"]:
        answer = ab_test.workspace.sql("".join(dataset["queryLines"]))
        assert answer["status"]["state"] == "SUCCEEDED", answer["status"]
        columns[dataset["name"]] = {it["name"] for it in answer["manifest"]["schema"]["columns"]}

    queried = set()
    for widget in widgets(definition):
        for query in widget.get("queries", ()):
            queried.add(query["query"]["datasetName"])
            fields = {field["name"] for field in query["query"]["fields"]}
            assert fields <= columns[query["query"]["datasetName"]], widget["name"]
            assert shown(widget["spec"]["encodings"]) == fields, widget["name"]
    assert queried == set(columns)

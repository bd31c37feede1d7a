"""`rollout guard` as a command over real rows: what makes a challenger step back, and what not."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.declared.environment import load
from infra.declared.tables import WATCH_TABLES
from infra.rollout.__main__ import main
from infra.rollout.environment_file import EnvironmentFile
from ml.monitoring.tables import MonitoringTables
from ml.workspace.warehouse import Warehouse
from tests.plugin.ab_test import _NOON, CHALLENGER, CHAMPION
from tests.plugin.ingestion import create_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.ab_test import ABTestBed

pytestmark = pytest.mark.programs

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def file(
    environment: Callable[..., Path], ab_test: ABTestBed, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The file of the bed's test, which is watched; its workspace is the bed's."""
    monkeypatch.setattr("ml.workspace.connection.connect", lambda _: ab_test.workspace.sdk())
    return environment(
        20,
        ('catalog = "healthcare_catalog_dev"', f'catalog = "{ab_test.analysis.catalog}"'),
        ('endpoint = "ab" ', 'endpoint = "ab-test" '),
        add='[monitoring]\n[platform.warehouse]\nname = "fx"\n',
    )


@pytest.fixture
def tables(ab_test: ABTestBed) -> MonitoringTables:
    for table in WATCH_TABLES:
        ab_test.workspace.rows(create_table(table, ab_test.analysis.catalog))
    warehouse = Warehouse(ab_test.workspace.sdk(), ab_test.workspace.warehouse_id)
    return MonitoringTables(warehouse, ab_test.analysis.catalog)


@pytest.fixture
def verdict(tables: MonitoringTables) -> Callable[..., None]:
    """Records what `ml.compare --record` would; keywords change it."""

    def record(**changed: object) -> None:
        row = {
            "endpoint_name": "ab-test",
            "experiment": "trial",
            "experiment_hash": "h",
            "champion": CHAMPION,
            "challenger": CHALLENGER,
            "as_of": "2026-03-02T12:00:00Z",
            "verdict": "ROLLBACK",
            "labels": 100,
        }
        tables.add_verdict(**row | changed)

    return record


def guard(file: Path, *arguments: object) -> tuple[int, str]:
    """The exit status, and everything that is said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(["guard", "--environment", str(file), *map(str, arguments)])
    return status, said.getvalue()


def ask(
    ab_test: ABTestBed, arm: str, requests: int, *, failures: int = 0, slow: int = 0, ago: int = 10
) -> None:
    """So many requests within a minute, so many minutes ago."""
    minutes = (NOW - _NOON).total_seconds() / 60 - ago
    for number in range(requests):
        ab_test.answer(
            arm,
            0.9,
            minutes=minutes,
            status=500 if number < failures else 200,
            milliseconds=5000 if number < slow else 20,
        )


def kept(file: Path) -> list[dict[str, Any]]:
    folder = file.parent / "decisions" / "dev"
    return [json.loads(it.read_text(encoding="utf-8")) for it in sorted(folder.glob("*.json"))]


@pytest.mark.usefixtures("tables")
def test_a_challenger_that_fails_steps_back_in_the_file_with_what_was_seen_beside_it(
    ab_test: ABTestBed, file: Path
) -> None:
    ask(ab_test, CHAMPION, 30)
    ask(ab_test, CHALLENGER, 30, failures=20)
    ab_test.create_views()

    status, said = guard(file)

    assert status == 4
    assert "-traffic       = 20" in said
    assert "+traffic       = 0" in said
    assert load(file).ab_test.challengers[0].traffic == 0
    assert "# percent; the champion gets the rest" in file.read_text(encoding="utf-8")
    (record,) = kept(file)
    assert (record["arm"], record["had_percent"]) == (CHALLENGER, 20)
    (reason,) = record["reasons"]
    assert reason["measure"] == "error rate"
    seen = reason["seen"]
    assert (seen["events"], seen["requests"], seen["limit"]) == (20, 30, 0.02)
    low, high = seen["interval_95"]
    assert low < 20 / 30 < high
    since = datetime.datetime.fromisoformat(seen["since"])
    assert abs(NOW - datetime.timedelta(minutes=10) - since) < datetime.timedelta(minutes=1)

    again, said = guard(file)
    assert again == 0
    assert "It has no traffic already" in said


@pytest.mark.usefixtures("tables")
def test_a_challenger_that_is_slow_steps_back(ab_test: ABTestBed, file: Path) -> None:
    ask(ab_test, CHAMPION, 30)
    ask(ab_test, CHALLENGER, 30, slow=25)
    ab_test.create_views()

    status, said = guard(file)

    assert status == 4
    assert "latency: 25 of 30 requests" in said
    assert "2000 ms" in said


@pytest.mark.usefixtures("tables")
def test_what_happens_to_the_champion_as_well_moves_nothing(ab_test: ABTestBed, file: Path) -> None:
    before = file.read_bytes()
    for arm in (CHAMPION, CHALLENGER):
        ask(ab_test, arm, 30, failures=20)
    ab_test.create_views()

    status, said = guard(file)

    assert status == 0
    assert "no challenger has to step back" in said
    assert (file.read_bytes(), kept(file)) == (before, [])


@pytest.mark.usefixtures("tables")
def test_an_outage_of_both_arms_that_is_over_hides_none_of_the_challengers_own(
    ab_test: ABTestBed, file: Path
) -> None:
    for arm in (CHAMPION, CHALLENGER):
        ask(ab_test, arm, 30, failures=25, ago=50)
    ask(ab_test, CHAMPION, 30, ago=10)
    ask(ab_test, CHALLENGER, 30, failures=25, ago=10)
    ab_test.create_views()

    status, said = guard(file)

    assert status == 4
    assert "error rate: 25 of 30 requests" in said


@pytest.mark.usefixtures("tables")
def test_a_champion_that_is_a_little_ill_hides_no_challenger_that_is_worse(
    ab_test: ABTestBed, file: Path
) -> None:
    ask(ab_test, CHAMPION, 60, failures=3)
    ask(ab_test, CHALLENGER, 30, failures=25)
    ab_test.create_views()

    assert guard(file)[0] == 4


def test_a_recorded_verdict_to_roll_back_is_a_reason(
    ab_test: ABTestBed, file: Path, verdict: Callable[..., None]
) -> None:
    ask(ab_test, CHAMPION, 1)
    ab_test.create_views()
    verdict()

    status, said = guard(file)

    assert status == 4
    assert "ROLLBACK as of 2026-03-02T12:00Z, by 100 films of the experiment trial" in said
    (name,) = (it.name for it in (file.parent / "decisions" / "dev").iterdir())
    assert name == f"{CHALLENGER}-0-20260302T120000Z.json"  # the same breach has the same name


def test_a_verdict_on_other_arms_or_one_that_was_taken_back_is_none(
    ab_test: ABTestBed, file: Path, verdict: Callable[..., None]
) -> None:
    ask(ab_test, CHAMPION, 1)
    ab_test.create_views()
    verdict(champion="keras-7", experiment_hash="other")
    verdict(endpoint_name="elsewhere", experiment_hash="another")
    verdict()
    verdict(verdict="INCONCLUSIVE", as_of="2026-03-02T13:00:00Z")

    assert guard(file)[0] == 0


@pytest.mark.usefixtures("tables")
class TestADecision:
    @pytest.fixture(autouse=True)
    def deployed(self, ab_test: ABTestBed) -> None:
        ask(ab_test, CHAMPION, 1)
        ab_test.create_views()

    def test_to_roll_back_is_a_reason(self, file: Path, decide: Callable[..., Path]) -> None:
        made = decide(verdict="ROLLBACK", reason="Sensitivity is worse.")

        status, said = guard(file, "--decision", made)

        assert status == 4
        assert "Sensitivity is worse." in said
        (record,) = kept(file)
        assert record["reasons"][0]["seen"]["sha256"]

    def test_of_any_other_verdict_is_none(self, file: Path, decide: Callable[..., Path]) -> None:
        assert guard(file, "--decision", decide())[0] == 0

    def test_of_another_environment_is_refused(
        self, file: Path, decide: Callable[..., Path]
    ) -> None:
        status, said = guard(file, "--decision", decide(verdict="ROLLBACK", environment="prod"))

        assert status == 1
        assert "environment = 'prod', and the file is dev.toml" in said
        assert load(file).ab_test.challengers[0].traffic == 20

    def test_on_another_challenger_is_refused(
        self, file: Path, decide: Callable[..., Path]
    ) -> None:
        newer = file.read_text(encoding="utf-8").replace("version       = 2", "version       = 3")
        file.write_text(newer, encoding="utf-8")

        status, said = guard(file, "--decision", decide(verdict="ROLLBACK"))

        assert status == 1
        assert "challenger = torch-2, but ab-test has torch-3" in said
        assert file.read_text(encoding="utf-8") == newer


def test_without_its_views_it_says_what_has_to_be_deployed(ab_test: ABTestBed, file: Path) -> None:
    ask(ab_test, CHAMPION, 1)

    status, said = guard(file)

    assert status == 1
    assert "pneumonia_classifier_requests" in said
    assert "Deploy platform-dev and analysis-dev" in said
    assert len(said.splitlines()) == 1
    assert EnvironmentFile(file).environment.ab_test.challengers[0].traffic == 20

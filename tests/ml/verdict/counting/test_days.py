"""Days that were counted before give the verdict that the log gives, whatever came since."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ml.verdict.counting.counts import WorkspaceViews, count
from ml.verdict.counting.days import CountedDays, VerdictDays
from ml.verdict.counting.queries import Queries
from tests.ml.verdict.counting.test_cost import Heard, passes
from tests.ml.verdict.log import CHALLENGER, CHAMPION
from tests.plugin.ab_test import ENVIRONMENT, new_bed

if TYPE_CHECKING:
    from tests.plugin.ab_test import ABTestBed
    from tests.plugin.served import Served

DAY = 24 * 60
MIDNIGHT = datetime.datetime(2026, 3, 3, tzinfo=datetime.UTC)
"""Twelve hours after the moment that the bed counts its minutes from."""


@dataclass(frozen=True)
class Request:
    film: int
    arm: str
    probability: float | None
    minute: int


@dataclass(frozen=True)
class Reading:
    film: int
    reader: str
    truth: str
    minute: int
    blind: bool
    corrects: bool
    sampling: float | None
    by_request: bool
    """Whether it names the film's first request by Databricks' id, if that is logged."""


@dataclass(frozen=True)
class Context:
    film: int
    patient: int | None
    site: str
    minute: int


LATER = 4 * DAY
FILMS = st.integers(0, 6)
REQUESTS = st.builds(
    Request,
    film=FILMS,
    arm=st.sampled_from((CHAMPION, CHALLENGER)),
    probability=st.sampled_from((0.9, 0.25, 0.125, None)),
    minute=st.integers(0, LATER) | st.sampled_from((DAY // 2, DAY // 2 + DAY)),
)
READINGS = st.builds(
    Reading,
    film=st.integers(0, 7),
    reader=st.sampled_from(("reader-1", "reader-2")),
    truth=st.sampled_from(("PNEUMONIA", "NORMAL", "INDETERMINATE")),
    minute=st.integers(0, LATER),
    blind=st.sampled_from((True, True, False)),
    corrects=st.booleans(),
    sampling=st.sampled_from((None, 1.0)),
    by_request=st.booleans(),
)
CONTEXTS = st.builds(
    Context,
    film=FILMS,
    patient=st.none() | st.integers(0, 2),
    site=st.sampled_from(("north", "south")),
    minute=st.integers(0, LATER),
)
ROWS = st.one_of(REQUESTS, REQUESTS, READINGS, READINGS, CONTEXTS)
HISTORIES = st.lists(
    st.tuples(st.lists(ROWS, max_size=7), st.integers(1, 5)), min_size=2, max_size=4
)
"""What is written between two runs, whatever time it says of itself, and the midnight of the
run."""


@pytest.fixture(scope="module")
def shared_bed(shared_workspace: Served) -> ABTestBed:
    ab_test = new_bed(shared_workspace)
    ab_test.answer(CHAMPION, 0.9)
    ab_test.create_views()
    return ab_test


def warehouse_of(bed: ABTestBed) -> Any:
    from ml.workspace.warehouse import Warehouse

    return Warehouse(bed.workspace.sdk(), bed.workspace.warehouse_id)


@dataclass
class Bench:
    """Both ways to count."""

    bed: ABTestBed
    trial: Any
    warehouse: Any

    @property
    def queries(self) -> Queries:
        from infra.declared.experiment import splits

        views = self.views
        return Queries(rows=views.relations, experiment=self.trial, splits=splits(self.trial))

    @property
    def views(self) -> WorkspaceViews:
        return WorkspaceViews(self.warehouse, self.bed.analysis, self.trial.subgroups)

    @property
    def days(self) -> VerdictDays:
        return VerdictDays(self.warehouse, self.bed.analysis, self.queries)

    def from_the_log(self, as_of: datetime.datetime) -> dict[str, Any]:
        return self._counted(self.views, as_of)

    def from_the_days(self) -> dict[str, Any]:
        until = self.days.fresh(None, MIDNIGHT)
        assert isinstance(until, datetime.datetime), until
        return self._counted(CountedDays(self.views, self.days, until), until)

    def _counted(self, rows: Any, as_of: datetime.datetime) -> dict[str, Any]:
        found = count(rows, self.queries, as_of)
        tables = {
            f"{name}.{column}": values.tolist()
            for name, table in found.tables.items()
            for column, values in table.items()
        }
        return {"digest": found.digest, "statements": found.query_digest, **tables}


@pytest.fixture
def bench(ab_test: ABTestBed, experiment) -> Bench:
    return new_bench(ab_test, experiment)


def new_bench(bed: ABTestBed, experiment: Any, **declared: Any) -> Bench:
    from infra.declared.experiment import load

    declared = {"maturity": 24, "audit": 0.5, "subgroups": '["site"]', **declared}
    return Bench(bed, load(experiment(**declared)), warehouse_of(bed))


def write(
    bed: ABTestBed,
    number: int,
    it: Request | Reading | Context,
    last: dict[tuple[int, str], str],
    requests: dict[int, str],
) -> None:
    match it:
        case Request():
            answer = () if it.probability is None else (it.probability,)
            status = 500 if it.probability is None else 200
            request = bed.answer(
                it.arm, *answer, id=f"film-{it.film}", minutes=it.minute, status=status
            )
            requests.setdefault(it.film, request)
        case Reading():
            further = {"sampling_probability": str(it.sampling)} if it.sampling else {}
            before = last.get((it.film, it.reader))
            if it.corrects and before:
                further["supersedes"] = before
            named = requests.get(it.film) if it.by_request else None
            last[it.film, it.reader] = bed.judge(
                named or f"film-{it.film}",
                it.truth,
                reader=it.reader,
                minutes=it.minute,
                blind=str(it.blind).lower(),
                feedback_id=f"reading-{number}",
                **further,
            )
        case Context():
            known = {"patient_key": f"{it.patient:064x}"} if it.patient is not None else {}
            written = MIDNIGHT + datetime.timedelta(minutes=it.minute - DAY / 2)
            bed.describe(f"film-{it.film}", site=it.site, recorded_at=written.isoformat(), **known)


def the_same(bench: Bench, history: list[tuple[list[Any], int]]) -> None:
    bed = bench.bed
    for table in (bed.analysis.payload, bed.analysis.feedback, bed.analysis.context):
        bed.workspace.rows(f"DELETE FROM {table}")
    bench.days.count(MIDNIGHT)
    bed.workspace.rows(f"DELETE FROM {bench.days.table}")
    for arm in (CHAMPION, CHALLENGER):
        bed.answer(arm, 0.9, id=f"first-{arm}", minutes=1)
    number, last, requests = 0, {}, {}
    for rows, midnights in history:
        for it in rows:
            number += 1
            write(bed, number, it, last, requests)
        as_of = MIDNIGHT + datetime.timedelta(days=midnights - 1)
        bench.days.count(as_of)
        assert bench.from_the_days() == bench.from_the_log(as_of)


_SETTINGS: Any = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    # A failing history is short, and each step of making it shorter takes seconds.
    "phases": (Phase.explicit, Phase.generate),
}


@given(history=HISTORIES)
@settings(max_examples=2, **_SETTINGS)
def test_days_that_were_counted_give_what_the_log_gives(shared_bed, experiment, history) -> None:
    the_same(new_bench(shared_bed, experiment), history)


@pytest.mark.slow("many workspaces are filled, and counted both ways after each change")
@pytest.mark.parametrize("maturity", [24, 30])
@given(history=HISTORIES)
@settings(max_examples=25, **_SETTINGS)
def test_whatever_came_late_the_days_give_what_the_log_gives(
    shared_bed, experiment, maturity, history
) -> None:
    the_same(new_bench(shared_bed, experiment, maturity=maturity), history)


@pytest.mark.parametrize("words", ["of pneumonia", "of another task"])
def test_patients_subgroups_and_both_ids_of_a_request_add_up(
    ab_test: ABTestBed, experiment, words
) -> None:
    """Patients whose films are of several days, arms and sites; a reading that came before its
    request was logged, and named it by Databricks' id; one of a replay, which no day has."""
    positive, negative, task = "PNEUMONIA", "NORMAL", ab_test.analysis.task
    if words == "of another task":
        positive, negative = "malignant", "benign"
        task = dataclasses.replace(task, name="t", labels=(negative, positive), threshold=0.25)
        ab_test.analysis = dataclasses.replace(ab_test.analysis, task=task)
    declared = new_bench(ab_test, experiment, subgroups='["site", "age_band"]')
    bench = dataclasses.replace(declared, trial=declared.trial.model_copy(update={"task": task}))
    midnights = [MIDNIGHT + datetime.timedelta(days=day) for day in (2, 4)]
    requests = []
    for number in range(24):
        arm, film = (CHAMPION, CHALLENGER)[number % 2], f"film-{number}"
        probability = (number * 37 % 101) / 101
        requests.append(ab_test.answer(arm, probability, id=film, minutes=number * 150))
        ab_test.describe(
            film,
            site=("north", "south")[number // 2 % 2],
            **({"patient_key": f"{number % 5:064x}"} if number % 4 else {}),
            **({"age_band": f"{number % 3}0-{number % 3}9"} if number % 3 else {}),
        )
        truth = (positive, negative, "INDETERMINATE")[number * 7 % 11 % 3]
        named = requests[number] if number % 3 == 0 else film
        ab_test.judge(named, truth, minutes=number * 150 + 300 * (number % 7))
    replayed = ab_test.answer(CHAMPION, 0.9, id="replay-1", minutes=60)
    ab_test.judge(replayed, positive)
    ab_test.judge("replay-1", positive, reader="reader-2")
    ab_test.create_views()

    for as_of in midnights:
        bench.days.count(as_of)
        from_the_days = bench.from_the_days()
        assert from_the_days == bench.from_the_log(as_of)
        for name in ("distances.weight", "patients by site.films", "patients by age_band.films"):
            assert len(from_the_days[name]) > 2, name


def test_of_days_that_are_counted_a_verdict_reads_nothing_but_the_logs_times(
    bench: Bench,
) -> None:
    for number in range(4):
        arm = (CHAMPION, CHALLENGER)[number % 2]
        bench.bed.answer(arm, 0.9, id=f"film-{number}", minutes=number * DAY)
    bench.bed.create_views()
    bench.days.count(MIDNIGHT + datetime.timedelta(days=4))
    bench.warehouse = Heard(bench.warehouse)

    bench.from_the_days()

    heard = [sqlglot.parse_one(it, read="databricks") for it in bench.warehouse.statements]
    read = [it for it in heard if passes(it, bench.bed.analysis)]
    assert [passes(it, bench.bed.analysis) for it in read] == [1]
    (of_the_log,) = (
        select
        for select in read[0].find_all(sqlglot.exp.Select)
        if any(it.name.endswith("_payload") for it in select.find_all(sqlglot.exp.Table))
    )
    assert {it.name for it in of_the_log.find_all(sqlglot.exp.Column)} == {"request_time"}


def test_a_run_reads_the_answers_of_the_days_that_have_changed_alone(bench: Bench) -> None:
    for number in range(4):
        arm = (CHAMPION, CHALLENGER)[number % 2]
        bench.bed.answer(arm, 0.9, id=f"film-{number}", minutes=number * DAY)
    bench.bed.create_views()
    first = bench.days.count(MIDNIGHT + datetime.timedelta(days=2))
    next_day = bench.days.count(MIDNIGHT + datetime.timedelta(days=3))
    again = bench.days.count(MIDNIGHT + datetime.timedelta(days=3))
    bench.bed.judge("film-1", "PNEUMONIA", minutes=2 * DAY)
    bench.warehouse = Heard(bench.warehouse)
    late = bench.days.count(MIDNIGHT + datetime.timedelta(days=3))

    day = (MIDNIGHT.date() - datetime.date(1970, 1, 1)).days - 1
    assert first == (day, day + 1, day + 2)
    assert next_day == (day + 3,)
    assert again == ()
    assert late == (day + 1,)
    with_answers = [it for it in bench.warehouse.statements if "_answers" in it]
    # The answers, and the ids of requests that readers named by Databricks' id, of one day.
    for statement, times in zip(with_answers, (2, 3), strict=True):
        assert passes(sqlglot.parse_one(statement, read="databricks"), bench.bed.analysis) == times
        assert statement.count("request_time > CAST(:after_0 AS TIMESTAMP)") == times


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(None, None, id="nothing"),
        pytest.param("reading", "more has come", id="a reading of before"),
        pytest.param("request", "more has come", id="a request of before"),
        pytest.param("context", "more has come", id="a context of before"),
        pytest.param("later", None, id="a reading of after"),
        pytest.param("split", "another declaration", id="a split of before"),
        pytest.param("moment", "is of 2026-03-04", id="another moment"),
        pytest.param("old", "is of 2026-03-04", id="a job that has stopped"),
    ],
)
def test_days_that_do_not_say_what_the_log_says_are_not_used(
    bench: Bench, experiment, change, said
) -> None:
    for number in range(4):
        arm = (CHAMPION, CHALLENGER)[number % 2]
        bench.bed.answer(arm, 0.9, id=f"film-{number}", minutes=number * DAY / 4)
    bench.bed.create_views()
    until = MIDNIGHT + datetime.timedelta(days=1)
    bench.days.count(until)
    as_of, now = None, until
    match change:
        case "reading":
            bench.bed.judge("film-1", "NORMAL", minutes=DAY)
        case "later":
            bench.bed.judge("film-1", "NORMAL", minutes=2 * DAY)
        case "request":
            bench.bed.answer(CHAMPION, 0.9, id="film-9", minutes=1)
        case "context":
            bench.bed.describe("film-1", site="north")
        case "split":
            bench = new_bench(bench.bed, experiment, champion=60, challenger=40)
        case "moment":
            as_of = until + datetime.timedelta(days=1)
        case "old":
            now = until + datetime.timedelta(days=3)

    found = bench.days.fresh(as_of, now)

    assert found == until if said is None else said in str(found)


def test_the_command_counts_days_and_compare_adds_them_up(
    bench: Bench, experiment, tmp_path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    from ml.compare import main as compare
    from ml.contract.decision import Decision, differences
    from ml.count_days import main as count_days

    for number in range(40):
        arm = (CHAMPION, CHALLENGER)[number % 2]
        bench.bed.answer(arm, 0.9, id=f"film-{number}", minutes=number * 30)
        bench.bed.judge(f"film-{number}", "PNEUMONIA", minutes=number * 30 + 60)
    bench.bed.create_views()
    host = str(bench.bed.workspace.client.base_url).rstrip("/")
    environment = tmp_path / "sandbox.toml"
    environment.write_text(ENVIRONMENT.format(catalog=bench.bed.analysis.catalog, host=host))
    monkeypatch.setenv("DATABRICKS_TOKEN", "any")
    trial = str(experiment(maturity=24))
    common = [trial, "--environment", str(environment)]
    moment = ["--as-of", "2026-03-05T00:00:00Z"]

    assert count_days([*common, *moment]) == 0
    assert "2 days counted, from 2026-03-02 to 2026-03-03" in capsys.readouterr().out
    decisions = []
    for further in ([], ["--from-payload"]):
        output = tmp_path / f"out{len(further)}"
        given = [*common, *moment, *further, "--no-report", "--output", str(output)]
        assert compare(given) == 0
        assert ("were added up" in capsys.readouterr().out) == (not further)
        decisions.append(Decision.read(output / "decision.json"))
    assert differences(*decisions) == []
    assert compare([*common, "--verify", str(tmp_path / "out0" / "decision.json")]) == 0


def test_before_there_are_views_the_way_out_is_their_stack(
    bench: Bench, experiment, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml.contract.errors import UserError
    from ml.count_days import main as count_days

    host = str(bench.bed.workspace.client.base_url).rstrip("/")
    environment = tmp_path / "sandbox.toml"
    environment.write_text(ENVIRONMENT.format(catalog="no_such_catalog", host=host))
    monkeypatch.setenv("DATABRICKS_TOKEN", "any")

    with pytest.raises(UserError, match="cdktf deploy analysis-sandbox"):
        count_days([str(experiment()), "--environment", str(environment)])


def test_days_that_have_not_come_are_not_counted(bench: Bench, experiment, tmp_path) -> None:
    from ml.contract.errors import UserError
    from ml.count_days import main as count_days

    environment = tmp_path / "sandbox.toml"
    environment.write_text(ENVIRONMENT.format(catalog="base", host="http://127.0.0.1:1"))
    given = [str(experiment()), "--environment", str(environment)]

    with pytest.raises(UserError, match="has not come yet"):
        count_days([*given, "--as-of", "2999-01-01T00:00:00Z"])


class Torn(Heard):
    """Breaks where the readings that a run has found are written."""

    def execute(self, statement: str, **parameters: str):
        if "known prediction" in statement and statement.startswith("INSERT"):
            raise ConnectionError
        return super().execute(statement, **parameters)


def test_a_run_that_was_cut_off_is_made_up_for_by_the_next_one(bench: Bench) -> None:
    for number in range(4):
        arm = (CHAMPION, CHALLENGER)[number % 2]
        bench.bed.answer(arm, 0.9, id=f"film-{number}", minutes=number * DAY / 4)
    bench.bed.create_views()
    until = MIDNIGHT + datetime.timedelta(days=1)
    bench.days.count(until)
    bench.bed.judge("film-1", "NORMAL", minutes=DAY)
    whole, bench.warehouse = bench.warehouse, Torn(bench.warehouse)

    with pytest.raises(ConnectionError):
        bench.days.count(until)

    bench.warehouse = whole
    assert "finished" in str(bench.days.fresh(None, until))
    assert len(bench.days.count(until)) == 1
    assert bench.from_the_days() == bench.from_the_log(until)


def test_days_may_be_counted_as_of_an_earlier_moment_again(bench: Bench) -> None:
    """Films that were mature since are young again."""
    for number in range(4):
        arm = (CHAMPION, CHALLENGER)[number % 2]
        bench.bed.answer(arm, 0.9, id=f"film-{number}", minutes=number)
    bench.bed.create_views()
    bench.days.count(MIDNIGHT + datetime.timedelta(days=5))

    bench.days.count(MIDNIGHT)

    assert bench.from_the_days() == bench.from_the_log(MIDNIGHT)

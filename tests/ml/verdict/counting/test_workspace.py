"""The same verdict from a workspace's views as from a file: one SQL."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from ml.contract.tables import INPUT_MEASURES, VERDICTS
from ml.verdict.counting.counts import WorkspaceViews
from ml.verdict.counting.labelled_file import ParquetFile
from tests.ml.verdict.log import CHALLENGER, CHAMPION, START
from tests.plugin.ab_test import ENVIRONMENT, new_bed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.ab_test import ABTestBed
    from tests.plugin.served import Served

KINDS = {
    "TP": (0.9, "PNEUMONIA"),
    "FN": (0.25, "PNEUMONIA"),
    "TN": (0.125, "NORMAL"),
    "FP": (0.75, "NORMAL"),
}
COUNTS = {CHAMPION: {"TP": 8, "FN": 2, "TN": 7, "FP": 3}, CHALLENGER: {"TP": 9, "FN": 1, "TN": 7}}
NOON = 12 * 60  # the bed counts its minutes from noon


@pytest.fixture(scope="module")
def bed(shared_workspace: Served) -> ABTestBed:
    """The counts, one film that two readers judge differently, one unread, one failed request,
    and a verdict on nothing. Its tests only read."""
    ab_test = new_bed(shared_workspace)
    minute = 0
    for arm, outcomes in COUNTS.items():
        for outcome, n in outcomes.items():
            probability, truth = KINDS[outcome]
            for _ in range(n):
                minute += 1
                name = f"film-{minute}"
                ab_test.answer(arm, probability, id=name, minutes=minute, milliseconds=minute)
                ab_test.judge(name, truth, minutes=minute + 60)
    ab_test.answer(CHAMPION, 0.9, id="disputed", minutes=50)
    ab_test.judge("disputed", "PNEUMONIA", minutes=110)
    ab_test.judge("disputed", "NORMAL", reader="reader-2", minutes=110)
    ab_test.answer(CHALLENGER, 0.9, id="unread", minutes=51)
    ab_test.answer(CHALLENGER, status=500, response="{}", minutes=52)
    ab_test.judge("lost", "PNEUMONIA", minutes=61)
    ab_test.create_views()
    return ab_test


def write_the_same(log) -> None:
    minute = 0
    for arm, outcomes in COUNTS.items():
        for outcome, n in outcomes.items():
            probability, truth = KINDS[outcome]
            for _ in range(n):
                minute += 1
                log.film(
                    arm,
                    probability,
                    truth,
                    hours=(NOON + minute) / 60,
                    execution_duration_ms=minute,
                )
    name = log.film(CHAMPION, 0.9, "PNEUMONIA", hours=(NOON + 50) / 60, execution_duration_ms=20)
    log.rows.append(
        log.rows[-1]
        | {"prediction_id": name, "ground_truth": "NORMAL", "radiologist_id": "reader-2"}
    )
    log.film(CHALLENGER, 0.9, hours=(NOON + 51) / 60, execution_duration_ms=20)
    log.film(CHALLENGER, None, hours=(NOON + 52) / 60, execution_duration_ms=20, status_code=500)
    log.rows.append(
        {
            "prediction_id": "lost",
            "ground_truth": "PNEUMONIA",
            "decided_at": log.rows[0]["decided_at"],
        }
    )


@pytest.fixture
def views(bed: ABTestBed):
    """The rows of the workspace."""

    def of(subgroups=()):
        from ml.workspace.warehouse import Warehouse

        warehouse = Warehouse(bed.workspace.sdk(), bed.workspace.warehouse_id)
        return WorkspaceViews(warehouse, bed.analysis, subgroups)

    return of


def test_a_workspace_and_a_file_with_the_same_rows_count_the_same(views, log, experiment):
    from infra.declared.experiment import load, splits
    from ml.compare import decide

    write_the_same(log)
    trial = load(experiment(maturity=1))
    day_after = START + datetime.timedelta(days=1, hours=12)
    from_views, from_file = (
        decide(trial, splits(trial), rows, as_of=day_after, environment=None).decision
        for rows in (views(), ParquetFile(log.parquet(), ()))
    )

    assert from_views.numbers == from_file.numbers
    assert from_views.data.digest == from_file.data.digest
    assert from_views.numbers["champion"]["labels"] == 20
    assert from_views.numbers["rows"]["verdicts whose prediction is not in the log"] == 1
    assert from_views.numbers["challenger"]["figures"]["error rate"]["value"] > 0


def test_a_subgroup_must_be_a_column_of_the_view(views):
    from ml.contract.errors import UserError

    with pytest.raises(UserError, match=r"no column wing, .* arm, .* site, "):
        views(("wing",))


def test_patients_and_subgroups_come_from_the_contexts(ab_test: ABTestBed, log, experiment) -> None:
    """The same from a file that has them as columns."""
    from infra.declared.experiment import load, splits
    from ml.compare import decide
    from ml.workspace.warehouse import Warehouse

    context = ("site", "device_maker", "device_model", "view", "age_band", "sex")
    for number in range(40):
        arm, probability = (CHAMPION, CHALLENGER)[number % 2], (0.9, 0.25)[number % 3 == 0]
        truth = ("PNEUMONIA", "NORMAL")[number % 4 == 0]
        known = {name: f"{name}-{number % 2}" for name in context} if number % 5 else {}
        if number % 5:
            known["patient_key"] = f"{number // 4:064x}"
            ab_test.describe(f"film-{number}", **known)
        ab_test.answer(arm, probability, id=f"film-{number}", minutes=number)
        ab_test.judge(f"film-{number}", truth, minutes=number + 60)
        log.film(
            arm,
            probability,
            truth,
            hours=(NOON + number) / 60,
            execution_duration_ms=20,
            **{**dict.fromkeys((*context, "patient_key")), **known},
        )
    ab_test.create_views()
    trial = load(experiment(maturity=1, subgroups=list(context)))
    warehouse = Warehouse(ab_test.workspace.sdk(), ab_test.workspace.warehouse_id)

    from_views, from_file = (
        decide(
            trial,
            splits(trial),
            rows,
            as_of=START + datetime.timedelta(days=1, hours=12),
            environment=None,
        ).decision
        for rows in (
            WorkspaceViews(warehouse, ab_test.analysis, context),
            ParquetFile(log.parquet(), context),
        )
    )

    assert from_views.numbers == from_file.numbers
    assert from_views.data.digest == from_file.data.digest
    assert "patient_key" not in from_views.data.assumed


def test_the_command_finds_the_views_of_an_environment(
    bed: ABTestBed, experiment, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml.compare import main
    from ml.contract.decision import Decision

    file = tmp_path / "sandbox.toml"
    host = str(bed.workspace.client.base_url).rstrip("/")
    file.write_text(ENVIRONMENT.format(catalog=bed.analysis.catalog, host=host))
    monkeypatch.setenv("DATABRICKS_TOKEN", "any")
    trial, output = experiment(maturity=1), tmp_path / "out"

    given = [str(trial), "--environment", str(file), "--output", str(output), "--no-report"]
    assert main(given) == 0

    decision = Decision.read(output / "decision.json")
    assert decision.environment == "sandbox"
    assert decision.numbers["champion"]["requests"] == 21
    verified = [str(trial), "--environment", str(file), "--verify", str(output / "decision.json")]
    assert main(verified) == 0


def test_what_became_known_after_a_decision_does_not_change_what_is_made_again(
    ab_test: ABTestBed, experiment
) -> None:
    """A context that is written later, a reading, and an answer to an id that had one."""
    from infra.declared.experiment import load, splits
    from ml.compare import decide
    from ml.contract.decision import differences
    from ml.workspace.warehouse import Warehouse

    for number in range(12):
        arm, probability = (CHAMPION, CHALLENGER)[number % 2], (0.9, 0.25)[number % 3 == 0]
        ab_test.answer(arm, probability, id=f"film-{number}", minutes=number)
        ab_test.judge(f"film-{number}", "PNEUMONIA", minutes=number + 60)
    ab_test.create_views()
    trial = load(experiment(maturity=0, subgroups='["site"]'))
    warehouse = Warehouse(ab_test.workspace.sdk(), ab_test.workspace.warehouse_id)

    def made(as_of=None):
        views = WorkspaceViews(warehouse, ab_test.analysis, trial.subgroups)
        return decide(trial, splits(trial), views, as_of=as_of, environment=None).decision

    before = made()
    later = before.as_of + datetime.timedelta(days=1)
    for number in range(6):
        ab_test.describe(
            f"film-{number}", patient_key="a" * 64, site="north", recorded_at=later.isoformat()
        )
    ab_test.judge("film-1", "NORMAL", reader="reader-2", minutes=24 * 60)
    ab_test.answer(CHAMPION, 0.125, id="film-3", minutes=24 * 60)

    assert differences(before, made(before.as_of)) == []
    assert {*before.numbers["subgroups"]["site"]} == {""}
    assert {*made().numbers["subgroups"]["site"]} == {"", "north"}


def test_replayed_requests_are_not_of_the_test(ab_test: ABTestBed, experiment) -> None:
    from infra.declared.experiment import load, splits
    from ml.compare import decide
    from ml.workspace.warehouse import Warehouse

    ab_test.answer(CHAMPION, 0.9, id="film-1", minutes=1)
    ab_test.answer(CHALLENGER, 0.9, id="film-2", minutes=2)
    for number in range(5):
        ab_test.answer(CHALLENGER, 0.9, id=f"replay-film-{number}", minutes=3)
    ab_test.create_views()
    warehouse = Warehouse(ab_test.workspace.sdk(), ab_test.workspace.warehouse_id)
    trial = load(experiment(maturity=0))

    decision = decide(
        trial,
        splits(trial),
        WorkspaceViews(warehouse, ab_test.analysis, ()),
        as_of=None,
        environment=None,
    ).decision

    assert decision.numbers["challenger"]["requests"] == 1


class TestRecording:
    """`ml.compare --record`: the verdict goes into the table that alerts and the guard read."""

    @pytest.fixture
    def answered(self, ab_test: ABTestBed) -> ABTestBed:
        for number, (arm, outcome) in enumerate(
            (arm, outcome) for arm in COUNTS for outcome in ("TP", "TN")
        ):
            probability, truth = KINDS[outcome]
            ab_test.answer(arm, probability, id=f"film-{number}", minutes=number)
            ab_test.judge(f"film-{number}", truth, minutes=number + 60)
        ab_test.create_views()
        return ab_test

    def verdicts(self, ab_test: ABTestBed) -> list[dict[str, object]]:
        return ab_test.query(f"SELECT * FROM {VERDICTS.full_name(ab_test.analysis.catalog)}")

    def test_the_verdict_is_recorded_once_for_a_moment(
        self, answered: ABTestBed, watched: Path, experiment, run_main
    ) -> None:
        given = (experiment(maturity=1), "--environment", watched, "--no-report", "--record")
        # Analysts, who record, are granted no other of the watch's tables.
        measures = INPUT_MEASURES.full_name(answered.analysis.catalog)
        answered.workspace.rows(f"DROP TABLE {measures}")

        first, again = run_main("ml.compare", *given), run_main("ml.compare", *given)

        assert first.status == again.status == 0, first.err
        assert "Recorded" in first.out
        (row,) = self.verdicts(answered)
        assert (row["endpoint_name"], row["experiment"]) == ("ab-test", "trial")
        assert (row["champion"], row["challenger"]) == ("keras-1", "torch-2")
        assert (row["verdict"], row["labels"]) == ("INCONCLUSIVE", 4)

    def test_as_the_job_of_the_day_asks_for_it_it_is_recorded_and_no_file_written(
        self, answered: ABTestBed, watched: Path, experiment, run_main
    ) -> None:
        given = (experiment(maturity=1), "--environment", watched, "--record", "--no-files")
        folder = watched.parent
        before = {*folder.rglob("*")}

        done = run_main("ml.compare", *given, cwd=folder)

        assert done.status == 0, done.err
        assert [it["verdict"] for it in self.verdicts(answered)] == ["INCONCLUSIVE"]
        assert {*folder.rglob("*")} == before

    def test_no_files_and_a_folder_for_them_are_refused_before_anything(
        self, watched: Path, experiment, run_main
    ) -> None:
        given = (experiment(), "--environment", watched, "--no-files", "--output", "out")

        done = run_main("ml.compare", *given)

        assert (done.status, "--no-files writes nothing" in done.err) == (1, True)

    def test_without_the_option_nothing_is_recorded(
        self, answered: ABTestBed, watched: Path, experiment, run_main
    ) -> None:
        given = (experiment(maturity=1), "--environment", watched, "--no-report")

        assert run_main("ml.compare", *given).status == 0

        assert self.verdicts(answered) == []

    def test_a_verdict_on_a_file_is_none_of_an_environment(
        self, watched: Path, experiment, log, run_main
    ) -> None:
        log.film(CHAMPION, 0.9, "PNEUMONIA")
        given = (experiment(), "--environment", watched, "--data", log.parquet(), "--record")

        done = run_main("ml.compare", *given)

        assert done.status == 1
        assert "--record: a verdict on a file is none of an environment" in done.err

    def test_an_environment_that_is_not_watched_says_so_and_the_decision_stays(
        self, answered: ABTestBed, watched: Path, experiment, tmp_path: Path, run_main
    ) -> None:
        answered.workspace.rows(f"DROP TABLE {VERDICTS.full_name(answered.analysis.catalog)}")
        given = (experiment(maturity=1), "--environment", watched, "--no-report", "--record")

        done = run_main("ml.compare", *given, "--output", tmp_path / "out")

        assert done.status == 1
        assert "Write [monitoring] into clinic.toml" in done.err
        assert (tmp_path / "out" / "decision.json").is_file()

"""`python -m ml.compare`: what it writes, and what it refuses."""

from __future__ import annotations

import json
import re

import pytest

from tests.ml.verdict.log import CHALLENGER, CHAMPION


@pytest.fixture
def some_films(log):
    log.films(CHAMPION, {"TP": 40, "FN": 10, "TN": 40, "FP": 10})
    log.films(CHALLENGER, {"TP": 45, "FN": 5, "TN": 40, "FP": 10})
    return log


@pytest.mark.programs
def test_the_same_rows_give_the_same_bytes(some_films, experiment, command, run_command, tmp_path):
    """In another process, with other hashes of its texts, as well."""
    trial = experiment(maturity=0)
    here, there = command(trial), tmp_path / "there"

    given = (trial, "--data", here.parent / "rows.parquet", "--output", there)
    ended = run_command("-m", "ml.compare", *given, cwd=tmp_path, PYTHONHASHSEED="7")

    assert ended.status == 0, ended.err
    for name in ("decision.json", "report.html"):
        assert (here / name).read_bytes() == (there / name).read_bytes()


def test_the_order_of_the_rows_changes_no_number(some_films, experiment, compare):
    trial = experiment(maturity=0)
    first = compare(trial)
    some_films.rows.reverse()
    second = compare(trial)

    assert first.numbers == second.numbers
    assert first.data.digest == second.data.digest
    assert first.data.origin["sha256"] != second.data.origin["sha256"]


def test_other_rows_have_another_digest(some_films, experiment, compare):
    trial = experiment(maturity=0)
    first = compare(trial)
    some_films.film(CHAMPION, 0.9, "PNEUMONIA")

    assert compare(trial).data.digest != first.data.digest


def test_the_decision_names_everything_it_rests_on(some_films, experiment, compare):
    from infra.declared.experiment import load

    trial = experiment(maturity=0)
    decision = compare(trial)

    assert decision.experiment.digest == load(trial).digest
    assert (decision.champion.served_entity, decision.champion.version) == (CHAMPION, 1)
    assert (decision.challenger.served_entity, decision.challenger.version) == (CHALLENGER, 2)
    assert re.fullmatch("[0-9a-f]{64}", decision.data.digest)
    assert re.fullmatch("[0-9a-f]{64}", decision.data.query_digest)
    assert decision.software["ville"] == "0.1.0"
    assert decision.splits[0]["challenger"] == 50


def test_every_figure_has_an_n_and_an_interval_around_it(some_films, experiment, compare):
    decision = compare(experiment(maturity=0))

    figures = [
        *decision.numbers["gains"].values(),
        *decision.numbers["champion"]["figures"].values(),
        *decision.numbers["challenger"]["figures"].values(),
    ]
    for figure in filter(None, figures):
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert figure["n"] > 0


def test_the_report_needs_nothing_but_itself(some_films, experiment, command):
    page = (command(experiment(maturity=0)) / "report.html").read_text()

    # Intervals of sensitivity and specificity, ROC, calibration, traffic, verification.
    assert page.count("<svg") == 6
    loaded = re.findall(r'(?:src|href)="(?!#)([^"]*)"', page)
    assert not [address for address in loaded if not address.startswith("#")]
    assert "<script" not in page
    assert "Not a medical device" in page


def test_people_read_which_benefit_was_declared(some_films, experiment, command, capsys):
    folder = command(experiment(maturity=0, benefit="it needs <half> the time"))

    declared = "a benefit was declared before the test"
    assert f"yes {declared}: it needs <half> the time" in capsys.readouterr().out
    row = f"{declared}</th>.*>yes</td><td>it needs &lt;half&gt; the time</td>"
    assert re.search(row, (folder / "report.html").read_text())


def test_it_says_how_many_more_labels_it_takes(some_films, experiment, command, capsys):
    command(experiment(maturity=0), "--no-report")

    assert "more labels" in capsys.readouterr().out


def test_a_broken_split_is_not_mended_by_labels(some_films, experiment, command, capsys):
    some_films.films(CHAMPION, {"TP": 400})
    command(experiment(maturity=0), "--no-report")

    shown = capsys.readouterr().out
    assert "sample-ratio mismatch" in shown
    assert "more labels" not in shown


def test_what_is_in_the_rows_is_not_markup(log, experiment, command):
    log.film(CHAMPION, 0.9, "PNEUMONIA", site="<script>alert(1)</script>")
    log.film(CHALLENGER, 0.9, "PNEUMONIA", site="[bold]x")

    folder = command(experiment(maturity=0, subgroups='["site"]'))

    assert "<script" not in (folder / "report.html").read_text()


def test_a_decision_written_by_hand_is_no_decision(tmp_path):
    from ml.contract.decision import Decision
    from ml.contract.errors import UserError

    file = tmp_path / "decision.json"
    file.write_text(json.dumps({"verdict": "PROMOTE"}))

    with pytest.raises(UserError, match=r"decision\.json: no decision.*experiment"):
        Decision.read(file)


def test_without_a_report_the_decision_is_the_same_and_no_older_report_stays(
    some_films, experiment, command, tmp_path, capsys
):
    from ml.compare import main

    trial = experiment(maturity=0)
    folder = command(trial)
    with_report = (folder / "decision.json").read_bytes()
    assert (folder / "report.html").exists()

    given = ("--data", str(some_films.parquet()), "--no-report", "--output", str(folder))
    assert main([str(trial), *given]) == 0

    assert (folder / "decision.json").read_bytes() == with_report
    assert not (folder / "report.html").exists()
    assert "report.html" not in capsys.readouterr().out.splitlines()[-1]


class TestVerification:
    def verified(self, log, trial, decision) -> int:
        from ml.compare import main

        return main([str(trial), "--data", str(log.parquet()), "--verify", str(decision)])

    def test_a_decision_that_the_data_give_is_confirmed(
        self, some_films, experiment, command, capsys
    ):
        trial = experiment(maturity=0)
        decision = command(trial, "--no-report") / "decision.json"

        assert self.verified(some_films, trial, decision) == 0
        assert "what the data say: INCONCLUSIVE" in capsys.readouterr().out

    def test_one_that_was_edited_is_not(self, some_films, experiment, command, capsys):
        trial = experiment(maturity=0)
        decision = command(trial, "--no-report") / "decision.json"
        decision.write_text(decision.read_text().replace("INCONCLUSIVE", "PROMOTE"))

        assert self.verified(some_films, trial, decision) == 1
        assert "verdict: 'PROMOTE' is written, 'INCONCLUSIVE' is found" in capsys.readouterr().out

    def test_nor_is_one_of_another_experiment(self, some_films, experiment, command, capsys):
        decision = command(experiment(maturity=0), "--no-report") / "decision.json"

        assert self.verified(some_films, experiment(maturity=0, minimum=21), decision) == 1
        assert "experiment.digest" in capsys.readouterr().out

    def test_nor_one_of_other_rows(self, some_films, experiment, command, capsys):
        trial = experiment(maturity=0)
        decision = command(trial, "--no-report") / "decision.json"
        some_films.rows[0]["ground_truth"] = "NORMAL"

        assert self.verified(some_films, trial, decision) == 1
        assert "data.digest" in capsys.readouterr().out


class TestRefusals:
    def test_a_file_that_is_not_there(self, experiment, run_main, tmp_path):
        ended = run_main("ml.compare", experiment(), "--data", tmp_path / "none.parquet")

        assert (ended.status, ended.out.count("Traceback")) == (1, 0)
        assert "none.parquet: there is no such file" in ended.err

    def test_a_file_that_is_no_parquet(self, experiment, run_main, tmp_path):
        file = tmp_path / "rows.parquet"
        file.write_text("prediction_id,arm\n")

        ended = run_main("ml.compare", experiment(), "--data", file)

        assert ended.status == 1
        assert "rows.parquet: is no Parquet file, or not all of one" in ended.err
        assert "Traceback" not in ended.err

    @pytest.mark.programs
    def test_an_experiment_with_problems(self, run_command, tmp_path):
        """As its user runs it: a process of its own."""
        file = tmp_path / "trial.toml"
        file.write_text('primary_metric = "sensitivty"\n')

        ended = run_command("-m", "ml.compare", file, cwd=tmp_path)

        assert ended.status == 1
        assert "trial.toml: primary_metric" in ended.err
        assert "write 'sensitivity'" in ended.err
        assert "Traceback" not in ended.err


class TestRefusedRows:
    def refused(self, compare, trial):
        from ml.contract.errors import UserError

        with pytest.raises(UserError) as refusal:
            compare(trial)
        return str(refusal.value)

    def test_a_column_that_is_missing(self, some_films, experiment, compare):
        for row in some_films.rows:
            del row["arm"]

        assert "no column arm" in self.refused(compare, experiment())

    def test_a_subgroup_that_no_row_has(self, log, experiment, compare):
        log.film(CHAMPION, 0.9)

        assert "no column site" in self.refused(compare, experiment(subgroups='["site"]'))

    def test_a_column_of_another_type(self, some_films, experiment, compare):
        for row in some_films.rows:
            row["probability"] = "high"

        assert "cannot be read as labelled rows" in self.refused(compare, experiment())

    def test_a_probability_beyond_one(self, some_films, experiment, compare):
        some_films.film(CHAMPION, 1.5)

        assert "1 rows: probability is no number from 0 to 1" in self.refused(compare, experiment())

    def test_a_sampling_probability_below_the_experiments(self, some_films, experiment, compare):
        some_films.film(CHAMPION, 0.1, "NORMAL", sampling_probability=0.05)

        assert "below the experiment's audit_share (0.2)" in self.refused(
            compare, experiment(audit=0.2)
        )

    def test_no_row_of_the_experiment(self, log, experiment, compare):
        log.film(CHAMPION, 0.9, "PNEUMONIA", hours=-10)

        assert "no row since 2026-03-02" in self.refused(compare, experiment())

"""Answers that only a client's journal knows: counted, bounded, and stopping the verdict."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ml.contract.errors import UserError
from ml.prediction.journal import Journal, Prediction, Sent
from ml.verdict.counting.counts import WorkspaceViews
from ml.verdict.counting.journals import UNLOGGED, Journals
from ml.verdict.counting.labelled_file import labelled_file
from tests.ml.verdict.log import CHALLENGER, CHAMPION, START

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.ab_test import ABTestBed

HOST = "https://clinic.example"
TARGET = f"{HOST}/serving-endpoints/ab-test/invocations"

ENVIRONMENT = """
catalog = "sandbox"
[workspace]
host = "https://clinic.example"
[ab_test]
endpoint = "ab-test"
[ab_test.champion]
model = "keras"
version = 1
[[ab_test.challengers]]
model = "torch"
version = 2
traffic = 50
"""


class Client:
    """Writes a journal as `ml.client` does."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def sends(self, request_id: str, **when: Any) -> None:
        with Journal(self.file) as journal:
            self._sends(journal, request_id, **when)

    def is_answered(
        self, request_id: str, arm: str = CHAMPION, probability: float = 0.9, **sent: Any
    ) -> None:
        with Journal(self.file) as journal:
            request = self._sends(journal, request_id, **sent)
            journal.answered(
                Prediction(
                    **vars(request),
                    answered_at=request.sent_at + timedelta(seconds=1),
                    arm=arm,
                    probability=probability,
                    databricks_request_id=f"databricks-{request_id}",
                )
            )

    def _sends(
        self, journal: Journal, request_id: str, *, hours: float = 1, target: str = TARGET
    ) -> Sent:
        sent = Sent(request_id=request_id, image_id="film", sent_at=START + timedelta(hours=hours))
        journal.sending(target, sent)
        return sent


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """A client whose journal is still empty."""
    return Client(tmp_path / "predictions.db")


@pytest.fixture
def logged(log, client):
    """A hundred films of each arm in ten days, of which the client sent the first."""
    log.films(CHAMPION, {"TP": 40, "FN": 10, "TN": 40, "FP": 10})
    log.films(CHALLENGER, {"TP": 45, "FN": 5, "TN": 40, "FP": 10})
    log.end(480)
    client.is_answered("request-000000")
    return log


@pytest.fixture
def decided(logged, experiment) -> Callable[..., Any]:
    """The decision on the log and journals."""

    def decide(*journals: Path, maturity: int = 24, host: str | None = HOST):
        from infra.declared.experiment import load, splits
        from ml.compare import decide

        trial = load(experiment(maturity=maturity))
        return decide(
            trial,
            splits(trial),
            labelled_file(logged.parquet(), ()),
            as_of=None,
            environment=None,
            journals=Journals(journals, "ab-test", host) if journals else None,
        ).decision

    return decide


def unlogged(decision) -> int:
    return decision.numbers["journals"][UNLOGGED]


def finding(decision):
    return next(
        it for it in decision.findings if it.condition == "answers have their row in the log"
    )


class TestAnAnswer:
    def test_that_the_log_has_is_no_orphan(self, client, decided):
        assert decided(client.file).numbers["journals"] == {
            "answers": 1,
            UNLOGGED: 0,
            "by arm": {},
        }

    def test_that_the_log_does_not_have_is_counted_by_its_arm(self, client, decided):
        client.is_answered("never-logged", CHALLENGER)

        assert decided(client.file).numbers["journals"] == {
            "answers": 2,
            UNLOGGED: 1,
            "by arm": {CHALLENGER: 1},
        }

    def test_that_a_reader_has_judged_is_one_nevertheless(self, logged, client, decided):
        client.is_answered("never-logged")
        logged.rows.append(
            {
                "prediction_id": "never-logged",
                "ground_truth": "PNEUMONIA",
                "decided_at": START + timedelta(hours=5),
            }
        )

        assert unlogged(decided(client.file)) == 1

    def test_that_was_too_large_for_the_log_is_none(self, logged, client, decided):
        client.is_answered("large")
        logged.film(CHAMPION, None, hours=1, prediction_id="databricks-large")

        assert unlogged(decided(client.file)) == 0

    @pytest.mark.parametrize(("hours", "counted"), [(480 - 24 - 1, 1), (480 - 24 + 1, 0)])
    def test_counts_from_the_age_at_which_labels_are_mature(self, client, decided, hours, counted):
        client.is_answered("never-logged", hours=hours)

        assert unlogged(decided(client.file, maturity=24)) == counted

    def test_from_before_the_experiment_does_not_count(self, client, decided):
        client.is_answered("never-logged", hours=-1)

        assert unlogged(decided(client.file)) == 0

    def test_of_an_arm_that_is_not_compared_does_not_count(self, client, decided):
        client.is_answered("never-logged", "torch-3")

        assert unlogged(decided(client.file)) == 0

    def test_whose_arm_the_client_does_not_know_counts(self, client, decided):
        client.is_answered("never-logged", "")

        assert decided(client.file).numbers["journals"]["by arm"] == {"arm not known": 1}

    def test_of_a_client_that_named_its_arm_does_not_count(self, client, decided):
        client.is_answered(
            "never-logged", target=TARGET.replace("ab-test", f"ab-test/served-models/{CHAMPION}")
        )

        assert unlogged(decided(client.file)) == 0

    def test_of_another_endpoint_does_not_count(self, client, decided):
        client.is_answered("never-logged", target=TARGET.replace("ab-test", "other"))

        assert unlogged(decided(client.file)) == 0

    def test_of_another_workspace_does_not_count(self, client, decided):
        client.is_answered("never-logged", target=TARGET.replace("clinic", "sandbox"))

        assert unlogged(decided(client.file)) == 0

    def test_to_a_replayed_film_does_not_count(self, client, decided):
        client.is_answered("replay-film")

        assert unlogged(decided(client.file)) == 0

    def test_that_never_came_does_not_count(self, client, decided):
        client.sends("never-answered")

        assert decided(client.file).numbers["journals"]["answers"] == 1

    def test_that_two_journals_have_counts_once(self, client, decided, tmp_path):
        other = Client(tmp_path / "other.db")
        for it in (client, other):
            it.is_answered("never-logged")

        assert unlogged(decided(client.file, other.file)) == 1


class TestTooManyOfThem:
    @pytest.mark.parametrize(("lost", "stops"), [(1, False), (2, True)])
    def test_stop_the_verdict_beyond_the_tolerance(self, client, decided, lost, stops):
        """Of 50 answers, 2 percent is one."""
        for number in range(1, 50 - lost):
            client.is_answered(f"request-{number:06}")
        for number in range(lost):
            client.is_answered(f"never-logged-{number}")

        decision = decided(client.file)

        assert finding(decision).holds is not stops
        assert f"{lost} {UNLOGGED}, beside {50 - lost} that are whole" in finding(decision).because
        assert ("The test stops" in decision.reason) is stops

    @pytest.mark.parametrize("probability", [0.1, 0.9])
    def test_move_the_worst_and_the_best_that_an_arm_could_be(self, client, decided, probability):
        before = decided(client.file).numbers["bounds of the estimates"]["sensitivity"]
        client.is_answered("never-logged", CHALLENGER, probability)
        after = decided(client.file).numbers["bounds of the estimates"]["sensitivity"]

        # Called NORMAL, it may be one that the challenger missed; called PNEUMONIA, one it found.
        assert (after["low"] < before["low"]) is (probability < 0.5)
        assert (after["high"] > before["high"]) is (probability > 0.5)


class TestTheBytes:
    def test_without_journals_say_that_none_was_given(self, decided):
        decision = decided()

        assert decision.data.origin["journals"] == "none given"
        assert "journals" not in decision.numbers
        assert "row in the log" not in decision.text()

    def test_are_the_same_for_the_same_answers_in_other_files(self, client, decided, tmp_path):
        one, other = Client(tmp_path / "one.db"), Client(tmp_path / "other.db")
        for number, to in enumerate([one, other, one]):
            client.is_answered(f"never-logged-{number}")
            to.is_answered(f"never-logged-{number}")
        other.is_answered("request-000000")

        assert decided(other.file, one.file).text() == decided(client.file).text()

    def test_stay_the_same_when_the_journal_grows(self, client, decided):
        before = decided(client.file).text()
        client.is_answered("later", hours=475)
        client.is_answered("elsewhere", target=TARGET.replace("ab-test", "other"))

        assert decided(client.file).text() == before

    def test_are_others_for_other_answers(self, client, decided):
        before = decided(client.file).data.origin["journals"]
        client.is_answered("request-000001", probability=0.25)

        assert decided(client.file).data.origin["journals"] != before


class TestTheAnswersThatAreKeptBesideADecision:
    def kept(self, folder: Path, client: Client, experiment: Path) -> Path:
        from infra.declared.experiment import load
        from ml.compare import decide

        trial = load(experiment)
        found = decide(
            trial,
            [trial.split],
            labelled_file(folder / "rows.parquet", ()),
            as_of=None,
            environment=None,
            journals=Journals([client.file], "ab-test", HOST),
        )
        file = folder / "journal.csv"
        file.write_text(found.tally.journaled.text())
        return file

    @pytest.mark.parametrize("hours", [1, 479], ids=["mature", "too young"])
    def test_give_the_decision_that_the_journal_gave(self, experiment, decided, tmp_path, hours):
        client = Client(tmp_path / "other.db")
        client.is_answered("never-logged", CHALLENGER, 0.1 + 0.2, hours=hours)
        before = decided(client.file).text()
        kept = self.kept(tmp_path, client, experiment())

        assert decided(kept).text() == before

    def test_give_it_after_a_tool_of_windows_has_saved_them(self, experiment, decided, tmp_path):
        client = Client(tmp_path / "other.db")
        client.is_answered("never-logged", CHALLENGER)
        before = decided(client.file).text()
        kept = self.kept(tmp_path, client, experiment())
        file = tmp_path / "JOURNAL.CSV"
        file.write_text("\ufeff" + kept.read_text(), newline="\r\n")

        assert decided(file).text() == before

    def test_are_refused_in_utf_16(self, tmp_path):
        file = tmp_path / "journal.csv"
        file.write_text("request_id,target\n", encoding="utf-16")

        with pytest.raises(UserError, match=r"--journal .*journal\.csv.* is text in UTF-16"):
            Journals([file], "ab-test", HOST)

    def test_are_refused_where_they_are_something_else(self, tmp_path):
        file = tmp_path / "journal.csv"
        file.write_text("film\nfilm-1\n")

        with pytest.raises(UserError, match=r"journal\.csv: cannot be read as the answers of a j"):
            Journals([file], "ab-test", HOST)


class TestTheJournal:
    def test_is_read_while_a_client_writes_it(self, client, decided):
        with Journal(client.file):
            client.is_answered("never-logged")

            assert unlogged(decided(client.file)) == 1

    def test_is_left_as_it_was(self, client, decided):
        before = client.file.read_bytes()

        decided(client.file)

        assert client.file.read_bytes() == before
        assert not list(client.file.parent.glob("predictions.db-*"))


class TestARefusal:
    def refused(self, *files: Path, host: str | None = HOST) -> str:
        with pytest.raises(UserError) as refusal:
            Journals(files, "ab-test", host)
        return str(refusal.value)

    def test_names_a_journal_that_is_not_there(self, tmp_path):
        assert "none.db: there is no such journal" in self.refused(tmp_path / "none.db")
        assert not (tmp_path / "none.db").exists()

    def test_names_a_file_that_is_no_journal(self, tmp_path):
        file = tmp_path / "answers.db"
        file.write_text("film,probability\n" * 100)

        said = self.refused(file)

        assert "answers.db: cannot be read as a journal: file is not a database" in said
        assert "python -m ml.predict" in said

    def test_names_a_database_that_is_no_journal(self, tmp_path):
        file = tmp_path / "answers.db"
        with sqlite3.connect(file) as database:
            database.execute("CREATE TABLE answer (film)")

        assert "no such table: request" in self.refused(file)

    def test_of_a_journal_of_other_endpoints_names_them(self, client):
        client.is_answered("elsewhere", target=TARGET.replace("ab-test", "other"))

        said = self.refused(client.file)

        assert f"no answer of {TARGET}" in said
        assert "https://clinic.example/serving-endpoints/other/invocations" in said

    def test_of_several_workspaces_asks_which(self, client):
        client.is_answered("here")
        client.is_answered("there", target=TARGET.replace("clinic", "sandbox"))

        said = self.refused(client.file, host=None)

        assert "several workspaces: https://clinic.example" in said
        assert "[workspace] host" in said


def test_the_command_names_them_where_people_and_machines_read(
    logged, client, experiment, command, tmp_path, capsys
):
    environment = tmp_path / "sandbox.toml"
    environment.write_text(ENVIRONMENT)
    client.is_answered("never-logged")

    folder = command(experiment(), "--journal", str(client.file), "--environment", str(environment))

    shown, page = capsys.readouterr().out, (folder / "report.html").read_text()
    origin = json.loads((folder / "decision.json").read_text())["data"]["origin"]
    assert origin["journals"].startswith("2 answers, SHA-256 ")
    for text in (" ".join(shown.split()), page):
        assert UNLOGGED.replace("'", "&#39;" if text is page else "'") in text
        assert "1 of 2 that journals know" in text
    assert origin["journals"] in page


def test_a_workspace_says_the_same_of_its_inference_table(
    ab_test: ABTestBed,
    client: Client,
    experiment,
) -> None:
    from infra.declared.experiment import load, splits
    from ml.compare import decide
    from ml.workspace.warehouse import Warehouse

    for number, arm in enumerate([CHAMPION, CHALLENGER] * 5):
        ab_test.answer(arm, 0.9, id=f"film-{number}", minutes=number)
        client.is_answered(f"film-{number}", arm, hours=12 + number / 60)
    client.is_answered("lost", CHALLENGER, hours=12.1)
    ab_test.judge("lost", "PNEUMONIA")
    ab_test.create_views()
    trial = load(experiment(maturity=0))

    decision = decide(
        trial,
        splits(trial),
        WorkspaceViews(
            Warehouse(ab_test.workspace.sdk(), ab_test.workspace.warehouse_id), ab_test.analysis, ()
        ),
        as_of=None,
        environment=None,
        journals=Journals([client.file], "ab-test", HOST),
    ).decision

    assert decision.numbers["journals"] == {"answers": 11, UNLOGGED: 1, "by arm": {CHALLENGER: 1}}
    assert decision.numbers["rows"]["verdicts whose prediction is not in the log"] == 1

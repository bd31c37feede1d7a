"""`verify`: the decision made again by `python -m ml.compare`, from real rows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from infra.rollout.environment_file import EnvironmentFile
from infra.rollout.evidence import Evidence, record_of
from infra.rollout.promote import promote
from infra.rollout.refusal import Refused
from infra.rollout.verify import Move, evidence_of, moves
from infra.rollout.verify import verify as as_the_command_does
from ml.contract.decision import Verdict
from ml.prediction.journal import Journal, Prediction, Sent
from tests.infra.rollout.trial import EXPERIMENT

ROOT = Path(__file__).resolve().parents[3]
Write = Callable[..., Path]

# The last film is of yesterday: the command asks the clock how old a decision is.
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=15)

# Pneumonia that keras-1 finds 4 of 5 times and torch-2 always: 2,000 films of each arm, in 14 days.
ROWS = """
COPY (
  SELECT 'request-' || film || '-' || arm AS prediction_id,
         TIMESTAMPTZ '{start}' + INTERVAL (10 * film) MINUTE AS request_time,
         arm,
         CASE WHEN film % 2 = 0 AND (arm = 'torch-2' OR film % 10 > 1) THEN 0.9 ELSE 0.1 END
           AS probability,
         CASE WHEN film % 2 = 0 THEN 'PNEUMONIA' ELSE 'NORMAL' END AS ground_truth,
         'reader-1' AS radiologist_id,
         TIMESTAMPTZ '{start}' + INTERVAL 1 HOUR + INTERVAL (10 * film) MINUTE AS decided_at
  FROM range(2000) AS films(film), (VALUES ('keras-1'), ('torch-2')) AS arms(arm)
) TO '{file}' (FORMAT parquet)
"""


def in_this_process(command: Sequence[str]) -> None:
    """What `verify` starts as a process, whose imports take longer than its work."""
    module, *arguments = command
    assert import_module(module).main(arguments) == 0


def decide(module: str, *arguments: object, output: Path) -> None:
    in_this_process([module, *map(str, arguments), "--no-report", "--output", str(output)])


verify = partial(as_the_command_does, start=in_this_process)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import duckdb

    file = tmp_path_factory.mktemp("rows") / "labelled.parquet"
    duckdb.sql(ROWS.format(file=file, start=START.isoformat()))
    return file


@pytest.fixture(scope="module")
def compared(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An experiment and the decision on it, as the command writes it."""
    folder = tmp_path_factory.mktemp("compared")
    experiment = folder / "trial.toml"
    experiment.write_text(EXPERIMENT.replace("2026-03-02T00:00:00Z", START.isoformat()))
    decide("ml.compare", experiment, "--data", rows, output=folder)
    return experiment, folder / "decision.json"


def answer(journal: Path, request_id: str) -> None:
    """A client of the endpoint that the environment declares has been answered."""
    sent = Sent(request_id=request_id, image_id="film", sent_at=START + timedelta(hours=1))
    target = "https://clinic.example/serving-endpoints/ab/invocations"
    with Journal(journal) as opened:
        opened.sending(target, sent)
        opened.answered(
            Prediction(
                **vars(sent),
                answered_at=sent.sent_at,
                arm="keras-1",
                probability=0.9,
                databricks_request_id="",
            )
        )


@pytest.fixture
def journaled(
    compared: tuple[Path, Path], rows: Path, environment: Write, tmp_path: Path
) -> tuple[Path, Path]:
    """The experiment, and the decision on its rows with the journal of a client."""
    experiment, _ = compared
    journal = tmp_path / "predictions.db"
    answer(journal, "request-0-keras-1")
    given = ("--data", rows, "--journal", journal, "--environment", environment(50))
    decide("ml.compare", experiment, *given, output=tmp_path)
    return experiment, tmp_path / "decision.json"


def replay(folder: Path, experiment: str, probabilities: Callable[[int], str]) -> tuple[Path, Path]:
    """An experiment and the decision on the answers to films, every second one with pneumonia."""
    file = folder / "trial.toml"
    file.write_text(experiment)
    rows = [
        f"film-{film},{'NORMAL' if film % 2 else 'PNEUMONIA'},1.0,{probabilities(film)}"
        for film in range(600)
    ]
    head = "film,ground_truth,sampling_probability,champion,challenger"
    (folder / "answers.csv").write_text("\n".join([head, *rows, ""]))
    decide("ml.replay", file, "--answers", folder / "answers.csv", output=folder)
    return file, folder / "decision.json"


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A challenger that finds more."""
    return replay(
        tmp_path_factory.mktemp("replayed"),
        EXPERIMENT,
        lambda film: f"{0.1 if film % 2 or film % 10 == 0 else 0.9},{0.1 if film % 2 else 0.9}",
    )


@pytest.fixture(scope="module")
def replayed_for_a_benefit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A challenger that calls every film as the champion does, and is faster."""
    return replay(
        tmp_path_factory.mktemp("benefit"),
        f'benefit = "it is faster"\n{EXPERIMENT}',
        lambda film: "0.1,0.1" if film % 2 else "0.9,0.9",
    )


class TestADecision:
    def test_that_the_rows_confirm_is_verified(
        self, compared: tuple[Path, Path], rows: Path, environment: Write
    ) -> None:
        experiment, decision = compared

        done = verify(Evidence.read(decision), environment(50), experiment=experiment, data=rows)

        assert done.software == {}

    def test_that_was_changed_by_hand_is_refused_with_what_is_different(
        self, compared: tuple[Path, Path], rows: Path, environment: Write, tmp_path: Path
    ) -> None:
        experiment, decision = compared
        made = Evidence.read(decision).decision
        other = next(it for it in Verdict if it is not made.verdict)
        forged = tmp_path / "forged.json"
        forged.write_text(made.model_copy(update={"verdict": other}).text())

        with pytest.raises(
            Refused, match=f"verdict: '{other}' is written, '{made.verdict}' is found"
        ):
            verify(Evidence.read(forged), environment(50), experiment=experiment, data=rows)

    def test_about_other_rows_is_refused(
        self, compared: tuple[Path, Path], rows: Path, environment: Write, tmp_path: Path
    ) -> None:
        import duckdb

        experiment, decision = compared
        fewer = tmp_path / "labelled.parquet"
        duckdb.sql(
            f"COPY (SELECT * FROM '{rows}' WHERE prediction_id <> 'request-7-torch-2') "
            f"TO '{fewer}' (FORMAT parquet)"
        )

        with pytest.raises(Refused, match=r"data\.digest"):
            verify(Evidence.read(decision), environment(50), experiment=experiment, data=fewer)

    def test_made_from_a_file_needs_that_file(
        self, compared: tuple[Path, Path], environment: Write
    ) -> None:
        experiment, decision = compared

        with pytest.raises(Refused, match=r"labelled\.parquet.*verify --data FILE"):
            verify(Evidence.read(decision), environment(50), experiment=experiment)

    def test_made_from_a_database_is_verified_from_it_and_from_no_copy_of_its_rows(
        self, compared: tuple[Path, Path], rows: Path, environment: Write, tmp_path: Path
    ) -> None:
        import duckdb

        experiment, _ = compared
        database = tmp_path / "labelled.duckdb"
        with duckdb.connect(str(database)) as connection:
            connection.execute(f"CREATE TABLE labelled AS SELECT * FROM '{rows}'")
        decide("ml.compare", experiment, "--data", database, output=tmp_path)
        decision = Evidence.read(tmp_path / "decision.json")

        done = verify(decision, environment(50), experiment=experiment, data=database)

        assert done.software == {}
        with pytest.raises(Refused, match=r"data\.origin\.file"):
            verify(decision, environment(50), experiment=experiment, data=rows)

    def test_made_with_a_clients_journal_is_made_again_with_what_that_said_then(
        self, journaled: tuple[Path, Path], rows: Path, environment: Write
    ) -> None:
        experiment, decision = journaled
        answer(decision.with_name("predictions.db"), "request-2-keras-1")

        done = verify(Evidence.read(decision), environment(50), experiment=experiment, data=rows)

        assert done.software == {}

    def test_made_with_a_journal_that_was_changed_since_is_refused(
        self, journaled: tuple[Path, Path], rows: Path, environment: Write
    ) -> None:
        experiment, decision = journaled
        kept = decision.with_name("journal.csv")
        kept.write_text(kept.read_text().replace("request-0-keras-1", "request-2-keras-1"))

        with pytest.raises(Refused, match=r"data\.origin\.journals"):
            verify(Evidence.read(decision), environment(50), experiment=experiment, data=rows)

    def test_made_with_a_journal_of_which_nothing_is_left_is_refused(
        self, journaled: tuple[Path, Path], rows: Path, environment: Write
    ) -> None:
        experiment, decision = journaled
        decision.with_name("journal.csv").unlink()

        with pytest.raises(Refused, match=r"origin\.journals = 1 answers.*journal\.csv"):
            verify(Evidence.read(decision), environment(50), experiment=experiment, data=rows)

    @pytest.mark.programs
    def test_that_cannot_be_made_again_says_what_the_command_said(
        self, compared: tuple[Path, Path], environment: Write, tmp_path: Path
    ) -> None:
        experiment, decision = compared

        with pytest.raises(Refused, match=r"nowhere\.parquet"):
            as_the_command_does(
                Evidence.read(decision),
                environment(50),
                experiment=experiment,
                data=tmp_path / "nowhere.parquet",
            )


class TestAReplay:
    @pytest.mark.programs
    def test_is_judged_again_by_its_answers(
        self, replayed: tuple[Path, Path], environment: Write
    ) -> None:
        experiment, decision = replayed

        as_the_command_does(Evidence.read(decision), environment(50), experiment=experiment)

    def test_that_promotes_for_a_declared_benefit_is_judged_again(
        self, replayed_for_a_benefit: tuple[Path, Path], environment: Write
    ) -> None:
        experiment, decision = replayed_for_a_benefit

        done = promote(environment(20), decision, experiment=experiment)
        verified = verify(Evidence.read(done.record), environment(50), experiment=experiment)

        assert "rests on non-inferiority" in verified.evidence.decision.reason
        assert '"it is faster"' in verified.evidence.decision.reason

    def test_that_promotes_for_a_benefit_is_refused_where_none_is_declared(
        self, replayed_for_a_benefit: tuple[Path, Path], environment: Write, experiment: Path
    ) -> None:
        _, decision = replayed_for_a_benefit

        with pytest.raises(Refused, match=r"experiment\.digest"):
            verify(Evidence.read(decision), environment(50), experiment=experiment)

    def test_whose_answers_say_something_else_is_refused(
        self, replayed: tuple[Path, Path], environment: Write, tmp_path: Path
    ) -> None:
        experiment, decision = replayed
        forged = Path(shutil.copy(decision, tmp_path / "decision.json"))
        text = decision.with_name("answers.csv").read_text()
        answers = text.replace("film-2,PNEUMONIA,1.0,0.9,0.9", "film-2,PNEUMONIA,1.0,0.9,0.1")
        assert answers != text
        forged.with_name("answers.csv").write_text(answers)

        with pytest.raises(Refused, match=r"data\.digest"):
            verify(Evidence.read(forged), environment(50), experiment=experiment)


class TestAChange:
    def test_gives_traffic_where_a_challengers_share_grows(self, environment: Write) -> None:
        before = EnvironmentFile(environment(20)).environment
        after = EnvironmentFile(environment(50)).environment

        assert list(moves(before, after)) == [Move(served_entity="torch-2", before=20, after=50)]

    def test_gives_none_where_it_shrinks_or_a_new_version_enters(self, environment: Write) -> None:
        before = EnvironmentFile(environment(20)).environment
        entering = environment(50, ("version       = 2", "version       = 3"))

        assert list(moves(before, EnvironmentFile(environment(5)).environment)) == []
        assert list(moves(before, EnvironmentFile(entering).environment)) == []

    def test_that_swaps_the_roles_rests_on_the_decision_of_all_traffic(
        self, environment: Write
    ) -> None:
        file = EnvironmentFile(environment(100))
        before = file.environment
        file.swap_roles(0)

        assert list(moves(before, file.edited())) == [
            Move(served_entity="torch-2", before=100, after=100)
        ]

    def test_by_hand_has_no_decision_and_is_refused(self, environment: Write) -> None:
        before = EnvironmentFile(environment(20)).environment
        file = EnvironmentFile(environment(50))

        with pytest.raises(Refused, match="from 20 to 50 percent without a decision"):
            evidence_of(file, Move(served_entity="torch-2", before=20, after=50), before, "HEAD")

    def test_with_a_decision_that_is_old_by_now_is_refused(
        self, environment: Write, decide: Write
    ) -> None:
        before = EnvironmentFile(environment(20)).environment
        file = EnvironmentFile(environment(50))
        record = record_of(file.path, "torch-2", 50)
        record.parent.mkdir(parents=True)
        shutil.copy(decide(), record)

        with pytest.raises(Refused, match="stale"):
            evidence_of(file, Move(served_entity="torch-2", before=20, after=50), before, "HEAD")

    def test_of_two_steps_at_once_is_refused(self, environment: Write) -> None:
        before = EnvironmentFile(environment(5)).environment
        file = EnvironmentFile(environment(50))

        with pytest.raises(Refused, match="next step of the ramp is 20"):
            evidence_of(file, Move(served_entity="torch-2", before=5, after=50), before, "HEAD")


@pytest.mark.programs
class TestInAPullRequest:
    @pytest.fixture
    def repository(self, tmp_path: Path) -> Path:
        """This project with an experiment and an environment at 20 percent, committed as `main`."""
        root = tmp_path / "repository"
        for package in ("infra", "ml"):
            ignored = shutil.ignore_patterns("__pycache__", "*.npz")
            shutil.copytree(ROOT / package, root / package, ignore=ignored)
        return root

    def git(self, root: Path, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)

    def verify(
        self, root: Path, rows: Path, environment: str = "dev"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "infra.rollout", "verify", "--environment", environment),
                *("--base", "main", "--data", str(rows)),
            ],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )

    def test_a_promotion_is_verified_and_one_with_a_widened_margin_is_not(
        self,
        repository: Path,
        environment: Write,
        compared: tuple[Path, Path],
        rows: Path,
    ) -> None:
        experiment, decision = compared
        assert Evidence.read(decision).decision.verdict == "PROMOTE"
        committed = repository / "infra/experiments/trial.toml"
        committed.write_bytes(experiment.read_bytes())
        dev = repository / "infra/environments/dev.toml"
        dev.write_bytes(environment(20).read_bytes())
        self.git(repository, "init", "--quiet", "-b", "main")
        self.git(repository, "add", "infra/environments", "infra/experiments")
        self.git(repository, "commit", "--quiet", "-m", "Before")

        promote(dev, decision, experiment=committed)
        verified = self.verify(repository, rows)
        committed.write_text(
            committed.read_text().replace("specificity = 0.05", "specificity = 0.3")
        )
        refused = self.verify(repository, rows)

        shutil.copy(dev, dev.with_name("new.toml"))
        entering = self.verify(repository, rows, "new")

        # As CI does it: the code of the base, the file of the change.
        self.git(repository, "clone", "--quiet", ".", "../change")
        change = repository.parent / "change"
        shutil.copytree(dev.parent, change / "infra/environments", dirs_exist_ok=True)
        moved = change / "infra/environments/dev.toml"
        committed.write_bytes(experiment.read_bytes())
        from_the_base = self.verify(repository, rows, str(moved))
        widened = change / "infra/experiments/trial.toml"
        widened.write_text(widened.read_text().replace("specificity = 0.05", "specificity = 0.3"))
        with_another_rule = self.verify(repository, rows, str(moved))

        assert from_the_base.returncode == 0, from_the_base.stderr
        assert "verified: PROMOTE for torch-2 against keras-1" in from_the_base.stdout
        assert with_another_rule.returncode == 1
        assert "does not change the rule it moves by" in with_another_rule.stderr
        assert entering.returncode == 0, entering.stderr
        assert "nothing is to verify" in entering.stdout
        assert verified.returncode == 0, verified.stderr
        assert "verified: PROMOTE for torch-2 against keras-1" in verified.stdout
        assert refused.returncode == 1
        assert "experiment" in refused.stderr
        assert "Traceback" not in refused.stderr

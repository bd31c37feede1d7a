"""`promote`: one step up the ramp, by a decision that fits."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.declared.environment import load
from infra.rollout.__main__ import main
from infra.rollout.promote import promote
from infra.rollout.refusal import Refused
from ml.contract.errors import UserError
from tests.infra.rollout.trial import AS_OF, EXPERIMENT, NOW

Write = Callable[..., Path]


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 5), (5, 20), (10, 20), (20, 50)])
def test_the_challenger_gets_the_next_share(
    environment: Write, decide: Write, experiment: Path, before: int, after: int
) -> None:
    file = environment(before)
    decision = decide(champion=100 - before, challenger=before)

    done = promote(file, decision, experiment=experiment, now=NOW)

    assert done.percent == after
    assert load(file).ab_test.challengers[0].traffic == after
    assert f"-traffic       = {before} " in done.difference
    assert f"+traffic       = {after} " in done.difference


def test_the_decision_is_kept_beside_the_file_as_it_is(
    environment: Write, decide: Write, experiment: Path
) -> None:
    file, decision = environment(20), decide()

    done = promote(file, decision, experiment=experiment, now=NOW)

    assert done.record == file.parent / "decisions" / "dev" / "torch-2-50.json"
    assert done.record.read_bytes() == decision.read_bytes()


class TestAfterAllTraffic:
    @pytest.fixture
    def at_the_top(self, environment: Write, decide: Write, experiment: Path) -> tuple[Path, Path]:
        file, decision = environment(50), decide(champion=50, challenger=50)
        promote(file, decision, experiment=experiment, now=NOW)
        return file, decision

    def test_the_next_promotion_swaps_the_roles(
        self, at_the_top: tuple[Path, Path], experiment: Path
    ) -> None:
        file, decision = at_the_top
        assert load(file).ab_test.challengers[0].traffic == 100

        done = promote(file, decision, experiment=experiment, now=NOW + timedelta(days=30))

        test = load(file).ab_test
        assert done.swapped
        assert test.champion.served_entity_name == "torch-2"
        assert (test.challengers[0].served_entity_name, test.challengers[0].traffic) == (
            "keras-1",
            0,
        )

    def test_after_the_swap_nothing_is_left_to_promote(
        self, at_the_top: tuple[Path, Path], experiment: Path
    ) -> None:
        file, decision = at_the_top
        promote(file, decision, experiment=experiment, now=NOW)

        with pytest.raises(Refused, match=r"torch-2 is the champion of dev\.toml already"):
            promote(file, decision, experiment=experiment, now=NOW)

    def test_all_traffic_by_hand_needs_a_fresh_decision(
        self, environment: Write, decide: Write, experiment: Path
    ) -> None:
        with pytest.raises(Refused, match="stale"):
            promote(environment(100), decide(), experiment=experiment, now=NOW + timedelta(days=30))


class TestRefusal:
    @pytest.fixture
    def refused(self, environment: Write, decide: Write, experiment: Path) -> Callable[..., str]:
        """The message of a refusal, after which nothing is written."""

        def refused(file: Path | None = None, now: datetime = NOW, **fields: object) -> str:
            path = file or environment(20)
            before = path.read_bytes()
            with pytest.raises(Refused) as refusal:
                promote(path, decide(**fields), experiment=experiment, now=now)
            assert path.read_bytes() == before
            assert not (path.parent / "decisions").exists()
            return str(refusal.value)

        return refused

    @pytest.mark.parametrize(
        ("verdict", "way_out"),
        [
            ("INCONCLUSIVE", "wait for more labels"),
            ("KEEP", "the champion stays"),
            ("ROLLBACK", "rollback"),
        ],
    )
    def test_of_any_other_verdict(
        self, refused: Callable[..., str], verdict: str, way_out: str
    ) -> None:
        message = refused(verdict=verdict)

        assert f"verdict = {verdict}" in message
        assert way_out in message

    @pytest.mark.parametrize(
        ("key", "old", "new"),
        [
            ("champion = keras-1", "version       = 1 ", "version       = 3 "),
            ("challenger = torch-2", "version       = 2", "version       = 3"),
        ],
    )
    def test_of_other_versions_than_are_served(
        self, refused: Callable[..., str], environment: Write, key: str, old: str, new: str
    ) -> None:
        message = refused(environment(20, (old, new)))

        assert key in message
        assert "-3" in message

    def test_of_another_experiment_than_today(self, refused: Callable[..., str]) -> None:
        decided = "0" * 64

        message = refused(experiment={"name": "trial", "digest": decided})

        assert "experiment.digest = 000000000000" in message
        assert "frozen" in message

    def test_of_a_margin_that_was_widened_after_the_decision(
        self, environment: Write, decide: Write, experiment: Path
    ) -> None:
        decision = decide()
        experiment.write_text(EXPERIMENT.replace("sensitivity = 0.05", "sensitivity = 0.2", 1))

        with pytest.raises(Refused, match="frozen"):
            promote(environment(20), decision, experiment=experiment, now=NOW)

    def test_of_a_benefit_that_was_declared_after_the_decision(
        self, environment: Write, decide: Write, experiment: Path
    ) -> None:
        decision = decide()
        experiment.write_text(f'benefit = "it is faster"\n{EXPERIMENT}')

        with pytest.raises(Refused, match="frozen"):
            promote(environment(20), decision, experiment=experiment, now=NOW)

    def test_of_old_evidence(self, refused: Callable[..., str]) -> None:
        message = refused(now=AS_OF + timedelta(days=8))

        assert "as_of = 2026-03-20 is stale: 8 days old, and at most 7" in message

    def test_of_evidence_from_the_future(self, refused: Callable[..., str]) -> None:
        assert "in the future" in refused(now=AS_OF - timedelta(hours=1))

    def test_of_evidence_from_before_the_present_split(self, refused: Callable[..., str]) -> None:
        message = refused(champion=95, challenger=5)

        assert "95/5 is stale: dev.toml divides 80/20 now" in message
        assert "rollout record --experiment trial" in message

    def test_of_another_environments_decision(self, refused: Callable[..., str]) -> None:
        assert "environment = 'pilot', and the file is dev.toml" in refused(environment="pilot")

    def test_of_more_than_the_other_challengers_leave(
        self, refused: Callable[..., str], environment: Write
    ) -> None:
        other = '\n[[ab_test.challengers]]\nmodel = "tree"\nversion = 1\ntraffic = 10\n'
        file = environment(50, add=other)

        message = refused(file, champion=40, challenger=50)

        assert "traffic = 100 would be the next step, but tree-1 has 10 percent" in message

    def test_of_a_decision_that_was_written_by_hand(
        self, environment: Write, decide: Write, experiment: Path
    ) -> None:
        decision = decide(verdict="KEEP")
        decision.write_text(decision.read_text().replace('"KEEP"', '"PROMOTE" '))

        with pytest.raises(Refused, match="somebody edited it"):
            promote(environment(20), decision, experiment=experiment, now=NOW)

    def test_of_a_file_that_is_no_decision(
        self, environment: Write, tmp_path: Path, experiment: Path
    ) -> None:
        decision = tmp_path / "decision.json"
        decision.write_text("{}")

        with pytest.raises(UserError, match="no decision of this project"):
            promote(environment(20), decision, experiment=experiment, now=NOW)


class TestTheSameEvidenceTwice:
    def test_is_refused_for_live_traffic(
        self, environment: Write, decide: Write, experiment: Path
    ) -> None:
        file = environment(20)
        promote(file, decide(), experiment=experiment, now=NOW)
        again = decide(champion=50, challenger=50, name="again")

        with pytest.raises(Refused, match=r"torch-2-50\.json made the last step"):
            promote(file, again, experiment=experiment, now=NOW)

        later = decide(champion=50, challenger=50, name="later", as_of=AS_OF + timedelta(hours=12))
        assert promote(file, later, experiment=experiment, now=NOW).percent == 100

    def test_is_enough_for_a_replay_whose_films_have_no_split(
        self, environment: Write, decide: Write, experiment: Path
    ) -> None:
        file = environment(20)
        replay = decide(mode="replay", as_of=None)
        replay.with_name("answers.csv").write_text("film\n")

        assert promote(file, replay, experiment=experiment, now=NOW).percent == 50
        assert promote(file, replay, experiment=experiment, now=NOW).percent == 100


class TestAReplay:
    def test_is_kept_with_the_answers_that_it_was_made_of(
        self, environment: Write, decide: Write, experiment: Path
    ) -> None:
        replay = decide(mode="replay", as_of=None)
        replay.with_name("answers.csv").write_text("film\n")

        done = promote(environment(20), replay, experiment=experiment, now=NOW)

        assert done.record.with_name("torch-2-50.answers.csv").read_text() == "film\n"

    def test_is_no_different_from_a_decision_with_what_journals_said(
        self, environment: Write, decide: Write, experiment: Path
    ) -> None:
        origin = {"view": "labelled", "journals": "1 answers, SHA-256 0"}
        data = {"origin": origin, "digest": "0", "query_digest": "0", "assumed": ()}
        decision = decide(data=data)
        file = environment(20)
        with pytest.raises(Refused, match=r"origin\.journals.*journal\.csv"):
            promote(file, decision, experiment=experiment, now=NOW)
        decision.with_name("journal.csv").write_text("request_id\n")

        done = promote(file, decision, experiment=experiment, now=NOW)

        assert done.record.with_name("torch-2-50.journal.csv").read_text() == "request_id\n"

    def test_without_its_answers_is_refused(
        self, environment: Write, decide: Write, experiment: Path
    ) -> None:
        file = environment(20)

        with pytest.raises(Refused, match=r"answers\.csv"):
            promote(file, decide(mode="replay", as_of=None), experiment=experiment, now=NOW)

        assert load(file).ab_test.challengers[0].traffic == 20


def test_a_users_mistake_is_one_message_with_status_1(
    environment: Write, decide: Write, experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(
        [
            *("promote", "--environment", str(environment(20)), "--experiment", str(experiment)),
            *("--decision", str(decide(verdict="INCONCLUSIVE"))),
        ]
    )

    printed = capsys.readouterr()
    assert status == 1
    assert printed.out == ""
    assert printed.err.startswith("infra.rollout: ")
    assert "Traceback" not in printed.err

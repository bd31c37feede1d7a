"""The experiments of the demonstration: declared before anything is sent, and decidable at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from infra.declared.environment import load as load_environment
from infra.declared.experiment import Experiment, load
from infra.local.demo import experiment as demo
from ml.contract.serving import KERAS_MODEL, PYTORCH_MODEL
from ml.verdict.paired import Answers, judge_pairs

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EXPERIMENTS = Path("infra", "experiments")
SPLITS, REPLAY = EXPERIMENTS / "splits", Path("replay")
FILMS = {"PNEUMONIA": 389, "NORMAL": 135}
"""Of the validation part of the bundled films."""


class TestTheDeclaration:
    @pytest.fixture
    def declared(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Experiment]:
        """Both files, as they are written for version 2 of the champion and 3 of the challenger."""
        monkeypatch.chdir(tmp_path)
        for earlier in (REPLAY, SPLITS):
            earlier.mkdir(parents=True)
            (earlier / "of an earlier demonstration").touch()

        demo.declare(load_environment("local"), {KERAS_MODEL: 2, PYTORCH_MODEL: 3}, since=NOW)

        return {
            name: load(EXPERIMENTS / f"{name}.toml")
            for name in ("pneumonia_ab", "pneumonia_replay")
        }

    def test_of_the_replay_is_the_repositorys_but_for_versions_and_date(
        self, declared: dict[str, Experiment]
    ) -> None:
        mine, repositorys = declared["pneumonia_replay"], load("pneumonia_replay")

        assert (mine.champion.version, mine.challenger.version, mine.start) == (2, 3, NOW)
        filled_in = {"champion", "challenger", "split"}
        assert mine.model_dump(exclude=filled_in) == repositorys.model_dump(exclude=filled_in)

    def test_of_live_traffic_asks_for_no_benefit(self, declared: dict[str, Experiment]) -> None:
        mine, repositorys = declared["pneumonia_ab"], load("pneumonia_ab")

        assert mine.benefit is None
        assert mine.margins == repositorys.margins

    def test_forgets_what_was_answered_before_it(self, declared: dict[str, Experiment]) -> None:
        assert declared
        assert not REPLAY.exists()
        assert not SPLITS.exists()


class TestTheReplay:
    def verdict(self, trial: Experiment, **only: tuple[int, int]) -> str:
        """Of all validation films, so many called right by the champion or challenger only."""
        right, sick = [], []
        for truth, n in FILMS.items():
            champion, challenger = only.get(truth, (0, 0))
            right += [(1, 0)] * champion + [(0, 1)] * challenger
            right += [(1, 1)] * (n - champion - challenger)
            sick += [truth == "PNEUMONIA"] * n
        called = np.array(right, bool) == np.array(sick)[:, None]
        answers = Answers(
            film=[f"{number:03}" for number in range(len(sick))],
            sick=np.array(sick),
            sampling=np.ones(len(sick)),
            champion=called[:, 0].astype(float),
            challenger=called[:, 1].astype(float),
        )
        return judge_pairs(trial, answers).ruling.verdict

    @pytest.mark.parametrize("each", [0, 4, 12])
    def test_promotes_an_arm_that_errs_as_often(self, each: int) -> None:
        alike = {"PNEUMONIA": (each, each), "NORMAL": (each, each)}

        assert self.verdict(load("pneumonia_replay"), **alike) == "PROMOTE"

    @pytest.mark.parametrize(
        "worse", [{"PNEUMONIA": (14, 4)}, {"NORMAL": (8, 0)}, {"PNEUMONIA": (30, 4)}]
    )
    def test_promotes_none_that_errs_more(self, worse: dict[str, tuple[int, int]]) -> None:
        assert self.verdict(load("pneumonia_replay"), **worse) in {"KEEP", "ROLLBACK"}

    def test_has_wide_margins_because_so_few_films_decide_none_of_the_clinical_ones(self) -> None:
        """Not even if both arms called every film alike."""
        clinical = load("pneumonia_replay").model_copy(
            update={"margins": load("pneumonia_ab").margins}
        )

        assert self.verdict(clinical) == "KEEP"

"""The decision that a change of traffic rests on, and whether it fits the environment file."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from infra.declared.endpoints import FIRST_TEST
from infra.declared.environment import Environment
from infra.declared.experiment import Experiment
from infra.declared.experiment import load as load_experiment
from infra.declared.safeguards import Ramp
from infra.rollout.refusal import Refused
from ml.contract.decision import ANSWERS_FILE, JOURNAL_FILE, JOURNALS, NONE_GIVEN, Decision, Verdict

OLDEST_DAYS: Final = 7
"""Older evidence says nothing about the films of today: readers, machines and patients change."""

ANSWERS: Final = ".answers.csv"
"""What a replay's answers are called where its decision is kept, in place of `.json`."""

JOURNAL: Final = ".journal.csv"
"""What the journals' answers are called there, where a decision was made with journals."""

_INSTEAD: Final = {
    Verdict.KEEP: "the champion stays: remove the challenger, or start another experiment",
    Verdict.ROLLBACK: "take the challenger's traffic away: python -m infra.rollout rollback",
    Verdict.INCONCLUSIVE: "wait for more labels, then ask again: python -m ml.compare",
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A decision.json: its content, and the very bytes that are kept as the record."""

    file: Path
    content: bytes
    decision: Decision

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises UserError for a file that is none, or was edited into another form."""
        decision = Decision.read(file)
        content = file.read_bytes()
        if decision.text().encode() != content:
            raise Refused(
                f"{file}: not the bytes that python -m ml.compare writes for this decision, so "
                "that somebody edited it. Make it again."
            )
        return cls(file=file, content=content, decision=decision)

    @property
    def answers(self) -> Path | None:
        """Of a replay: the file with both arms' answers, which lies beside the decision.

        Raises Refused where it does not.
        """
        if self.decision.mode != "replay":
            return None
        return self._beside(ANSWERS, ANSWERS_FILE, "mode = replay", "python -m ml.replay")

    @property
    def journal(self) -> Path | None:
        """Of a decision made with clients' journals: the file with their answers, which lies
        beside the decision.

        Raises Refused where it does not.
        """
        given = self.decision.data.origin.get(JOURNALS, NONE_GIVEN)
        if given == NONE_GIVEN:
            return None
        said = f"data.origin.{JOURNALS} = {given}"
        return self._beside(JOURNAL, JOURNAL_FILE, said, "python -m ml.compare")

    def _beside(self, suffix: str, name: str, said: str, command: str) -> Path:
        kept = self.file.with_suffix(suffix)
        found = kept if kept.is_file() else self.file.with_name(name)
        if not found.is_file():
            raise Refused(
                f"{self.file}: {said}, but neither {kept.name} nor {name} lies beside it, so that "
                f"nobody could make it again. {command} writes both files into one folder: leave "
                "them there."
            )
        return found

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()

    def experiment(self, file: str | Path | None = None) -> Experiment:
        """The experiment of the decision as it is written today.

        Raises Refused where it is another one than the decision is of.
        """
        recorded = self.decision.experiment
        experiment = load_experiment(file or recorded.name)
        if experiment.digest != recorded.digest:
            raise Refused(
                f"{self.file}: experiment.digest = {recorded.digest[:12]}, but the experiment "
                f"{experiment.name} is {experiment.digest[:12]} today. An experiment is frozen: "
                "take its change back, or run it as a new one and decide again with "
                "python -m ml.compare."
            )
        return experiment

    def require_step(self, experiment: Experiment, percent: int) -> None:
        """Raises Refused where the decision does not carry a step to so many percent: an early one
        needs that no harm is seen, every other one PROMOTE."""
        decision = self.decision
        if decision.verdict is Verdict.PROMOTE:
            return
        early = (experiment.ramp or Ramp()).early_up_to
        if percent > early or decision.early_step is None:
            raise Refused(
                f"{self.file}: verdict = {decision.verdict}: {decision.reason} Only PROMOTE moves "
                f"traffic to a challenger beyond {early} percent; {_INSTEAD[decision.verdict]}."
            )
        if not decision.early_step.holds:
            raise Refused(
                f"{self.file}: verdict = {decision.verdict}, and not even an early step, to "
                f"{percent} percent, may rest on it: {decision.early_step.because} Instead, "
                f"{_INSTEAD[decision.verdict]}."
            )

    def challenger_in(self, environment: Environment) -> int:
        """The position of the decision's challenger in the environment file.

        Raises Refused where the file serves other versions, or is another environment's.
        """
        decision, file = self.decision, f"{environment.name}.toml"
        if decision.environment and Path(decision.environment).stem != environment.name:
            raise Refused(
                f"{self.file}: environment = {decision.environment!r}, and the file is {file}. "
                "What holds for the films of one is not shown for another: decide with "
                f"python -m ml.compare --environment {environment.name}."
            )
        champion = environment.ab_test.champion
        served = champion.served_entity_name
        if served == decision.challenger.served_entity:
            raise Refused(
                f"{self.file}: {served} is the champion of {file} already. Nothing is to be done; "
                "the next test is a new experiment."
            )
        if (champion.model, champion.version) != (
            decision.champion.model,
            decision.champion.version,
        ):
            raise Refused(
                f"{self.file}: champion = {decision.champion.served_entity}, but {file} serves "
                f"{environment.test}.champion = {served}. A verdict holds for the versions that "
                "were compared: pin those, or run an experiment with these."
            )
        challengers = environment.ab_test.challengers
        for position, arm in enumerate(challengers):
            if (arm.model, arm.version) == (decision.challenger.model, decision.challenger.version):
                return position
        there = ", ".join(arm.served_entity_name for arm in challengers) or "none"
        raise Refused(
            f"{self.file}: challenger = {decision.challenger.served_entity}, but the challengers "
            f"of {file} are: {there}. A verdict holds for the versions that were compared: pin "
            "that version, or run an experiment with these."
        )

    def require_fresh(
        self, environment: Environment, challenger: int, last: Self | None, *, now: datetime
    ) -> None:
        """Raises Refused where the decision is stale: too old, made before the traffic was at
        its present step, or spent on that step already.

        A replay compares both arms on the same films, whatever the traffic is, and has no age.
        """
        decision = self.decision
        if decision.mode == "replay":
            return
        again = "decide again: python -m ml.compare"
        if decision.as_of is None:
            raise Refused(f"{self.file}: as_of is missing, so that its age is unknown; {again}.")
        as_of = decision.as_of.astimezone(UTC)
        if as_of > now:
            raise Refused(f"{self.file}: as_of = {as_of:%Y-%m-%d %H:%M} is in the future; {again}.")
        if now - as_of > timedelta(days=OLDEST_DAYS):
            raise Refused(
                f"{self.file}: as_of = {as_of:%Y-%m-%d} is stale: {(now - as_of).days} days old, "
                f"and at most {OLDEST_DAYS} are accepted; {again}."
            )
        if last and last.decision.as_of and as_of <= last.decision.as_of.astimezone(UTC):
            raise Refused(
                f"{self.file}: as_of = {as_of:%Y-%m-%d %H:%M} is stale: {last.file} made the last "
                "step with films as recent as these. Every step shows how the one before it went: "
                f"deploy it, wait for labels, and {again}."
            )
        self._require_present_split(environment, challenger)

    def _require_present_split(self, environment: Environment, challenger: int) -> None:
        if not self.decision.splits or self.decision.environment is None:
            return
        last = self.decision.splits[-1]
        present = environment.ab_test.challengers[challenger].traffic
        champion = environment.ab_test.split.champion_percent
        if (last["champion"], last["challenger"]) != (champion, present):
            name = self.decision.experiment.name
            raise Refused(
                f"{self.file}: splits[-1] = {last['champion']}/{last['challenger']} is stale: "
                f"{environment.name}.toml divides {champion}/{present} now. Record when that was "
                f"deployed (python -m infra.rollout record --experiment {name}), and decide again: "
                "python -m ml.compare."
            )


def decisions_of(environment_file: Path, test: str = FIRST_TEST) -> Path:
    """The folder of the decisions that a test's traffic rests on, beside the environment's file."""
    folder = environment_file.parent / "decisions" / environment_file.stem
    return folder if test == FIRST_TEST else folder / test


def record_of(
    environment_file: Path, served_entity: str, percent: int, test: str = FIRST_TEST
) -> Path:
    """Where the decision is kept that gave a challenger its share."""
    return decisions_of(environment_file, test) / f"{served_entity}-{percent}.json"


def last_step(
    environment_file: Path, served_entity: str, percent: int, test: str = FIRST_TEST
) -> Evidence | None:
    """The evidence of the step at which the challenger is; None for one that entered there."""
    record = record_of(environment_file, served_entity, percent, test)
    return Evidence.read(record) if record.is_file() else None

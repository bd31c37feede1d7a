"""A decision made again from the data, and compared byte for byte: what CI runs on a change.

`ml` judges; this starts `python -m ml.compare` as a process, for a replay `python -m ml.replay`
with the answers that were kept, and compares what it writes. What clients' journals said is kept
too.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from infra.declared.environment import Environment
from infra.declared.experiment import EXPERIMENTS, Experiment, InvalidExperiment
from infra.declared.experiment import load as load_experiment
from infra.declared.ramp import next_step
from infra.declared.traffic import ALL_TRAFFIC
from infra.rollout import history
from infra.rollout.environment_file import EnvironmentFile
from infra.rollout.evidence import Evidence, last_step, record_of
from infra.rollout.refusal import Refused
from ml.contract.decision import DECISION_FILE, JOURNALS, differences

MOST_DIFFERENCES: Final = 20

Start = Callable[[Sequence[str]], None]
"""Runs a module with arguments. Raises Refused where that fails."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """Traffic that a change gives to an arm, in percent; 100 and 100 where the roles swap."""

    served_entity: str
    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A decision that the data confirm. `software` names what was another version here."""

    evidence: Evidence
    software: Mapping[str, str]


def moves(before: Environment, after: Environment) -> Iterator[Move]:
    """What a change gives to challengers of a test that were there before it.

    A version that was not there enters by review alone: there can be no evidence about it yet.
    """
    old = {arm.served_entity_name: arm.traffic for arm in before.ab_test.challengers}
    champion = after.ab_test.champion.served_entity_name
    if champion in old:
        yield Move(served_entity=champion, before=old[champion], after=ALL_TRAFFIC)
    for arm in after.ab_test.challengers:
        name = arm.served_entity_name
        if name in old and arm.traffic > old[name]:
            yield Move(served_entity=name, before=old[name], after=arm.traffic)


def both_of_each_test(
    before: Environment, after: Environment
) -> Iterator[tuple[Environment, Environment]]:
    """The environment before and after a change, about each test that both have, by its table or
    by its endpoint: a test that only its table's new name makes a new one is the old one."""
    by_endpoint = {test.endpoint: name for name, test in before.tests.items()}
    for name, test in after.tests.items():
        old = name if name in before.tests else by_endpoint.get(test.endpoint)
        if old:
            yield before.about(old), after.about(name)


def evidence_of(file: EnvironmentFile, move: Move, before: Environment, base: str) -> Evidence:
    """The recorded decision of a move. Raises Refused where there is none, it does not fit or is
    stale by now, or the change that moves the traffic changes the rule of the test as well."""
    if move.after not in (next_step(move.before), move.before):
        raise Refused(
            f"{file.path.name}: {move.served_entity} goes from {move.before} to {move.after} "
            f"percent; the next step of the ramp is {next_step(move.before)}. Change one step at a "
            "time: python -m infra.rollout promote."
        )
    record = record_of(file.path, move.served_entity, move.after, file.environment.test)
    if not record.is_file():
        raise Refused(
            f"{file.path.name}: {move.served_entity} goes from {move.before} to {move.after} "
            f"percent without a decision: {record} does not exist. Take the change back, and let "
            "python -m infra.rollout promote --decision decision.json write both."
        )
    evidence = Evidence.read(record)
    challenger = evidence.challenger_in(before)
    if move.before != ALL_TRAFFIC:
        last = last_step(file.path, move.served_entity, move.before, file.environment.test)
        evidence.require_fresh(before, challenger, last, now=datetime.now(UTC))
    experiment = evidence.experiment()
    evidence.require_step(experiment, move.after)
    _require_unchanged(file, evidence, experiment, base)
    return evidence


def _require_unchanged(
    file: EnvironmentFile, evidence: Evidence, experiment: Experiment, base: str
) -> None:
    """Neither the base's experiment nor the one beside the file is another in substance: in CI the
    file is the change's, and this code, with its experiments, the base's."""
    name = f"{experiment.name}.toml"
    contents = [history.content(EXPERIMENTS / name, base)]
    beside = file.path.resolve().parent.parent / EXPERIMENTS.name / name
    contents += [beside.read_bytes()] if beside.is_file() else []
    if any(_digest(name, it) != evidence.decision.experiment.digest for it in contents):
        raise Refused(
            f"{EXPERIMENTS / name}: it is not what it is in {base}. A change that moves traffic "
            "does not change the rule it moves by: take one of the two out of this change."
        )


def _digest(name: str, content: bytes) -> str:
    """What identifies an experiment; empty for a file that is none."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, name)
        copy.write_bytes(content)
        try:
            return load_experiment(copy, folder=EXPERIMENTS).digest
        except InvalidExperiment:
            return ""


def as_a_process(command: Sequence[str]) -> None:
    """`python -m`, so that what judges shares nothing with what compares."""
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Refused(
            f"the decision cannot be made again: -m {command[0]} ended with status "
            f"{done.returncode}:\n{done.stderr.strip() or done.stdout.strip()}"
        )


def verify(
    evidence: Evidence,
    environment: str | Path,
    *,
    experiment: str | Path | None = None,
    data: Path | None = None,
    test: str | None = None,
    start: Start = as_a_process,
) -> Verified:
    """Raises Refused where the data say something else than the decision."""
    of = evidence.experiment(experiment)
    command = _command(evidence, of, environment, experiment_file=experiment, data=data, test=test)
    with tempfile.TemporaryDirectory() as folder:
        start([*command, "--no-report", "--output", folder])
        again = Evidence.read(Path(folder, DECISION_FILE)).decision
    recorded = evidence.decision
    # Where it was read from is checked by name (a path is another text on another machine), and
    # kept answers do not tell which films they are of.
    same = again.model_copy(
        update={
            "environment": recorded.environment,
            "software": recorded.software,
            **(
                {"data": again.data.model_copy(update={"origin": recorded.data.origin})}
                if recorded.mode == "replay"
                else {}
            ),
        }
    )
    if same.text().encode() != evidence.content:
        shown = differences(recorded, same)
        more = f"\n  and {len(shown) - MOST_DIFFERENCES} more" * (len(shown) > MOST_DIFFERENCES)
        raise Refused(
            f"{evidence.file}: the data do not confirm this decision:\n  "
            + "\n  ".join(shown[:MOST_DIFFERENCES])
            + more
            + "\nRows that arrived late for the same moment change it as well. Decide again "
            "(python -m ml.compare), and promote by that."
        )
    other = {
        name: f"{recorded.software.get(name, '-')} there, {again.software.get(name, '-')} here"
        for name in sorted({*recorded.software, *again.software})
        if recorded.software.get(name) != again.software.get(name)
    }
    return Verified(evidence=evidence, software=other)


def _command(
    evidence: Evidence,
    experiment: Experiment,
    environment: str | Path,
    *,
    experiment_file: str | Path | None,
    data: Path | None,
    test: str | None,
) -> Sequence[str]:
    """What makes the decision again."""
    recorded = evidence.decision
    answers, journal = evidence.answers, evidence.journal
    if answers is None and recorded.environment is None and data is None:
        origin = (value for name, value in recorded.data.origin.items() if name != JOURNALS)
        raise Refused(
            f"{evidence.file}: environment is missing: it was made from a file "
            f"({', '.join(origin)}). Give that file: verify --data FILE."
        )
    of = str(experiment_file or experiment.name)
    if answers:
        return ["ml.replay", of, "--answers", str(answers)]
    command = ["ml.compare", of, "--environment", str(environment)]
    command += ["--test", test] if test else []
    command += ["--as-of", recorded.as_of.astimezone(UTC).isoformat()] if recorded.as_of else []
    command += ["--data", str(data)] if data else []
    command += ["--journal", str(journal)] if journal else []
    return command

"""One step up the ramp, by a decision: the change of the file that people review."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infra.declared.ramp import next_step
from infra.declared.traffic import ALL_TRAFFIC
from infra.rollout.environment_file import EnvironmentFile, replace
from infra.rollout.evidence import ANSWERS, JOURNAL, Evidence, last_step, record_of
from infra.rollout.refusal import Refused


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What was changed."""

    difference: str
    record: Path
    digest: str
    experiment: str
    percent: int
    swapped: bool


def promote(
    environment: str | Path,
    decision: Path,
    *,
    experiment: str | Path | None = None,
    test: str | None = None,
    now: datetime | None = None,
) -> Promotion:
    """Writes the next step into the environment file and the decision beside it, with the
    answers of a replay, or of clients' journals, that it was made of.

    At 100 percent the next step swaps the roles: no request moves, so that it rests on the
    decision that gave everything. Raises Refused before anything is written.
    """
    evidence = Evidence.read(decision)
    file = EnvironmentFile(environment, test)
    compared = (evidence.decision.champion, evidence.decision.challenger)
    file.about_models(*(arm.model for arm in compared))
    challenger = evidence.challenger_in(file.environment)
    arm = file.environment.ab_test.challengers[challenger]
    evidence.require_step(evidence.experiment(experiment), next_step(arm.traffic) or ALL_TRAFFIC)
    last = last_step(file.path, arm.served_entity_name, arm.traffic, file.environment.test)
    swaps = arm.traffic == ALL_TRAFFIC
    if not (swaps and last):
        evidence.require_fresh(file.environment, challenger, last, now=now or datetime.now(UTC))
    if swaps:
        percent = ALL_TRAFFIC
        file.swap_roles(challenger)
    else:
        percent = _step(file, challenger)
        file.set_traffic(challenger, percent)
    file.edited()
    beside = {ANSWERS: evidence.answers, JOURNAL: evidence.journal}
    record = record_of(file.path, arm.served_entity_name, percent, file.environment.test)
    if not (swaps and last):
        replace(record, evidence.content)
        for suffix, kept in beside.items():
            if kept:
                replace(record.with_suffix(suffix), kept.read_bytes())
    file.save()
    return Promotion(
        difference=file.difference,
        record=record,
        digest=evidence.digest,
        experiment=evidence.decision.experiment.name,
        percent=percent,
        swapped=swaps,
    )


def _step(file: EnvironmentFile, challenger: int) -> int:
    test = file.environment.ab_test
    arm = test.challengers[challenger]
    percent = next_step(arm.traffic) or ALL_TRAFFIC
    others = [it for it in test.challengers if it is not arm and it.traffic]
    if percent + sum(it.traffic for it in others) > ALL_TRAFFIC:
        taken = ", ".join(f"{it.served_entity_name} has {it.traffic}" for it in others)
        raise Refused(
            f"{file.path.name}: {file.key_of(challenger)}.traffic = {percent} would be "
            f"the next step, but {taken} percent. Lower the other challengers first, in a change "
            "of its own."
        )
    return percent

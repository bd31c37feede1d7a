"""The record of how the traffic was divided, which the verdict weighs every request by."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomlkit

from infra.declared.environment import Environment
from infra.declared.experiment import EXPERIMENTS, SPLITS, Experiment, Split, splits
from infra.rollout import settings
from infra.rollout.endpoints import UPDATING, Document, update_of
from infra.rollout.environment_file import replace
from infra.rollout.refusal import Refused


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The split that is in force, and the file that says so; `is_new` where it did not."""

    file: Path
    split: Split
    is_new: bool


def record(
    environment: Environment, experiment: Experiment, document: Document | None, file: Path | None
) -> Recorded:
    """Appends the live split to the experiment's splits, from the endpoint's last update on: right
    after the deployment that is the moment from which it is in force.

    Raises Refused where the endpoint does not serve both arms, or is being updated.
    """
    target = file or EXPERIMENTS / SPLITS / f"{experiment.name}.toml"
    split = _live(environment, experiment, document)
    last = splits(experiment, target if target.is_file() else None)[-1]
    if (last.champion, last.challenger) == (split.champion, split.challenger):
        return Recorded(file=target, split=last, is_new=False)
    if split.since <= last.since:
        raise Refused(
            f"{target}: the split {split.champion}/{split.challenger} is in force since "
            f"{split.since:%Y-%m-%dT%H:%M:%SZ}, before the last one that is known, of "
            f"{last.since:%Y-%m-%dT%H:%M:%SZ}. Correct that one, or "
            "the experiment's [split] before it begins."
        )
    text = target.read_text(encoding="utf-8-sig") if target.is_file() else ""
    edited: Any = tomlkit.parse(text or f"# How {experiment.name} was split: written by rollout.\n")
    entry = tomlkit.table()
    entry["since"] = split.since
    entry["champion"] = split.champion
    entry["challenger"] = split.challenger
    if "split" not in edited:
        edited["split"] = tomlkit.aot()
    edited["split"].append(entry)
    replace(target, tomlkit.dumps(edited).encode())
    return Recorded(file=target, split=split, is_new=True)


def _live(environment: Environment, experiment: Experiment, document: Document | None) -> Split:
    endpoint = environment.ab_test.endpoint
    if document is None:
        raise Refused(f"{endpoint} does not exist: deploy {environment.serving_stack} first.")
    if update_of(document) == UPDATING:
        raise Refused(
            f"{endpoint} is being updated: python -m infra.rollout wait --environment "
            f"{environment.name}, then record."
        )
    percents = settings.traffic(settings.found(document))
    arms = (experiment.champion, experiment.challenger)
    missing = [arm.served_entity_name for arm in arms if arm.served_entity_name not in percents]
    if missing:
        raise Refused(
            f"{endpoint} does not serve {' and '.join(missing)} of the experiment "
            f"{experiment.name}; it serves {', '.join(percents)}. Name the experiment that runs."
        )
    updated = int(document.get("last_updated_timestamp") or 0) / 1000
    champion, challenger = (percents[arm.served_entity_name] for arm in arms)
    return Split(
        since=datetime.fromtimestamp(updated, tz=UTC).replace(microsecond=0),
        champion=champion,
        challenger=challenger,
    )

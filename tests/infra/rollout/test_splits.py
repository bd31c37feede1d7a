"""`record`: since when the traffic is split as it is, for the verdict that weighs by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.declared.environment import load
from infra.declared.experiment import load as load_experiment
from infra.declared.experiment import splits
from infra.rollout.refusal import Refused
from infra.rollout.splits import record

DEPLOYED = datetime(2026, 3, 12, 9, 30, tzinfo=UTC)


def live(keras: int, torch: int, *, at: datetime = DEPLOYED, update: str = "NOT_UPDATING") -> Any:
    routes = [
        {"served_entity_name": "keras-1", "traffic_percentage": keras},
        {"served_entity_name": "torch-2", "traffic_percentage": torch},
    ]
    return {
        "state": {"config_update": update},
        "config": {"traffic_config": {"routes": routes}},
        "last_updated_timestamp": int(at.timestamp() * 1000),
    }


@pytest.fixture
def note(
    environment: Callable[..., Path], experiment: Path, tmp_path: Path
) -> Callable[[Any], Any]:
    file = tmp_path / "splits" / "trial.toml"

    def note(document: Any) -> Any:
        return record(load(environment(20)), load_experiment(experiment), document, file)

    return note


def test_a_new_split_is_in_force_from_its_deployment_on(
    note: Callable[[Any], Any], experiment: Path
) -> None:
    done = note(live(80, 20))

    assert done.is_new
    last = splits(load_experiment(experiment), done.file)[-1]
    assert (last.since, last.champion, last.challenger) == (DEPLOYED, 80, 20)


def test_a_split_that_is_known_is_not_recorded_again(note: Callable[[Any], Any]) -> None:
    first = note(live(80, 20))
    before = first.file.read_bytes()

    again = note(live(80, 20, at=DEPLOYED.replace(day=20)))

    assert not again.is_new
    assert again.file.read_bytes() == before


def test_what_the_file_says_already_stays(note: Callable[[Any], Any], experiment: Path) -> None:
    file = note(live(80, 20)).file
    file.write_text("# Written in the morning.\n" + file.read_text())
    before = file.read_text()

    note(live(50, 50, at=DEPLOYED.replace(day=20)))

    assert file.read_text().startswith(before.rstrip("\n"))
    every = splits(load_experiment(experiment), file)
    assert [it.challenger for it in every] == [50, 20, 50]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "does not exist"),
        (live(80, 20, update="IN_PROGRESS"), "rollout wait"),
        ({"config": {}}, "does not serve keras-1 and torch-2"),
        (live(80, 20, at=datetime(2026, 3, 1, tzinfo=UTC)), "before the last one that is known"),
    ],
)
def test_what_is_not_the_experiments_split_is_refused(
    note: Callable[[Any], Any], document: Any, message: str
) -> None:
    with pytest.raises(Refused, match=message):
        note(document)

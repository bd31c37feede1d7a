"""`rollout guard` and its brake, on endpoints that answer meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.workspaces import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.end_to_end.serving.sandbox import Sandbox

pytestmark = pytest.mark.programs


@pytest.fixture
def stoppable(deployed: Sandbox) -> Iterator[Sandbox]:
    """The shared deployment; what the brake did is deployed over, as the next test expects."""
    yield deployed
    deployed.workspace.settled(deployed.endpoint)
    deployed.deploy()


def percents(sandbox: Sandbox) -> dict[str, int]:
    routes = sandbox.live()["config"]["traffic_config"]["routes"]
    return {it["served_entity_name"]: it["traffic_percentage"] for it in routes}


def test_the_brake_moves_all_traffic_while_requests_flow_and_none_fails(stoppable: Sandbox) -> None:
    with stoppable.requests_flowing() as traffic:
        done = stoppable.rollout("guard", "--stop", "--why", "answers are wrong")
        eventually(lambda: percents(stoppable) == {"brightness-1": 100, "contrast-1": 0})

    assert done.returncode == 0, done.stdout + done.stderr
    assert traffic.failed == {}
    assert "-traffic = 50" in done.stdout
    assert "+traffic = 0" in done.stdout
    (kept,) = (stoppable.root / "decisions" / "sandbox").glob("contrast-1-0-*.json")
    record = json.loads(kept.read_text())
    assert record["why"] == "answers are wrong"
    assert record["stopped_by"]
    assert record["had_percent"] == 50
    kept.unlink()


def test_the_brake_works_while_a_state_is_locked_and_the_next_deployment_keeps_it(
    stoppable: Sandbox,
) -> None:
    with contextlib.ExitStack() as held:
        for state in stoppable.root.rglob("*.tfstate"):
            fcntl.lockf(held.enter_context(state.open("r+b")), fcntl.LOCK_EX)
        stopped = stoppable.rollout("guard", "--stop", "--why", "slow")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr

    stoppable.deploy()

    assert percents(stoppable) == {"brightness-1": 100, "contrast-1": 0}
    assert stoppable.rollout("status").returncode == 0


def test_a_checkout_without_the_change_is_told_of_the_brake(stoppable: Sandbox) -> None:
    before = stoppable.file.read_text()
    stoppable.rollout("guard", "--stop", "--why", "the clinic asked for it")
    stoppable.file.write_text(before)

    status, check = stoppable.rollout("status"), stoppable.rollout("check", "--stack", "serving")

    assert status.returncode == 3
    assert "The brake is on: contrast-1 stopped by" in status.stdout
    assert "the clinic asked for it" in status.stdout
    assert check.returncode == 3
    assert "gives it 50 percent" in check.stdout


def test_during_an_update_it_says_what_to_do_and_changes_nothing(
    deployed: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra.rollout import brake

    before, live = deployed.file.read_text(), brake.live

    def updating(client: Any, name: str) -> Any:
        document = live(client, name)
        assert document is not None
        return {**document, "state": {**document["state"], "config_update": "IN_PROGRESS"}}

    monkeypatch.setattr(brake, "live", updating)

    done = deployed.rollout("guard", "--stop", "--why", "slow")

    assert done.returncode == 1
    assert "is being updated" in done.stderr
    assert "rollout wait" in done.stderr
    assert deployed.file.read_text() == before
    assert percents(deployed)["contrast-1"] == 50


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--stop",), "--why"),
        (("--stop", "--why", "slow", "--challenger", "nobody-1"), "no challenger nobody-1"),
        (("--challenger", "contrast-1"), "belong to --stop"),
        ((), "nothing is watched"),
    ],
)
def test_what_it_can_not_do_is_said_before_anything_is_changed(
    deployed: Sandbox, arguments: tuple[str, ...], said: str
) -> None:
    before = deployed.file.read_text()

    done = deployed.rollout("guard", *arguments)

    assert done.returncode == 1
    assert said in done.stderr
    assert deployed.file.read_text() == before
    assert percents(deployed)["contrast-1"] == 50

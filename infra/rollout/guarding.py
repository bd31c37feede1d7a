"""The command `guard`: looks, or stops; what it does it says, and keeps beside the file."""

from datetime import UTC, datetime
from pathlib import Path

from infra.declared.environment import InvalidEnvironment
from infra.progress import progress
from infra.rollout import brake, guard
from infra.rollout.endpoints import live
from infra.rollout.environment_file import EnvironmentFile
from infra.rollout.evidence import Evidence
from infra.rollout.refusal import Refused
from infra.rollout.workspace import workspace


def guard_now(environment: str | Path, test: str | None, decision: Path | None) -> bool:
    """Whether a challenger has to step back; the file says so then."""
    file = EnvironmentFile(environment, test)
    watch = guard.watch_of(file.environment)
    found: list[guard.Breach] = []
    if decision:
        found += guard.of_a_decision(file.environment, watch, Evidence.read(decision))
    with workspace(file.environment) as client, progress("Counting requests by minute"):
        found += guard.breaches(watch, guard.look(client, file.environment, watch))
    for breach in found:
        print(f"{breach.arm}: {breach.said}")
    now = datetime.now(UTC)
    traffic = {it.served_entity_name: it.traffic for it in watch.test.challengers}
    arms = [arm for arm in dict.fromkeys(it.arm for it in found) if traffic[arm]]
    for arm in arms:
        breaches = [it for it in found if it.arm == arm]
        record = {
            "at": now.isoformat(),
            "had_percent": traffic[arm],
            "reasons": [it.record for it in breaches],
        }
        kept = guard.step_back(file, arm, record, at=max(it.at for it in breaches))
        print(f"{arm} steps back from {traffic[arm]} percent; the evidence is in {kept}.")
    if arms:
        print(file.difference, end="")
        print(
            "Nothing is deployed: commit both for a review. Not to wait for it: "
            f"python -m infra.rollout guard --stop --environment {file.environment.name} --why TEXT"
        )
    elif found:
        print("It has no traffic already: nothing is to change.")
    else:
        print(f"{watch.test.endpoint}: no challenger has to step back.")
    return bool(arms)


def brake_now(
    environment: str | Path, test: str | None, *, arm: str | None, why: str | None
) -> int:
    """Stops a challenger in the endpoint, then in the file. Returns the exit status."""
    if not (why or "").strip():
        raise Refused('--stop: say why, for those who come later: --why "answers are slow"')
    file = EnvironmentFile(environment, test)
    name = file.environment.ab_test.endpoint
    with workspace(file.environment) as client:
        document = live(client, name)
        if document is None:
            raise Refused(f"{name} does not exist, so that nothing is to stop.")
        arm = brake.arm_to_stop(file.environment, document, arm)
        who = str(client.current_user.me().user_name)
        now = datetime.now(UTC)
        done = brake.stop(client, file.environment, arm, who=who, why=str(why).strip(), now=now)
    print(
        f"{done.arm} has 0 percent, it had {done.had}; {done.champion} has {done.champion_has}. "
        f"{name} moves the traffic now."
    )
    if done.untold:
        print(
            f"{name} could not be marked: {done.untold}\n"
            "No other checkout knows of the brake: merge the change before anybody deploys."
        )
    record = {
        "at": now.isoformat(),
        "had_percent": done.had,
        "stopped_by": who,
        "why": str(why).strip(),
    }
    try:
        kept = guard.step_back(file, done.arm, record, at=now)
    except (Refused, InvalidEnvironment, OSError) as problem:
        print(f"The file is as it was, and the next deployment would undo this: {problem}")
        return 3
    print(file.difference, end="")
    print(f"Commit the file and {kept}: until that is merged, a deployment undoes the brake.")
    return 0

"""``python -m infra.rollout COMMAND``: what is deployed, and the files that change it."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from infra.declared.environment import file_of, load
from infra.declared.problem import InvalidFile
from infra.progress import progress
from infra.rollout import arguments as options
from infra.rollout.arguments import CHECKED, Command
from infra.rollout.refusal import Refused

AS_IT_SHOULD_BE: Final = 0
REFUSED: Final = 1
FOUND: Final = 3
"""The command did its work and found something: drift, a hindrance, a failed update."""
STEPPED_BACK: Final = 4
"""A challenger has to step back, and the file says so now."""


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    return options.parser(_COMMANDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status. A user's mistake is one message."""
    from ml.contract.errors import UserError

    given = parser().parse_args(arguments)
    try:
        command: Command = given.command
        return command(given)
    except (Refused, InvalidFile, UserError) as problem:
        print(f"infra.rollout: {problem}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("\ninfra.rollout: interrupted", file=sys.stderr)
        return 130


def _status(given: argparse.Namespace) -> int:
    from infra.rollout import terraform_state
    from infra.rollout.status import statuses
    from infra.rollout.view import show_status
    from infra.rollout.workspace import workspace

    environment = load(given.environment, given.test)
    state = terraform_state.read(environment, Path.cwd())
    with workspace(environment) as client, progress("Comparing file, state and endpoints"):
        found = statuses(client, environment, state)
    show_status(found, state)
    return AS_IT_SHOULD_BE if all(it.is_as_declared for it in found) else FOUND


def _pin(given: argparse.Namespace) -> int:
    from infra.rollout.environment_file import EnvironmentFile
    from infra.rollout.pin import pin
    from infra.rollout.versions import Registry
    from infra.rollout.workspace import workspace

    if given.unless_worse:
        return _propose(given)
    file = EnvironmentFile(given.environment, given.test)
    if not given.model:
        _ = file.environment.test  # before the workspace is asked
    with workspace(file.environment) as client, progress("Asking the registry"):
        pinned = pin(file, Registry(client), newest=given.newest, models=tuple(given.model))
    for it in pinned:
        change = "unchanged" if it.before == it.version.number else f"was {it.before}"
        print(f"{it.key}.version = {it.version.number}  ({it.version.model}; {change})")
    print(file.difference, end="")
    return AS_IT_SHOULD_BE


def _propose(given: argparse.Namespace) -> int:
    from infra.rollout import proposal
    from infra.rollout.environment_file import EnvironmentFile, replace
    from infra.rollout.versions import Registry
    from infra.rollout.workspace import workspace

    if not given.newest:
        raise Refused("--unless-worse weighs the newest versions: give --newest too.")
    file = EnvironmentFile(given.environment, given.test)
    with workspace(file.environment) as client, progress("Asking the registry"):
        weighed = proposal.propose(file, Registry(client), models=tuple(given.model))
    for it in weighed:
        reason = it.hindrance or f"version {it.newest.number} instead of {it.pinned.number}"
        print(f"{it.key} ({it.newest.model}): {reason}")
    proposed = tuple(it for it in weighed if it.hindrance is None)
    if proposed:
        replace(given.unless_worse, proposal.report(file.environment, proposed).encode())
        print(file.difference, end="")
    else:
        print("Nothing is proposed, and nothing was written.")
    return AS_IT_SHOULD_BE


def _promote(given: argparse.Namespace) -> int:
    from infra.rollout.promote import promote

    done = promote(given.environment, given.decision, experiment=given.experiment, test=given.test)
    print(done.difference, end="")
    what = "The roles are swapped" if done.swapped else f"{done.percent} percent"
    after = "aliases" if done.swapped else f"record --experiment {done.experiment}"
    print(
        f"{what}, as decided in {done.record} (SHA-256 {done.digest[:12]}).\n"
        "Nothing is deployed: commit both files for a review. After the deployment:\n"
        f"  python -m infra.rollout {after} --environment {given.environment}"
    )
    return AS_IT_SHOULD_BE


def _verify(given: argparse.Namespace) -> int:
    from infra.rollout import history
    from infra.rollout.environment_file import EnvironmentFile
    from infra.rollout.evidence import Evidence, last_step
    from infra.rollout.separation import require_separate
    from infra.rollout.verify import both_of_each_test, evidence_of, moves, verify

    file = EnvironmentFile(given.environment, given.test)
    chosen: list[tuple[Evidence, str | None]] = []
    if given.decision:
        chosen = [(Evidence.read(given.decision), given.test)]
    elif given.base:
        if history.is_in(file.path, given.base):  # a new environment enters by review alone
            before = history.at(file.path, given.base).environment
            require_separate(file.path, before, file.environment, given.base)
            for was, now in both_of_each_test(before, file.environment):
                changed = EnvironmentFile(file.path, now.test)
                for move in moves(was, now):
                    chosen.append((evidence_of(changed, move, was, given.base), now.test))
    else:
        for name in (it for it in file.environment.chosen if it in file.environment.tests):
            for arm in file.environment.tests[name].challengers:
                step = last_step(file.path, arm.served_entity_name, arm.traffic, name)
                chosen += [(step, name)] if step else []
    for evidence, test in chosen:
        with progress(f"Making {evidence.file} again from the data"):
            done = verify(
                evidence,
                given.environment,
                experiment=given.experiment,
                data=given.data,
                test=test if len(file.environment.tests) > 1 else None,
            )
        decision = evidence.decision
        print(
            f"{evidence.file}: verified: {decision.verdict} for "
            f"{decision.challenger.served_entity} against {decision.champion.served_entity} "
            f"(SHA-256 {evidence.digest}). {decision.reason}"
        )
        for name, versions in done.software.items():
            print(f"  made with another {name}: {versions}")
    if not chosen:
        print(f"{file.path.name}: no traffic was given to a challenger, so nothing is to verify.")
    return AS_IT_SHOULD_BE


def _diff(given: argparse.Namespace) -> int:
    from infra.rollout.json_diff import differences

    # By its name alone: the change may be that there is no such file any more.
    name = given.environment and Path(given.environment).name.removesuffix(".toml")
    found = list(differences(given.base, name))
    print("".join(found), end="")
    if not found:
        print(f"The synthesized JSON is that of {given.base}.")
    return AS_IT_SHOULD_BE


def _rollback(given: argparse.Namespace) -> int:
    from infra.rollout import history, rollback, settings
    from infra.rollout.endpoints import live
    from infra.rollout.environment_file import unified_difference
    from infra.rollout.workspace import workspace

    file = file_of(given.environment)
    # A file that is wrong now can be taken back as a whole.
    environment = None if given.to and not given.test else load(file, given.test)
    if environment is None or given.to:
        commit = history.at(file, given.to)
    else:
        with workspace(environment) as client:
            document = live(client, environment.ab_test.endpoint)
        served = None if document is None else settings.found(document)
        commit = rollback.target(file, environment, served)
    before = file.read_bytes().decode()
    alone = given.test if environment and len(environment.tests) > 1 else None
    rollback.restore(file, commit, alone)
    print(unified_difference(file, before, file.read_bytes().decode()), end="")
    what = f"{alone} of {file.name}" if alone else file.name
    print(f"{what} is what it was in {commit}. Nothing is deployed; commit it for a review.")
    return AS_IT_SHOULD_BE


def _check(given: argparse.Namespace) -> int:
    from infra.rollout import terraform_state
    from infra.rollout.check import check_platform, check_serving
    from infra.rollout.finding import Finding
    from infra.rollout.workspace import workspace

    environment = load(given.environment, given.test)
    root = Path.cwd()
    stacks = (given.stack,) if given.stack else CHECKED
    findings: list[Finding] = []
    with workspace(environment) as client, progress("Looking for what stands in the way"):
        if "platform" in stacks:
            platform = terraform_state.read_platform(environment, root)
            findings += check_platform(client, environment, platform)
        if "serving" in stacks:
            findings += check_serving(client, environment, terraform_state.read(environment, root))
    for finding in findings:
        print(f"{finding.subject}: {finding.problem}\n    heal: {finding.heal}")
    if not findings:
        names = " and ".join(f"{stack}-{environment.name}" for stack in stacks)
        print(f"Nothing stands in the way of {names}: cdktf deploy can start.")
    return FOUND if findings else AS_IT_SHOULD_BE


def _policy(given: argparse.Namespace) -> int:
    from infra.rollout.policy import allowed

    environment = load(given.environment)
    for line in allowed(environment, given.plans):
        print(line)
    return AS_IT_SHOULD_BE


def _wait(given: argparse.Namespace) -> int:
    from infra.rollout.endpoints import arms_are_as_declared, as_deployed
    from infra.rollout.wait import wait
    from infra.rollout.workspace import workspace

    environment = load(given.environment, given.test)
    failed = False
    refused: list[Refused] = []
    with workspace(environment) as client:
        for endpoint in as_deployed(environment, client):
            minutes = given.timeout_minutes
            if minutes is None:
                minutes = endpoint.timeout_minutes
            print(endpoint.endpoint, flush=True)
            try:
                outcome = wait(
                    client,
                    endpoint.endpoint,
                    seconds=60 * minutes,
                    say=lambda line: print(f"  {line}", flush=True),
                    is_declared=partial(arms_are_as_declared, environment, endpoint),
                )
            except Refused as problem:  # the other endpoints are waited for all the same
                refused.append(problem)
                continue
            for log in outcome.logs:
                print(f"  build log of {log.served_entity}:")
                print("\n".join(f"    {line}" for line in log.lines))
            failed = failed or outcome.failed
    if refused:
        raise Refused("\n".join(map(str, refused)))
    return FOUND if failed else AS_IT_SHOULD_BE


def _guard(given: argparse.Namespace) -> int:
    from infra.rollout.guarding import brake_now, guard_now

    if given.stop:
        return brake_now(given.environment, given.test, arm=given.challenger, why=given.why)
    if given.challenger or given.why:
        raise Refused("--challenger and --why belong to --stop. Add it, or leave them out.")
    return STEPPED_BACK if guard_now(given.environment, given.test, given.decision) else 0


def _aliases(given: argparse.Namespace) -> int:
    from infra.rollout.aliases import move, moves, require_live
    from infra.rollout.versions import Registry
    from infra.rollout.workspace import workspace

    environment = load(given.environment, given.test)
    with workspace(environment) as client:
        require_live(client, environment)
        found = list(moves(Registry(client), environment))
        for it in found:
            move(client, it)
            print(it)
    if not found:
        print("Every alias is where its role is.")
    return AS_IT_SHOULD_BE


def _record(given: argparse.Namespace) -> int:
    from infra.declared.experiment import load as load_experiment
    from infra.declared.experiment import splits_of
    from infra.rollout.endpoints import live
    from infra.rollout.splits import record
    from infra.rollout.workspace import workspace

    experiment = load_experiment(given.experiment)
    environment = load(given.environment, given.test).about_models(
        experiment.champion.model, experiment.challenger.model
    )
    with workspace(environment) as client:
        document = live(client, environment.ab_test.endpoint)
    done = record(environment, experiment, document, splits_of(given.experiment))
    split = done.split
    print(
        f"{split.champion}/{split.challenger} since {split.since:%Y-%m-%dT%H:%M:%SZ}: "
        f"{'recorded in' if done.is_new else 'known to'} {done.file}"
    )
    return AS_IT_SHOULD_BE


_COMMANDS: Final[Mapping[str, Command]] = {
    "status": _status,
    "pin": _pin,
    "promote": _promote,
    "diff": _diff,
    "verify": _verify,
    "rollback": _rollback,
    "check": _check,
    "policy": _policy,
    "wait": _wait,
    "guard": _guard,
    "aliases": _aliases,
    "record": _record,
}


if __name__ == "__main__":
    sys.exit(main())

"""``python -m infra.rollout COMMAND``: what is deployed, and the files that change it."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from infra.declared.default_environment import DEFAULT
from infra.declared.environment import file_of, load
from infra.declared.problem import InvalidFile
from infra.progress import progress
from infra.rollout.refusal import Refused

AS_IT_SHOULD_BE: Final = 0
REFUSED: Final = 1
FOUND: Final = 3
"""The command did its work and found something: drift, a hindrance, a failed update."""
STEPPED_BACK: Final = 4
"""A challenger has to step back, and the file says so now."""

_EPILOG: Final = """\
No command deploys. pin, promote and rollback change the environment file, for a review; the
deployment is cdktf's, or that of the workflow in .github/workflows/apply.yml.

Exit status: 0 as it should be; 1 refused, with the way out; 2 wrong arguments; 3 status found
drift, check found a hindrance, or wait saw an update fail; 4 guard wrote a change that steps back.
"""

_COMPARED: Final = "the one that serves what was compared"
_CHECKED: Final = ("platform", "serving")

Command = Callable[[argparse.Namespace], int]


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.rollout",
        description="Moves a deployment by reviewed changes of its environment file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(
        name: str, command: Command, summary: str, default: str | None = DEFAULT
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=command)
        added.add_argument(
            "--environment",
            default=default,
            metavar="NAME",
            help="a file in infra/environments, or a path to one "
            f"(default: {default or 'each of them'})",
        )
        return added

    looking = add("status", _status, "state, arms, traffic, and drift that no plan shows")
    _add_test(looking, "every endpoint")
    pinning = add("pin", _pin, "write the versions of the aliases into the environment file")
    _add_test(pinning)
    pinning.add_argument(
        "--newest", action="store_true", help="the newest READY version instead of the alias"
    )
    pinning.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="only this model, without catalog and schema; may be repeated. Default: both arms",
    )
    pinning.add_argument(
        "--unless-worse",
        type=Path,
        metavar="REPORT.MD",
        help="with --newest: only versions whose model cards show no worse validation figures, "
        "with the same signature; the report for the reviewers is written to this file",
    )
    promoting = add("promote", _promote, "write the next step of the ramp, by a decision")
    promoting.add_argument(
        "--decision",
        type=Path,
        required=True,
        metavar="FILE",
        help="decision.json, as ml.compare or ml.replay wrote it; of a replay with its answers",
    )
    _add_test(promoting, _COMPARED)
    _add_experiment(promoting)
    diffing = add(
        "diff",
        _diff,
        "what the change since a revision of Git does to the synthesized JSON",
        default=None,
    )
    diffing.add_argument(
        "--base",
        default="HEAD",
        metavar="REVISION",
        help="a commit, branch or tag of Git (default: %(default)s, so what is not committed yet)",
    )
    verifying = add("verify", _verify, "make a decision again from the data, and compare")
    what = verifying.add_mutually_exclusive_group()
    what.add_argument(
        "--decision",
        type=Path,
        metavar="FILE",
        help="default: those recorded beside the environment file for its present traffic",
    )
    what.add_argument(
        "--base",
        metavar="REVISION",
        help="every decision that the change since this Git revision needs: what CI runs",
    )
    _add_test(verifying, "each of them, or the one that serves what was compared")
    _add_experiment(verifying)
    verifying.add_argument(
        "--data", type=Path, metavar="FILE", help="the file that the decision was made from"
    )
    back = add("rollback", _rollback, "write the last deployed file")
    _add_test(back)
    back.add_argument(
        "--to", metavar="COMMIT", help="this commit's file, without asking the workspace"
    )
    checking = add(
        "check", _check, "what a deployment would fail at or erase, with the command that heals it"
    )
    _add_test(checking, "every endpoint")
    checking.add_argument("--stack", choices=_CHECKED, help="of this stack alone. Default: of both")
    planned = add("policy", _policy, "refuse plans that destroy an endpoint or what holds data")
    planned.add_argument(
        "plans",
        nargs="+",
        type=Path,
        metavar="PLAN.JSON",
        help="what terraform show -json writes of a plan",
    )
    waiting = add("wait", _wait, "wait for an update: progress, and build logs where it fails")
    _add_test(waiting, "every endpoint")
    waiting.add_argument(
        "--timeout-minutes",
        type=float,
        metavar="MINUTES",
        help="default: timeout_minutes of the environment file",
    )
    guarding = add("guard", _guard, "whether a challenger has to step back; --stop is the brake")
    _add_test(guarding)
    guarding.add_argument(
        "--decision",
        type=Path,
        metavar="FILE",
        help="a decision that ml.compare has just made: its ROLLBACK is a reason, too",
    )
    guarding.add_argument(
        "--stop",
        action="store_true",
        help="the brake: take a challenger's traffic away now, in the endpoint and in the file",
    )
    guarding.add_argument(
        "--challenger", metavar="NAME", help="with --stop: the served entity. Default: the only one"
    )
    guarding.add_argument("--why", metavar="TEXT", help="with --stop: the reason, which is kept")
    following = add("aliases", _aliases, "after a deployment: let the aliases follow the roles")
    _add_test(following, "every test")
    recording = add("record", _record, "after a deployment: note since when the traffic is split")
    _add_test(recording, _COMPARED)
    recording.add_argument(
        "--experiment",
        required=True,
        metavar="NAME",
        help="a file in infra/experiments, or a path to one; the record goes beside it, to splits/",
    )
    return parser


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


def _add_test(parser: argparse.ArgumentParser, default: str = "the only one") -> None:
    parser.add_argument(
        "--test",
        metavar="NAME",
        help=f"the A/B test by the name of its table in the file. Default: {default}",
    )


def _add_experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="a file in infra/experiments, or a path to one. Default: the decision's",
    )


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

    name = None if given.environment is None else load(given.environment).name
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
    stacks = (given.stack,) if given.stack else _CHECKED
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
    with workspace(environment) as client:
        for endpoint in as_deployed(environment, client):
            minutes = given.timeout_minutes
            if minutes is None:
                minutes = endpoint.timeout_minutes
            print(endpoint.endpoint, flush=True)
            outcome = wait(
                client,
                endpoint.endpoint,
                seconds=60 * minutes,
                say=lambda line: print(f"  {line}", flush=True),
                is_declared=partial(arms_are_as_declared, environment, endpoint),
            )
            for log in outcome.logs:
                print(f"  build log of {log.served_entity}:")
                print("\n".join(f"    {line}" for line in log.lines))
            failed = failed or outcome.failed
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


if __name__ == "__main__":
    sys.exit(main())

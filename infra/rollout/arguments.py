"""The commands of ``python -m infra.rollout`` and their options."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from infra.declared.default_environment import DEFAULT
from ml.contract.help_text import Paragraphs

_EPILOG: Final = """\
No command deploys. pin, promote and rollback change the environment file, for a review; the
deployment is cdktf's, or that of the workflow in .github/workflows/apply.yml.

Exit status: 0 as it should be; 1 refused, with the way out; 2 wrong arguments; 3 status found
drift, check found a hindrance, or wait saw an update fail; 4 guard wrote a change that steps back.
"""

_COMPARED: Final = "the one that serves what was compared"
CHECKED: Final = ("platform", "serving")

Command = Callable[[argparse.Namespace], int]


def parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Every command with its options; `commands` has what runs it."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.rollout",
        description="Moves a deployment by reviewed changes of its environment file.",
        epilog=_EPILOG,
        formatter_class=Paragraphs,
    )
    listed = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, summary: str, default: str | None = DEFAULT) -> argparse.ArgumentParser:
        added = listed.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=commands[name])
        added.add_argument(
            "--environment",
            default=default,
            metavar="NAME",
            help="a file in infra/environments, or a path to one "
            f"(default: {default or 'each of them'})",
        )
        return added

    looking = add("status", "state, arms, traffic, and drift that no plan shows")
    _add_test(looking, "every endpoint")
    pinning = add("pin", "write the versions of the aliases into the environment file")
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
    promoting = add("promote", "write the next step of the ramp, by a decision")
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
        "what the change since a revision of Git does to the synthesized JSON",
        default=None,
    )
    diffing.add_argument(
        "--base",
        default="HEAD",
        metavar="REVISION",
        help="a commit, branch or tag of Git (default: %(default)s, so what is not committed yet)",
    )
    verifying = add("verify", "make a decision again from the data, and compare")
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
    back = add("rollback", "write the last deployed file")
    _add_test(back)
    back.add_argument(
        "--to", metavar="COMMIT", help="this commit's file, without asking the workspace"
    )
    checking = add(
        "check", "what a deployment would fail at or erase, with the command that heals it"
    )
    _add_test(checking, "every endpoint")
    checking.add_argument("--stack", choices=CHECKED, help="of this stack alone. Default: of both")
    planned = add("policy", "refuse plans that destroy an endpoint or what holds data")
    planned.add_argument(
        "plans",
        nargs="+",
        type=Path,
        metavar="PLAN.JSON",
        help="what terraform show -json writes of a plan",
    )
    waiting = add("wait", "wait for an update: progress, and build logs where it fails")
    _add_test(waiting, "every endpoint")
    waiting.add_argument(
        "--timeout-minutes",
        type=float,
        metavar="MINUTES",
        help="default: timeout_minutes of the environment file",
    )
    guarding = add("guard", "whether a challenger has to step back; --stop is the brake")
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
    following = add("aliases", "after a deployment: let the aliases follow the roles")
    _add_test(following, "every test")
    recording = add("record", "after a deployment: note since when the traffic is split")
    _add_test(recording, _COMPARED)
    recording.add_argument(
        "--experiment",
        required=True,
        metavar="NAME",
        help="a file in infra/experiments, or a path to one; the record goes beside it, to splits/",
    )
    return parser


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

"""`python -m infra.local.terraform COMMAND`: Terraform itself, on the stacks of an environment."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.declared.default_environment import DEFAULT
from infra.declared.environment import InvalidEnvironment, load
from infra.declared.local_workspace import token_file
from infra.local.terraform.deployment import Deployment
from infra.local.terraform.installation import Installation, NotInstalled
from infra.local.terraform.order import STACKS
from infra.local.terraform.refusal import NotDeployed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.declared.environment import Environment

_NO_COMMAND: Final = 2
_INSTALL: Final = "install"
_COMMANDS: Final = {
    "plan": "what a deployment would change",
    "apply": "deploy a stack: show what changes, ask, do it",
    "destroy": "take a stack away: show what goes, ask, do it",
    "output": "the outputs of a stack that is deployed, such as the endpoints' addresses",
    _INSTALL: "print what a shell needs for plain cdktf and terraform commands where the registry "
    'of providers cannot be reached: eval "$(python -m infra.local.terraform install)"',
}


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.local.terraform",
        description="Deploys a stack of an environment: synthesizes it, and runs Terraform.",
        epilog="The exit status is Terraform's: 0 it is done, 1 it is not, or you said no.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name, summary in _COMMANDS.items():
        added = commands.add_parser(name, help=summary, description=summary)
        added.add_argument(
            "--environment",
            default=DEFAULT,
            metavar="NAME",
            help="a file in infra/environments, or a path to one (default: %(default)s)",
        )
        if name == _INSTALL:
            continue
        added.add_argument(
            "--stack",
            choices=STACKS,
            default="serving",
            help="platform before training, serving, analysis after the first requests "
            "(default: %(default)s)",
        )
        added.add_argument(
            "--provider",
            choices=("auto", "registry", "stand-in"),
            default="auto",
            help="auto: the real one if terraform init can reach the registry, else, for a "
            "workspace on this machine, the stand-in (default: %(default)s)",
        )
        if name != "output":  # a plan never asks; a script need not tell the commands apart
            added.add_argument(
                "--auto-approve", action="store_true", help="do not ask before changing anything"
            )
        if name == "output":
            _add_output_options(added)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = parser().parse_args(arguments)
    if given.command is None:
        parser().print_help(sys.stderr)
        return _NO_COMMAND
    root = Path.cwd()
    try:
        environment = load(given.environment)
        if given.command == _INSTALL:
            _install(root, environment)
            return 0
        deployment = Deployment(
            root=root,
            environment=environment,
            stack=given.stack,
            provider=given.provider,
            named=given.environment,
        )
        options = _output_options(given) if given.command == "output" else ()
        approved = getattr(given, "auto_approve", False)
        return deployment.run(given.command, options, auto_approve=approved)
    except (InvalidEnvironment, NotDeployed, NotInstalled) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="OUTPUT", help="this one alone")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="for machines")
    how.add_argument("--raw", action="store_true", help="the value of OUTPUT and nothing else")


def _output_options(given: argparse.Namespace) -> Sequence[str]:
    how = [f"-{it}" for it in ("json", "raw") if getattr(given, it)]
    return [*how, *([given.name] if given.name else [])]


def _install(root: Path, environment: Environment) -> None:
    installation = Installation(root=root)
    installation.write()
    print(
        "# For this shell: cdktf and terraform use the stand-in provider, with the workspace of "
        f"{environment.name} only."
    )
    for name, value in installation.shell_variables().items():
        print(f"export {name}={shlex.quote(value)}")
    # The real provider refuses two ways to authenticate.
    print("unset DATABRICKS_CONFIG_PROFILE DATABRICKS_CLIENT_ID DATABRICKS_CLIENT_SECRET")
    print("unset DATABRICKS_AUTH_TYPE DATABRICKS_HOST")
    print(f'export DATABRICKS_TOKEN="$(cat {token_file()})"')


if __name__ == "__main__":
    sys.exit(main())

"""`python -m infra.local.terraform`: deploy a stack to the workspace of this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infra.declared.environment import InvalidEnvironment, load
from infra.local.terraform.deployment import COMMANDS, STACKS, Deployment, NotDeployed
from infra.local.terraform.installation import Installation, NotInstalled

if TYPE_CHECKING:
    from collections.abc import Sequence

_INSTALL = "install"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.terraform", description=__doc__)
    parser.add_argument(
        "command",
        nargs="?",
        choices=(*COMMANDS, _INSTALL),
        default="apply",
        help="install: only prepare the stand-in provider, for plain terraform commands",
    )
    parser.add_argument("--environment", default="local", help="a name, or an environment file")
    parser.add_argument(
        "--stack",
        choices=STACKS,
        default="serving",
        help="platform before training, serving (default), analysis after the first requests",
    )
    parser.add_argument(
        "--provider",
        choices=("auto", "registry", "stand-in"),
        default="auto",
        help="auto (default): the real provider if terraform init can reach the registry",
    )
    parser.add_argument("--auto-approve", action="store_true", help="do not ask before changing")
    chosen = parser.parse_args(arguments)
    root = Path.cwd()
    try:
        if chosen.command == _INSTALL:
            _install(root)
            return 0
        deployment = Deployment(
            root=root,
            environment=load(chosen.environment),
            stack=chosen.stack,
            provider=chosen.provider,
        )
        return deployment.run(chosen.command, auto_approve=chosen.auto_approve)
    except (InvalidEnvironment, NotDeployed, NotInstalled) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _install(root: Path) -> None:
    installation = Installation(root=root)
    installation.write()
    print("# Plain terraform uses the stand-in provider, for the local workspace only, with:")
    print(f"export TF_CLI_CONFIG_FILE={installation.cli_config}")
    # The real provider refuses two ways to authenticate.
    print("unset DATABRICKS_CONFIG_PROFILE DATABRICKS_CLIENT_ID DATABRICKS_CLIENT_SECRET")
    print("unset DATABRICKS_AUTH_TYPE DATABRICKS_HOST")
    print('export DATABRICKS_TOKEN="$(cat .local/workspace/token)"')


if __name__ == "__main__":
    sys.exit(main())

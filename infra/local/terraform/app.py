"""The cdktf app of one environment: `python -m infra.local.terraform.app local` (or a file)."""

from __future__ import annotations

import sys

from infra.environment import InvalidEnvironment, load


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m infra.local.terraform.app ENVIRONMENT")
    try:
        environment = load(sys.argv[1])
    except InvalidEnvironment as invalid:
        sys.exit(str(invalid))

    from cdktf import App

    from infra.stacks import ServingStack

    app = App(stack_traces=False)
    ServingStack(app, environment)
    app.synth()


if __name__ == "__main__":
    main()

"""The cdktf app of one stack: `python -m infra.local.terraform.app platform local` (or a file)."""

from __future__ import annotations

import sys

from infra.declared.environment import InvalidEnvironment, load


def main() -> None:
    """Synthesizes the stack of the environment that the two arguments name."""
    if len(sys.argv) != 3:
        sys.exit("usage: python -m infra.local.terraform.app STACK ENVIRONMENT")
    kind, source = sys.argv[1:]
    try:
        environment = load(source)
    except InvalidEnvironment as invalid:
        sys.exit(str(invalid))

    from cdktf import App

    from infra.stacks import AnalysisStack, PlatformStack, ServingStack

    stacks = {"platform": PlatformStack, "serving": ServingStack, "analysis": AnalysisStack}
    app = App(stack_traces=False)
    stacks[kind](app, environment)
    app.synth()


if __name__ == "__main__":
    main()

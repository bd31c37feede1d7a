"""Shows the arms of an environment: which versions it serves, how good they are, their traffic.

``python -m ml.arms``; the versions and the split are those of the environment's file.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ml.terminal.command import Options, add_registry_options, add_test_option, run

_STACKS = Path("cdktf.out") / "stacks"


def options() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = Options(
        prog="python -m ml.arms",
        description="Shows the arms of an environment with the figures of their versions.",
    )
    add_registry_options(parser)
    add_test_option(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = options().parse_args(arguments)
    from infra.declared.environment import load

    environment = load(given.environment, given.test)

    from rich.console import Console

    from ml.registration.registry import Registry
    from ml.terminal.tables import table as folding
    from ml.workspace.connection import is_local

    registry = Registry(given.registry, local=is_local(environment))
    table = folding("arm", "model", "version", "AUC", "sensitivity", "specificity", "traffic")
    test = environment.ab_test
    names = ("champion", *("challenger" for _ in test.challengers))
    for arm, served, route in zip(names, test.served_models, test.split.routes, strict=True):
        tags = registry.tags(environment.full_model_name(served), served.version)
        figures = (
            tags.get(f"validation_{figure}", "unknown")
            for figure in ("auc", "sensitivity", "specificity")
        )
        table.add_row(arm, served.model, str(served.version), *figures, f"{route.percent} %")
    console = Console(highlight=False)
    console.print(table)
    synthesized = _STACKS / environment.serving_stack / "cdk.tf.json"
    if synthesized.exists():
        console.print(f"Synthesized: {synthesized}")
    else:
        console.print("Not synthesized yet: python main.py")
    return 0


if __name__ == "__main__":
    sys.exit(run("ml.arms", main))

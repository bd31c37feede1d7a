"""Keeps what a verdict counts, day by day: ``python -m ml.count_days EXPERIMENT``."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ml.contract.errors import UserError
from ml.terminal.command import (
    Options,
    add_environment_option,
    add_experiment_argument,
    add_test_option,
    add_warehouse_option,
    moment,
    run,
)

_EPILOG = """\
A day is counted once, and again when something of it has changed: a late request or reading, a
context, a second answer to one id, or the experiment's file. The table is <prefix>_verdict_days
beside the inference table; python -m ml.compare adds its days up instead of reading the log.
"""


def options() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = Options(
        prog="python -m ml.count_days",
        description="Counts the days of an experiment that have changed, in a table of the "
        "workspace, so that a verdict does not read the others again.",
        epilog=_EPILOG,
    )
    add_experiment_argument(parser)
    add_environment_option(parser, "whose workspace has the rows")
    add_test_option(parser)
    add_warehouse_option(parser)
    parser.add_argument(
        "--as-of",
        type=moment,
        metavar="TIME",
        help="count nothing later, such as 2026-03-02T00:00:00Z. Default: the last midnight, UTC",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = options().parse_args(arguments)
    from rich.console import Console

    from infra.declared.environment import load as load_environment
    from infra.declared.experiment import load, splits, splits_of
    from ml.terminal.progress import status
    from ml.verdict.counting.day_queries import day_of, end_of
    from ml.verdict.counting.workspace_rows import WorkspaceRows

    experiment = load(given.experiment)
    recorded = splits_of(given.experiment)
    in_force = splits(experiment, recorded if recorded.is_file() else None)
    environment = load_environment(given.environment, given.test).about_models(
        experiment.champion.model, experiment.challenger.model
    )
    now = datetime.now(UTC)
    as_of = given.as_of or end_of(day_of(now) - 1)
    if as_of > now:
        raise UserError(f"--as-of {as_of.isoformat()} has not come yet. Name an earlier moment.")
    console = Console(highlight=False, markup=False)
    with status(console, f"Counting {experiment.name} by day"):
        there = WorkspaceRows.of(environment, experiment, given.warehouse)
        days = there.days(environment, experiment, in_force)
        counted = days.count(as_of)
    dates = [(end_of(day) - timedelta(days=1)).date().isoformat() for day in counted]
    console.print(
        f"{days.table}: {experiment.name} until {as_of.isoformat()}; "
        + (f"{len(dates)} days counted, from {dates[0]} to {dates[-1]}" if dates else "no change"),
        soft_wrap=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(run("ml.count_days", main))

"""Feeds the watch over an A/B test: ``python -m ml.monitor``."""

import argparse
import datetime
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml.terminal.command import (
    Options,
    add_registry_options,
    add_test_option,
    add_warehouse_option,
    run,
    whole_number,
)

if TYPE_CHECKING:
    from rich.console import Console

    from infra.declared.environment import Environment
    from ml.monitoring.reference import Reference
    from ml.monitoring.tables import MonitoringTables
    from ml.registration.registry import Registry

_REQUESTS_A_STATEMENT: Final = 50

_EPILOG = """\
Copies of each served version what it saw in validation, and measures a few figures of each input
that was asked about: mean, spread, dark and bright parts of a film, the numbers of a row. The same
command again adds what is missing. A job of the platform runs it; it changes no model, no endpoint.
"""


def options() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = Options(
        prog="python -m ml.monitor",
        description="Writes the tables that the views of the drift compare.",
        epilog=_EPILOG,
    )
    add_registry_options(parser)
    add_test_option(parser)
    parser.add_argument(
        "--hours",
        type=whole_number(1, 24 * 90),
        default=24,
        metavar="N",
        help="how far back inputs are looked at (default: %(default)s)",
    )
    parser.add_argument(
        "--most",
        type=whole_number(1, 10_000),
        default=2000,
        metavar="N",
        help="requests that are measured in one run, the newest first (default: %(default)s)",
    )
    add_warehouse_option(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = options().parse_args(arguments)
    from rich.console import Console

    from infra.declared.environment import load
    from ml.contract.tables import INPUT_MEASURES, REFERENCE_DISTRIBUTIONS
    from ml.monitoring.tables import MonitoringTables
    from ml.registration.registry import Registry
    from ml.terminal.progress import status
    from ml.workspace.connection import connect, is_local

    console = Console(highlight=False, markup=False)
    environment = load(given.environment)
    environments = [environment.about(given.test)] if given.test else list(environment.about_each())
    with status(console, "Opening the workspace"):
        tables = MonitoringTables.of(
            environment,
            connect(environment),
            given.warehouse,
            used=(REFERENCE_DISTRIBUTIONS, INPUT_MEASURES),
        )
        registry = Registry(given.registry, local=is_local(environment))
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=given.hours)
    for one in environments:
        _copy_references(one, tables, registry, console)
        _measure(one, tables, since, given.most, console)
    return 0


def _copy_references(
    environment: "Environment", tables: "MonitoringTables", registry: "Registry", console: "Console"
) -> None:
    known = tables.known_versions()
    for arm in environment.ab_test.served_models:
        model = environment.full_model_name(arm.model)
        if (model, arm.version) in known:
            continue
        reference = _reference(registry, model, arm.version)
        if reference is None:
            console.print(
                f"{model} version {arm.version} carries no reference: nothing of its drift is "
                "known. Train or register it again with this version of the project.",
                soft_wrap=True,
            )
            continue
        tables.add_reference(model, arm.version, reference)
        console.print(f"{model} version {arm.version}: reference of {', '.join(reference)}")


def _reference(registry: "Registry", model: str, version: int) -> "Reference | None":
    from ml.monitoring import reference

    with tempfile.TemporaryDirectory() as folder:
        file = registry.download(model, version, reference.FILE, Path(folder))
        return reference.read(file) if file else None


def _measure(
    environment: "Environment",
    tables: "MonitoringTables",
    since: datetime.datetime,
    most: int,
    console: "Console",
) -> None:
    from infra.declared.analysis import Analysis
    from ml.terminal.progress import status

    analysis = Analysis.of(environment)
    if analysis is None:
        return
    requests = tables.unmeasured(analysis.payload, since)[:most]
    measured = 0
    with status(console, f"Measuring {len(requests)} requests"):
        for first in range(0, len(requests), _REQUESTS_A_STATEMENT):
            some = requests[first : first + _REQUESTS_A_STATEMENT]
            rows = list(_measures(tables, analysis.payload, some))
            tables.add_measures(rows)
            measured += len(rows)
    console.print(f"{environment.ab_test.endpoint}: {measured} inputs measured")


def _measures(
    tables: "MonitoringTables", payload: str, requests: Sequence[str]
) -> Iterator[tuple[str, str, int, dict[str, float]]]:
    from ml.monitoring import inputs

    for request, time, body in tables.bodies(payload, requests):
        for place, figures in enumerate(inputs.of_request(body)):
            yield request, time, place, figures


if __name__ == "__main__":
    sys.exit(run("ml.monitor", main))

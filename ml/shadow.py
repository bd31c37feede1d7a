"""A challenger in the shadow of its champion: ``python -m ml.shadow EXPERIMENT``."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml.terminal.command import (
    Options,
    add_environment_option,
    add_experiment_argument,
    add_test_option,
    add_warehouse_option,
    run,
    whole_number,
)

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment
    from ml.prediction.shadow import Shadow

_EPILOG = """\
Takes what the champion was asked from the inference table, and asks the challenger the same by
/served-models/, so that it is judged before it gets any traffic: python -m ml.compare EXPERIMENT
--shadow. No request is asked twice, those that it refused neither; the same command again goes on
where this one stopped.
"""


def options() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = Options(
        prog="python -m ml.shadow",
        description="Asks a challenger what its champion was asked, and writes down both answers.",
        epilog=_EPILOG,
    )
    add_experiment_argument(parser)
    add_environment_option(parser, "whose endpoint is asked")
    add_test_option(parser)
    parser.add_argument(
        "--most",
        type=whole_number(1, 10_000),
        default=1000,
        metavar="N",
        help="requests in one run, the oldest first (default: %(default)s)",
    )
    parser.add_argument(
        "--per-minute",
        type=whole_number(1, 60_000),
        default=300,
        metavar="N",
        help="requests at most, so that the endpoint keeps answering others (default: %(default)s)",
    )
    parser.add_argument(
        "--refused-too",
        action="store_true",
        help="ask again what the challenger refused, once what it refuses has changed",
    )
    add_warehouse_option(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = options().parse_args(arguments)
    from rich.console import Console

    from infra.declared.experiment import load
    from ml.prediction.shadow import Pace
    from ml.terminal.progress import tracked

    console = Console(highlight=False, markup=False)
    experiment = load(given.experiment)
    shadow = _shadow(given, experiment)
    if given.refused_too:
        shadow.forget_refusals()
    requests = shadow.unasked(experiment.start)[: given.most]
    outcomes = Counter[str]()
    refusals = []
    asking = shadow.ask(requests, Pace(per_minute=given.per_minute))
    for outcome in tracked(asking, "Asking the challenger", len(requests), console):
        outcomes["refused" if outcome.refused else "asked" if outcome.asked else "logged"] += 1
        if outcome.refused:
            refusals.append(outcome)
    for outcome in refusals[:5]:
        console.print(f"{outcome.request}: {outcome.refused}", soft_wrap=True)
    console.print(
        f"{experiment.challenger.served_entity_name}: {outcomes['asked']} requests asked, "
        f"{outcomes['logged']} answers found in the log, {outcomes['refused']} refused."
    )
    if refusals:
        console.print("Refusals are written down and not asked again, but by --refused-too.")
    return 3 if refusals else 0


def _shadow(given: argparse.Namespace, experiment: "Experiment") -> "Shadow":
    from infra.declared.analysis import Analysis
    from infra.declared.environment import load
    from ml.contract.errors import UserError
    from ml.contract.tables import SHADOW_ANSWERS
    from ml.prediction.shadow import Shadow
    from ml.workspace.connection import WorkspaceError, connect
    from ml.workspace.endpoint import Endpoint
    from ml.workspace.unity_catalog import exists
    from ml.workspace.warehouse import Warehouse

    environment = load(given.environment, given.test).about_models(
        experiment.champion.model, experiment.challenger.model
    )
    analysis = Analysis.of(environment)
    if analysis is None:
        raise UserError(
            f"environment {environment.name}: its endpoint logs nothing, so that nobody knows what "
            f"its champion was asked. Give it an inference table: "
            f"[{environment.test}.inference_table]."
        )
    client = connect(environment)
    table = SHADOW_ANSWERS.full_name(environment.catalog)
    if not exists(client, "table", table):
        raise WorkspaceError(
            f"{client.config.host}: there is no table {table}, or you may not see it. Write "
            f"[monitoring] into {environment.name}.toml and deploy {environment.platform_stack}."
        )
    challenger = experiment.challenger.served_entity_name
    endpoint = Endpoint(
        client, environment.ab_test.endpoint, served_entity=challenger, connections=1
    )
    endpoint.request_schema()  # refuses an entity that is not served, before anything is asked
    return Shadow(
        Warehouse.named(client, given.warehouse or environment.warehouse_name),
        analysis,
        table,
        endpoint,
        champion=experiment.champion.served_entity_name,
        challenger=challenger,
    )


if __name__ == "__main__":
    sys.exit(run("ml.shadow", main))

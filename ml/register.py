"""Registers a model that was trained anywhere: ``python -m ml.register --from URI --name NAME``."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml.contract.errors import UserError
from ml.contract.task import TableInput
from ml.registration.judged import add_labelled_options, require
from ml.terminal.command import (
    NOTHING_REGISTERED,
    Options,
    add_registry_options,
    add_test_option,
    run,
)

if TYPE_CHECKING:
    from ml.contract.task import Task
    from ml.registration.registry import Registration, Registry

_EPILOG = """\
Any model of MLflow, whatever framework made it, whose answer holds the probability of the task's
positive label: the task of the environment's A/B test says what is sent and where in the answer
the probability stands. It is asked once, as serving will ask it, before anything is registered.

--sample gives what it is asked about: a CSV or Parquet file of rows, or a film. Default: the
rows of --data, or the example that the model was logged with; of a picture, an even grey.

--data judges it, as training judges what it has trained: the figures become the version's tags and
its card, by which `pin --newest --unless-worse` weighs it, and what it answered becomes the
reference against which a drift is measured. Name cases that it was not trained on.
"""


def options() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = Options(
        prog="python -m ml.register",
        description="Registers a model of MLflow as a version that an A/B test can serve.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="URI",
        help="runs:/RUN/NAME, models:/NAME/VERSION, or the folder of a model (it has an MLmodel)",
    )
    parser.add_argument(
        "--name",
        required=True,
        metavar="NAME",
        help="the registered name, without catalog and schema, as the environment's file has it",
    )
    parser.add_argument("--sample", type=Path, metavar="FILE", help="what the model is asked about")
    add_labelled_options(parser, "it is not judged")
    parser.add_argument(
        "--description", default="", metavar="TEXT", help="what readers of the registry should know"
    )
    add_registry_options(parser)
    add_test_option(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = options().parse_args(arguments)
    from rich.console import Console

    from infra.declared.environment import load
    from ml.registration.registry import Registry
    from ml.terminal.progress import silenced_natives, status
    from ml.workspace.connection import is_local

    environment = load(given.environment, given.test).about_models(given.name)
    task = environment.ab_test.task
    name = environment.full_model_name(_one_level(given.name))
    if given.sample is not None and not given.sample.is_file():
        raise UserError(f"--sample {given.sample}: there is no such file.")
    if given.data is not None:
        require(given.data, task, part=given.part, truth=given.truth)
    elif given.part or given.truth:
        raise UserError(
            "--part and --truth are of what --data names. Add --data, or leave them out."
        )
    console = Console(highlight=False)
    with status(console, "Opening the registry"):
        registry = Registry(given.registry, local=is_local(environment))
    with (
        status(console, f"Asking {given.source}"),
        silenced_natives(),
        tempfile.TemporaryDirectory() as temporary,
    ):
        registered, answer = _registered(
            registry, given, task, name, environment.name, Path(temporary)
        )
    console.print(f"{name} version {registered.version}", soft_wrap=True)
    console.print(
        f"Asked once: a probability of {task.positive} of {answer:.4f}, called "
        f"{task.call(answer)}. Registered in {registry.uri}. Write the number into the "
        f"environment's file and deploy: cdktf deploy {environment.serving_stack}",
        markup=False,
        soft_wrap=True,
    )
    return 0


def _registered(
    registry: "Registry",
    given: argparse.Namespace,
    task: "Task",
    name: str,
    environment: str,
    temporary: Path,
) -> "tuple[Registration, float]":
    from ml.registration.foreign import Foreign
    from ml.registration.judged import Labelled, write_evidence

    model = Foreign.fetched(given.source, temporary)
    is_rows = isinstance(task.input, TableInput)
    answer = model.asked(task, given.sample or (given.data if is_rows else None))
    judged = None
    if given.data is not None:
        known = Labelled.read(
            given.data, task, model.image_size(task), part=given.part, truth=given.truth
        )
        judged = known.report(model.model, f"--from {given.source}", task)
        write_evidence(model.folder, known, judged)
    tags = model.tags(task) | (judged.evaluation.tags() if judged else {})
    model.write_card(name, task, tags, given.description, judged)
    summary = given.description or f"{model.framework}, registered from {given.source}."
    return registry.register_folder(name, model.folder, tags, summary, environment), answer


def _one_level(name: str) -> str:
    if not name.isidentifier():
        raise UserError(
            f"--name {name!r}: letters, digits and '_', a letter first, without catalog and "
            "schema: those are the environment's."
        )
    return name


if __name__ == "__main__":
    sys.exit(run("ml.register", main, interrupted=NOTHING_REGISTERED))

"""Trains one arm, judges it and registers it: what `train_keras` and `train_torch` share.

The steps are in the order of their cost, so that what cannot end well ends early: options, films,
registry, and only then the framework.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ml.contract.arms import Arm
from ml.contract.task import Size, shown
from ml.data import loading
from ml.data.films import DataSet
from ml.registration import provenance
from ml.terminal.command import Options, add_data_option, add_registry_options, whole_number
from ml.training import device
from ml.training.recipe import Recipe

if TYPE_CHECKING:
    from rich.console import Console

    from ml.evaluation.report import Report
    from ml.registration.registry import Registration, Registry
    from ml.training.fitting import Network


def options(arm: Arm) -> argparse.ArgumentParser:
    """The options of the command that trains an arm."""
    parser = Options(
        prog=f"python -m {arm.command}",
        description=f"Trains {arm.model} ({arm.architecture}, {arm.framework}) and registers it.",
    )
    add_data_option(parser)
    if arm.epochs:
        parser.add_argument(
            "--epochs",
            type=whole_number(1, 1000),
            default=Recipe.epochs,
            metavar="N",
            help="how often every training film is seen (default: %(default)s)",
        )
    parser.add_argument(
        "--seed",
        type=whole_number(0, 2**32 - 1),
        default=Recipe.seed,
        metavar="N",
        help="the same seed gives the same model on the same machine (default: %(default)s)",
    )
    parser.add_argument(
        "--image-size",
        type=whole_number(loading.SMALLEST_IMAGE, loading.LARGEST_IMAGE),
        metavar="PIXELS",
        help="height and width that the model takes; default: that of the films of an .npz, 64 "
        "for a folder",
    )
    parser.add_argument(
        "--device",
        choices=device.WANTED,
        default=device.AUTO,
        help="cuda is a GPU; auto takes one where there is one (default: %(default)s)",
    )
    add_registry_options(parser)
    parser.add_argument(
        "--skip-if-registered",
        action="store_true",
        help="do nothing where a version of the same films, code and options is registered",
    )
    return parser


def train(arm: Arm, arguments: Sequence[str] | None) -> int:
    """The command; returns its exit status."""
    given = options(arm).parse_args(arguments)
    from infra.declared.environment import load

    environment = load(given.environment)
    name = environment.full_model_name(arm.model)
    path = given.data or loading.BUNDLED
    loading.require(path)

    from rich.console import Console

    from ml.registration.registry import Registry
    from ml.terminal.progress import silenced_natives, status
    from ml.workspace.connection import is_local

    console = Console(highlight=False)
    if given.device == device.CUDA:
        # The framework before its turn: whether there is a GPU is asked before films are read.
        with status(console, f"Importing {arm.framework}"), silenced_natives():
            _device(arm, given.device)
    with status(console, f"Reading {path}"):
        data = loading.load(path, given.image_size)
    loading.require_for_training(data)
    _show_data(data, console)
    with status(console, "Opening the registry"):
        registry = Registry(given.registry, local=is_local(environment))
    repeated = {"epochs": given.epochs} if arm.epochs else {}
    identity = _identity(arm, data, **repeated, seed=given.seed)
    if given.skip_if_registered and (existing := registry.existing(name, identity)):
        console.print(f"{name}: the same films, code and options gave a version already")
        _show_result(existing, given.environment, registry, console)
        return 0
    recipe = Recipe(**repeated, seed=given.seed)
    with status(console, f"Importing {arm.framework}"), silenced_natives():
        on, shown = _device(arm, given.device)
        network = _network(arm, data.image_size, recipe, on)
    if on != device.CPU:
        console.print(f"Training on {shown}")
    report = _fit(network, data, recipe, f"{name} ({arm.framework})", console)
    with status(console, "Registering the version"), silenced_natives():
        tags = identity | {"device": shown}
        registered = _register(arm, network, data, report, tags, name, environment.name, registry)
    _show_result(registered, given.environment, registry, console)
    return 0


def _identity(arm: Arm, data: DataSet, **options: int) -> dict[str, str]:
    """Two versions that agree in these tags are the same on the same machine."""
    return {
        "data_digest": data.digest,
        "code_digest": provenance.code_digest(_file(arm.network), arm.packages),
        **{name: str(value) for name, value in options.items()},
        "image_size": str(data.image_size),
    }


def _file(module: str) -> Path:
    """Where a module's source is, without importing it."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    return Path(spec.origin)


def _device(arm: Arm, wanted: str) -> tuple[str, str]:
    framework = f"{arm.framework} {arm.framework_version}"
    return device.choose(wanted, import_module(arm.network), framework)


def _network(arm: Arm, image_size: Size, recipe: Recipe, on: str) -> "Network":
    chosen = {} if on == device.CPU else {"device": on}
    network: Network = import_module(arm.network).Network(image_size, recipe.seed, **chosen)
    return network


def _fit(
    network: "Network", data: DataSet, recipe: Recipe, model: str, console: "Console"
) -> "Report":
    """Trains, and judges on the validation films."""
    from ml.evaluation.report import report
    from ml.training.fitting import Batches, Watch

    validation = data.parts["val"]
    with Watch(validation, recipe, console) as watch:
        network.fit(Batches(data.parts["train"], recipe), recipe, watch)
    return report(model, data, "val", network.predict(validation.images))


def _register(
    arm: Arm,
    network: "Network",
    data: DataSet,
    report: "Report",
    identity: Mapping[str, str],
    name: str,
    environment: str,
    registry: "Registry",
) -> "Registration":
    import mlflow

    from ml.monitoring import inputs, reference
    from ml.registration.model_card import ModelCard
    from ml.registration.registry import serving_signature

    tags = dict(identity) | _origin(arm) | report.evaluation.tags()
    card = ModelCard(
        name=name,
        architecture=f"{arm.architecture} ({arm.framework} {arm.framework_version})",
        parameters=network.parameters,
        training=tags,
        data=data,
        evaluation=report.evaluation,
    )
    with registry.experiment(environment), tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        card.write(folder)
        report.write(folder / "evaluation")
        measured = inputs.of_many_images(data.parts["val"].images)
        reference.write(folder, {reference.PROBABILITY: report.probabilities} | measured)
        mlflow.log_params(dict(identity))
        mlflow.log_metrics(
            {f"validation_{figure}": value for figure, value in report.evaluation.figures().items()}
        )
        mlflow.set_tags(tags)
        logged = network.log(
            arm.model,
            signature=serving_signature(data.image_size),
            # Two, since an exported program takes a first dimension of 1 for a constant.
            input_example=data.parts["val"].images[:2],
            pip_requirements=provenance.pinned(arm.packages),
        )
        mlflow.log_artifacts(str(folder))
        # The card travels with the version, into another registry too.
        registry.client.log_model_artifacts(logged.model_id, str(folder))
        return registry.register(name, logged.model_uri, tags, card.summary())


def _origin(arm: Arm) -> dict[str, str]:
    commit = provenance.commit()
    return {
        "git_commit": commit.sha if commit else "not from a repository",
        "git_dirty": str(commit.dirty).lower() if commit else "not from a repository",
        "framework": arm.framework,
        "framework_version": arm.framework_version,
    }


def _show_data(data: DataSet, console: "Console") -> None:
    from ml.evaluation.report import exclusions

    for part, films in data.parts.items():
        console.print(
            f"{part}: {len(films)} films of {shown(data.image_size)}, "
            f"{films.count('NORMAL')} normal, {films.count('PNEUMONIA')} pneumonia"
        )
    for line in (*data.remarks, *exclusions(data)):
        console.print(f"  {line}")


def _show_result(
    registered: "Registration", environment: str, registry: "Registry", console: "Console"
) -> None:
    from rich.table import Table

    # In a line of its own: a table's title is broken at the table's width.
    console.print(f"{registered.name} version {registered.version}", soft_wrap=True)
    table = Table()
    table.add_column("on the validation films")
    table.add_column("value", justify="right")
    for tag, value in registered.tags.items():
        if tag.startswith("validation_"):
            table.add_row(tag.removeprefix("validation_").replace("_", " "), value)
    console.print(table)
    console.print(f"Registered in {registry.uri}. Judge it on other films:")
    console.print(
        f"  python -m ml.evaluate --model {registered.name.rsplit('.', 1)[-1]} "
        f"--version {registered.version} --environment {environment} --data PATH",
        soft_wrap=True,
    )

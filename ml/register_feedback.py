"""Registers the model behind the feedback endpoint: ``python -m ml.register_feedback``."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ml.contract.serving import FEEDBACK_MODEL
from ml.registration import provenance
from ml.terminal.command import NOTHING_REGISTERED, Options, add_registry_options, run

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

    from infra.declared.environment import Environment
    from ml.registration.registry import Registration, Registry

_ML: Final = Path(__file__).parent

MODULES: Final = (
    "__init__.py",
    "contract/__init__.py",
    "contract/active.py",
    "contract/arms.py",
    "contract/errors.py",
    "contract/serving.py",
    "contract/tables.py",
    "contract/task.py",
    "contract/tasks/pneumonia.toml",
    "contract/toml_file.py",
    "feedback/__init__.py",
    "feedback/book.py",
    "feedback/logged.py",
    "feedback/reading.py",
    "feedback/setting.py",
    "workspace/__init__.py",
    "workspace/connection.py",
    "workspace/warehouse.py",
)
"""What the processor imports of this package, and all of it that goes into the container."""

_PROCESSOR: Final = _ML / "feedback" / "processor.py"

PACKAGES: Final = ("mlflow", "databricks-sdk", "pandas")
"""What a served version needs, to be pinned."""

_DESCRIPTION: Final = (
    "Takes readers' verdicts on predictions and writes them, row by row, into "
    "gold.prediction_feedback. Research and education software; not a medical device."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = _options().parse_args(arguments)
    from rich.console import Console

    from infra.declared.environment import load
    from ml.registration.registry import Registry
    from ml.terminal.progress import silenced_natives, status
    from ml.workspace.connection import is_local

    environment = load(given.environment)
    name = environment.full_model_name(FEEDBACK_MODEL)
    console = Console(highlight=False)
    with status(console, "Opening the registry"):
        registry = Registry(given.registry, local=is_local(environment))
    identity = _identity(environment)
    if given.skip_if_registered and (existing := registry.existing(name, identity)):
        console.print(f"{name}: the same code gave a version already")
        console.print(f"{name} version {existing.version}", soft_wrap=True)
        return 0
    with status(console, "Registering the version"), silenced_natives():
        registered = _register(environment, name, identity, registry)
    console.print(f"{name} version {registered.version}", soft_wrap=True)
    console.print(
        f"Registered in {registry.uri}. Write the number under [feedback] of the environment's "
        f"file and deploy: cdktf deploy {environment.serving_stack}",
        markup=False,
        soft_wrap=True,
    )
    return 0


def _options() -> argparse.ArgumentParser:
    parser = Options(
        prog="python -m ml.register_feedback",
        description=f"Registers {FEEDBACK_MODEL}, which the feedback endpoint serves.",
    )
    add_registry_options(parser)
    parser.add_argument(
        "--skip-if-registered",
        action="store_true",
        help="do nothing where a version of the same code is registered",
    )
    return parser


def signature() -> "ModelSignature":
    """Rows of readings to rows of outcomes.

    Of any type, though each field has one: MLflow would refuse a whole batch for one value of
    another type, and the processor refuses its row alone, with field, value and way out.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType

    from ml.feedback.reading import Reading

    anything: Any = AnyType  # untyped in MLflow
    inputs: list[Any] = [
        ColSpec(anything(), field.name, required=field.name == "feedback_id")
        for field in fields(Reading)
    ]
    outputs: list[Any] = [
        ColSpec(DataType.string, "feedback_id", required=False),
        ColSpec(DataType.string, "status"),
        ColSpec(DataType.boolean, "pending", required=False),
        ColSpec(DataType.string, "reason", required=False),
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _identity(environment: "Environment") -> dict[str, str]:
    """Two versions that agree in these tags do the same."""
    feedback = environment.feedback
    return {
        "code_digest": provenance.digest(
            [_PROCESSOR, Path(__file__), *(_ML / it for it in MODULES)], PACKAGES
        ),
        "authentication": feedback.authentication if feedback else "oauth",
    }


def _register(
    environment: "Environment", name: str, identity: dict[str, str], registry: "Registry"
) -> "Registration":
    import mlflow

    with registry.experiment(environment.name), tempfile.TemporaryDirectory() as temporary:
        package = Path(temporary) / _ML.name
        for module in MODULES:
            (package / module).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(_ML / module, package / module)
        mlflow.set_tags(identity)
        logged = mlflow.pyfunc.log_model(
            name=FEEDBACK_MODEL,
            python_model=str(_PROCESSOR),
            code_paths=[str(package)],
            signature=signature(),
            pip_requirements=provenance.pinned(PACKAGES),
            resources=_passed_through(environment),
        )
        return registry.register(name, logged.model_uri, identity, _DESCRIPTION)


def _passed_through(environment: "Environment") -> list[Any] | None:
    """What serving gives the version a token for, where the environment wants it to.

    docs/reference/serving.md#signing-in-from-a-container, "automatic passthrough".
    """
    if environment.feedback is None or environment.feedback.authentication != "passthrough":
        return None
    from mlflow.models.resources import DatabricksSQLWarehouse, DatabricksTable

    from infra.declared.analysis import analyses
    from ml.contract.tables import PREDICTION_FEEDBACK
    from ml.workspace.connection import connect
    from ml.workspace.warehouse import Warehouse

    warehouse = Warehouse.named(connect(environment), environment.warehouse_name)
    tables = [PREDICTION_FEEDBACK.full_name(environment.catalog)]
    tables += [analysis.payload for analysis in analyses(environment).values()]
    return [
        DatabricksSQLWarehouse(warehouse_id=warehouse.id),
        *(DatabricksTable(table_name=table) for table in tables),
    ]


if __name__ == "__main__":
    sys.exit(run("ml.register_feedback", main, interrupted=NOTHING_REGISTERED))

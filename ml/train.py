"""Trains any arm, by its name or from a file of its own: ``python -m ml.train ARM``.

``ARM`` is the registered name of one of `ml.contract.arms`, or a Python file that holds its entry
as ``ARM`` and its class ``Network``.
"""

import sys
import warnings
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from ml.contract.arms import ARMS, Arm
from ml.contract.errors import UserError
from ml.terminal.command import NOTHING_REGISTERED, Options, run
from ml.training.session import train


def options() -> Options:
    """The options of the command; those behind the arm are the arm's."""
    parser = Options(
        prog="python -m ml.train",
        description="Trains an arm and registers it; --help behind an arm shows its options.",
        add_help=False,
    )
    parser.add_argument(
        "arm",
        nargs="?",
        metavar="ARM",
        help=f"{', '.join(arm.model for arm in ARMS)}, or a Python file with an ARM and a Network",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = options()
    given, others = parser.parse_known_args(arguments)
    if given.arm is None:
        parser.print_help()
        return 0 if others in (["-h"], ["--help"]) else 2
    return train(_arm(given.arm), others)


def _arm(name: str) -> Arm:
    if name.endswith(".py"):
        return _of_file(Path(name))
    for arm in ARMS:
        if name in (arm.model, arm.command):
            return arm
    raise UserError(
        f"{name}: no arm; there are {', '.join(arm.model for arm in ARMS)}. Name one, or a file "
        "that ends in .py."
    )


def _of_file(file: Path) -> Arm:
    spec = spec_from_file_location(file.stem, file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise UserError(f"{file}: there is no such Python file.")
    module = module_from_spec(spec)
    sys.modules[file.stem] = module  # the arm names it, as every arm names its module
    with warnings.catch_warnings():
        # MLflow says what it thinks of the signature of a `predict`.
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    arm = getattr(module, "ARM", None)
    if not isinstance(arm, Arm) or arm.network != file.stem:
        raise UserError(
            f"{file}: needs ARM = Arm(..., network={file.stem!r}) of ml.contract.arms, and a class "
            "Network."
        )
    return arm


if __name__ == "__main__":
    sys.exit(run("ml.train", main, interrupted=NOTHING_REGISTERED))

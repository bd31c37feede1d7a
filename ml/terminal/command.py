"""What every command of `ml` has in common: how it fails, and its common options."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ml.contract.errors import UserError

DEFAULT_ENVIRONMENT = "dev"

NOTHING_REGISTERED = "interrupted; nothing was registered"
"""What a command that registers a version says where it is interrupted."""


def run(
    program: str,
    command: Callable[[Sequence[str] | None], int],
    *,
    interrupted: str = "interrupted",
) -> int:
    """Runs a command; a user's mistake is one message, an interruption one line with status 130."""
    from infra.declared.problem import InvalidFile
    from ml.contract.errors import InvalidData

    try:
        return command(None)
    except (UserError, InvalidData, InvalidFile) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{program}: {interrupted}", file=sys.stderr)
        return 130


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """An argparse type: a whole number in a range."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = lowest - 1
        if not lowest <= number <= highest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {lowest} to {highest}"
            )
        return number

    return parse


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """`--data`: which films."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="an .npz of the MedMNIST layout, or a folder of the Kaggle layout "
        "(train|val|test/NORMAL|PNEUMONIA/*.jpeg); a Unity Catalog volume path is one too. The "
        "name of an environment, or ingested:NAME, takes what python -m ml.ingest brought there. "
        "Default: the bundled films",
    )


def add_environment_option(parser: argparse.ArgumentParser, meaning: str = "") -> None:
    """``meaning`` says what the environment is asked for."""
    parser.add_argument(
        "--environment",
        default=DEFAULT_ENVIRONMENT,
        metavar="NAME",
        help=f"{meaning}{': ' * bool(meaning)}a file in infra/environments, or a path to one "
        "(default: %(default)s)",
    )


def add_registry_options(parser: argparse.ArgumentParser) -> None:
    """`--environment` and `--registry`: whose versions, and where they are registered."""
    add_environment_option(parser, "whose catalog the model belongs to")
    parser.add_argument(
        "--registry",
        metavar="URI",
        help="where versions are registered, such as databricks-uc. Default: "
        "MLFLOW_REGISTRY_URI, or else a SQLite file in .local",
    )


def add_no_report_option(parser: argparse.ArgumentParser) -> None:
    """For commands that write a decision: `report` is false where nobody will read about it."""
    from ml.contract.decision import DECISION_FILE

    parser.add_argument(
        "--no-report",
        dest="report",
        action="store_false",
        help=f"write {DECISION_FILE} alone, for machines: drawing takes longer than deciding",
    )

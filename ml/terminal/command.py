"""What every command of `ml` has in common: how it fails, and its common options."""

import argparse
import errno
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from ml.contract.errors import UserError
from ml.contract.help_text import Paragraphs
from ml.terminal.starting import starting

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
        with starting(program):
            return command(None)
    except (UserError, InvalidData, InvalidFile) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{program}: {interrupted}", file=sys.stderr)
        return 130


class Options(argparse.ArgumentParser):
    """The options of a command: none of them, and no positional argument, may be empty.

    An empty path is the current folder, and an empty name would count as one left out: both do
    something large that nobody asked for, where a shell's variable was not set.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(formatter_class=Paragraphs, **given)

    # In typeshed, the namespace may be of any type.
    def parse_known_args(  # type: ignore[override]
        self, args: Iterable[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Exits with status 2 and says which argument is empty."""
        given = [*(sys.argv[1:] if args is None else args)]
        before = ""
        for number, argument in enumerate(given, start=1):
            option, equals, value = argument.partition("=")
            if not argument.strip():
                place = f"after {before}" if before.startswith("-") else f"argument {number}"
                self._refuse(place)
            elif argument.startswith("--") and equals and not value.strip():
                self._refuse(option)
            before = argument
        return super().parse_known_args(given, namespace)

    def _refuse(self, place: str) -> NoReturn:
        self.error(
            f"{place}: an empty argument, as a variable of the shell gives that is not set. Say "
            "what is meant ('.' is the current folder), or leave the argument out."
        )


def confirm(what: str, option: str) -> None:
    """Asks on the terminal whether to go on with something large. Raises UserError otherwise.

    ``option`` answers beforehand, and has to where nobody is there to be asked.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UserError(f"{what}. Nothing was done; {option} says that this is meant.")
    # On stderr: stdout may be a file.
    print(f"{what}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UserError(f"nothing was done. {option} says yes beforehand.")


def require_writable(folder: Path, option: str) -> None:
    """Refuses before the work what could not be written after it. Makes nothing.

    Raises UserError.
    """
    there = next(it for it in (folder, *folder.absolute().parents) if it.exists())
    code = 0
    if not there.is_dir():
        code = errno.ENOTDIR
    elif not os.access(there, os.W_OK | os.X_OK):
        code = errno.EACCES
    if code:
        raise UserError(
            f"{option} {folder}: cannot be written: {there}: {os.strerror(code)}. Choose another "
            "folder."
        )


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


def add_data_option(
    parser: "argparse.ArgumentParser | argparse._MutuallyExclusiveGroup",
    others: str = "",
    default: str = "the bundled films",
) -> None:
    """`--data`: which films, or ``others``."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="an .npz of the MedMNIST layout, or a folder of the Kaggle layout "
        "(train|val|test/NORMAL|PNEUMONIA/*.jpeg; PNG and DICOM are taken, too); a Unity "
        "Catalog volume path is one. The name of an environment, or ingested:NAME, takes what "
        f"python -m ml.ingest brought there. {others}Default: {default}",
    )


def add_environment_option(parser: argparse.ArgumentParser, meaning: str = "") -> None:
    """``meaning`` says what the environment is asked for."""
    from infra.declared.default_environment import DEFAULT

    parser.add_argument(
        "--environment",
        default=DEFAULT,
        metavar="NAME",
        help=f"{meaning}{': ' * bool(meaning)}a file in infra/environments, or a path to one "
        "(default: %(default)s)",
    )


def add_test_option(parser: argparse.ArgumentParser) -> None:
    """`--test`: which of an environment's A/B tests."""
    parser.add_argument(
        "--test",
        metavar="NAME",
        help="the A/B test by the name of its table in the environment's file. Default: the only "
        "one",
    )


def add_experiment_argument(parser: argparse.ArgumentParser) -> None:
    """Which experiment."""
    parser.add_argument(
        "experiment",
        metavar="EXPERIMENT",
        help="a file in infra/experiments by its name, or a path to one",
    )


def add_warehouse_option(parser: argparse.ArgumentParser) -> None:
    """`--warehouse`: where statements run."""
    parser.add_argument(
        "--warehouse",
        metavar="NAME",
        help="name or id of the SQL warehouse. Default: the environment's",
    )


def add_any_modality_option(parser: argparse.ArgumentParser) -> None:
    """`--any-modality`: films of anything."""
    parser.add_argument(
        "--any-modality",
        action="store_true",
        help="for research: also DICOM files whose tags name another modality than CR, DX or RG, "
        "or another part of the body than the chest",
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


def moment(text: str) -> datetime:
    """A moment as an option gives it, in UTC."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        given = None
    if given is None or given.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a moment with its offset from UTC, such as 2026-03-02T18:00:00Z"
        )
    return given.astimezone(UTC)

"""Brings X-rays into an environment: ``python -m ml.ingest``."""

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from rich.console import Console
from rich.progress import TaskProgressColumn

from ml.contract.errors import UserError
from ml.ingestion.refusal import Category, Refusal
from ml.terminal.command import (
    Options,
    add_any_modality_option,
    add_environment_option,
    add_warehouse_option,
    run,
)
from ml.terminal.progress import bar

if TYPE_CHECKING:
    from ml.ingestion.transfer import Outcome

LEFT_OUT = 3
"""The exit status of a run that ingested all it could and refused some files."""

_LISTED = 20  # refused files on the console; --report has them all

_EPILOG = f"""\
Exit status: 0, every film is there; {LEFT_OUT}, files were refused (the table says which) and every
other film is there; 1, the run could not be completed, and the same command again goes on where it
stopped.

A film's name in the volume and its image id come from a hash of its content. The same films again
add nothing.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: LEFT_OUT where files were refused."""
    given = _options().parse_args(arguments)
    # Names of files are not markup, whatever is in them.
    console = Console(highlight=False, markup=False)
    try:
        outcome, table = _ingest(given, console)
    except KeyboardInterrupt:
        print(
            "\nml.ingest: interrupted. What was ingested is whole; the same command again brings "
            "the rest.",
            file=sys.stderr,
        )
        return 130
    if given.report is not None:
        _write_report(given.report, outcome.refusals)
    _show(outcome, table, given.accept, given.report, console)
    refused = any(refusal.category not in given.accept for refusal in outcome.refusals)
    return LEFT_OUT if refused else 0


def _options() -> argparse.ArgumentParser:
    parser = Options(
        prog="python -m ml.ingest",
        description="Writes chest X-rays into the volume of an environment and a row for each into "
        "its table. Only what is not there yet is written.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="a folder of the Kaggle layout (train|val|test/NORMAL|PNEUMONIA/*.jpeg; PNG and DICOM "
        "are taken, too), or an .npz of the MedMNIST layout. Default: the bundled films",
    )
    add_environment_option(parser, "where to")
    add_warehouse_option(parser)
    add_any_modality_option(parser)
    parser.add_argument(
        "--accept",
        action="append",
        type=Category,
        choices=list(Category),
        default=[],
        metavar="CATEGORY",
        help="refused files of this category do not change the exit status; may be given again: "
        + ", ".join(Category),
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write every refused file into this CSV file"
    )
    return parser


def _ingest(given: argparse.Namespace, console: Console) -> tuple["Outcome", str]:
    from infra.declared.environment import load
    from ml.data.loading import BUNDLED
    from ml.ingestion.store import FilmStore
    from ml.ingestion.transfer import survey, transfer
    from ml.workspace.connection import connect
    from ml.workspace.warehouse import Warehouse

    environment = load(given.environment)
    if given.report is not None and not given.report.parent.is_dir():
        raise UserError(f"--report {given.report}: there is no folder {given.report.parent}.")
    # First whether it can be written, then what: a folder may take long to read.
    client = connect(environment)
    warehouse = Warehouse.named(client, given.warehouse or environment.warehouse_name)
    store = FilmStore(client, warehouse, environment)
    store.require()
    with _Bars(console) as bars:
        surveyed = survey(given.data or BUNDLED, bars, any_modality=given.any_modality)
        return transfer(surveyed, store, uuid4().hex, bars), store.table


class _Bars:
    """A progress bar for each step where the console is a terminal; a line for each elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = bar(console, TaskProgressColumn(show_speed=True))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def begin(self, doing: str, films: int) -> None:
        self._task = self._progress.add_task(doing, total=films)
        if not self._console.is_terminal:
            self._console.print(f"{doing} {films} films ...")

    def advance(self) -> None:
        self._progress.advance(self._task)


def _write_report(file: Path, refusals: Sequence[Refusal]) -> None:
    try:
        with file.open("w", encoding="utf-8", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(("file", "category", "reason"))
            rows.writerows((r.name, r.category, r.reason) for r in refusals)
    except OSError as error:
        raise UserError(f"--report {file} cannot be written: {error.strerror}") from error


def _show(
    outcome: "Outcome",
    table: str,
    accepted: Sequence[Category],
    report: Path | None,
    console: Console,
) -> None:
    from rich.table import Table

    if outcome.refusals:
        counts = Counter(refusal.category for refusal in outcome.refusals)
        summary = Table(title="Left out", title_justify="left")
        summary.add_column("category", overflow="fold")
        summary.add_column("files", justify="right")
        summary.add_column("what it means", overflow="fold")
        for category in Category:
            if count := counts[category]:
                suffix = " (accepted)" if category in accepted else ""
                summary.add_row(f"{category}{suffix}", str(count), category.meaning)
        console.print(summary)
        listed = [refusal for refusal in outcome.refusals if refusal.category not in accepted]
        for refusal in listed[:_LISTED]:
            console.print(f"{refusal.category}: {refusal.name}: {refusal.reason}", soft_wrap=True)
        if (more := len(listed) - _LISTED) > 0:
            console.print(f"and {more} more: {report or '--report FILE'}")
    if outcome.restored:
        console.print(f"Restored {outcome.restored} films that the volume had lost.")
    there = f"{outcome.there} films are in {table} already"
    if outcome.added:
        said = f"Ingested {outcome.added} films into {table}, batch {outcome.batch_id}"
        console.print(f"{said}; {there}." if outcome.there else f"{said}.", soft_wrap=True)
    else:
        console.print(f"Nothing to add: {there}.", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(run("ml.ingest", main))

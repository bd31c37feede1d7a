"""Asks an endpoint about films, or about rows: ``python -m ml.predict``."""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ml.contract.errors import UserError
from ml.contract.task import PNEUMONIA, Size, TableInput, Task, size_of
from ml.prediction.journal import DEFAULT_JOURNAL
from ml.prediction.patient_key import SECRET_VARIABLE
from ml.terminal.command import (
    Options,
    add_any_modality_option,
    add_environment_option,
    add_test_option,
    confirm,
    run,
    whole_number,
)
from ml.terminal.progress import bar

if TYPE_CHECKING:
    from ml.client import Answered, Film, PredictionClient
    from ml.prediction.listed import Stated
    from ml.prediction.patient_key import PatientKeys

LEFT_OUT = 3
"""The exit status of a run that asked about all it could, where some films could not be read or
were refused."""

MOST_CONNECTIONS = 64

MOST_UNASKED = 1000
"""Films; more of them are sent only after a question, or with --yes."""

_EPILOG = f"""\
Prints the film, the probability of PNEUMONIA, the call at the threshold and the request's id, which
ml.feedback --prediction takes, a film a line with tabs between, under a line of names. Which
arm answered is shown with --show-arm only: whoever reads the film should not know.

A film of a folder, or of image ids, that this endpoint has answered before is not asked again, so
that the same command goes on where it was stopped; --again asks anew. One single film is always
asked. Exit status: 0, every film was answered; {LEFT_OUT}, some could not be read, or the endpoint
refused them; 1, the run could not be completed.

Of a test whose models take named columns, name CSV or Parquet files: one request a row, whose
further columns stay here.

Research and education software. Not a medical device, not for diagnosis.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = _options().parse_args(arguments)
    try:
        return _predict(given)
    except KeyboardInterrupt:
        print(
            "\nml.predict: interrupted. Every answer is in the journal; the same command again "
            "asks the rest.",
            file=sys.stderr,
        )
        return 130


def _options() -> argparse.ArgumentParser:
    parser = Options(
        prog="python -m ml.predict",
        description="Asks a serving endpoint about chest X-rays, one request a film.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "films",
        nargs="+",
        metavar="IMAGE|FOLDER|ID|ROWS",
        help="a JPEG, PNG or DICOM file, a folder of them, or image ids of what was ingested; "
        "@FILE takes them from a file, one a line; blank lines count for nothing. With a head, "
        "film,patient_id,site,device_maker,device_model,view,age,sex or some of them, it is a "
        "sheet that says their context",
    )
    add_environment_option(parser)
    add_test_option(parser)
    parser.add_argument(
        "--endpoint", metavar="NAME", help="default: the endpoint of the environment's A/B test"
    )
    parser.add_argument(
        "--served-entity",
        metavar="NAME",
        help="ask this arm, whatever the traffic split says",
    )
    parser.add_argument(
        "--threshold",
        type=_probability,
        metavar="P",
        help="a probability at or above it calls the positive label (default: the task's, of "
        f"pneumonia {PNEUMONIA.threshold})",
    )
    add_any_modality_option(parser)
    parser.add_argument("--show-arm", action="store_true", help="show which arm answered")
    parser.add_argument(
        "--again", action="store_true", help="ask about films that were answered before, too"
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help=f"do not ask whether more than {MOST_UNASKED:,} films are meant",
    )
    parser.add_argument(
        "--concurrency",
        type=whole_number(1, MOST_CONNECTIONS),
        default=8,
        metavar="N",
        help="requests at once (default: %(default)s)",
    )
    parser.add_argument(
        "--image-size",
        type=_size,
        metavar="PIXELS",
        help="height and width that the models take, as 64 or 96x64; default: as the endpoint says",
    )
    context = parser.add_argument_group(
        "context",
        "What is known of a film without naming anybody, for verdicts by patient and site.",
    )
    context.add_argument(
        "--context",
        action="store_true",
        help="write it beside each prediction, from the film's DICOM tags or from the sheet that "
        "names it. A patient becomes a keyed hash",
    )
    context.add_argument(
        "--patient-secret",
        type=Path,
        metavar="FILE",
        help=f"whose text is the key of the hashes; default: the variable {SECRET_VARIABLE}",
    )
    context.add_argument(
        "--site", metavar="CODE", help="where all the films are from, as the environment declares"
    )
    parser.add_argument(
        "--journal",
        type=Path,
        default=DEFAULT_JOURNAL,
        metavar="FILE",
        help="where requests are written down before they are sent (default: %(default)s)",
    )
    return parser


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a probability from 0 to 1")
    return value


def _size(text: str) -> Size:
    edge = whole_number(1, 4096)
    height, by, width = text.partition("x")
    return size_of(edge(height), edge(width)) if by else size_of(edge(text), edge(text))


def _predict(given: argparse.Namespace) -> int:
    from ml.client import PredictionClient
    from ml.data.image_id import DIGITS, is_image_id
    from ml.prediction.listed import named, said_of
    from ml.prediction.unlabelled import on_this_machine

    asked = _task(given.environment, given.test)
    if isinstance(asked.input, TableInput):
        return _predict_rows(given, asked, asked.input)
    keys, sheets = _context(given)
    names = [*dict.fromkeys(named(given.films, sheets))]
    # Unlike Path.exists(), this takes whatever a line of a list may say for a name.
    absent = [name for name in names if not os.path.exists(name)]  # noqa: PTH110
    ids = [name for name in absent if is_image_id(name)]
    missing = [name for name in absent if not is_image_id(name)]
    if missing:
        raise UserError(
            f"{missing[0][:200]}: there is no such file or folder, and it is no image id "
            f"({DIGITS} hexadecimal digits). Name a JPEG, PNG or DICOM file, a folder, or ids of "
            "what was ingested."
        )
    ingested_ids = {*ids}
    here = {name: on_this_machine(Path(name)) for name in names if name not in ingested_ids}
    films: list[Film] = [film for found in here.values() for film in found]
    count = len(films) + len(ids)
    if count > MOST_UNASKED and not given.yes:
        confirm(f"{_said(names)}: {count:,} films would be sent to the endpoint", "--yes")
    with PredictionClient.connect(
        given.environment,
        test=given.test,
        endpoint=given.endpoint,
        served_entity=given.served_entity,
        journal=given.journal,
        image_size=given.image_size,
        concurrency=given.concurrency,
        patient_keys=keys,
        site=given.site,
        any_modality=given.any_modality,
    ) as client:
        films += _ingested(client, given.environment, ids)
        if client.contexts:
            client.contexts.state(said_of(films, here, sheets.values()))
        single = len(films) == 1
        return _ask(client, films, given, resume=not given.again and not single)


def _task(environment: str, test: str | None) -> Task:
    """That of the environment's test. An environment that cannot be used is refused behind what
    was named, when it is asked."""
    from infra.declared.environment import InvalidEnvironment, load

    try:
        return load(environment, test).ab_test.task
    except InvalidEnvironment:
        return PNEUMONIA


def _predict_rows(given: argparse.Namespace, task: Task, columns: TableInput) -> int:
    """Asks about rows of files."""
    from ml.client import PredictionClient
    from ml.prediction.rows import rows_in

    for option in ("context", "patient_secret", "site", "any_modality", "image_size"):
        if getattr(given, option):
            raise UserError(
                f"--{option.replace('_', '-')} is of films, and the task {task.name} is of rows. "
                "Leave it out."
            )
    rows: list[Film] = [row for name in given.films for row in rows_in(Path(name), columns)]
    if len(rows) > MOST_UNASKED and not given.yes:
        what = f"{_said(given.films)}: {len(rows):,} {task.words.case[1]}"
        confirm(f"{what} would be sent to the endpoint", "--yes")
    with PredictionClient.connect(
        given.environment,
        test=given.test,
        endpoint=given.endpoint,
        served_entity=given.served_entity,
        journal=given.journal,
        concurrency=given.concurrency,
    ) as client:
        return _ask(client, rows, given, resume=not given.again and len(rows) > 1)


def _context(
    given: argparse.Namespace,
) -> "tuple[PatientKeys | None, dict[str, dict[str, Stated]]]":
    """The patients' keys where a context is asked for, and what each sheet says of films.

    Raises UserError.
    """
    from infra.declared.environment import load
    from ml.prediction.listed import is_sheet, stated_in
    from ml.prediction.patient_key import PatientKeys

    lists = [it for it in given.films if it.startswith("@") and is_sheet(Path(it[1:]))]
    if not lists and not given.context:
        for option in ("site", "patient_secret"):
            if getattr(given, option) is not None:
                raise UserError(
                    f"--{option.replace('_', '-')}: no context is written. Add --context."
                )
        return None, {}
    plan = load(given.environment).context
    sheets = {it: stated_in(Path(it[1:]), plan) for it in lists}
    return PatientKeys.found(given.patient_secret), sheets


def _said(named: Iterable[str]) -> str:
    """What was named, in few words."""
    first, *others = named
    return f"{first} and {len(others)} more" if others else first


def _ingested(
    client: "PredictionClient", environment: str, image_ids: Sequence[str]
) -> "list[Film]":
    if not image_ids:
        return []
    from infra.declared.environment import load
    from ml.contract.tables import FILMS
    from ml.prediction.unlabelled import ingested
    from ml.workspace.warehouse import Warehouse

    loaded = load(environment)
    workspace = client.endpoint.client
    warehouse = Warehouse.named(workspace, loaded.warehouse_name)
    return [*ingested(workspace, warehouse, FILMS.full_name(loaded.catalog), image_ids)]


def _ask(
    client: "PredictionClient", films: "list[Film]", given: argparse.Namespace, *, resume: bool
) -> int:
    from ml.client import Answered, Refused, Unsent

    # Answers go to stdout, perhaps a file; how far the run is goes to the terminal.
    shown = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    unsent: list[Unsent] = []
    refused: list[Refused] = []
    known = 0
    arm = ["arm"] if given.show_arm else []
    print("\t".join([client.task.words.case[0], "probability", "call", *arm, "request_id"]))
    with bar(shown, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task("Asking", total=len(films))
        for outcome in client.predict_all(films, resume=resume):
            progress.advance(task)
            match outcome:
                case Unsent():
                    unsent.append(outcome)
                case Refused():
                    refused.append(outcome)
                case Answered():
                    known += outcome.from_journal
                    print(_line(outcome, given.threshold, show_arm=given.show_arm))
    for unread in unsent:
        shown.print(f"{unread.film.name}: {unread.reason}; not sent")
    for sent in refused:
        shown.print(f"{sent.film.name}: {sent.reason}")
    asked = len(films) - len(unsent) - known
    before = f", {known} were answered before (--again asks anew)" if known else ""
    if client.contexts:
        lacking = ", ".join(f"{it} of {count}" for it, count in client.contexts.unknown.items())
        shown.print(f"Context written; not known: {lacking or 'nothing'}.")
    left = f", {len(unsent)} could not be read" if unsent else ""
    left += f", {len(refused)} were refused" if refused else ""
    shown.print(f"{client.endpoint.name}: {asked} {client.task.words.case[1]} asked{before}{left}.")
    return LEFT_OUT if unsent or refused else 0


def _line(outcome: "Answered", threshold: float | None, *, show_arm: bool) -> str:
    prediction = outcome.prediction
    columns = [
        outcome.film.name,
        f"{prediction.probability:.4f}",
        prediction.call(threshold),
        *([prediction.arm] if show_arm else []),
        prediction.request_id,
    ]
    return "\t".join(columns)


if __name__ == "__main__":
    sys.exit(run("ml.predict", main))

"""Sends readings to the feedback endpoint: ``python -m ml.feedback``."""

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from rich.console import Console

from ml.contract.errors import UserError
from ml.feedback.reading import CONFIDENCES, InvalidReading, Reading, require_verdict
from ml.terminal.command import Options, add_environment_option, run
from ml.terminal.progress import bar

if TYPE_CHECKING:
    from ml.feedback.client import FeedbackClient, Outcome
    from ml.feedback.sheet import Line

LEFT_OUT = 3
"""The exit status of a run that wrote all it could and had some lines refused."""

_LISTED = 20  # problems on the console; --report has them all

_EPILOG = f"""\
A sheet is a CSV file with a head: prediction_id, radiologist_id, ground_truth, timestamp and blind,
and, where known, feedback_id, confidence, notes, supersedes, feedback_source, sampling_probability
and output_shown_at. Times are ISO 8601 with their offset.

A reading that was written is never written again, so the same command goes on where it was stopped.
A corrected reading is a new line that names the old one in supersedes, behind it in the file.

Exit status: 0, every reading is written; {LEFT_OUT}, some were refused (the report says which and
why) and every other one is written; 1, the run could not be completed: the same command again.

Research and education software. Not a medical device, not for diagnosis.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = _options()
    given = parser.parse_args(arguments)
    single = (given.prediction, given.verdict, given.blind)
    if given.sheet is not None and any(it is not None for it in single):
        parser.error("a sheet and one reading: give one of the two")
    if given.sheet is None and None in single:
        parser.error(
            "give a sheet, or one reading by --prediction, --verdict and --blind or --not-blind"
        )
    console = Console(highlight=False, markup=False, soft_wrap=True)
    try:
        return _one(given, console) if given.sheet is None else _sheet(given, console)
    except KeyboardInterrupt:
        print(
            "\nml.feedback: interrupted. The same command again writes the rest.", file=sys.stderr
        )
        return 130


def _options() -> argparse.ArgumentParser:
    parser = Options(
        prog="python -m ml.feedback",
        description="Sends readers' verdicts on predictions to the feedback endpoint.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "sheet", nargs="?", type=Path, metavar="SHEET.csv", help="readings, one a line"
    )
    add_environment_option(parser)
    parser.add_argument(
        "--endpoint", metavar="NAME", help="default: the environment's feedback endpoint"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check every reading, and send nothing"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write what became of each line to a CSV file"
    )
    one = parser.add_argument_group("one reading, by whoever is authenticated, read now")
    one.add_argument("--prediction", metavar="ID", help="the request id of the prediction")
    one.add_argument(
        "--verdict",
        metavar="VERDICT",
        help="what the reader sees: a label of the test's task, NORMAL or PNEUMONIA where the "
        "environment names no other, or INDETERMINATE, which is no label",
    )
    one.add_argument(
        "--blind",
        action="store_const",
        const=True,
        help="the reader had seen no label and no output of a model",
    )
    one.add_argument(
        "--not-blind",
        action="store_const",
        const=False,
        dest="blind",
        help="the reader had seen one of them",
    )
    one.add_argument("--confidence", choices=CONFIDENCES, help="how sure the reader is")
    one.add_argument("--notes", metavar="TEXT", help="kept with the reading")
    one.add_argument("--supersedes", metavar="ID", help="the feedback id of the corrected reading")
    one.add_argument("--feedback-id", metavar="ID", help="default: a new one")
    return parser


def _one(given: argparse.Namespace, console: Console) -> int:
    from ml.feedback.client import WRITTEN, FeedbackClient

    verdicts = _verdicts(given.environment)
    try:
        require_verdict(given.verdict, verdicts)
    except InvalidReading as invalid:
        raise UserError(f"--verdict: {invalid}") from invalid
    client = FeedbackClient.connect(given.environment, endpoint=given.endpoint)
    try:
        reading = Reading(
            feedback_id=given.feedback_id or str(uuid4()),
            prediction_id=given.prediction,
            radiologist_id=str(client.endpoint.client.current_user.me().user_name),
            ground_truth=given.verdict,
            timestamp=datetime.now(UTC),
            blind=given.blind,
            confidence=given.confidence,
            notes=given.notes,
            supersedes=given.supersedes,
            feedback_source=__package__,
        )
    except InvalidReading as invalid:
        raise UserError(str(invalid)) from invalid
    if given.dry_run:
        console.print(f"{reading.ground_truth} by {reading.radiologist_id}: valid, not sent.")
        return 0
    (outcome,) = client.send([reading])
    if outcome.status != WRITTEN:
        raise UserError(f"{reading.feedback_id}: {outcome.status}: {outcome.reason}")
    console.print(f"Written: {reading.feedback_id}, by {reading.radiologist_id}.")
    if outcome.pending:
        console.print(f"It waits for its prediction: {outcome.reason or 'no reason given'}")
    return 0


def _verdicts(environment: str) -> tuple[str, ...]:
    from infra.declared.environment import load

    tests = load(environment).tests.values()
    return tuple(dict.fromkeys(verdict for test in tests for verdict in test.task.verdicts))


def _sheet(given: argparse.Namespace, console: Console) -> int:
    from ml.feedback.client import FAILED, WRITTEN, FeedbackClient
    from ml.feedback.sheet import read

    lines = read(given.sheet, _verdicts(given.environment))
    if given.report is not None and not given.report.parent.is_dir():
        raise UserError(f"--report {given.report}: there is no folder {given.report.parent}.")
    problems = [(it.number, "", "invalid", str(it.problem)) for it in lines if it.problem]
    valid = [it for it in lines if it.reading is not None]
    outcomes: list[tuple[int, Outcome]] = []
    if not given.dry_run and valid:
        client = FeedbackClient.connect(given.environment, endpoint=given.endpoint)
        outcomes = list(_send(client, valid, console))
    told = problems + [
        (number, it.reading.feedback_id, it.status, it.reason or "") for number, it in outcomes
    ]
    if given.report is not None:
        _write_report(given.report, sorted(told))
    bad = sorted(it for it in told if it[2] != WRITTEN)
    listed = bad + sorted(it for it in told if it[2] == WRITTEN and it[3])
    for number, _, status, reason in listed[:_LISTED]:
        said = "waits" if status == WRITTEN else status
        console.print(f"{given.sheet}:{number}: {said}: {reason}")
    if (more := len(listed) - _LISTED) > 0:
        console.print(f"and {more} more: {given.report or '--report FILE'}")
    if given.dry_run:
        console.print(f"{len(valid)} of {len(lines)} readings are valid; nothing was sent.")
        return LEFT_OUT if problems else 0
    counts = Counter(it.status for _, it in outcomes)
    written = [it for _, it in outcomes if it.status == WRITTEN]
    console.print(f"{len(written)} of {len(lines)} readings are written{_waits(written)}")
    if counts[FAILED]:
        raise UserError(
            f"{counts[FAILED]} readings could not be written; the same command again tries them."
        )
    return LEFT_OUT if bad else 0


def _waits(written: "Iterable[Outcome]") -> str:
    pending = sum(it.pending for it in written)
    if not pending:
        return "."
    return f"; {pending} wait for their prediction."


def _send(
    client: "FeedbackClient", lines: "Sequence[Line]", console: Console
) -> "Iterator[tuple[int, Outcome]]":
    """One request after the other: a correction must come behind what it corrects."""
    from ml.feedback.client import MOST_ROWS

    with bar(console, transient=True) as progress:
        task = progress.add_task("Sending", total=len(lines))
        for start in range(0, len(lines), MOST_ROWS):
            some = lines[start : start + MOST_ROWS]
            outcomes = client.send([it.reading for it in some if it.reading is not None])
            progress.advance(task, len(some))
            yield from ((it.number, out) for it, out in zip(some, outcomes, strict=True))


def _write_report(file: Path, told: "Iterable[tuple[int, str, str, str]]") -> None:
    try:
        with file.open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(("line", "feedback_id", "status", "reason"))
            rows.writerows(told)
    except OSError as error:
        raise UserError(f"--report {file} cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(run("ml.feedback", main))

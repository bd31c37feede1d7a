"""Both arms on the same films: ``python -m ml.replay EXPERIMENT``."""

import argparse
import csv
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ml.command import UserError, add_environment_option, run, whole_number
from ml.compare import add_no_report_option, write
from ml.contract import LABELS
from ml.data.films import PARTS, InvalidData

if TYPE_CHECKING:
    from rich.console import Console

    from infra.experiment import Experiment
    from ml.client import PredictionClient
    from ml.verdict.logged import LabelledFilm
    from ml.verdict.paired import Answers
    from ml.verdict.tables import Table

ANSWERS: Final = "answers.csv"
_COLUMNS: Final = ("film", "ground_truth", "sampling_probability", "champion", "challenger")
_MOST_CONNECTIONS: Final = 64

_EPILOG = f"""\
Each film is sent to /served-models/ARM/invocations of both arms, so that the split of the traffic
is not asked and not changed. What an arm has answered is in a journal: the same command again asks
the rest. {ANSWERS} holds the answers; --answers judges such a file again, without an endpoint.
"""


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml.replay",
        description="Sends films with a known truth to both arms of an experiment and compares "
        "the answers film by film, which takes far fewer labels than live traffic.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "experiment",
        metavar="EXPERIMENT",
        help="a file in infra/experiments by its name, or a path to one",
    )
    add_environment_option(parser, "whose endpoint is asked")
    films = parser.add_mutually_exclusive_group()
    films.add_argument(
        "--data",
        metavar="PATH",
        help="films with labels: an .npz of the MedMNIST layout, a folder of the Kaggle layout, or "
        "ingested:NAME. Default: the bundled films",
    )
    films.add_argument(
        "--logged",
        action="store_true",
        help="the films that the experiment's arms have answered, with the truth that readers gave "
        "them; they must have been ingested",
    )
    films.add_argument(
        "--answers", type=Path, metavar="FILE", help=f"a file {ANSWERS} of an earlier replay"
    )
    parser.add_argument(
        "--part",
        choices=PARTS,
        help="which part of --data; default: test where there is one, else val",
    )
    parser.add_argument(
        "--films", type=whole_number(1, 10_000_000), metavar="N", help="the first N of them"
    )
    parser.add_argument(
        "--endpoint", metavar="NAME", help="default: the endpoint of the environment's A/B test"
    )
    parser.add_argument(
        "--warehouse", metavar="NAME", help="of --logged. Default: the environment's"
    )
    parser.add_argument(
        "--concurrency",
        type=whole_number(1, _MOST_CONNECTIONS),
        default=8,
        metavar="N",
        help="films at once (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the files go; default: .local/replays/EXPERIMENT",
    )
    add_no_report_option(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = options().parse_args(arguments)
    from rich.console import Console

    from infra.experiment import load
    from ml.verdict.paired import judge_pairs
    from ml.verdict.replayed import decision, report, tables

    console = Console(highlight=False, markup=False)
    experiment = load(given.experiment)
    folder = given.output or Path(".local", "replays", experiment.name)
    if given.answers is not None:
        answers, source = _read(given.answers), given.answers.name
    else:
        answers, source = _ask(experiment, given, folder, console)
        _write(folder / ANSWERS, answers)
    answers = answers.in_order()
    judgement = judge_pairs(experiment, answers)
    made = decision(
        experiment,
        judgement,
        answers,
        environment=None if given.answers else given.environment,
        source=source,
    )
    page = report(experiment, judgement, answers, made) if given.report else None
    written = write(folder, made, page)
    _show(console, made.verdict, made.reason, tables(experiment, judgement))
    files = ", ".join(file.name for file in written)
    console.print(f"Written: {folder}/{files}", soft_wrap=True)
    return 0


def _ask(
    experiment: "Experiment", given: argparse.Namespace, folder: Path, console: "Console"
) -> "tuple[Answers, str]":
    """Both arms' answers, and what the films are."""
    from ml.client import PredictionClient

    arms = (experiment.champion, experiment.challenger)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                PredictionClient.connect(
                    given.environment,
                    endpoint=given.endpoint,
                    served_entity=arm.served_entity_name,
                    journal=folder / "journal.db",
                    concurrency=given.concurrency,
                )
            )
            for arm in arms
        ]
        films, source = _films(experiment, given, clients[0])
        if given.films:
            films = films[: given.films]
        return _answers(clients, films, given.concurrency, console), source


def _films(
    experiment: "Experiment", given: argparse.Namespace, client: "PredictionClient"
) -> "tuple[list[LabelledFilm], str]":
    if given.logged:
        from ml.verdict.logged import logged_films

        films = logged_films(experiment, given.environment, given.warehouse, client)
        return films, "films that the arms had answered and readers had read"
    from ml.client import image_id_of
    from ml.data import source
    from ml.verdict.logged import LabelledFilm

    path = Path(given.data) if given.data else source.BUNDLED
    source.require(path)
    data = source.load(path, client.image_size)
    held_out = [part for part in reversed(PARTS) if part != "train" and part in data.parts]
    part = given.part or next(iter(held_out), None)
    if part not in data.parts:
        raise UserError(
            f"{data.source} has no part {part or 'test or val'}: it has {', '.join(data.parts)}. "
            "Choose one of them with --part."
        )
    chosen = data.parts[part]
    films = [
        LabelledFilm(image_id=image_id_of(image.tobytes()), image=image, sick=bool(label))
        for image, label in zip(chosen.images, chosen.labels, strict=True)
    ]
    return films, f"the part '{part}' of {data.source}"


def _answers(
    clients: "Sequence[PredictionClient]",
    films: "Sequence[LabelledFilm]",
    concurrency: int,
    console: "Console",
) -> "Answers":
    from rich.progress import track

    from ml.journal import Prediction
    from ml.verdict.paired import Answers
    from ml.verdict.queries import REPLAY_PREFIX

    known = [client.journal.latest(client.endpoint.url) for client in clients]

    def ask(film: "LabelledFilm") -> tuple[float, float]:
        champion, challenger = (
            before.probability
            if isinstance(before := answered.get(film.image_id), Prediction)
            else client.ask(
                film.image_id,
                film.image,
                # A request whose answer was lost keeps its id.
                request_id=before.request_id
                if before
                else f"{REPLAY_PREFIX}{film.image_id}-{uuid.uuid4().hex[:12]}",
            ).probability
            for client, answered in zip(clients, known, strict=True)
        )
        return champion, challenger

    distinct = {film.image_id: film for film in films}
    if not distinct:
        raise UserError("there is no film with a truth to replay. Name some with --data.")
    with ThreadPoolExecutor(concurrency) as pool:
        asked = pool.map(ask, distinct.values())
        shown: Iterator[tuple[float, float]] = iter(
            track(
                asked,
                description="Asking both arms",
                total=len(distinct),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            )
        )
        champion, challenger = np.array(list(shown), np.float64).T
    return Answers(
        film=list(distinct),
        sick=np.array([film.sick for film in distinct.values()]),
        sampling=np.array([film.sampling for film in distinct.values()]),
        champion=champion,
        challenger=challenger,
    )


def _write(file: Path, answers: "Answers") -> None:
    negative, positive = LABELS
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(_COLUMNS)
            for film, sick, *numbers in zip(
                answers.film,
                answers.sick,
                answers.sampling,
                answers.champion,
                answers.challenger,
                strict=True,
            ):
                rows.writerow((film, positive if sick else negative, *map(float, numbers)))
    except OSError as error:
        raise UserError(
            f"{file}: cannot be written: {error.strerror}. Choose another --output."
        ) from error


def _read(file: Path) -> "Answers":
    from ml.verdict.paired import Answers

    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--answers {file}: cannot be read: {error}") from error
    lacking = [name for name in _COLUMNS if not rows or name not in rows[0]]
    if lacking:
        raise UserError(
            f"--answers {file}: no column {', '.join(lacking)}, or no row. python -m ml.replay "
            f"writes such a file, {ANSWERS}."
        )
    numbers = {
        name: [_share(file, row, name, line) for line, row in enumerate(rows, start=2)]
        for name in _COLUMNS[2:]
    }
    return Answers(
        film=[row["film"] for row in rows],
        sick=np.array([_truth(file, row, line) for line, row in enumerate(rows, start=2)]),
        sampling=np.array(numbers["sampling_probability"]),
        champion=np.array(numbers["champion"]),
        challenger=np.array(numbers["challenger"]),
    )


def _share(file: Path, row: Mapping[str, str], name: str, line: int) -> float:
    try:
        value = float(row[name])
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value <= 1 or (name == "sampling_probability" and value == 0):
        raise InvalidData(
            f"{file}, line {line}: {name} = {row[name]!r} is no number from 0 to 1. Make the file "
            "again with python -m ml.replay."
        )
    return value


def _truth(file: Path, row: Mapping[str, str], line: int) -> bool:
    if row["ground_truth"] not in LABELS:
        raise InvalidData(
            f"{file}, line {line}: ground_truth = {row['ground_truth']!r} is none of "
            f"{', '.join(LABELS)}."
        )
    return row["ground_truth"] == LABELS[1]


def _show(console: "Console", verdict: str, reason: str, found: "Sequence[Table]") -> None:
    from rich.table import Table as Shown

    for table in found:
        shown = Shown(*table.heads, title=table.title, title_justify="left", caption=table.note)
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    console.print(f"\n{verdict}: {reason}", style="bold", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(run("ml.replay", main))

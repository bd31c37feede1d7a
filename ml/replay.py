"""Both arms on the same films, or rows: ``python -m ml.replay EXPERIMENT``."""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ml.contract.decision import ANSWERS_FILE
from ml.contract.errors import UserError
from ml.contract.task import TableInput
from ml.registration.judged import add_labelled_options, require
from ml.terminal.command import (
    Options,
    add_environment_option,
    add_experiment_argument,
    add_no_report_option,
    add_test_option,
    require_writable,
    run,
    whole_number,
)

if TYPE_CHECKING:
    from rich.console import Console

    from infra.declared.experiment import Experiment
    from ml.client import PredictionClient
    from ml.verdict.counting.logged_films import LabelledFilm
    from ml.verdict.paired import Answers

_MOST_CONNECTIONS: Final = 64

_EPILOG = f"""\
Each film is sent to /served-models/ARM/invocations of both arms, so that the split of the traffic
is not asked and not changed. What an arm has answered is in a journal: the same command again asks
the rest. {ANSWERS_FILE} holds the answers; --answers judges such a file again, without an endpoint.
"""


def options() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = Options(
        prog="python -m ml.replay",
        description="Sends films, or rows, with a known truth to both arms of an experiment and "
        "compares the answers one by one, which takes far fewer labels than live traffic.",
        epilog=_EPILOG,
    )
    add_experiment_argument(parser)
    add_environment_option(parser, "whose endpoint is asked")
    add_test_option(parser)
    films = parser.add_mutually_exclusive_group()
    add_labelled_options(parser, "the bundled films", among=films)
    films.add_argument(
        "--logged",
        action="store_true",
        help="the films that the experiment's arms have answered, with the truth that readers gave "
        "them; they must have been ingested",
    )
    films.add_argument(
        "--answers", type=Path, metavar="FILE", help=f"a file {ANSWERS_FILE} of an earlier replay"
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

    from infra.declared.experiment import load
    from ml.verdict.counting import answers_file
    from ml.verdict.report.pairs import conclude

    console = Console(highlight=False, markup=False)
    experiment = load(given.experiment)
    folder = given.output or Path(".local", "replays", experiment.name)
    require_writable(folder, "--output")
    if given.answers is not None:
        answers, source = answers_file.read(given.answers, experiment.task), given.answers.name
    else:
        if not given.logged:
            require(given.data, experiment.task, part=given.part, truth=given.truth)
        elif isinstance(experiment.task.input, TableInput):
            raise UserError(
                f"--logged fetches films that were ingested, and the task {experiment.task.name} "
                "is of rows. Name a file of rows with their truth: --data."
            )
        answers, source = _ask(experiment, given, folder, console)
        answers_file.write(folder / ANSWERS_FILE, answers, experiment.task)
    written = conclude(
        experiment,
        answers.in_order(),
        folder,
        console,
        environment=None if given.answers else given.environment,
        source=source,
        with_report=given.report,
    )
    files = ", ".join(file.name for file in written)
    console.print(f"Written: {folder}/{files}", soft_wrap=True)
    return 0


def _ask(
    experiment: "Experiment", given: argparse.Namespace, folder: Path, console: "Console"
) -> "tuple[Answers, str]":
    """Both arms' answers, and what the films are."""
    from infra.declared.environment import load
    from ml.client import PredictionClient

    environment = load(given.environment, given.test).about_models(
        experiment.champion.model, experiment.challenger.model
    )
    arms = (experiment.champion, experiment.challenger)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                PredictionClient.connect(
                    given.environment,
                    test=environment.named_test,
                    endpoint=given.endpoint or environment.ab_test.endpoint,
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
        asked = _answers(clients, films, given.concurrency, console)
        return replace(asked, threshold=experiment.task.threshold), source


def _films(
    experiment: "Experiment", given: argparse.Namespace, client: "PredictionClient"
) -> "tuple[list[LabelledFilm], str]":
    if given.logged:
        from ml.verdict.counting.logged_films import logged_films

        films = logged_films(
            experiment, given.environment, given.warehouse, client, test=given.test
        )
        return films, "films that the arms had answered and readers had read"
    from ml.data.image_id import image_id_of
    from ml.prediction.rows import RowOfFile
    from ml.registration.judged import Labelled
    from ml.verdict.counting.logged_films import LabelledFilm, pseudonym

    known = Labelled.read(
        given.data, experiment.task, client.image_size, part=given.part, truth=given.truth
    )
    films = []
    patients = known.patients or [None] * len(known.labels)
    for case, label, patient in zip(known.cases, known.labels, patients, strict=True):
        is_row = isinstance(case, RowOfFile)
        films.append(
            LabelledFilm(
                image_id=image_id_of(case.read() if is_row else case.tobytes()),
                image=case.row if is_row else case,
                sick=bool(label),
                patient_key=pseudonym(patient) if patient else None,
            )
        )
    return films, known.source


def _answers(
    clients: "Sequence[PredictionClient]",
    films: "Sequence[LabelledFilm]",
    concurrency: int,
    console: "Console",
) -> "Answers":
    from ml.contract.tables import REPLAY_MARK
    from ml.data.image_id import new_request_id
    from ml.prediction.journal import Prediction
    from ml.terminal.progress import tracked
    from ml.verdict.paired import Answers

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
                else f"{REPLAY_MARK}{new_request_id(film.image_id)}",
            ).probability
            for client, answered in zip(clients, known, strict=True)
        )
        return champion, challenger

    distinct = {film.image_id: film for film in films}
    if not distinct:
        raise UserError("there is nothing with a truth to replay. Name some with --data.")
    keys = [film.patient_key for film in distinct.values()]
    with ThreadPoolExecutor(concurrency) as pool:
        asked = pool.map(ask, distinct.values())
        shown = tracked(asked, "Asking both arms", len(distinct), console)
        champion, challenger = np.array(list(shown), np.float64).T
    return Answers(
        film=list(distinct),
        sick=np.array([film.sick for film in distinct.values()]),
        sampling=np.array([film.sampling for film in distinct.values()]),
        champion=champion,
        challenger=challenger,
        patient_key=keys if any(keys) else None,
    )


if __name__ == "__main__":
    sys.exit(run("ml.replay", main))

"""One run: look at every file, compare with what is there, bring what is not."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from ml.ingestion import originals
from ml.ingestion.inspection import Film, inspect, settle
from ml.ingestion.refusal import Category, Refusal
from ml.ingestion.store import FilmStore, Recorded

ROWS_A_STATEMENT = 500
"""About 200 kB. Every statement is a commit and a file of the table: not too few."""

UPLOADS_AT_ONCE = 8
"""Each on a connection that is kept open; requests keeps ten."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is handed in, judged before anything is written."""

    films: list[Film]
    refusals: list[Refusal]


@dataclass(kw_only=True)
class Outcome:
    """What one run did."""

    batch_id: str
    added: int = 0
    """Rows written, each after its film."""
    restored: int = 0
    """Films uploaded again because the volume had lost them; their rows were there."""
    there: int = 0
    """Films that were there, and their rows."""
    refusals: list[Refusal] = field(default_factory=list)


class Steps(Protocol):
    """Whoever shows how far a run is. Called from several threads."""

    def begin(self, doing: str, films: int) -> None:
        """A step begins, over so many films."""

    def advance(self) -> None:
        """One film of the step is done."""


def survey(path: Path, steps: Steps, *, any_modality: bool = False) -> Survey:
    """Reads and decodes every file. Raises InvalidData."""
    found, refusals = originals.find(path)
    steps.begin("Checking", len(found))
    films: list[Film] = []
    with ThreadPoolExecutor() as pool:
        for inspected in pool.map(partial(inspect, any_modality=any_modality), found):
            steps.advance()
            if isinstance(inspected, Film):
                films.append(inspected)
            else:
                refusals.append(inspected)
    films, repeated = settle(films)
    return Survey(films=films, refusals=refusals + repeated)


def transfer(surveyed: Survey, store: FilmStore, batch_id: str, steps: Steps) -> Outcome:
    """Brings what is not there yet. Raises WorkspaceError; what was written until then is whole."""
    outcome = Outcome(batch_id=batch_id, refusals=list(surveyed.refusals))
    sizes = store.sizes()
    recorded = store.recorded([film.image_id for film in surveyed.films])
    arriving: list[Film] = []
    for film in surveyed.films:
        row = recorded.get(film.image_id)
        if row is not None and (refusal := _contradiction(film, row)):
            outcome.refusals.append(refusal)
        elif row is not None and sizes.get(film.file_name) == film.file_size:
            outcome.there += 1
        else:
            arriving.append(film)
    steps.begin("Ingesting", len(arriving))

    def bring(film: Film) -> bool:
        # A run that ended between upload and row has left the film in the volume.
        whole = sizes.get(film.file_name) == film.file_size or store.upload(film)
        steps.advance()
        return whole

    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as uploads, ThreadPoolExecutor(1) as rows:
        writing: list[Future[int]] = []
        try:
            for start in range(0, len(arriving), ROWS_A_STATEMENT):
                batch = arriving[start : start + ROWS_A_STATEMENT]
                brought: list[Film] = []
                for film, whole in zip(batch, uploads.map(bring, batch), strict=True):
                    if whole:
                        brought.append(film)
                    else:
                        outcome.refusals.append(_changed(film))
                outcome.restored += sum(film.image_id in recorded for film in brought)
                # One batch's rows are written while the next one's films are uploaded.
                if writing:
                    outcome.added += writing.pop().result()
                writing.append(rows.submit(store.record, brought, batch_id))
            outcome.added += sum(future.result() for future in writing)
        except BaseException:
            uploads.shutdown(cancel_futures=True)
            raise
    return outcome


def _contradiction(film: Film, row: Recorded) -> Refusal | None:
    original = film.original
    if row.label != original.label:
        return Refusal(
            name=original.name,
            category=Category.MISLABELLED,
            reason=f"{original.label} here, but ingested as {row.label} before",
        )
    if row.part != original.part:
        return Refusal(
            name=original.name,
            category=Category.DUPLICATE,
            reason=f"ingested into {row.part} before",
        )
    return None


def _changed(film: Film) -> Refusal:
    return Refusal(
        name=film.original.name,
        category=Category.CORRUPT,
        reason="the file changed while it was ingested; run again when it is complete",
    )

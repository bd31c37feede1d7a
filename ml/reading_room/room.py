"""The room itself: a reader takes a film, reads it, and may then see what the models said."""

import logging
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from ml.feedback.reading import Reading
from ml.reading_room.assignment import Readings, open_to
from ml.reading_room.delivery import Delivery
from ml.reading_room.films import Logged, NoPicture
from ml.reading_room.journal import Entry, Journal, Loan, State
from ml.reading_room.queue import Case, Output, Queue
from ml.reading_room.sampler import Drawn

SOURCE: Final = "reading-room"
"""The `feedback_source` of what is read here."""

LOAN: Final = timedelta(minutes=30)
"""For which a film is one reader's. Then another may have it; a late reading is kept as well."""

_TABLES_SECONDS: Final = 30.0
"""How old may be what is known of the tables."""

_TOKEN_BYTES: Final = 16

_log = logging.getLogger(__name__)


class UnknownFilm(Exception):
    """A token of no film that this reader has or had."""


class NotRead(Exception):
    """What is only for readers who have decided, asked for before."""


class AnotherReading(Exception):
    """An entry that was saved before, and said something else then."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What a reader gets who asks for the next film."""

    token: str | None
    """None: no film waits for this reader."""
    waiting: int
    """Films that wait for this reader, this one included."""
    unavailable: int
    """Films that wait and cannot be shown."""


@dataclass(frozen=True, kw_only=True)
class FilmReading:
    """What a reader has entered."""

    feedback_id: UUID
    """The page's own: the same entry sent again has it again."""
    ground_truth: str
    confidence: str | None
    notes: str | None


class Room:
    """One reading room. Thread-safe."""

    def __init__(
        self, *, queue: Queue, films: Logged, journal: Journal, delivery: Delivery, readers: int
    ) -> None:
        self._queue = queue
        self._films = films
        self._journal = journal
        self._delivery = delivery
        self._readers = readers
        self._assigning = threading.Lock()
        self._saving = threading.Lock()
        """Of what supersedes what: readings of a film are in the order in which they were saved."""
        self._cases: tuple[Case, ...] = ()
        self._written: Mapping[str, Readings] = {}
        self._asked_at: float | None = None
        self._unavailable: set[str] = set()
        self._pictures: dict[str, bytes] = {}

    @property
    def media_type(self) -> str:
        """Of what a reader is shown."""
        return self._films.media_type

    def look(self) -> None:
        """Asks the tables, so that what is missing shows before a reader comes.

        Raises WorkspaceError.
        """
        with self._assigning:
            self._ask_tables()

    def next(self, reader: str) -> Turn:
        """The film that the reader has, or else the first that waits. Raises WorkspaceError."""
        while True:
            with self._assigning:
                loan, turn = self._assign(reader)
            if loan is None or self._fetch(loan):
                return turn

    def picture(self, reader: str, token: str) -> bytes:
        """Raises UnknownFilm, NoPicture, WorkspaceError."""
        loan = self._loan(reader, token)
        return self._pictures.get(token) or self._films.picture(loan.predictions)

    def read(self, reader: str, token: str, given: FilmReading) -> Entry:
        """Keeps a reading, and sends it. Another one of the same film corrects the one before.

        Raises UnknownFilm, InvalidReading, AnotherReading.
        """
        loan = self._loan(reader, token)
        with self._saving:
            self._keep(reader, loan, given)
        return self._sent(token, [_feedback_id(given, drawn) for drawn in loan.predictions])

    def reveal(self, reader: str, token: str) -> tuple[Output, ...]:
        """What the models said. That it was asked for is recorded, and then it is told.

        A record is a reading like the one that it supersedes, with the time of the asking. Raises
        UnknownFilm, NotRead, WorkspaceError.
        """
        loan = self._loan(reader, token)
        self._written_entries(loan)
        output = self._queue.output(loan.predictions)
        with self._saving:
            # Another reading may have been saved meanwhile; the record is of the latest.
            entries = self._written_entries(loan)
            revealed = self._journal.revealed(token)
            if not revealed:
                latest, shown_at = self._latest(token).values(), datetime.now(UTC)
                records = [
                    _with_output(it.reading, shown_at)
                    for it in entries
                    if it.reading.feedback_id in latest
                ]
                self._journal.reveal(token, shown_at, records)
        if not revealed:
            self._delivery.send()
        return output

    def _written_entries(self, loan: Loan) -> list[Entry]:
        entries = self._journal.entries(loan.token)
        saved = {it.reading.prediction_id for it in entries if it.state is State.WRITTEN}
        if saved != {drawn.prediction_id for drawn in loan.predictions}:
            raise NotRead("The models' probability is shown after your reading has been saved.")
        return entries

    def _keep(self, reader: str, loan: Loan, given: FilmReading) -> None:
        before = self._latest(loan.token)
        new = []
        for drawn in loan.predictions:
            feedback_id = _feedback_id(given, drawn)
            if known := self._journal.reading(feedback_id):
                _require_the_same(known, reader, given)
            else:
                new.append((drawn, feedback_id))
        readings = [
            Reading(
                feedback_id=feedback_id,
                prediction_id=drawn.prediction_id,
                radiologist_id=reader,
                ground_truth=given.ground_truth,
                confidence=given.confidence,
                notes=given.notes,
                timestamp=datetime.now(UTC),
                blind=not self._journal.revealed(loan.token),
                supersedes=before.get(drawn.prediction_id),
                feedback_source=SOURCE,
                sampling_probability=drawn.sampling_probability,
            )
            for drawn, feedback_id in new
        ]
        self._journal.keep(loan.token, readings)

    def unsent(self, reader: str) -> int:
        """How many films' readings by this reader have not reached the feedback endpoint."""
        kept = self._journal.kept()
        return len({entry.token for entry in kept if entry.reading.radiologist_id == reader})

    def _sent(self, token: str, feedback_ids: Collection[str]) -> Entry:
        """The entry that has come least far: a film is read when each prediction has a reading."""
        self._delivery.send()
        entries = [
            entry
            for entry in self._journal.entries(token)
            if entry.reading.feedback_id in feedback_ids
        ]
        return min(entries, key=lambda entry: _LEAST_FAR_FIRST.index(entry.state))

    def _latest(self, token: str) -> Mapping[str, str]:
        """By prediction, the feedback id of the reading that counts; refused ones do not."""
        return {
            entry.reading.prediction_id: entry.reading.feedback_id
            for entry in self._journal.entries(token)
            if entry.state is not State.REFUSED
        }

    def _loan(self, reader: str, token: str) -> Loan:
        loan = self._journal.loan(token)
        if loan is None or loan.reader != reader:
            raise UnknownFilm("This film is not yours to read. Take the next one.")
        return loan

    def _assign(self, reader: str) -> tuple[Loan | None, Turn]:
        now = datetime.now(UTC)
        self._ask_tables()
        readings = self._readings()
        reading_now: dict[str, set[str]] = defaultdict(set)
        own: Loan | None = None
        for loan in self._journal.unread(now):
            if loan.reader == reader and loan.film not in self._unavailable:
                own = loan
            reading_now[loan.film].add(loan.reader)
        waiting = [
            case
            for case in self._cases
            if open_to(
                reader, readings.get(case.film, {}), reading_now.get(case.film, ()), self._readers
            )
        ]
        there = [case for case in waiting if case.film not in self._unavailable]
        if own is None and there:
            own = self._lend(reader, there.pop(0), now)
        turn = Turn(
            token=own.token if own else None,
            waiting=len(there) + (own is not None),
            unavailable=len({case.film for case in self._cases} & self._unavailable),
        )
        return own, turn

    def _lend(self, reader: str, case: Case, now: datetime) -> Loan:
        loan = Loan(
            token=secrets.token_urlsafe(_TOKEN_BYTES),
            reader=reader,
            film=case.film,
            predictions=case.predictions,
            until=now + LOAN,
        )
        self._journal.lend(loan)
        return loan

    def _fetch(self, loan: Loan) -> bool:
        """Whether the film can be shown; if not, it is nobody's."""
        try:
            picture = self._films.picture(loan.predictions)
        except NoPicture as error:
            _log.warning("a film cannot be shown and is left out: %s", error)
            self._unavailable.add(loan.film)
            self._journal.end(loan.token, datetime.now(UTC))
            return False
        self._keep_picture(loan, picture)
        return True

    def _keep_picture(self, loan: Loan, picture: bytes) -> None:
        held = {it.token for it in self._journal.unread(datetime.now(UTC))}
        self._pictures = {
            token: content for token, content in self._pictures.items() if token in held
        } | {loan.token: picture}

    def _ask_tables(self) -> None:
        if self._asked_at is not None and time.monotonic() - self._asked_at < _TABLES_SECONDS:
            return
        self._cases = self._queue.cases(self._films.names)
        self._written = self._queue.readings()
        self._asked_at = time.monotonic()

    def _readings(self) -> Mapping[str, Readings]:
        """By film: what the tables say, and what was read here since."""
        of: dict[str, dict[str, str]] = defaultdict(dict)
        films = _films_by_prediction(self._cases)
        for prediction_id, readings in self._written.items():
            if film := films.get(prediction_id):
                of[film] |= readings
        for entry in self._journal.counting():
            reading = entry.reading
            # What was said when the answer had been shown does not undo what was said before.
            if reading.blind and (film := films.get(reading.prediction_id)):
                of[film][reading.radiologist_id] = reading.ground_truth
        return of


_LEAST_FAR_FIRST: Final = (State.REFUSED, State.KEPT, State.WRITTEN)


def _films_by_prediction(cases: Collection[Case]) -> Mapping[str, str]:
    return {drawn.prediction_id: case.film for case in cases for drawn in case.predictions}


def _feedback_id(given: FilmReading, drawn: Drawn) -> str:
    return str(uuid5(given.feedback_id, drawn.prediction_id))


def _require_the_same(known: Reading, reader: str, given: FilmReading) -> None:
    if known.radiologist_id != reader:
        raise AnotherReading("This entry is another reader's. Reload the page.")
    said = (known.ground_truth, known.confidence, known.notes)
    if said != (given.ground_truth, given.confidence, given.notes):
        raise AnotherReading(
            f"This reading was saved before, and it said {known.ground_truth}, {known.confidence} "
            "then. What you have entered now is a correction: it is saved as one when it is sent "
            "as a new entry."
        )


def _with_output(reading: Reading, shown_at: datetime) -> Reading:
    """The record that the reader of this reading was then shown the models' output."""
    return replace(
        reading,
        feedback_id=str(uuid5(UUID(reading.feedback_id), "output shown")),
        supersedes=reading.feedback_id,
        output_shown_at=shown_at,
    )

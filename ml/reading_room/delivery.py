"""From the journal to the feedback endpoint: at once where it answers, and again until it does."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from ml.command import UserError
from ml.feedback.reading import Reading
from ml.reading_room.journal import Entry, Journal, State

AGAIN_SECONDS: Final = 20.0
_AT_ONCE: Final = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What the endpoint says of one reading."""

    feedback_id: str
    written: bool
    reason: str = ""
    """Why it was not written."""
    passing: bool = False
    """Whether the same reading may be taken another time: a statement failed, nothing is wrong."""


class FeedbackEndpoint(Protocol):
    """Takes readings, and answers for each."""

    def submit(self, readings: Sequence[Reading]) -> Sequence[Receipt]:
        """A reading that was written before is not written again. Raises UserError where the
        endpoint does not answer."""


class Delivery:
    """Sends what the journal keeps. Thread-safe."""

    def __init__(self, journal: Journal, endpoint: FeedbackEndpoint) -> None:
        self._journal = journal
        self._endpoint = endpoint
        self._sending = threading.Lock()
        self._stop = threading.Event()

    def send(self) -> None:
        """Everything that is kept, oldest first. What is not taken now stays, and is logged."""
        with self._sending:
            kept = self._journal.kept()
            for start in range(0, len(kept), _AT_ONCE):
                if not self._taken(kept[start : start + _AT_ONCE]):
                    return

    def _taken(self, entries: Sequence[Entry]) -> bool:
        try:
            receipts = self._endpoint.submit([entry.reading for entry in entries])
        except UserError as error:
            _log.warning("%d readings are kept here and sent again: %s", len(entries), error)
            return False
        for receipt in receipts:
            if receipt.written:
                self._journal.mark(receipt.feedback_id, State.WRITTEN)
            elif not receipt.passing:
                _log.error("refused: reading %s: %s", receipt.feedback_id, receipt.reason)
                self._journal.mark(receipt.feedback_id, State.REFUSED, receipt.reason)
        outcomes = Counter(receipt.written or not receipt.passing for receipt in receipts)
        if outcomes[False]:
            _log.warning("%d readings were not written and are sent again", outcomes[False])
        return True

    @contextmanager
    def running(self) -> Iterator[None]:
        """Sends again, now and then, what could not be sent."""
        thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(AGAIN_SECONDS)

    def _run(self) -> None:
        while True:
            try:
                self.send()
            except Exception:
                # A thread that ends would leave readings unsent without a word.
                _log.exception("the delivery of readings failed; it goes on")
            if self._stop.wait(AGAIN_SECONDS):
                return

"""From the journal to the feedback endpoint: at once where it answers, and again until it does."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ml.feedback.client import REFUSED, WRITTEN, FeedbackClient, Outcome
from ml.reading_room.journal import Journal, State
from ml.workspace.endpoint import EndpointError

AGAIN_SECONDS: Final = 20.0
"""Between two attempts where nobody asks for one."""

PATIENCE_SECONDS: Final = 5.0
"""For which a reader is made to wait. An endpoint that starts takes longer; the journal has it."""

_AT_ONCE: Final = 100

_log = logging.getLogger(__name__)


class Delivery:
    """Sends what the journal keeps, in a thread of its own, oldest first."""

    def __init__(
        self,
        journal: Journal,
        endpoint: FeedbackClient,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._journal = journal
        self._endpoint = endpoint
        self._patience_seconds = patience_seconds
        self._change = threading.Condition()
        self._asked = self._answered = 0
        self._ending = False

    def send(self) -> None:
        """Asks for an attempt, and waits for its end, but not for long."""
        with self._change:
            self._asked += 1
            attempt = self._asked
            self._change.notify_all()
            self._change.wait_for(lambda: self._answered >= attempt, self._patience_seconds)

    @contextmanager
    def running(self) -> Iterator[None]:
        """What is kept at the end is sent when the room is opened again."""
        thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._change:
                self._ending = True
                self._change.notify_all()
            thread.join(self._patience_seconds)

    def _run(self) -> None:
        while not self._ending:
            with self._change:
                attempt = self._asked
            try:
                self._attempt()
            except Exception:
                # A thread that ends would leave readings unsent without a word.
                _log.exception("the delivery of readings failed; it goes on")
            with self._change:
                self._answered = attempt
                self._change.notify_all()
                self._change.wait_for(self._is_wanted, AGAIN_SECONDS)

    def _is_wanted(self) -> bool:
        return self._ending or self._asked > self._answered

    def _attempt(self) -> None:
        kept = self._journal.kept()
        for start in range(0, len(kept), _AT_ONCE):
            some = [entry.reading for entry in kept[start : start + _AT_ONCE]]
            try:
                outcomes = self._endpoint.send(some)
            except EndpointError as error:
                _log.warning("%d readings are kept here and sent again: %s", len(kept), error)
                return
            for outcome in outcomes:
                self._settle(outcome)

    def _settle(self, outcome: Outcome) -> None:
        feedback_id, reason = outcome.reading.feedback_id, outcome.reason or "no reason given"
        if outcome.status == WRITTEN:
            self._journal.mark(feedback_id, State.WRITTEN)
        elif outcome.status == REFUSED:
            _log.error("reading %s is refused: %s", feedback_id, reason)
            self._journal.mark(feedback_id, State.REFUSED, reason)
        else:
            _log.warning("reading %s is kept here and sent again: %s", feedback_id, reason)

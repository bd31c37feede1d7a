"""From the journal to the feedback endpoint: at once where it answers, and again until it does."""

import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from ml.endpoint import Endpoint, EndpointError
from ml.reading_room.journal import Entry, Journal, State

AGAIN_SECONDS: Final = 20.0
"""Between two attempts where nobody asks for one."""

PATIENCE_SECONDS: Final = 5.0
"""For which a reader is made to wait. An endpoint that starts takes longer; the journal has it."""

_AT_ONCE: Final = 100

_log = logging.getLogger(__name__)


class Delivery:
    """Sends what the journal keeps, in a thread of its own, oldest first."""

    def __init__(self, journal: Journal, endpoint: Endpoint) -> None:
        self._journal = journal
        self._endpoint = endpoint
        self._change = threading.Condition()
        self._asked = self._answered = 0
        self._ending = False

    def send(self) -> None:
        """Asks for an attempt, and waits for its end, but not for long."""
        with self._change:
            self._asked += 1
            attempt = self._asked
            self._change.notify_all()
            self._change.wait_for(lambda: self._answered >= attempt, PATIENCE_SECONDS)

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
            thread.join(PATIENCE_SECONDS)

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
            entries = kept[start : start + _AT_ONCE]
            try:
                outcomes = self._submit(entries)
            except EndpointError as error:
                _log.warning("%d readings are kept here and sent again: %s", len(kept), error)
                return
            for entry, outcome in zip(entries, outcomes, strict=True):
                self._settle(entry, outcome)

    def _submit(self, entries: Sequence[Entry]) -> list[Mapping[str, Any]]:
        rows = [entry.reading.as_row() for entry in entries]
        answer = self._endpoint.invoke(json.dumps({"dataframe_records": rows}).encode()).predictions
        sent = [entry.reading.feedback_id for entry in entries]
        try:
            if [outcome["feedback_id"] for outcome in answer] == sent:
                return list(answer)
        except (TypeError, KeyError):
            pass
        raise EndpointError(
            f"{self._endpoint.url} does not answer row by row. Is it the feedback endpoint?"
        )

    def _settle(self, entry: Entry, outcome: Mapping[str, Any]) -> None:
        feedback_id, reason = entry.reading.feedback_id, outcome.get("reason") or "no reason given"
        match outcome.get("status"):
            case "written":
                self._journal.mark(feedback_id, State.WRITTEN)
            case "refused":
                _log.error("reading %s is refused: %s", feedback_id, reason)
                self._journal.mark(feedback_id, State.REFUSED, reason)
            case _:
                _log.warning("reading %s is kept here and sent again: %s", feedback_id, reason)

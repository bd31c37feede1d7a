"""Answers that only a client knows: its journal has them, and the inference table has not.

The table is filled by best effort. What it has lost shows nowhere in it; a client that writes its
requests down before it sends them (`ml.journal`) knows what it was answered.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml.command import UserError
from ml.contract import DECISION_THRESHOLD
from ml.journal import Prediction, answered
from ml.verdict.queries import REPLAY_PREFIX, Queries
from ml.verdict.source import Rows

if TYPE_CHECKING:
    from infra.experiment import Experiment

UNLOGGED: Final = "answers that only a client's journal knows"


@dataclass(frozen=True, kw_only=True)
class Journaled:
    """The mature answers of an experiment that its clients' journals know."""

    answers: int
    digest: str
    """SHA-256 over these answers, in whichever journals they are: what a journal has besides them,
    or gets later, does not change it."""
    unlogged: tuple[Prediction, ...]
    """Those of them that the log does not have."""

    @property
    def origin(self) -> str:
        """For the record of the data."""
        return f"{self.answers} answers, SHA-256 {self.digest}"

    def lost(self, arm: str, *, called: bool) -> int:
        """Unlogged answers of an arm that called so; of an unknown arm, they may be this one's."""
        return sum(
            (it.probability >= DECISION_THRESHOLD) == called
            for it in self.unlogged
            if it.arm in (arm, "")
        )


class Journals:
    """Journals of the clients of one endpoint. Raises UserError."""

    def __init__(self, files: Sequence[Path], endpoint: str, host: str | None) -> None:
        """``host`` None: whichever the journals name, if it is one."""
        self._endpoint = f"{host.rstrip('/') if host else 'https://...'}{_path(endpoint)}"
        answers: dict[str, Prediction] = {}
        targets: set[str] = set()
        for file in files:
            entries = answered(file)
            here = {target for target, _ in entries if self._is_asked(target, endpoint, host)}
            if not here:
                named = ", ".join(sorted({target for target, _ in entries})) or "no endpoint"
                raise UserError(
                    f"{file}: no answer of {self._endpoint}, whose traffic is compared; it has "
                    f"answers of {named}. Name the environment with --environment, or leave this "
                    "journal out."
                )
            targets |= here
            answers |= {it.request_id: it for target, it in entries if target in here}
        if len(targets) > 1:
            raise UserError(
                f"--journal: answers of several workspaces: {', '.join(sorted(targets))}. Say "
                "which one is meant: [workspace] host of the environment file."
            )
        self._answers = [answers[name] for name in sorted(answers)]

    def compared(
        self, experiment: "Experiment", rows: Rows, queries: Queries, as_of: datetime
    ) -> Journaled:
        """What the journals know of an experiment, and the rows have not. An answer younger than
        a mature label is not counted: its row may be on its way."""
        known = list(self._of(experiment, as_of))
        # Without its answer, as one too large for the log, a request has Databricks' own id.
        ids = [name for it in known for name in (it.request_id, it.databricks_request_id) if name]
        there = rows.logged(queries, ids)
        return Journaled(
            answers=len(known),
            digest=_digest(known),
            unlogged=tuple(
                it for it in known if not {it.request_id, it.databricks_request_id} & there
            ),
        )

    def _of(self, experiment: "Experiment", as_of: datetime) -> Iterator[Prediction]:
        # An answer whose header was lost may be of either arm.
        arms = experiment.champion, experiment.challenger
        names = {"", *(arm.served_entity_name for arm in arms)}
        for it in self._answers:
            if (
                it.arm in names
                and not it.request_id.startswith(REPLAY_PREFIX)
                and experiment.start <= it.sent_at <= as_of - experiment.label_maturity
            ):
                yield it

    @staticmethod
    def _is_asked(target: str, endpoint: str, host: str | None) -> bool:
        """Whether a target draws an arm; one that names its arm is no part of the test."""
        if host is None:
            return target.endswith(_path(endpoint))
        return target == f"{host.rstrip('/')}{_path(endpoint)}"


def _path(endpoint: str) -> str:
    return f"/serving-endpoints/{endpoint}/invocations"


def _digest(answers: Sequence[Prediction]) -> str:
    hashed = hashlib.sha256()
    for it in answers:
        entry = (
            it.request_id,
            it.sent_at.isoformat(),
            it.arm,
            repr(it.probability),
            it.databricks_request_id,
        )
        hashed.update("\0".join(entry).encode() + b"\0")
    return hashed.hexdigest()

"""Answers that only a client knows: its journal has them, and the inference table has not.

The table is filled by best effort. What it has lost shows nowhere in it; a client that writes its
requests down before it sends them (`ml.prediction.journal`) knows what it was answered.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml.contract.errors import UserError
from ml.contract.tables import REPLAY_MARK
from ml.data.text_file import NotText, sheet_in
from ml.prediction.journal import Prediction, answered
from ml.verdict.counting.counts import Rows
from ml.verdict.counting.queries import Queries

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

UNLOGGED: Final = "answers that only a client's journal knows"
KEPT_SUFFIX: Final = ".csv"
"""Of a file with the answers that a decision was made with; any other one is a whole journal."""

_COLUMNS: Final = ("request_id", "target", "sent_at", "arm", "probability", "databricks_request_id")


@dataclass(frozen=True, kw_only=True)
class Journaled:
    """The mature answers of an experiment that its clients' journals know."""

    target: str
    threshold: float
    """From which probability on an arm calls a film positive."""
    known: tuple[Prediction, ...]
    """By their ids."""
    unlogged: tuple[Prediction, ...]
    """Those of them that the log does not have."""

    @property
    def answers(self) -> int:
        """How many are known."""
        return len(self.known)

    @property
    def origin(self) -> str:
        """For the record of the data: a digest over these answers, in whichever journals they are.
        What a journal has besides them, or gets later, does not change it."""
        return f"{self.answers} answers, SHA-256 {hashlib.sha256(self.text().encode()).hexdigest()}"

    def text(self) -> str:
        """These answers as a journal of their own, for whoever makes the decision again."""
        written = io.StringIO()
        rows = csv.writer(written, lineterminator="\n")
        rows.writerow(_COLUMNS)
        for it in self.known:
            rows.writerow(
                (
                    *(it.request_id, self.target, it.sent_at.isoformat(), it.arm),
                    *(repr(it.probability), it.databricks_request_id),
                )
            )
        return written.getvalue()

    def lost(self, arm: str, *, called: bool) -> int:
        """Unlogged answers of an arm that called so; of an unknown arm, they may be this one's."""
        return sum(
            (it.probability >= self.threshold) == called
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
            is_kept = file.suffix.lower() == KEPT_SUFFIX
            entries = _kept(file) if is_kept else answered(file)
            here = {target for target, _ in entries if self._is_asked(target, endpoint, host)}
            if not here and (entries or not is_kept):  # a decision may have known of none
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
        self._target = next(iter(targets), self._endpoint)
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
            target=self._target,
            threshold=experiment.task.threshold,
            known=tuple(known),
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
                and not it.request_id.startswith(REPLAY_MARK)
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


def _kept(file: Path) -> list[tuple[str, Prediction]]:
    """The answers that a decision was made with, as `Journaled.text` writes them."""
    try:
        return [
            (
                row["target"],
                Prediction(
                    request_id=row["request_id"],
                    image_id="",
                    sent_at=(sent_at := datetime.fromisoformat(row["sent_at"])),
                    answered_at=sent_at,
                    arm=row["arm"],
                    probability=float(row["probability"]),
                    databricks_request_id=row["databricks_request_id"],
                ),
            )
            for row in sheet_in(file, _COLUMNS)
        ]
    except NotText as error:
        raise UserError(f"--journal {file}: cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(
            f"{file}: cannot be read as the answers of a journal: {error!r}. python -m ml.compare "
            "writes them beside its decision; give it the journal itself."
        ) from error

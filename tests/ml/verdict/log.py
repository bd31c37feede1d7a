"""What an endpoint has answered and its readers have said, as the rows of a file."""

from __future__ import annotations

import datetime
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

CHAMPION, CHALLENGER = "keras-1", "torch-2"
START = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)


@dataclass
class Log:
    """Rows of an endpoint and its readers; films come one a minute unless told otherwise."""

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    def film(
        self,
        arm: str | None,
        probability: float | None,
        truth: str | None = None,
        *,
        hours: float | None = None,
        **columns: Any,
    ) -> str:
        """One answer, with a reader's verdict on it if there is one; returns its id."""
        number = next(self._numbers)
        asked = START + datetime.timedelta(hours=number / 60 if hours is None else hours)
        row = {
            "prediction_id": f"request-{number:06}",
            "request_time": asked,
            "arm": arm,
            "probability": probability,
            "ground_truth": truth,
            "radiologist_id": "reader-1" if truth else None,
            "decided_at": asked + datetime.timedelta(hours=1) if truth else None,
        }
        self.rows.append(row | columns)
        return str(row["prediction_id"])

    def films(self, arm: str, outcomes: dict[str, int], **columns: Any) -> None:
        """So many films of each outcome, TP, FN, TN, FP, in the course of ten days."""
        kinds = {
            "TP": (0.9, "PNEUMONIA"),
            "FN": (0.1, "PNEUMONIA"),
            "TN": (0.1, "NORMAL"),
            "FP": (0.9, "NORMAL"),
        }
        all_ = [kinds[outcome] for outcome, n in outcomes.items() for _ in range(n)]
        for number, (probability, truth) in enumerate(all_):
            hours = 240 * number / len(all_)
            self.film(arm, probability, truth, **{"hours": hours, **columns})

    def unread(self, arm: str, probability: float, n: int) -> None:
        """So many answers that nobody has read, in the course of ten days."""
        for number in range(n):
            self.film(arm, probability, hours=240 * number / n)

    def end(self, hours: float = 24 * 365) -> None:
        """A last thing that happens, so that everything before it is mature: a request that
        failed."""
        for arm in (CHAMPION, CHALLENGER):
            self.film(arm, None, hours=hours, status_code=500)

    def parquet(self) -> Path:
        """The rows as a file."""
        import pandas as pd

        file = self.folder / "rows.parquet"
        frame = pd.DataFrame(self.rows)
        for column in ("request_time", "decided_at"):
            frame[column] = pd.to_datetime(frame[column], utc=True)
        frame["status_code"] = frame.get("status_code", pd.Series(dtype=float)).fillna(200)
        frame.to_parquet(file)
        return file

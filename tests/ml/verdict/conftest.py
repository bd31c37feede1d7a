"""Experiments and labelled rows, written as the files that the commands read."""

from __future__ import annotations

import datetime
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHAMPION, CHALLENGER = "keras-1", "torch-2"
START = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)

EXPERIMENT = """
primary_metric = "{primary}"
alpha = 0.05
maximum_labels = {maximum}
minimum_per_arm = {minimum}
label_maturity_hours = {maturity}
audit_share = {audit}
subgroups = {subgroups}
[champion]
model = "keras"
version = 1
[challenger]
model = "torch"
version = 2
[split]
since = 2026-03-02T00:00:00Z
champion = {champion}
challenger = {challenger}
[margins]
sensitivity = 0.05
specificity = 0.05
[expected]
prevalence = 0.5
[expected.champion]
sensitivity = 0.85
specificity = 0.85
[expected.challenger]
sensitivity = 0.95
specificity = 0.85
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Callable[..., Path]:
    """Writes an experiment file; keywords change its values, and may declare a benefit."""

    def write(**values: Any) -> Path:
        known = {
            "primary": "sensitivity",
            "maximum": 100_000,
            "minimum": 20,
            "maturity": 24,
            "audit": 1.0,
            "subgroups": "[]",
            "champion": 50,
            "challenger": 50,
        }
        file = tmp_path / "trial.toml"
        benefit = values.pop("benefit", None)
        declared = f'benefit = "{benefit}"\n' if benefit else ""
        file.write_text(declared + EXPERIMENT.format(**(known | values)))
        return file

    return write


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


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """An empty log."""
    return Log(folder=tmp_path)


@pytest.fixture
def compare(log: Log) -> Callable[..., Any]:
    """The decision on the log, as its file has it; without the report, whose plots take time."""

    def decision(
        file: Path, *, as_of: datetime.datetime | None = None, splits: Path | None = None
    ) -> Any:
        from infra.declared import experiment
        from ml.compare import decide
        from ml.contract.decision import Decision
        from ml.verdict.counting.labelled_file import ParquetFile

        trial = experiment.load(file)
        found = decide(
            trial,
            experiment.splits(trial, splits),
            ParquetFile(log.parquet(), trial.subgroups),
            as_of=as_of,
            environment=None,
        )
        return Decision.model_validate_json(found.decision.text())

    return decision


@pytest.fixture
def command(tmp_path: Path, log: Log) -> Callable[..., Path]:
    """Runs `python -m ml.compare` on the log, in this process; returns the folder it wrote."""

    def run(experiment: Path, *arguments: str) -> Path:
        from ml.compare import main

        folder = tmp_path / "out"
        status = main(
            [str(experiment), "--data", str(log.parquet()), "--output", str(folder), *arguments]
        )
        assert status == 0
        return folder

    return run

"""Experiments and labelled rows as files, and the decision on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.ml.verdict.log import Log

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable
    from pathlib import Path

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

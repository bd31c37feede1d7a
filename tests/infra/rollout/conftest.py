"""An environment file, an experiment and decisions on it, written as the commands read them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.infra.rollout.trial import AS_OF, ENVIRONMENT, EXPERIMENT


@pytest.fixture
def environment(tmp_path: Path) -> Callable[..., Path]:
    """Writes dev.toml with a share for the challenger, and some of its text replaced."""

    def write(traffic: int = 20, *replacements: tuple[str, str], add: str = "") -> Path:
        text = ENVIRONMENT.format(traffic=traffic)
        for old, new in replacements:
            assert old in text, f"the file has no {old!r} to replace"
            text = text.replace(old, new, 1)
        file = tmp_path / "environments" / "dev.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text + add, encoding="utf-8")
        return file

    return write


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """trial.toml: keras-1 against torch-2."""
    file = tmp_path / "trial.toml"
    file.write_text(EXPERIMENT, encoding="utf-8")
    return file


@pytest.fixture
def decide(tmp_path: Path, experiment: Path) -> Callable[..., Path]:
    """Writes a decision on the experiment; keywords change its fields."""

    def write(*, champion: int = 80, challenger: int = 20, name: str = "decision", **fields: Any):
        from infra.declared.experiment import load
        from ml.contract.decision import Decision

        made = {
            "verdict": "PROMOTE",
            "reason": "Sensitivity is better.",
            "environment": "dev",
            "mode": "live",
            "as_of": AS_OF,
            "experiment": {"name": "trial", "digest": load(experiment).digest},
            "champion": {"served_entity": "keras-1", "model": "keras", "version": 1},
            "challenger": {"served_entity": "torch-2", "model": "torch", "version": 2},
            "splits": (
                {
                    "since": "2026-03-02T00:00:00Z",
                    "champion": champion,
                    "challenger": challenger,
                },
            ),
            "data": {
                "origin": {"view": "gold.labelled"},
                "digest": hashlib.sha256(b"rows").hexdigest(),
                "query_digest": hashlib.sha256(b"queries").hexdigest(),
                "assumed": (),
            },
            "method": {},
            "software": {"python": "3.11.7"},
            "findings": (),
            "numbers": {},
        }
        file = tmp_path / f"{name}.json"
        file.write_text(Decision(**(made | fields)).text(), encoding="utf-8")
        return file

    return write

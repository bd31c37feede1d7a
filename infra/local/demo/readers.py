"""Simulated readers: the labels of the bundled films, with mistakes, through the feedback endpoint.

They are marked as a simulation in every row, and count for no film that waits for a reader.
"""

from __future__ import annotations

import csv
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.local.demo.commands import run
from infra.local.demo.project import ENVIRONMENT
from ml.contract.serving import FEEDBACK_MODEL, LABELS
from ml.contract.tables import SIMULATION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from databricks.sdk import WorkspaceClient

    from infra.declared.environment import Environment
    from infra.local.demo.requests import Answer

ERROR_RATE: Final = 0.05
_SEED = 0
_READER = "simulated-reader"
_SHEET = Path("readings.csv")


def register() -> None:
    """The model behind the feedback endpoint."""
    command = [sys.executable, "-m", "ml.register_feedback", "--skip-if-registered"]
    run([*command, "--environment", ENVIRONMENT])


def endpoint(version: int) -> Mapping[str, Any]:
    """The table `[feedback]` of the environment's file."""
    return {
        "endpoint": "feedback-endpoint",
        "model": FEEDBACK_MODEL,
        "version": version,
        "authentication": "token",
    }


def keep_token(client: WorkspaceClient, environment: Environment) -> None:
    """What the endpoint signs in with goes into the secret scope, and into no file."""
    client.secrets.put_secret(
        environment.secret_scope_name, "feedback-token", string_value=client.config.token
    )


def read(answers: Sequence[Answer]) -> None:
    """One verdict on each answer, sent as a sheet of readings."""
    draw = random.Random(_SEED)  # noqa: S311 - a simulation
    now = datetime.now(UTC).isoformat()
    rows = [
        {
            "prediction_id": answer.request_id,
            "radiologist_id": _READER,
            "ground_truth": LABELS[answer.label ^ (draw.random() < ERROR_RATE)],
            "timestamp": now,
            "blind": "true",
            "feedback_source": SIMULATION,
            "notes": f"simulated: {ERROR_RATE:.0%} of the verdicts are wrong",
            "sampling_probability": "1.0",
        }
        for answer in answers
    ]
    with _SHEET.open("w", newline="") as stream:
        sheet = csv.DictWriter(stream, fieldnames=list(rows[0]))
        sheet.writeheader()
        sheet.writerows(rows)
    run([sys.executable, "-m", "ml.feedback", str(_SHEET), "--environment", ENVIRONMENT])

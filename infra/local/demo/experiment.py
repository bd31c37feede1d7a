"""The experiment of the demonstration: declared, judged, and its traffic promoted or not."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from infra.experiment import EXPERIMENTS, load
from infra.local.demo.commands import FOLDER, console, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from infra.environment import Environment

_DECLARED: Final = EXPERIMENTS / "pneumonia_ab.toml"
_FILE: Final = FOLDER / "demo.toml"
_REPLAY: Final = FOLDER / "replay"


def declare(environment: Environment, versions: Mapping[str, int], since: datetime) -> None:
    """The repository's experiment, on these versions and from this moment on."""
    document: Any = tomlkit.parse(_DECLARED.read_text(encoding="utf-8"))
    for arm in ("champion", "challenger"):
        document[arm]["version"] = versions[document[arm]["model"]]
    document["label_maturity_hours"] = 0  # the readers of a demonstration are done at once
    document["audit_share"] = environment.reading.audit_share
    document["split"]["since"] = since
    _FILE.write_text(tomlkit.dumps(document), encoding="utf-8")
    load(_FILE)


def judge(file: Path) -> None:
    """What the verdicts of the readers until now allow to say."""
    run([sys.executable, "-m", "ml.compare", str(_FILE), "--environment", str(file)])


def replay(file: Path) -> None:
    """Both arms on all validation films."""
    command = [sys.executable, "-m", "ml.replay", str(_FILE), "--environment", str(file)]
    run([*command, "--part", "val", "--output", str(_REPLAY)])


def promote(file: Path) -> bool:
    """Whether the decision of the replay has allowed the next step of the ramp."""
    command = [sys.executable, "-m", "infra.rollout", "promote", "--environment", str(file)]
    command += ["--decision", str(_REPLAY / "decision.json"), "--experiment", str(_FILE)]
    done = subprocess.run(command, check=False)
    if done.returncode:
        console.print("  The evidence does not allow it, so that the traffic stays as it is.")
    return done.returncode == 0


def status(file: Path) -> None:
    """Its exit status says only whether it has found drift."""
    subprocess.run(
        [sys.executable, "-m", "infra.rollout", "status", "--environment", str(file)], check=False
    )

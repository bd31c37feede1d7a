"""The experiments of the demonstration: declared, judged, and the traffic promoted or not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from infra.declared.experiment import EXPERIMENTS, load
from infra.local.demo.commands import FOLDER, console, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from infra.declared.environment import Environment

_LIVE: Final = FOLDER / "pneumonia_ab.toml"
"""Judged by the readings of the X-rays that were sent."""
_REPLAYED: Final = FOLDER / "pneumonia_replay.toml"
"""Judged by both arms' answers to all validation films."""
_ANSWERS: Final = FOLDER / "replay"


def declare(environment: Environment, versions: Mapping[str, int], since: datetime) -> None:
    """The repository's experiments, on these versions and from this moment on."""
    live, replayed = _of_these(versions, since, _LIVE), _of_these(versions, since, _REPLAYED)
    live["label_maturity_hours"] = 0  # the readers of a demonstration are done at once
    live["audit_share"] = environment.reading.audit_share
    for document, file in ((live, _LIVE), (replayed, _REPLAYED)):
        file.write_text(tomlkit.dumps(document), encoding="utf-8")
        console.print(f"  {file}: SHA-256 {load(file).digest[:12]}")
    # What an earlier demonstration was answered is older than this declaration.
    shutil.rmtree(_ANSWERS, ignore_errors=True)


def judge(file: Path) -> None:
    """What the verdicts of the readers until now allow to say."""
    run([sys.executable, "-m", "ml.compare", str(_LIVE), "--environment", str(file)])


def replay(file: Path) -> None:
    """Both arms on all validation films."""
    declared, clinical = load(_REPLAYED), load(_LIVE)
    console.print(
        f"  The challenger need not be better here, for the benefit that {_REPLAYED.name} has "
        f'declared: "{declared.benefit}".\n'
        f"  It must not be worse by {declared.margins.sensitivity:g} in sensitivity and "
        f"{declared.margins.specificity:g} in specificity: wide, because "
        f"{declared.maximum_labels} films, a quarter of them NORMAL, cannot show less.\n"
        f"  A clinical margin, such as the {clinical.margins.sensitivity:g} and "
        f"{clinical.margins.specificity:g} of {_LIVE.name}, takes about three times as many.",
        soft_wrap=True,
    )
    command = [sys.executable, "-m", "ml.replay", str(_REPLAYED), "--environment", str(file)]
    run([*command, "--part", "val", "--output", str(_ANSWERS)])


def promote(file: Path) -> bool:
    """Whether the decision of the replay has allowed the next step of the ramp."""
    command = [sys.executable, "-m", "infra.rollout", "promote", "--environment", str(file)]
    command += ["--decision", str(_ANSWERS / "decision.json"), "--experiment", str(_REPLAYED)]
    done = subprocess.run(command, check=False)
    if done.returncode:
        console.print("  The evidence does not allow it, so that the traffic stays as it is.")
    return done.returncode == 0


def status(file: Path) -> None:
    """Its exit status says only whether it has found drift."""
    subprocess.run(
        [sys.executable, "-m", "infra.rollout", "status", "--environment", str(file)], check=False
    )


def _of_these(versions: Mapping[str, int], since: datetime, copy: Path) -> Any:
    document: Any = tomlkit.parse((EXPERIMENTS / copy.name).read_text(encoding="utf-8"))
    for arm in ("champion", "challenger"):
        document[arm]["version"] = versions[document[arm]["model"]]
    document["split"]["since"] = since
    return document

"""The experiments of the demonstration: declared, judged, and the traffic promoted or not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from infra.declared.experiment import SPLITS, load
from infra.local.demo.commands import console, run
from infra.local.demo.project import ENVIRONMENT, ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from infra.declared.environment import Environment

_EXPERIMENTS: Final = Path("infra", "experiments")
_LIVE: Final = _EXPERIMENTS / "pneumonia_ab.toml"
"""Judged by the readings of the X-rays that were sent."""
_REPLAYED: Final = _EXPERIMENTS / "pneumonia_replay.toml"
"""Judged by both arms' answers to all validation films."""
_ANSWERS: Final = Path("replay")


def declare(environment: Environment, versions: Mapping[str, int], since: datetime) -> None:
    """The repository's experiments, on these versions and from this moment on."""
    live, replayed = _of_these(versions, since, _LIVE), _of_these(versions, since, _REPLAYED)
    live["label_maturity_hours"] = 0  # the readers of a demonstration are done at once
    live["audit_share"] = environment.reading.audit_share
    for document, file in ((live, _LIVE), (replayed, _REPLAYED)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(tomlkit.dumps(document), encoding="utf-8")
        console.print(f"  {file}: SHA-256 {load(file).digest[:12]}")
    # What an earlier demonstration was answered, and its splits, are older than this declaration.
    for earlier in (_ANSWERS, _EXPERIMENTS / SPLITS):
        shutil.rmtree(earlier, ignore_errors=True)


def judge() -> None:
    """What the verdicts of the readers until now allow to say."""
    run([sys.executable, "-m", "ml.compare", _LIVE.stem, "--environment", ENVIRONMENT])


def record_split() -> None:
    """Since when the traffic is split as it is: whoever compares later weighs requests by it."""
    command = [sys.executable, "-m", "infra.rollout", "record", "--experiment", _LIVE.stem]
    run([*command, "--environment", ENVIRONMENT])


def replay() -> None:
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
    command = [sys.executable, "-m", "ml.replay", _REPLAYED.stem, "--environment", ENVIRONMENT]
    run([*command, "--part", "val", "--output", str(_ANSWERS)])


def promote() -> bool:
    """Whether the decision of the replay has allowed the next step of the ramp."""
    command = [sys.executable, "-m", "infra.rollout", "promote", "--environment", ENVIRONMENT]
    command += ["--decision", str(_ANSWERS / "decision.json")]
    done = subprocess.run(command, check=False)
    if done.returncode:
        console.print("  The evidence does not allow it, so that the traffic stays as it is.")
    return done.returncode == 0


def status() -> None:
    """Its exit status says only whether it has found drift."""
    subprocess.run(
        [sys.executable, "-m", "infra.rollout", "status", "--environment", ENVIRONMENT], check=False
    )


def _of_these(versions: Mapping[str, int], since: datetime, copy: Path) -> Any:
    document: Any = tomlkit.parse((ROOT / copy).read_text(encoding="utf-8"))
    for arm in ("champion", "challenger"):
        document[arm]["version"] = versions[document[arm]["model"]]
    document["split"]["since"] = since
    return document

"""Seconds and figures of both arms, trained in full on the bundled films.

    python tests/benchmarks/bench_training.py [--epochs N]

CPU seconds are those of the whole command: imports, registration and all. The promise: at most
180 for an arm. Judge both on films of another distribution by `python -m ml.evaluate`.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
CPU_SECONDS = 180
ARMS = {
    "ml.train_keras": "pneumonia_poc_classifier",
    "ml.train_torch": "pneumonia_poc_classifier_pytorch",
}
FIGURES = ("auc", "sensitivity", "specificity", "accuracy", "brier", "calibration_error")


def cpu_seconds() -> float:
    """Of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tags(folder: Path, model: str) -> dict[str, str]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/.local/mlflow.db")
    return dict(client.get_model_version(f"healthcare_catalog_local.models.{model}", "1").tags)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", default="15")
    epochs = parser.parse_args().epochs
    table = Table("arm", "wall s", "CPU s", f"of {CPU_SECONDS} CPU s", *FIGURES)
    slow = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for command, model in ARMS.items():
            wall, cpu = time.monotonic(), cpu_seconds()
            subprocess.run(
                [sys.executable, "-m", command, "--epochs", epochs],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                check=True,
            )
            wall, cpu = time.monotonic() - wall, cpu_seconds() - cpu
            found = tags(folder, model)
            table.add_row(
                command,
                f"{wall:.0f}",
                f"{cpu:.0f}",
                f"{cpu / CPU_SECONDS:.2f}",
                *(found[f"validation_{figure}"] for figure in FIGURES),
            )
            if cpu > CPU_SECONDS:
                slow.append(command)
    Console(width=160).print(table)
    for command in slow:
        print(f"{command} took more than {CPU_SECONDS} CPU seconds")
    return bool(slow)


if __name__ == "__main__":
    sys.exit(main())

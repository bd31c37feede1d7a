"""How long set-up takes in a new clone when the package caches are warm; at most 60 s is promised.

    python tests/benchmarks/bench_set_up.py

Clones what is committed, twice: the first set-up fills the caches of uv, pip and npm.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROMISED_SECONDS = 60


def set_up(folder: Path) -> tuple[float, float]:
    """Seconds of the set-up of a clone, and of a second one, which has nothing to do."""
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    seconds = []
    for _ in range(2):
        started = time.monotonic()
        subprocess.run(
            ["make", "set-up"], cwd=folder, env=environment, check=True, capture_output=True
        )
        seconds.append(time.monotonic() - started)
    return seconds[0], seconds[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        set_up(Path(scratch) / "filling")
        first, second = set_up(Path(scratch) / "measured")
    print(f"set-up from warm caches {first:.1f} s (promised: {PROMISED_SECONDS} s)")
    print(f"set-up with nothing to do {second:.2f} s (promised: 2 s)")


if __name__ == "__main__":
    main()

"""`python main.py` for all environments, against importing cdktf and the bindings alone.

    python tests/benchmarks/bench_synth.py [ROUNDS]

Both run in turn, in processes of their own, so that a busy machine slows both. The promise: at
most 1.15 times as long.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPORTS = "import cdktf, cdktf_cdktf_provider_databricks"
PROMISE = 1.15


def seconds(*arguments: str, out: str) -> float:
    """Wall-clock time of one Python process."""
    environment = {
        **os.environ,
        "CDKTF_OUTDIR": out,
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    }
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    return time.perf_counter() - start


def main() -> None:
    """Print the least of both times and their ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    imports, synthesis = [], []
    with tempfile.TemporaryDirectory() as out:
        seconds("main.py", out=out)  # fills jsii's package cache
        for round_ in range(1, rounds + 1):
            imports.append(seconds("-c", IMPORTS, out=out))
            synthesis.append(seconds("main.py", out=out))
            print(f"round {round_} of {rounds}: {imports[-1]:.2f} s, {synthesis[-1]:.2f} s")
    # What else runs on the machine only ever adds to a time: the least is the program's own.
    alone, whole = min(imports), min(synthesis)
    print(f"importing cdktf and the bindings: {alone:.2f} s (least)")
    print(f"python main.py, all environments: {whole:.2f} s (least)")
    print(f"ratio: {whole / alone:.2f} (promised: at most {PROMISE})")


if __name__ == "__main__":
    main()

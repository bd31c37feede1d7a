"""Films a second and memory of a folder too large to hold: preparing, reading, training.

    python tests/benchmarks/bench_reading.py [--films N] [--size PIXELS] [--steps N]

The folder is generated: JPEGs of 256 x 256 from the bundled films, each with other bytes behind its
end, so that each is a film of its own. Every film is prepared, then read once in the order of an
epoch; then each arm's own command trains for a few steps, judges and registers. Two promises:
batches are read ten times as fast as films are decoded, and the processes of a command never hold
more than 4 GB, however many films there are.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

MOST_MEMORY = 4e9
TIMES_AS_FAST = 10
EDGE = 256
SAMPLE = 300
VALIDATION = 400
ARMS = ("ml.train_keras", "ml.train_torch")

# Each in a process of its own, whose memory is measured.
READING = """
import json, sys, time
from pathlib import Path
from ml.data import loading
from ml.training.fitting import Batches
from ml.training.recipe import Recipe

folder, size = Path(sys.argv[1]), int(sys.argv[2])


def timed(work):
    started = time.process_time(), time.monotonic()
    result = work()
    return result, time.process_time() - started[0], time.monotonic() - started[1]


data, *prepared = timed(lambda: loading.load(folder, size))
_, *checked = timed(lambda: loading.load(folder, size))
films, recipe = data.parts["train"], Recipe(epochs=1)
batches = Batches(films, recipe)
rates = {}
for name, count, read in (
    ("read", len(batches), lambda index: films.take(batches.chosen(0, index))),
    ("read and augmented", min(len(batches), 40), lambda index: batches.batch(0, index)),
):
    _, cpu, _ = timed(lambda: [read(index) and None for index in range(count)])
    rates[name] = count * recipe.films_at_once(size) / cpu
print(json.dumps({
    "films": sum(map(len, data.parts.values())), "prepared": prepared, "checked": checked,
    "rates": rates,
}))
"""
TRAINING = """
import sys
from importlib import import_module
from ml.training.fitting import Batches

command, folder, size, steps = sys.argv[1:]
# Of all films, in an epoch's order, but no more than that.
Batches.__len__ = lambda self: min(int(steps), len(self.films) // self._size)
given = ["--data", folder, "--image-size", size, "--epochs", "1", "--device", "cpu"]
sys.exit(import_module(command).main(given))
"""


class Measured:
    """A Python program, and the most memory that its process and all below have held."""

    def __init__(self, program: str, arguments: Sequence[object], folder: str) -> None:
        """Raises CalledProcessError where it fails."""
        self.peak = 0
        command = [sys.executable, "-c", program, *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        said = Path(folder, "said")
        with (
            said.open("w") as file,
            subprocess.Popen(command, cwd=folder, env=environment, stdout=file) as process,
        ):
            while process.poll() is None:
                self.peak = max(self.peak, sum(map(_high_water_mark, _tree(process.pid))))
                time.sleep(0.5)
        self.said = said.read_text()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command[3:], self.said)

    def __str__(self) -> str:
        return f"{self.peak / 1e9:.2f} GB"


def _high_water_mark(process: int) -> int:
    """Of the resident set, with the pages of mapped files, in bytes; 0 of one that has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return 1024 * int(status.partition("VmHWM:")[2].split()[0]) if "VmHWM:" in status else 0


def _tree(root: int) -> list[int]:
    found = [root]
    for process in found:
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def jpegs(count: int) -> list[bytes]:
    """Some bundled films, enlarged."""
    from ml.data.loading import BUNDLED

    with np.load(BUNDLED) as arrays:
        images = arrays["train_images"][:count]
    found = []
    for image in images:
        buffer = io.BytesIO()
        large = Image.fromarray(image).resize((EDGE, EDGE), Image.Resampling.BICUBIC)
        large.save(buffer, "JPEG", quality=90)
        found.append(buffer.getvalue())
    return found


def generate(root: Path, films: int, some: list[bytes]) -> None:
    for part, first, last in (("train", VALIDATION, films), ("val", 0, VALIDATION)):
        for label, name in (("NORMAL", "NORMAL-{}-0001"), ("PNEUMONIA", "VIRUS-{}-0001")):
            folder = root / part / label
            folder.mkdir(parents=True)
            for index in range(first // 2, last // 2):
                content = some[index % len(some)] + f"{label}{index}".encode()
                (folder / f"{name.format(index)}.jpeg").write_bytes(content)


def decoded_a_second(some: list[bytes], size: int) -> float:
    from ml.data.preparation import read

    begun = time.process_time()
    for content in some:
        read(content, size)
    return len(some) / (time.process_time() - begun)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--films", type=int, default=4000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=2)
    given = parser.parse_args()
    some = jpegs(SAMPLE)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary, "films")
        generate(root, given.films, some)
        decoding = decoded_a_second(some, given.size)
        reading = Measured(READING, [root, given.size], temporary)
        arms = {
            arm: Measured(TRAINING, [arm, root, given.size, given.steps], temporary) for arm in ARMS
        }
    found = json.loads(reading.said)
    table = Table("of one CPU second", "films", "times decoding", title=f"{found['films']} films")
    table.add_row("decoded and prepared", f"{decoding:.0f}", "1")
    for name, rate in found["rates"].items():
        table.add_row(name, f"{rate:.0f}", f"{rate / decoding:.1f}")
    console = Console(width=100)
    console.print(table)
    for what in ("prepared", "checked"):
        cpu, wall = found[what]
        console.print(f"{what} in {wall:.0f} s ({cpu:.0f} CPU s)")
    console.print(f"most memory: prepared and read {reading}")
    for arm, measured in arms.items():
        console.print(f"{arm}, {given.steps} steps: {measured}")
    slow = found["rates"]["read"] < TIMES_AS_FAST * decoding
    most = max(it.peak for it in (reading, *arms.values()))
    return bool(slow or most > MOST_MEMORY)


if __name__ == "__main__":
    sys.exit(main())

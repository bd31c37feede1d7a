"""Films a second and memory of a folder too large to hold: preparing, reading, a few steps.

    python tests/benchmarks/bench_reading.py [--films N] [--size PIXELS] [--steps N]

The folder is generated: JPEGs of 256 x 256 from the bundled films, each with other bytes behind its
end, so that each is a film of its own. Two promises: batches are read ten times as fast as films
are decoded, and no more than 4 GB is ever in memory, however many films there are.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
MOST_MEMORY = 4e9
TIMES_AS_FAST = 10
EDGE = 256
SAMPLE = 300

# In a process of its own, whose memory is measured.
TRAINING = """
import json, resource, sys, time
from pathlib import Path
from ml.data import loading
from ml.training.fitting import Batches
from ml.training.networks.torch_residual import Network
from ml.training.recipe import Recipe

folder, size, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


started = time.process_time(), time.monotonic()
data = loading.load(folder, size)
prepared = time.process_time() - started[0], time.monotonic() - started[1]
after_loading = peak()
films, recipe = data.parts["train"], Recipe(epochs=1)
batches = Batches(films, recipe)
rates = {}
for name, read in (
    ("read", lambda index: films.take(batches.chosen(0, index))),
    ("read and augmented", lambda index: batches.batch(0, index)),
):
    count, begun = min(len(batches), 40), time.process_time()
    for index in range(count):
        read(index)
    rates[name] = count * recipe.films_at_once(size) / (time.process_time() - begun)


class Watch:
    validation_images = data.parts["val"].images[:256]
    def epoch(self, *_): pass
    def step(self, *_):
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == steps:
            raise StopIteration


begun = time.process_time()
try:
    Network(size, 0).fit(batches, recipe, Watch())
except StopIteration:
    pass
rates["trained on"] = steps * recipe.films_at_once(size) / (time.process_time() - begun)
print(json.dumps({
    "films": sum(map(len, data.parts.values())), "prepared": prepared, "rates": rates,
    "loading": after_loading, "peak": peak(),
}))
"""


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
    for label, name in (("NORMAL", "NORMAL-{}-0001"), ("PNEUMONIA", "VIRUS-{}-0001")):
        folder = root / "train" / label
        folder.mkdir(parents=True)
        for index in range(films // 2):
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
        command = [sys.executable, "-c", TRAINING, root, str(given.size), str(given.steps)]
        done = subprocess.run(
            [str(it) for it in command],
            cwd=temporary,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    found = json.loads(done.stdout)
    table = Table("of one CPU second", "films", "times decoding", title=f"{found['films']} films")
    table.add_row("decoded and prepared", f"{decoding:.0f}", "1")
    for name, rate in found["rates"].items():
        table.add_row(name, f"{rate:.0f}", f"{rate / decoding:.1f}")
    console = Console(width=100)
    console.print(table)
    cpu, wall = found["prepared"]
    loading, peak = found["loading"] / 1e9, found["peak"] / 1e9
    console.print(
        f"prepared once in {wall:.0f} s ({cpu:.0f} CPU s); peak memory {loading:.2f} "
        f"GB after it, {peak:.2f} GB after {given.steps} steps "
        f"(at most {MOST_MEMORY / 1e9:.0f} GB)"
    )
    slow = found["rates"]["read"] < TIMES_AS_FAST * decoding
    return bool(slow or found["peak"] > MOST_MEMORY)


if __name__ == "__main__":
    sys.exit(main())

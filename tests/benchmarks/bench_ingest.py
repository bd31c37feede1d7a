"""How fast films are ingested into the local workspace, next to the limit of this machine.

Run it as `python tests/benchmarks/bench_ingest.py`. The limit is reading and hashing alone: nobody
who tells films apart by their content does less. Client and workspace share the processors.
"""

import hashlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
os.chdir(ROOT)
sys.path.insert(0, str(ROOT))

from ml.data.loading import BUNDLED  # noqa: E402 - after the path
from tests.plugin.ingestion import Place, platform, write_environment  # noqa: E402
from tests.plugin.workspaces import started  # noqa: E402

SMALL_FILMS, SMALL_TARGET = 3000, 300
LARGE_FILMS, LARGE_TARGET = 240, 40
LARGE_EDGE = 1000


class NoSteps:
    """Nobody watches a benchmark."""

    def begin(self, doing: str, films: int) -> None:
        pass

    def advance(self) -> None:
        pass


def main() -> None:
    table = Table(title=f"Films a second on {os.cpu_count()} processors", title_justify="left")
    for column in ("films", "MB", "reading and hashing", "ingesting", "share of it", "again"):
        table.add_column(column, justify="left" if column == "films" else "right")
    table.add_column("wanted", justify="right")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        small, large = folder / "small", folder / "large"
        write_small(small)
        write_large(large)
        with started(folder, f"sqlite:///{folder}/mlflow.db") as start:
            workspace = start()
            host, token = workspace.host, workspace.token
            os.environ["DATABRICKS_TOKEN"] = token
            for name, films, label, target in (
                ("small", small, "28 px PNG", SMALL_TARGET),
                ("large", large, f"{LARGE_EDGE} px JPEG", LARGE_TARGET),
            ):
                with platform(write_environment(folder, name, host), host, token) as place:
                    table.add_row(label, *figures(films, place), f"{target}")
    Console().print(table)


def figures(films: Path, place: Place) -> tuple[str, ...]:
    """Megabytes, and films a second of the limit, of a first and of a second run."""
    files = sorted(films.rglob("*.*"))
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    read_and_hash(films)  # so that both find the files in memory
    limit = len(files) / seconds(lambda: read_and_hash(films))
    first = len(files) / seconds(lambda: ingest(films, place))
    again = len(files) / seconds(lambda: ingest(films, place))
    rows = place.rows()
    assert len(rows) == len(place.files()) == len(files), "not every film was ingested"
    return (
        f"{megabytes:.1f}",
        f"{limit:.0f}",
        f"{first:.0f}",
        f"{first / limit:.1%}",
        f"{again:.0f}",
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def read_and_hash(films: Path) -> list[str]:
    files = [file for file in films.rglob("*.*") if file.is_file()]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda file: hashlib.sha256(file.read_bytes()).hexdigest(), files))


def ingest(films: Path, place: Place) -> None:
    """The whole of a run but the start of Python, by the command's own steps."""
    from infra.declared.environment import load
    from ml.ingestion.store import FilmStore
    from ml.ingestion.transfer import survey, transfer
    from ml.workspace.connection import connect
    from ml.workspace.warehouse import Warehouse

    environment = load(place.file)
    client = connect(environment)
    store = FilmStore(client, Warehouse.named(client, environment.warehouse_name), environment)
    store.require()
    outcome = transfer(survey(films, NoSteps()), store, "benchmark", NoSteps())
    assert not outcome.refusals, outcome.refusals[:3]


def write_small(folder: Path) -> None:
    """Bundled films as they are."""
    with np.load(BUNDLED) as bundled:
        images = np.unique(bundled["train_images"], axis=0)[:SMALL_FILMS]
    target = folder / "train" / "NORMAL"
    target.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(target / f"{number}.png")


def write_large(folder: Path) -> None:
    """Bundled films in the size of Kaggle's, with the grain that makes such a file as large."""
    random = np.random.default_rng(0)
    with np.load(BUNDLED) as bundled:
        images = np.unique(bundled["train_images"], axis=0)[:LARGE_FILMS]
    target = folder / "train" / "NORMAL"
    target.mkdir(parents=True)
    grain = random.normal(0, 6, (LARGE_EDGE, LARGE_EDGE))
    for number, image in enumerate(images):
        size = (LARGE_EDGE, LARGE_EDGE)
        smooth = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC), float)
        grainy = np.clip(smooth + np.roll(grain, number, axis=0), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(grainy).save(file, "JPEG", quality=85)
        (target / f"{number}.jpeg").write_bytes(file.getvalue())


if __name__ == "__main__":
    main()

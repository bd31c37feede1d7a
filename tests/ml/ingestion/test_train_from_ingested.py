"""Both arms train from what was ingested."""

from pathlib import Path

import numpy as np
import pytest

from tests.plugin.commands import Call
from tests.plugin.films import Arrays
from tests.plugin.ingestion import Place


@pytest.mark.slow("trains both arms on films that were ingested before")
@pytest.mark.parametrize("command", ["ml.train_keras", "ml.train_torch"])
def test_an_arm_is_registered_with_the_parts_as_ingested(
    place: Place,
    ingest: Call,
    few_films: Arrays,
    run_command: Call,
    tmp_path: Path,
    command: str,
) -> None:
    np.savez(tmp_path / "films.npz", **few_films)
    ingest("--data", tmp_path / "films.npz", "--environment", place.file)
    parts = [str(row["dataset_split"]) for row in place.rows()]

    run = run_command(
        *("-m", command, "--data", f"ingested:{place.file}", "--environment", place.file),
        *("--epochs", 1),
        cwd=tmp_path,
    )

    assert run.status == 0, run.err
    assert f"train: {parts.count('train')} films of 28 x 28" in run.out
    assert f"val: {parts.count('val')} films of 28 x 28" in run.out
    # A long name is broken into lines.
    assert f"{place.catalog}.models.pneumonia_poc_classifier" in "".join(run.out.split())

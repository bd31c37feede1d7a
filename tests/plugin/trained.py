"""Both arms, trained on real films by the real commands, once a run."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tests.plugin.commands import Run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.plugin.commands import Call
    from tests.plugin.films import Arrays
    from tests.plugin.once import Once

ARMS: Final = {
    "ml.train_keras": "pneumonia_poc_classifier",
    "ml.train_torch": "pneumonia_poc_classifier_pytorch",
}

_DATABASE: Final = ".local/mlflow.db"

# The command's own main(), and then a look at what it has imported.
_PROGRAM: Final = """
import sys
from {command} import main
status = main(sys.argv[1:])
foreign = {{'tensorflow', 'torch', 'jsii', 'cdktf'}}
print('imported:', *sorted(foreign & set(sys.modules)))
sys.exit(status)
"""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a short training of both arms on real films left behind."""

    folder: Path
    """The working directory of both, with their registry in ``.local``. It is only read."""
    data: Path
    runs: Mapping[str, Run]
    tracking_uri: str
    """Of a copy of the registry, of this worker's own."""


@pytest.fixture(scope="session")
def trained(
    once: Once,
    empty_registry: Path,
    tmp_path_factory: pytest.TempPathFactory,
    few_films: Arrays,
    run_command: Call,
) -> Trained:
    """Both arms, trained for two epochs through the real commands and registry."""
    import numpy as np

    def train(folder: Path) -> None:
        np.savez_compressed(folder / "films.npz", **few_films)
        (folder / _DATABASE).parent.mkdir()
        shutil.copy(empty_registry, folder / _DATABASE)
        arguments = ("--data", folder / "films.npz", "--epochs", 2, "--seed", 7)
        runs = {}
        for command in ARMS:
            run = run_command("-c", _PROGRAM.format(command=command), *arguments, cwd=folder)
            assert run.status == 0, run.err
            runs[command] = dataclasses.asdict(run)
        (folder / "runs.json").write_text(json.dumps(runs))

    folder = once("trained", train)
    copy = tmp_path_factory.mktemp("trained") / "mlflow.db"
    shutil.copy(folder / _DATABASE, copy)
    runs = json.loads((folder / "runs.json").read_text())
    return Trained(
        folder=folder,
        data=folder / "films.npz",
        runs={command: Run(**run) for command, run in runs.items()},
        tracking_uri=f"sqlite:///{copy}",
    )

"""Real films, in every layout that `ml` reads."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "ml" / "data" / "pneumoniamnist_train_val.npz"

Arrays = dict[str, NDArray[np.uint8]]


@pytest.fixture(scope="session")
def bundled() -> Arrays:
    """The arrays of the bundled PneumoniaMNIST file."""
    with np.load(BUNDLED) as archive:
        return dict(archive)


@pytest.fixture(scope="session")
def few_films(bundled: Arrays) -> Arrays:
    """A few hundred of the bundled films, the last of training standing in for a test part."""
    return {
        "train_images": bundled["train_images"][:320],
        "train_labels": bundled["train_labels"][:320],
        "val_images": bundled["val_images"][:120],
        "val_labels": bundled["val_labels"][:120],
        "test_images": bundled["train_images"][-90:],
        "test_labels": bundled["train_labels"][-90:],
    }


@pytest.fixture
def write_npz(tmp_path: Path) -> Callable[..., Path]:
    """Writes arrays as an .npz and returns its path."""

    def write(**arrays: NDArray[np.generic]) -> Path:
        path = tmp_path / "films.npz"
        np.savez_compressed(path, **arrays)
        return path

    return write


@dataclass
class Folder:
    """A folder of the Kaggle layout, filled with real films of the right class."""

    root: Path
    films: Mapping[int, list[NDArray[np.uint8]]]
    _used: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})

    def add(self, name: str, *, shows: int | None = None, edge: int = 120) -> Path:
        """Writes one film, such as ``train/NORMAL/IM-0115-0001.jpeg``; each time another one."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        label = shows if shows is not None else int(path.parent.name == "PNEUMONIA")
        film = self.films[label][self._used[label]]
        self._used[label] += 1
        Image.fromarray(film).resize((edge, edge)).save(path)
        return path

    def fill(self, part: str, *, patients: int, films: int = 1, first: int = 1) -> None:
        """Adds patients of both classes with so many films each."""
        for patient in range(first, first + patients):
            for film in range(1, films + 1):
                self.add(f"{part}/NORMAL/NORMAL2-IM-{patient:04}-{film:04}.jpeg")
                self.add(f"{part}/PNEUMONIA/person{patient}_bacteria_{film}.jpeg")


@pytest.fixture
def folder(tmp_path: Path, bundled: Arrays) -> Folder:
    """An empty Kaggle folder to fill."""
    labels = bundled["train_labels"][:, 0]
    unique = {
        label: list(
            {film.tobytes(): film for film in bundled["train_images"][labels == label]}.values()
        )
        for label in (0, 1)
    }
    root = tmp_path / "chest_xray"
    root.mkdir()
    return Folder(root=root, films=unique)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A command that has ended."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def run_command() -> Callable[..., Run]:
    """Runs Python as a user would, from a folder of its own, with the project importable."""

    def run(*arguments: object, cwd: Path, **environment: str) -> Run:
        import os

        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env={**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return Run(status=done.returncode, out=done.stdout, err=done.stderr)

    return run


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a short training of both arms on real films left behind."""

    folder: Path
    """The working directory, with the registry in ``.local``."""
    data: Path
    runs: Mapping[str, Run]

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.folder}/.local/mlflow.db"


ARMS = {
    "ml.train_keras": "pneumonia_poc_classifier",
    "ml.train_torch": "pneumonia_poc_classifier_pytorch",
}


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    few_films: Arrays,
    run_command: Callable[..., Run],
) -> Trained:
    """Both arms, trained for two epochs through the real commands and registry."""
    folder = tmp_path_factory.mktemp("trained")
    data = folder / "films.npz"
    np.savez_compressed(data, **few_films)
    arguments = ("--data", data, "--epochs", "2", "--seed", "7")
    # The command's own main(), and then a look at what it has imported.
    program = (
        "import sys\n"
        "from {command} import main\n"
        "status = main(sys.argv[1:])\n"
        "foreign = {{'tensorflow', 'torch', 'jsii', 'cdktf'}}\n"
        "print('imported:', *sorted(foreign & set(sys.modules)))\n"
        "sys.exit(status)"
    )
    runs = {
        command: run_command("-c", program.format(command=command), *arguments, cwd=folder)
        for command in ARMS
    }
    for run in runs.values():
        assert run.status == 0, run.err
    return Trained(folder=folder, data=data, runs=runs)


ANSWER = """
import sys
import mlflow, numpy as np
uri, model, images, answers, project = sys.argv[1:]
assert project not in [path.rstrip("/") for path in sys.path], sys.path
mlflow.set_tracking_uri(uri)
served = mlflow.pyfunc.load_model(model)
with np.load(images) as batches:
    np.savez(answers, **{name: served.predict(batch) for name, batch in batches.items()})
print(*sorted({"ml", "infra", "tensorflow", "torch"} & set(sys.modules)))
"""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a registered version said, and which packages it took."""

    probabilities: Mapping[str, NDArray[np.float32]]
    imported: list[str]


@pytest.fixture
def answers_of(
    trained: Trained, run_command: Callable[..., Run], tmp_path: Path
) -> Callable[..., Answers]:
    """Asks a version in a process that has MLflow and the framework, but not our package."""

    def ask(model: str, **batches: NDArray[np.float32]) -> Answers:
        images, answers = tmp_path / "images.npz", tmp_path / "answers.npz"
        np.savez(images, **batches)
        done = run_command(
            "-I", "-c", ANSWER, trained.tracking_uri,
            f"models:/healthcare_catalog_dev.models.{model}/1", images, answers, ROOT,
            cwd=tmp_path,
        )  # fmt: skip
        assert done.status == 0, done.err
        with np.load(answers) as archive:
            return Answers(probabilities=dict(archive), imported=done.out.split())

    return ask

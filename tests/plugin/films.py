"""Real films, in every layout that `ml` reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[np.uint8]"]


@pytest.fixture(scope="session")
def bundled() -> Arrays:
    """The arrays of the bundled PneumoniaMNIST file."""
    import numpy as np

    from ml.data.loading import BUNDLED

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
    import numpy as np

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
        from PIL import Image

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

"""Films to deliver: a folder of the Kaggle layout."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ml.data.loading import BUNDLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# File names as Kaggle has them, by class.
NAMES = {
    "NORMAL": "IM-{patient:04}-{film:04}.{suffix}",
    "PNEUMONIA": "person{patient}_virus_{film}.{suffix}",
}


class Delivery:
    """A folder of the Kaggle layout with real films; every film is another one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with np.load(BUNDLED) as bundled:
            _, first = np.unique(bundled["train_images"], axis=0, return_index=True)
            chosen = np.sort(first)
            labels = bundled["train_labels"][chosen, 0]
            images = bundled["train_images"][chosen]
        self._images: dict[str, Iterator[NDArray[np.uint8]]] = {
            "NORMAL": iter(images[labels == 0]),
            "PNEUMONIA": iter(images[labels == 1]),
        }

    def add(
        self, part: str, label: str, films: int, *, patient: int = 1, suffix: str = "jpeg"
    ) -> list[Path]:
        """Writes films of one patient; of as many patients as films if the patient is 0."""
        made = []
        for film in range(films):
            name = NAMES[label].format(patient=patient or film + 1, film=film, suffix=suffix)
            made.append(self.put(f"{part}/{label}/{name}", self.film(label, suffix)))
        return made

    def film(self, label: str, suffix: str = "jpeg") -> bytes:
        """The next film of a class as a file."""
        file = io.BytesIO()
        image = Image.fromarray(next(self._images[label]))
        image.save(file, {"jpeg": "JPEG", "png": "PNG"}[suffix], quality=90)
        return file.getvalue()

    def put(self, place: str, content: bytes) -> Path:
        file = self.folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

"""Images of prepared films that stay in a file: a batch of them is in memory, not all.

16 bits a pixel: of a film of 8 bits, what is read is exactly what was prepared (255 divides 65535),
and of one of 16 bits it differs by less than a hundred-thousandth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.contract.task import Size, edges_of

_WHITE: Final = np.float32(65535)
_STORED: Final = np.uint16


@dataclass(frozen=True, kw_only=True)
class PreparedImages:
    """float32 [n, height, width, 1] in [0, 1], read where they are indexed."""

    file: Path
    size: Size
    rows: NDArray[np.intp]
    """Which images of the file, [n]."""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for index in range(len(self)):
            yield self[index : index + 1][0]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """As an array's."""
        return (len(self), *edges_of(self.size), 1)

    def __getitem__(self, chosen: slice | NDArray[np.intp]) -> NDArray[np.float32]:
        """The images of a slice, or at these indices."""
        # Mapped anew each time: what was read does not stay in this process, only in the cache of
        # the operating system, which gives it up when memory is short.
        mapped = np.memmap(self.file, _STORED, mode="r").reshape(-1, *edges_of(self.size))
        images: NDArray[np.float32] = np.asarray(mapped[self.rows[chosen]], np.float32)
        images /= _WHITE
        return images[..., np.newaxis]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or np.float32, copy=False)

    def select(self, rows: NDArray[np.intp]) -> "PreparedImages":
        """Those at these indices, still in the file."""
        return PreparedImages(file=self.file, size=self.size, rows=self.rows[rows])


def stored(image: NDArray[np.float32]) -> bytes:
    """An image [height, width, 1] in [0, 1] as the file has it."""
    pixels: NDArray[np.uint16] = np.rint(image * _WHITE).astype(_STORED)
    return pixels.tobytes()


def stored_size(images: int, size: Size) -> int:
    """Bytes of so many images in a file."""
    return images * prod(edges_of(size)) * np.dtype(_STORED).itemsize

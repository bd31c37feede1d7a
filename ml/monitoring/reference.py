"""What a version saw in validation: of each measure the share of films in each of its bins.

The file travels with the registered version; a drift of what is asked and answered is measured
against it. Bins are tenths of the validation films where their values differ enough.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

FILE: Final = "reference.json"
"""Among the artifacts of a version."""
PROBABILITY: Final = "probability"
"""The measure of the answers; the others are of the inputs."""
_BINS: Final = 10


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The share of films from the lower bound on, below the upper one."""

    lower_bound: float | None
    upper_bound: float | None
    share: float


Reference = Mapping[str, Sequence[Bin]]
"""The bins of each measure."""


def distribution(values: NDArray[np.float64]) -> tuple[Bin, ...]:
    """Tenths of ``values``, of shape (n,), n >= 1; fewer where many of them are equal."""
    inner = np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1])
    edges = np.unique(inner)
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    bounds = [None, *map(float, edges), None]
    return tuple(
        Bin(lower_bound=bounds[place], upper_bound=bounds[place + 1], share=count / len(values))
        for place, count in enumerate(counts.tolist())
    )


def write(folder: Path, measured: Mapping[str, NDArray[np.float64]]) -> None:
    """Writes the file of a version, each measure with the values of its validation films."""
    bins = {
        measure: [asdict(it) for it in distribution(values)] for measure, values in measured.items()
    }
    (folder / FILE).write_text(json.dumps(bins, indent=1) + "\n", encoding="utf-8")


def read(file: Path) -> Reference:
    """The file of a version. Raises ValueError for one that is none."""
    try:
        return {
            str(measure): tuple(Bin(**it) for it in bins)
            for measure, bins in json.loads(file.read_text(encoding="utf-8")).items()
        }
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{file.name} is no reference of a version: {error}") from error

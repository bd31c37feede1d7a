"""Labelled films in the parts of which a data set consists."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.contract.serving import LABELS
from ml.contract.task import Size
from ml.data.prepared import PreparedImages

Images = NDArray[np.float32]
Labels = NDArray[np.uint8]

PARTS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Films:
    """The labelled films of one part.

    ``images`` is float32 [n, h, w, 1] in [0, 1], in memory or in a file; ``labels`` is uint8 [n],
    an index into LABELS.
    """

    images: Images | PreparedImages
    labels: Labels
    patients: tuple[str | None, ...] | None = None
    """Tells the patients apart; None for a film, or for all, whose source does not."""

    def __len__(self) -> int:
        return len(self.labels)

    def count(self, label: str) -> int:
        """How many films have the label, one of LABELS."""
        return int(np.count_nonzero(self.labels == LABELS.index(label)))

    def take(self, chosen: NDArray[np.intp]) -> "Films":
        """The films at these indices [k], in their order and in memory."""
        patients = tuple(self.patients[it] for it in chosen) if self.patients else None
        return Films(images=self.images[chosen], labels=self.labels[chosen], patients=patients)


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """A film that is in the data and in no part, and why."""

    film: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where labelled cases are from, and what was left out of them."""

    source: str
    digest: str
    """SHA-256 of the cases, their labels and their parts, before any preparation."""
    excluded: tuple[Excluded, ...] = ()
    remarks: tuple[str, ...] = ()
    """What was done with the parts that the reader of a result should know."""
    attribution: str | None = None
    """Whom the licence of the films asks to name."""

    def exclusions(self) -> Iterator[tuple[str, list[str]]]:
        """Each reason with the films that it excludes."""
        reasons: dict[str, list[str]] = {}
        for excluded in self.excluded:
            reasons.setdefault(excluded.reason, []).append(excluded.film)
        yield from reasons.items()


@dataclass(frozen=True, kw_only=True)
class DataSet(Source):
    """Films, apart by patient as far as the source knows the patients."""

    image_size: Size
    parts: dict[str, Films]
    """A subset of PARTS."""

"""What a test counts as one: a patient with all films, or a film whose patient is not known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.verdict.counting.counts import Counted
from ml.verdict.statistics.betting import Floats


@dataclass(frozen=True, kw_only=True)
class Units:
    """Kinds of units [u], units that are alike counted together, and the kinds of their films [i].

    All are mature, read or not; `truth` is as `cases.sql` codes it.
    """

    look: NDArray[np.intp]
    """[u] Index of the day of the unit's first film."""
    size: NDArray[np.int64]
    """[u] How many films one such unit has."""
    n: Floats
    """[u] How many such units there are."""
    patients: NDArray[np.bool_]
    """[u] Whether it is a patient; else it is a film by itself."""
    unit: NDArray[np.intp]
    """[i] Index of the kind of unit, ascending."""
    propensity: Floats
    arm: NDArray[np.int8]
    called: NDArray[np.bool_]
    truth: NDArray[np.int64]
    sampling: Floats
    multiplicity: NDArray[np.int64]
    """[i] How many films of the kind one such unit has."""


def units_of(films: Counted, patients: Counted, days: NDArray[np.int64]) -> Units:
    """Out of the counts `films` and `units`; ``days`` are those of the looks, ascending."""
    single = ~films["keyed"]
    owner: list[int] = []
    kinds: list[list[str]] = []
    multiplicity: list[int] = []
    offset = int(single.sum())
    for number, text in enumerate(patients["films"]):
        of_patient = np.unique(str(text).split("|"), return_counts=True)
        for kind, times in zip(*of_patient, strict=True):
            owner.append(offset + number)
            kinds.append(str(kind).split(" "))
            multiplicity.append(int(times))
    propensity, side, called, truth, sampling = zip(*kinds, strict=True) if kinds else [()] * 5
    unit = np.concatenate([np.arange(offset), np.array(owner, np.intp)])
    many = np.concatenate([np.ones(offset, np.int64), np.array(multiplicity, np.int64)])

    def films_then(name: str, of_patients: tuple[str, ...]) -> Floats:
        return np.concatenate([films[name][single], np.array(of_patients, np.float64)])

    return Units(
        look=np.searchsorted(days, np.concatenate([films["day"][single], patients["day"]])),
        size=np.bincount(unit, weights=many, minlength=offset + patients["n"].size).astype(
            np.int64
        ),
        n=np.concatenate([films["n"][single], patients["n"]]).astype(np.float64),
        patients=np.arange(offset + patients["n"].size) >= offset,
        unit=unit,
        propensity=films_then("propensity", propensity),
        arm=films_then("side", side).astype(np.int8),
        called=films_then("called", called).astype(np.bool_),
        truth=films_then("truth", truth).astype(np.int64),
        sampling=films_then("sampling", sampling),
        multiplicity=many,
    )

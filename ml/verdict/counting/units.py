"""What a test counts as one: a patient with all films, or a film whose patient is not known."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml.verdict.counting.counts import Counted
from ml.verdict.statistics.betting import Floats
from ml.verdict.statistics.cells import Cells, overlap


def films_at_one_look(films: Counted, patients: Counted) -> Cells:
    """The films of a count and of one of patients, of whatever days they are."""
    found = films_alone(
        {**films, "day": np.zeros(films["n"].size, np.int64)}, np.zeros(1, np.int64)
    )
    if not patients["n"].size:
        return found
    days = np.zeros(patients["n"].size, np.int64)
    return found.and_(films_of_patients({**patients, "day": days}, np.zeros(1, np.int64)))


def films_alone(films: Counted, days: NDArray[np.int64]) -> Cells:
    """The films whose patient is not known, out of the count `films`; ``days`` are those of the
    looks, ascending."""
    alone = ~films["keyed"]
    return Cells(
        look=np.searchsorted(days, films["day"][alone]),
        arm=films["side"][alone].astype(np.int8),
        propensity=films["propensity"][alone].astype(np.float64),
        called=films["called"][alone].astype(np.bool_),
        truth=films["truth"][alone].astype(np.int8),
        sampling=films["sampling"][alone].astype(np.float64),
        n=films["n"][alone].astype(np.float64),
    )


def films_of_patients(patients: Counted, days: NDArray[np.int64]) -> Cells:
    """The patients' films, out of the count `units`, which writes each kind as a text."""
    unit: list[int] = []
    kinds: list[list[str]] = []
    for number, text in enumerate(patients["films"]):
        of_patient = [kind.split(" ") for kind in str(text).split("|")]
        unit += [number] * len(of_patient)
        kinds += of_patient
    propensity, side, called, truth, sampling, within = np.array(kinds, np.float64).reshape(-1, 6).T
    units = np.array(unit, np.intp)
    size = np.bincount(units, within, patients["n"].size).astype(np.float64)
    return Cells(
        look=np.searchsorted(days, patients["day"])[units],
        arm=side.astype(np.int8),
        propensity=propensity,
        called=called.astype(np.bool_),
        truth=truth.astype(np.int8),
        sampling=sampling,
        n=within * patients["n"][units],
        unit=units,
        within=within,
        size=size[units],
    )


def films_alike(patients: Counted, arm: int, arms: Sequence[int]) -> Floats:
    """How many films with a truth of the ``arms`` a patient has, on average over one arm's NORMAL
    and over its PNEUMONIA, by what they weigh: by so much at most the variance of a mean of films
    is larger than if they were independent.

    reference: Kish, Survey Sampling, 1965, chapter 8 (the effect of the design, of clusters that
    are all alike).
    """
    day = np.zeros(patients["n"].size, np.int64)
    films = films_of_patients({**patients, "day": day}, np.zeros(1, np.int64))
    assert films.unit is not None and films.within is not None  # noqa: S101, PT018
    counted = films.labelled & np.isin(films.arm, arms)
    several = np.bincount(films.unit, films.within * counted)[films.unit]
    squares = films.n * (overlap(films.propensity, films.arm) / films.sampling) ** 2
    found = np.ones(2)
    for sick in (False, True):
        here = films.labelled & (films.arm == arm) & (films.sick == sick)
        if here.any():
            found[int(sick)] = np.average(several[here], weights=squares[here])
    return found

"""The films of a test, counted: all that sensitivity and specificity depend on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ml.verdict.statistics.betting import Evidence, Floats, Moments, evidence

NOT_CHOSEN, UNREAD, UNRESOLVED, NORMAL, PNEUMONIA = -3, -2, -1, 0, 1
"""Truths, as `cases.sql` numbers them. UNREAD was chosen for a reader who has not spoken;
UNRESOLVED is of readers who could not tell; NOT_CHOSEN nobody was to read, as far as is known."""

CHAMPION, CHALLENGER = 0, 1


def overlap(propensity: Floats, arm: NDArray[np.int8] | int) -> Floats:
    """Weights by which both arms' films are of one population, whatever the splits were; 1 for an
    even split.

    reference: Li, Morgan and Zaslavsky, J. Am. Stat. Assoc. 113, 2018.
    """
    return np.asarray(2 * np.where(np.equal(arm, CHALLENGER), 1 - propensity, propensity))


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Mature films [i], those that are alike counted together.

    A live film was answered by one arm, drawn with a known propensity; a replayed one by both.
    What is independent of each other is the unit: a patient with all his films, or a film.
    """

    look: NDArray[np.intp]
    """Index of the day, of the unit's first film."""
    arm: NDArray[np.int8]
    """0 champion, 1 challenger."""
    propensity: Floats
    """The probability with which the challenger had been drawn."""
    called: NDArray[np.bool_]
    truth: NDArray[np.int8]
    sampling: Floats
    """The probability with which a reader was given the answer."""
    n: Floats
    """Films of this kind, in all units together."""
    unit: NDArray[np.intp] | None = None
    """Index of the kind of unit; None where each film is a unit of its own."""
    within: Floats | None = None
    """Films of this kind in each such unit."""
    size: Floats | None = None
    """All films of each such unit, read or not."""

    @property
    def sick(self) -> NDArray[np.bool_]:
        """Whether readers say PNEUMONIA."""
        return np.asarray(self.truth == PNEUMONIA)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Whether readers say one or the other."""
        return np.asarray(self.truth >= NORMAL)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Whether a reader was to say, and has not."""
        return np.asarray((self.truth == UNREAD) | (self.truth == UNRESOLVED))

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """The cells of a selection; units keep their size."""
        kept: dict[str, Any] = {
            name: None if values is None else values[chosen] for name, values in vars(self).items()
        }
        return type(self)(**kept)

    @classmethod
    def of(cls, parts: Sequence[Self]) -> Self:
        """The cells of all parts, whose units are the same where their numbers are."""
        together: dict[str, Any] = {
            name: None if values is None else np.concatenate([vars(part)[name] for part in parts])
            for name, values in vars(parts[0]).items()
        }
        return cls(**together)

    def and_(self, others: Self) -> Self:
        """These cells and those of other units."""
        first, second = self.in_units(), others.in_units()
        assert first.unit is not None and second.unit is not None  # noqa: S101, PT018
        after = first.unit.max(initial=-1) + 1
        return type(self).of([first, replace(second, unit=second.unit + after)])

    def evidence(self, moments: Moments, looks: int = 1) -> Evidence:
        """What the units say, as the mean of what their films say; at one look, or at many."""
        look = self.look if looks > 1 else np.zeros_like(self.look)
        if self.unit is None or self.within is None or self.size is None:
            return evidence(moments, look, self.n, looks)
        units, first, unit = np.unique(self.unit, return_index=True, return_inverse=True)
        share = self.within / self.size
        bound = np.zeros(units.size)
        np.maximum.at(bound, unit, moments.bound)
        of_units = Moments(
            u=_sums(moments.u * share, unit, units.size),
            v=_sums(moments.v * share, unit, units.size),
            bound=bound,
        )
        return evidence(of_units, look[first], (self.n / self.within)[first], looks)

    def in_units(self) -> Self:
        """The same, with every film alone a unit of its own."""
        if self.unit is not None:
            return self
        alone = np.ones(self.n.size)
        return replace(self, unit=np.arange(self.n.size), within=alone, size=alone)


def _sums(values: Floats, of: NDArray[np.intp], n: int) -> Floats:
    return np.bincount(of, weights=values, minlength=n).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Films [i] with a truth that both arms answered, those that are alike counted together."""

    look: NDArray[np.intp]
    champion_called: NDArray[np.bool_]
    challenger_called: NDArray[np.bool_]
    sick: NDArray[np.bool_]
    sampling: Floats
    n: Floats

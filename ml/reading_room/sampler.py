"""Which predictions are read: all that call PNEUMONIA, and a random share of the others.

docs/reference/statistics.md#readings-that-are-a-sample. A draw depends on nothing but the seed and
the prediction's own id, so that it is the same on every day and every machine, and the probability
of having been drawn, which every reading carries, is exact. A verdict draws again in SQL, to tell
films that nobody has read from those that nobody was asked about: ml.verdict.counting.chosen.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

_DIGITS: Final = 13
_ONE: Final = 1 << (4 * _DIGITS)
"""52 bits, so that a share times it is exact."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A prediction that is to be read, and how likely that was."""

    prediction_id: str
    sampling_probability: float
    """Above 0, up to 1."""


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """Draws by the declaration of an environment file: its `[reading]`."""

    audit_share: float
    seed: int
    strata: tuple[tuple[float, float], ...] = ()
    """From which probability of PNEUMONIA on another share is audited, ascending."""

    def draw(
        self, prediction_id: str, *, called_positive: bool, probability: float = 0.0
    ) -> Drawn | None:
        """The prediction if it is to be read."""
        audited = [share for start, share in self.strata if start <= probability]
        share = 1.0 if called_positive else (audited or [self.audit_share])[-1]
        if self._uniform("draw", prediction_id) >= share:
            return None
        return Drawn(prediction_id=prediction_id, sampling_probability=share)

    def place(self, film: str) -> float:
        """Where a film stands in the queue. Independent of the draw, and so of its reason."""
        return self._uniform("place", film)

    def _uniform(self, purpose: str, key: str) -> float:
        """A number in [0, 1), as good as random in the key."""
        digest = hashlib.sha256(f"{purpose}\n{self.seed}\n{key}".encode()).hexdigest()
        return int(digest[:_DIGITS], 16) / _ONE

"""Gains by subgroup: of sites, devices, age bands, whatever column the experiment names.

No verdict depends on them. Many intervals are read side by side, so all that are shown at a look
hold together at the experiment's level (Bonferroni), and so do all sample ratios. A group with too
few films has no figure, but the number that it needs: what a handful of films says is chance, and
of a handful of patients it may say too much.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ml.verdict.counting.tally import Tally
from ml.verdict.statistics.asymptotic import FEWEST
from ml.verdict.statistics.betting import Interval
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION, Cells
from ml.verdict.statistics.metrics import Metric, difference, gain, labels, of_arm, share
from ml.verdict.statistics.sample_ratio import SampleRatio
from ml.verdict.statistics.truth import Truth

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment

SHOWN: Final[tuple[Metric, ...]] = ("sensitivity", "specificity")


@dataclass(frozen=True, kw_only=True)
class SubgroupFigure:
    """One metric in one subgroup. Its figures are None where an arm has too few films for them."""

    films: tuple[int, int]
    """Of champion and challenger, those with a truth that the metric is about."""
    gain: Interval | None
    champion: Interval | None
    challenger: Interval | None

    @property
    def needed(self) -> int:
        """Films of each arm that a gain takes."""
        return FEWEST


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """What is known of the films with one value of a column."""

    figures: Mapping[Metric, SubgroupFigure]
    sample_ratio: SampleRatio | None
    """Of the requests with this value; None where a split drew for none."""
    sample_ratio_p: float
    """Anytime-valid, and valid for all subgroups together; 1 without such requests."""


Subgroups = Mapping[str, Mapping[str, Subgroup]]
"""By column and value; the value of rows that have none is empty."""


def subgroups(experiment: "Experiment", tally: Tally) -> Subgroups:
    """All subgroups that the experiment names."""
    films = {column: tally.subgroup(column) for column in experiment.subgroups}
    # Requests without an answer have no value: of themselves they are no subgroup.
    ratios = {
        column: {
            value: ratio
            for value, ratio in tally.subgroup_sample_ratio(column).items()
            if value or value in films[column]
        }
        for column in experiment.subgroups
    }
    shown = sum(
        _enough(_films(cells, metric))
        for values in films.values()
        for cells in values.values()
        for metric in SHOWN
    )
    compared = sum(map(len, ratios.values()))
    found: dict[str, dict[str, Subgroup]] = {}
    for column in experiment.subgroups:
        found[column] = {}
        for value in sorted({*films[column], *ratios[column]}):
            ratio = ratios[column].get(value)
            cells = films[column].get(value)
            found[column][value] = Subgroup(
                figures={
                    metric: _figure(experiment, cells, metric, max(1, shown)) for metric in SHOWN
                },
                sample_ratio=ratio,
                sample_ratio_p=min(1.0, compared * ratio.p) if ratio else 1.0,
            )
    return found


def _figure(
    experiment: "Experiment", films: Cells | None, metric: Metric, shown: int
) -> SubgroupFigure:
    if films is None:
        return SubgroupFigure(films=(0, 0), gain=None, champion=None, challenger=None)
    counted = _films(films, metric)
    belief, smallest = Truth.expected(experiment), experiment.smallest_sampling
    arms = []
    for arm in (CHAMPION, CHALLENGER):
        here = films.where(films.arm == arm)
        arms.append(
            share(
                here.evidence(of_arm(here, arm, metric, smallest, belief)),
                experiment.alpha,
                films=counted[arm],
            )
            if counted[arm] >= FEWEST
            else None
        )
    return SubgroupFigure(
        films=counted,
        gain=gain(
            films.evidence(difference(films, metric, belief, smallest)),
            experiment.alpha / shown,
            sum(counted),
        )
        if _enough(counted)
        else None,
        champion=arms[CHAMPION],
        challenger=arms[CHALLENGER],
    )


def _films(films: Cells, metric: Metric) -> tuple[int, int]:
    champion, challenger = (
        int(np.round(labels(films.where(films.arm == arm), metric)))
        for arm in (CHAMPION, CHALLENGER)
    )
    return champion, challenger


def _enough(counted: tuple[int, int]) -> bool:
    return min(counted) >= FEWEST

"""Experiments of the simulations, as a file would declare them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from statsmodels.stats.proportion import proportion_confint

from infra.declared.experiment import Experiment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ARMS = {"sensitivity": 0.85, "specificity": 0.9}


def declared(**keys: Any) -> Experiment:
    """An experiment for a benefit, by margins of .03 and .05; keywords change or add keys."""
    table: dict[str, Any] = {
        "champion": {"model": "keras", "version": 1},
        "challenger": {"model": "torch", "version": 2},
        "split": {"since": datetime(2026, 3, 2, tzinfo=UTC), "champion": 50, "challenger": 50},
        "primary_metric": "sensitivity",
        "benefit": "it answers in half the time",
        "margins": {"sensitivity": 0.03, "specificity": 0.05},
        "alpha": 0.05,
        "maximum_labels": 6000,
        "minimum_per_arm": 100,
        "expected": {"prevalence": 0.5, "champion": ARMS, "challenger": ARMS},
    }
    return Experiment.model_validate({"name": "simulated", **table, **keys})


@dataclass(frozen=True)
class Share:
    """A share of runs with its exact interval of 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%})"


def share(happened: NDArray[np.bool_]) -> Share:
    """How often it happened; the interval is Clopper and Pearson's."""
    low, high = proportion_confint(int(happened.sum()), happened.size, method="beta")
    return Share(value=float(happened.mean()), low=float(low), high=float(high))

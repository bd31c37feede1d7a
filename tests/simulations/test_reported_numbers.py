"""What is shown lies inside its own interval, and an interval for all looks covers at its level.

A/A tests whose split is ramped while the films drift: easy ones while the champion has nearly all
requests, hard ones later. Pooled over the splits two equal arms would look far apart.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from ml.evaluation.discrimination import Scores, area
from ml.verdict.gains import gains
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION, NORMAL, PNEUMONIA, Cells, overlap
from ml.verdict.statistics.metrics import METRICS, of_arm
from ml.verdict.statistics.metrics import share as figure
from ml.verdict.statistics.summaries import auc, gains_in_the_limit
from tests.simulations.clinic import an_experiment, share

RUNS = 300
LOOKS = 20
PER_LOOK = 300


def ramp(random: np.random.Generator, prevalence: float = 0.3) -> tuple[Cells, np.ndarray]:
    """Equal arms: 5 % to the challenger while .98 of the calls are right, then half, of .80."""
    n = LOOKS * PER_LOOK
    look = np.arange(n) // PER_LOOK
    early = look < LOOKS // 2
    propensity = np.where(early, 0.05, 0.5)
    sick = random.random(n) < np.where(early, prevalence, prevalence / 2)
    shift = np.where(early, 2.05, 0.84)
    logit = random.normal(np.where(sick, shift, -shift), 1.0)
    cells = Cells(
        look=look,
        arm=(random.random(n) < propensity).astype(np.int8),
        propensity=propensity,
        called=logit >= 0,
        truth=np.where(sick, PNEUMONIA, NORMAL).astype(np.int8),
        sampling=np.ones(n),
        n=np.ones(n),
    )
    return cells, 1 / (1 + np.exp(-2 * logit))


def scores(cells: Cells, probability: np.ndarray, arm: int) -> Scores:
    here = cells.arm == arm
    return Scores(
        probability=probability[here],
        sick=cells.sick[here],
        weight=overlap(cells.propensity, cells.arm)[here],
        n=cells.n[here],
    )


@pytest.mark.slow("300 tests on paper of 20 looks: a minute of one core")
def test_no_value_is_outside_its_interval_and_no_interval_excludes_equal_arms():
    experiment = an_experiment(audit=0.5)
    random = np.random.default_rng(2)
    missed: dict[str, list[bool]] = {name: [] for name in (*METRICS, "auc", "brier")}
    outside = 0
    for _ in range(RUNS):
        cells, probability = ramp(random)
        excluded = dict.fromkeys(missed, False)
        for last in range(LOOKS):
            until = cells.look <= last
            here = cells.where(until)
            arms = [scores(here, probability[until], arm) for arm in (CHAMPION, CHALLENGER)]
            found = {metric: gain.interval for metric, gain in gains(experiment, here).items()}
            shown = {**found, **gains_in_the_limit(experiment, *arms)}
            for name, interval in shown.items():
                if interval:
                    excluded[name] |= not interval.low <= 0 <= interval.high
            for arm in (CHAMPION, CHALLENGER):
                of = here.where(here.arm == arm)
                for metric in METRICS:
                    shown[f"{metric} {arm}"] = figure(
                        of.evidence(of_arm(of, arm, metric, 0.5)), 0.05
                    )
            outside += sum(
                not interval.low <= interval.value <= interval.high
                for interval in shown.values()
                if interval
            )
        for name, was in excluded.items():
            missed[name].append(was)
    for name, happened in missed.items():
        print(f"\n{name}: at some look the interval excluded 0 in {share(happened)}")

    assert outside == 0
    assert all(share(happened).low <= 0.05 for happened in missed.values())


@pytest.mark.slow("300 tests on paper of 20 looks: half a minute of one core")
@pytest.mark.parametrize("prevalence", [0.3, 0.05])
def test_the_interval_of_an_auc_covers_at_all_looks_though_a_class_is_rare(prevalence):
    experiment = an_experiment()
    random = np.random.default_rng(3)
    separation = 1.7
    truth = float(norm.cdf(separation))
    missed, given = [], []
    for _ in range(RUNS):
        n = LOOKS * PER_LOOK
        sick = random.random(n) < prevalence
        logit = random.normal(np.where(sick, separation, -separation) / 2**0.5, 1.0)
        excluded, narrow = False, False
        for last in range(1, LOOKS + 1):
            here = slice(0, last * PER_LOOK)
            one = np.ones(last * PER_LOOK)
            found = auc(
                experiment,
                area(
                    Scores(
                        probability=1 / (1 + np.exp(-logit[here])),
                        sick=sick[here],
                        weight=one,
                        n=one,
                    )
                ),
                lowest=0.0,
            )
            if found:
                excluded |= not found.low <= truth <= found.high
                narrow |= found.high - found.low < 1
        missed.append(excluded)
        given.append(narrow)
    print(f"\nprevalence {prevalence}: AUC {truth:.3f} missed in {share(missed)}")

    assert share(missed).low <= 0.05
    assert all(given)

"""AUC, Brier score and calibration where patients have several films, all of one truth.

A patient's probabilities are alike: of each the logit is the patient's own with the part `ALIKE` of
its variance. Intervals are of the product's own count of patients; by film they are shown beside.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.stats import norm

from ml.evaluation.discrimination import area
from ml.verdict.counting.counts import Counts
from ml.verdict.counting.tally import Tally
from ml.verdict.statistics.cells import CHALLENGER, CHAMPION
from ml.verdict.statistics.recalibration import recalibration
from ml.verdict.statistics.summaries import auc, brier, gains_in_the_limit
from tests.simulations.clinic import an_experiment, share

RUNS, LOOKS, A_LOOK, ALIKE = 150, 4, 100, 0.9
APART = 1.7
AUC = float(norm.cdf(APART))


def come(random: np.random.Generator, films: int | None) -> dict[str, np.ndarray]:
    """Patients with so many films, or with 1 to 19; of each film the arm is drawn."""
    n = LOOKS * A_LOOK
    several = np.full(n, films) if films else random.integers(1, 20, n)
    patient = np.repeat(np.arange(n), several)
    sick = (random.random(n) < 0.4)[patient]
    own, each = random.normal(size=n)[patient], random.normal(size=patient.size)
    score = np.where(sick, APART, -APART) / 2**0.5 + ALIKE**0.5 * own + (1 - ALIKE) ** 0.5 * each
    # Of these scores the log odds: 2 ** .5 * APART, and of the prevalence.
    odds = np.exp(2**0.5 * APART * score) * 0.4 / 0.6
    side = random.integers(0, 2, patient.size)
    of_each = np.zeros((n, 2, 2), int)
    np.add.at(of_each, (patient, side, sick.astype(int)), 1)
    texts = [
        "|".join(
            f"0.5 {arm} {truth} {truth} 1.0 {kinds[arm, truth]}"
            for arm, truth in zip(*np.nonzero(kinds), strict=True)
        )
        for kinds in of_each
    ]
    return {
        "patient": patient,
        "sick": sick.astype(int),
        "probability": odds / (1 + odds),
        "side": side,
        "texts": np.array(texts),
    }


def tally(films: dict[str, np.ndarray], patients: int, *, keyed: bool) -> Tally:
    """Of the films of the first patients."""
    here = films["patient"] < patients
    side, sick, probability = (films[it][here] for it in ("side", "sick", "probability"))
    ones = np.ones(side.size)
    known = patients if keyed else 0
    tables = {
        "scores": {
            "side": side,
            "truth": sick,
            "probability": probability,
            "n": ones,
            "propensity": 0.5 * ones,
            "sampling": ones,
            "keyed": np.full(side.size, keyed),
        },
        "units": {
            "films": films["texts"][:known],
            "n": np.ones(known, int),
            "day": np.zeros(known, int),
        },
    }
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Tally(counts=Counts(as_of=now, query_digest="", tables=tables))


def missed(experiment, found: Tally) -> dict[str, bool]:
    """Whether an interval misses its truth."""
    arms = [found.scores(arm) for arm in (CHAMPION, CHALLENGER)]
    gains = gains_in_the_limit(
        experiment, *(found.scores(arm, beside=True) for arm in (CHAMPION, CHALLENGER))
    )
    again = recalibration(experiment, arms[0])
    shown = {
        "AUC": (auc(experiment, area(arms[0]), lowest=0.0), AUC),
        "gain in AUC": (gains["auc"], 0.0),
        "gain in Brier score": (gains["brier"], 0.0),
        "calibration intercept": (again.intercept, 0.0),
        "calibration slope": (again.slope, 1.0),
    }
    assert brier(experiment, arms[0]) is not None
    return {
        name: interval is not None and not interval.low <= truth <= interval.high
        for name, (interval, truth) in shown.items()
    }


@pytest.mark.slow("150 tests on paper of 4 looks a row: a minute of one core")
@pytest.mark.parametrize("films", [3, 10, None], ids=["3 films", "10 films", "1 to 19 films"])
def test_intervals_cover_at_all_looks_however_alike_the_films_of_a_patient_are(films):
    experiment = an_experiment()
    random = np.random.default_rng(61)
    happened: dict[str, list[np.ndarray]] = {"patient": [], "film": []}
    for _ in range(RUNS):
        coming = come(random, films)
        for way, looks in happened.items():
            looks.append(
                np.logical_or.reduce(
                    [
                        [*missed(experiment, tally(coming, n, keyed=way == "patient")).values()]
                        for n in range(A_LOOK, LOOKS * A_LOOK + 1, A_LOOK)
                    ]
                )
            )
    names = [*missed(experiment, tally(coming, A_LOOK, keyed=True))]
    for place, name in enumerate(names):
        by_patient, by_film = (share([bool(it[place]) for it in its]) for its in happened.values())
        print(f"\n{films or '1 to 19'} films, {name}: missed {by_patient}, by film {by_film}")
        assert by_patient.low <= 0.05

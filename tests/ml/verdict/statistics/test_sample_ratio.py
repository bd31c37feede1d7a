"""Whether a broken split is seen, and an intact one left alone."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, binom, chisquare

from ml.verdict.statistics.sample_ratio import CONCENTRATION, sample_ratio


def one_split(champion, challenger, propensity=0.5):
    """A look for each element."""
    champion, challenger = (np.atleast_1d(n).astype(float) for n in (champion, challenger))
    looks = champion.size
    return sample_ratio(np.arange(looks), np.full(looks, propensity), champion, challenger, looks)


@pytest.mark.parametrize(("champion", "challenger", "propensity"), [(60, 40, 0.5), (88, 12, 0.2)])
def test_the_evidence_is_the_bayes_factor_of_its_mixture(champion, challenger, propensity):
    n, a, b = champion + challenger, CONCENTRATION * propensity, CONCENTRATION * (1 - propensity)
    mixture, _ = quad(lambda p: binom.pmf(challenger, n, p) * beta.pdf(p, a, b), 0, 1, epsabs=1e-12)

    found = one_split(champion, challenger, propensity)

    assert np.exp(found.log_evidence[-1]) == pytest.approx(
        mixture / binom.pmf(challenger, n, propensity)
    )


def test_beside_it_stands_the_usual_chi_square():
    found = one_split(5300, 4700)

    assert found.chi_square_p == pytest.approx(chisquare([5300, 4700]).pvalue)


def test_a_broken_split_is_seen():
    assert one_split(5400, 4600).p < 0.001


def test_what_was_seen_once_is_not_forgotten():
    daily = one_split([900, 500, 500], [500, 700, 700])

    assert daily.p == pytest.approx(float(np.exp(-daily.log_evidence[0])))


def test_each_split_is_held_against_its_own_time():
    """At first 9 to 1, then 1 to 9: half of all requests each, and both splits intact."""
    look, propensity = np.array([0, 1]), np.array([0.1, 0.9])
    intact = sample_ratio(look, propensity, np.array([900.0, 100]), np.array([100.0, 900]), 2)
    broken = sample_ratio(look, propensity, np.array([500.0, 500]), np.array([500.0, 500]), 2)

    assert intact.p > 0.5
    assert broken.p < 1e-6


def test_a_split_without_the_challenger_sends_it_nothing():
    assert one_split(100, 0, propensity=0.0).p == 1
    assert one_split(100, 1, propensity=0.0).p == 0


def test_an_intact_split_is_rarely_refused_on_any_of_a_hundred_days():
    """400 tests at alpha .05; the chi-square test looked at every day refuses a third."""
    random = np.random.default_rng(0)
    refused = chi_square = 0
    for _ in range(400):
        challenger = random.binomial(100, 0.3, size=100).astype(float)
        found = one_split(100 - challenger, challenger, 0.3)
        refused += found.p <= 0.05
        total = challenger.cumsum()
        n = 100.0 * np.arange(1, 101)
        chi_square += bool((((total - 0.3 * n) ** 2 / (0.21 * n)) > 3.84).any())

    assert refused <= 0.05 * 400
    assert chi_square > 0.2 * 400

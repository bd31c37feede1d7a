"""The confidence sequences, against their definition, other implementations and their promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.verdict.statistics.betting import BETS, Evidence, Moments, at_one_look, evidence
from ml.verdict.statistics.cells import NORMAL, PNEUMONIA, Cells
from ml.verdict.statistics.metrics import METRICS, difference, gain, of_arm, share
from ml.verdict.statistics.truth import Truth


def believed(*metric):
    """The belief that both metrics are so, of champion and challenger."""
    return Truth(prevalence=0.5, sensitivity=metric, specificity=metric)


def drawn(n, *, sensitivity, propensity=0.5, sampling=1.0, seed=0, per_look=100):
    """Films of PNEUMONIA alone, in the order in which they came."""
    random = np.random.default_rng(seed)
    p = np.broadcast_to(propensity, n).astype(float)
    arm = (random.random(n) < p).astype(np.int8)
    called = random.random(n) < np.where(arm == 1, sensitivity[1], sensitivity[0])
    chance = np.where(called, 1.0, sampling)
    read = random.random(n) < chance
    return Cells(
        look=np.arange(n) // per_look,
        arm=arm,
        propensity=p,
        called=called,
        truth=np.full(n, PNEUMONIA, np.int8),
        sampling=chance,
        n=np.ones(n),
    ).where(read)


def found(films, looks, smallest=1.0, expected=(0.85, 0.9)):
    return evidence(
        difference(films, "sensitivity", believed(*expected), smallest), films.look, films.n, looks
    )


def test_the_capital_is_the_mean_of_the_gamblers_products():
    random = np.random.default_rng(1)
    u, v = random.uniform(-1, 1, 50), random.uniform(0, 1, 50)
    bound = np.abs(u) + v
    capital = 1.0 * np.zeros(BETS.size) + 1
    for film in range(50):
        capital *= 1 + BETS * (u[film] - 0.2 * v[film]) / bound[film]

    by_counts = at_one_look(Moments(u=u, v=v, bound=bound), np.ones(50))

    assert by_counts.log_capital(np.array([0.2]), +1, np.array([0]))[0] == pytest.approx(
        np.log(capital.mean())
    )


def test_films_that_are_alike_count_as_often_as_they_come():
    moments = Moments(u=np.array([1.0, 0, 1]), v=np.ones(3), bound=np.ones(3))
    one_by_one = at_one_look(moments, np.ones(3))
    together = at_one_look(
        Moments(u=np.array([1.0, 0]), v=np.ones(2), bound=np.ones(2)), np.array([2.0, 1])
    )

    assert share(one_by_one, 0.05) == share(together, 0.05)


def test_the_order_of_the_films_does_not_matter():
    films = drawn(500, sensitivity=(0.8, 0.9))
    shuffled = films.where(np.random.default_rng(5).permutation(500))
    everything = np.zeros(500, np.intp)
    moments = [
        difference(each, "sensitivity", believed(0.8, 0.9), 1.0) for each in (films, shuffled)
    ]

    first, second = (evidence(each, everything, films.n, 1).limits(-1, 1, 0.05) for each in moments)

    assert np.array(first) == pytest.approx(np.array(second), abs=1e-12)


@pytest.mark.parametrize("sensitivity", [(0.85, 0.85), (0.85, 0.93), (0.6, 0.5)])
def test_a_difference_is_like_that_of_ville(sensitivity):
    import ville

    films = drawn(4000, sensitivity=sensitivity, seed=3)
    called, arm = films.called.astype(float), films.arm.astype(float)
    theirs = ville.BettingABTest(alpha=0.05).fit(called, arm)
    asymptotic = ville.AsymptoticABTest(alpha=0.05).fit(called, arm)
    low, high = found(films, 40, expected=sensitivity).limits(-1, 1, 0.05)
    their_low, their_high = theirs.interval()

    assert high[-1] - low[-1] == pytest.approx(their_high - their_low, rel=0.15)
    assert (low[-1] + high[-1]) / 2 == pytest.approx(asymptotic.estimate_[-1], abs=0.005)


@pytest.mark.parametrize("n", [100, 1000, 10_000])
def test_a_share_is_like_that_of_ville(n):
    import ville

    outcomes = np.random.default_rng(2).random(n) < 0.9
    theirs = ville.BernoulliCS(alpha=0.05, intersect=False).fit(outcomes.astype(float)).interval()
    ours = share(
        at_one_look(Moments(u=outcomes.astype(float), v=np.ones(n), bound=np.ones(n)), np.ones(n)),
        0.05,
    )

    assert ours.high - ours.low == pytest.approx(theirs[1] - theirs[0], rel=0.3)
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=0.03)


@settings(max_examples=60)
@given(
    n=st.integers(1, 300),
    shares=st.tuples(*[st.floats(0, 1)] * 2),
    metric=st.sampled_from(METRICS),
)
def test_an_interval_holds_its_estimate(n, shares, metric):
    """Whatever was believed."""
    right = [round(n * share) for share in shares]
    wrong = [n - count for count in right]
    films = Cells(
        look=np.zeros(4, np.intp),
        arm=np.array([0, 0, 1, 1], np.int8),
        propensity=np.full(4, 0.5),
        called=np.array([True, False, True, False]) == (metric != "specificity"),
        truth=np.full(4, NORMAL if metric == "specificity" else PNEUMONIA, np.int8),
        sampling=np.ones(4),
        n=np.array([right[0], wrong[0], right[1], wrong[1]], float),
    ).where(np.array([right[0], wrong[0], right[1], wrong[1]]) > 0)

    arms = [share(at_one_look(of_arm(films, arm, metric, 1.0), films.n), 0.05) for arm in (0, 1)]
    found_ = at_one_look(difference(films, metric, believed(0.85, 0.9), 1.0), films.n)

    for interval in (*arms, gain(found_, 0.05)):
        if interval is not None:
            assert interval.low <= interval.value <= interval.high


def test_an_interval_that_excludes_a_value_is_the_test_of_that_value():
    evidence_ = found(drawn(3000, sensitivity=(0.8, 0.9), seed=8), 30)
    low, high = evidence_.limits(-1, 1, 0.05)

    for value in (-0.05, 0.0, 0.05):
        assert (evidence_.exceeds(value, 0.025) == (low > value)).all()
        assert (evidence_.falls_below(value, 0.025) == (high < value)).all()


@pytest.mark.parametrize("looks", [1, 2])
def test_an_interval_ends_where_the_estimand_does_though_luck_went_beyond(looks):
    """One film in fifty goes to the challenger; here all did, and all were found."""
    n = 400
    films = Cells(
        look=np.arange(n) % looks,
        arm=np.ones(n, np.int8),
        propensity=np.full(n, 0.02),
        called=np.ones(n, bool),
        truth=np.full(n, PNEUMONIA, np.int8),
        sampling=np.ones(n),
        n=np.ones(n),
    )
    evidence_ = found(films, looks)

    low, high = evidence_.limits(-1, 1, 0.05)

    assert evidence_.estimates[-1] > 1
    assert (low[-1], high[-1]) == (1, 1)


@pytest.mark.parametrize("propensity", [0.5, 0.1])
def test_a_look_by_itself_has_the_interval_that_it_has_among_others(propensity):
    evidence_ = found(drawn(3000, sensitivity=(0.8, 0.9), propensity=propensity, seed=8), 30)

    among_others, by_itself = (it.limits(-1, 1, 0.05) for it in (evidence_, evidence_.last))

    assert [float(it[-1]) for it in among_others] == pytest.approx(
        [float(it[0]) for it in by_itself], abs=1e-10
    )


def test_a_film_whose_split_has_changed_counts_with_the_split_of_its_time():
    """While most requests went to the champion films were easy; then they were hard. Pooled, the
    challenger looks worse; it is better on both days."""
    random = np.random.default_rng(4)
    n, easy = 40_000, np.arange(40_000) < 20_000
    propensity = np.where(easy, 0.1, 0.9)
    arm = (random.random(n) < propensity).astype(np.int8)
    called = random.random(n) < np.where(easy, 0.9, 0.5) + 0.05 * arm
    films = Cells(
        look=np.zeros(n, np.intp),
        arm=arm,
        propensity=propensity,
        called=called,
        truth=np.full(n, PNEUMONIA, np.int8),
        sampling=np.ones(n),
        n=np.ones(n),
    )

    interval = gain(
        at_one_look(difference(films, "sensitivity", believed(0.7, 0.75), 1.0), films.n), 0.05
    )

    assert called[arm == 1].mean() < called[arm == 0].mean() - 0.2
    assert interval.low < 0.05 < interval.high
    assert interval.low > 0


def test_a_wrong_belief_costs_width_alone():
    films = drawn(4000, sensitivity=(0.6, 0.6), seed=9)

    right, wrong = (
        np.array(found(films, 40, expected=(rate, rate)).limits(-1, 1, 0.05))[:, -1]
        for rate in (0.6, 0.95)
    )

    assert right[0] < 0 < right[1]
    assert wrong[0] < 0 < wrong[1]
    assert 1.05 < np.ptp(wrong) / np.ptp(right) < 1.6


def test_no_film_means_no_interval():
    nothing = drawn(0, sensitivity=(0.8, 0.8))

    assert (
        gain(
            at_one_look(difference(nothing, "sensitivity", believed(0.8, 0.8), 1.0), nothing.n),
            0.05,
        )
        is None
    )


@pytest.mark.parametrize("sampling", [1.0, 0.3])
@pytest.mark.parametrize("propensity", [0.5, 0.1])
def test_every_look_together_the_truth_is_missed_in_no_more_runs_than_promised(
    propensity, sampling
):
    """300 tests of 20 looks at a true difference of -0.05; alpha is 0.1, made large to be seen."""
    from statsmodels.stats.proportion import proportion_confint

    missed = 0
    for seed in range(300):
        films = drawn(
            1000,
            sensitivity=(0.9, 0.85),
            propensity=propensity,
            sampling=sampling,
            seed=seed,
            per_look=50,
        )
        evidence_ = found(films, 20, smallest=sampling)
        missed += bool((evidence_.exceeds(-0.05, 0.05) | evidence_.falls_below(-0.05, 0.05)).any())

    low, _ = proportion_confint(missed, 300, method="wilson")
    assert low <= 0.1


def test_the_evidence_of_no_look_is_refused_nowhere():
    empty = Evidence(u=np.empty(0), v=np.empty(0), bound=np.empty(0), counts=np.empty((1, 0)))

    assert not empty.exceeds(0.0, 0.05).any()

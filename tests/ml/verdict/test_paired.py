"""Both arms on the same films: the figures, and how many films they take."""

from __future__ import annotations

import numpy as np
import pytest

from ml.verdict.paired import Answers, judge_pairs


def answers(counts, *, sampling=1.0, seed=0):
    """Films of (champion right, challenger right, sick), in a random order of their ids."""
    kinds = [kind for kind, n in counts.items() for _ in range(n)]
    random = np.random.default_rng(seed)
    right = np.array([kind[:2] for kind in kinds])
    sick = np.array([kind[2] for kind in kinds])
    called = right == sick[:, None]
    probability = np.where(called, 0.5, 0.0) + random.uniform(0.0, 0.5, right.shape)
    ids = random.permutation(len(kinds))
    return Answers(
        film=[f"{number:06}" for number in ids],
        sick=sick,
        sampling=np.full(len(kinds), sampling),
        champion=probability[:, 0],
        challenger=probability[:, 1],
    ).in_order()


@pytest.fixture
def trial(experiment):
    from infra.declared.experiment import load

    return load(experiment())


BETTER = {
    (True, True, True): 300,
    (True, False, True): 5,
    (False, True, True): 45,
    (False, False, True): 10,
    (True, True, False): 300,
    (True, False, False): 8,
    (False, True, False): 10,
    (False, False, False): 44,
}


def test_a_better_arm_is_promoted_on_a_few_hundred_films(trial):
    judgement = judge_pairs(trial, answers(BETTER))

    assert judgement.ruling.verdict == "PROMOTE"
    assert judgement.gains["sensitivity"].value == pytest.approx(40 / 360)
    assert judgement.gains["sensitivity"].n == 360
    assert judgement.figures[0]["sensitivity"].value == pytest.approx(305 / 360)


def test_each_arm_has_its_calibration_intercept_and_slope(trial):
    from ml.verdict.statistics.recalibration import recalibration

    films = answers(BETTER)
    judgement = judge_pairs(trial, films)

    for arm in (0, 1):
        alone = recalibration(trial, films.scores(arm))
        assert alone.slope.n == 722
        assert judgement.figures[arm]["calibration slope"] == alone.slope
        assert judgement.figures[arm]["calibration intercept"] == alone.intercept


def test_the_other_way_round_it_is_rolled_back(trial):
    found = answers(BETTER)
    swapped = Answers(
        film=found.film,
        sick=found.sick,
        sampling=found.sampling,
        champion=found.challenger,
        challenger=found.champion,
    )

    assert judge_pairs(trial, swapped).ruling.verdict == "ROLLBACK"


def test_few_films_are_inconclusive_and_say_how_many_it_takes(trial):
    few = {kind: n // 5 for kind, n in BETTER.items()}
    judgement = judge_pairs(trial, answers(few))

    assert judgement.ruling.verdict == "INCONCLUSIVE"
    assert judgement.labels_needed > judgement.films
    times = int(np.ceil(judgement.labels_needed / judgement.films))
    enough = answers({kind: n * times for kind, n in few.items()})
    assert judge_pairs(trial, enough).ruling.verdict == "PROMOTE"


def test_a_label_serves_both_arms(trial):
    """The maximum counts labels, not answers."""
    trial = trial.model_copy(update={"maximum_labels": 800})

    assert judge_pairs(trial, answers(BETTER)).ruling.verdict == "PROMOTE"
    alike = {(True, True, True): 300, (True, True, False): 300, (False, False, True): 100}
    assert judge_pairs(trial, answers(alike)).ruling.verdict == "INCONCLUSIVE"


def test_presidential_approval():
    """The voters of Agresti, Categorical Data Analysis: asked twice, 794 approve both times, 150
    only the first time, 86 only the second, 570 never. The exact test is binomial in who changed.
    """
    from scipy.stats import binomtest

    from ml.verdict.paired import _discordance

    found = _discordance(
        answers(
            {
                (True, True, True): 794,
                (True, False, True): 150,
                (False, True, True): 86,
                (False, False, True): 570,
            }
        ).pairs()
    )["sensitivity"]

    assert (found.champion_only, found.challenger_only, found.n) == (150, 86, 1600)
    assert found.p == pytest.approx(binomtest(86, 236).pvalue)


def test_delongs_p_is_that_of_mlstatkit(trial):
    from MLstatkit import Delong_test

    found = answers(BETTER, seed=4)
    _, p, *_ = Delong_test(found.sick.astype(int), found.champion, found.challenger)

    assert judge_pairs(trial, found).auc_p == pytest.approx(p, rel=1e-6)


def test_films_that_were_read_less_often_count_for_more(trial):
    found = answers(BETTER)
    called = found.champion >= 0.5
    audited = Answers(
        film=found.film,
        sick=found.sick,
        sampling=np.where(called, 1.0, 0.25),
        champion=found.champion,
        challenger=found.challenger,
    )
    judgement = judge_pairs(trial, audited)

    right = found.sick & (found.challenger >= 0.5)
    weight = 1 / audited.sampling
    assert judgement.figures[1]["sensitivity"].value == pytest.approx(
        weight[right].sum() / weight[found.sick].sum()
    )
    # McNemar's test knows no weights.
    assert judgement.discordance == {}


def test_the_order_of_the_films_does_not_matter(trial):
    found = answers(BETTER)
    reversed_ = Answers(
        film=found.film[::-1],
        sick=found.sick[::-1],
        sampling=found.sampling[::-1],
        champion=found.champion[::-1],
        challenger=found.challenger[::-1],
    )

    assert reversed_.in_order().digest == found.digest


class TestPatients:
    """Films of one patient are not independent of each other."""

    @pytest.fixture
    def films(self):
        return answers(BETTER, seed=5)

    @pytest.fixture
    def repeated(self, films):
        """Every film three times, as three films of one patient."""
        return Answers(
            film=[f"{number}-{name}" for number in range(3) for name in films.film],
            sick=np.tile(films.sick, 3),
            sampling=np.tile(films.sampling, 3),
            champion=np.tile(films.champion, 3),
            challenger=np.tile(films.challenger, 3),
            patient_key=list(films.film) * 3,
        ).in_order()

    def test_what_a_patients_films_repeat_says_no_more_than_one_of_them(
        self, trial, films, repeated
    ):
        once, thrice = judge_pairs(trial, films), judge_pairs(trial, repeated)

        for metric in ("sensitivity", "specificity", "accuracy", "auc"):
            one, three = once.gains[metric], thrice.gains[metric]
            assert (three.value, three.low, three.high) == pytest.approx(
                (one.value, one.low, one.high), abs=2e-4
            )
            assert three.n == 3 * one.n
        for arm in (0, 1):
            for name, one in once.figures[arm].items():
                three = thrice.figures[arm][name]
                assert (three.low, three.high) == pytest.approx((one.low, one.high), abs=2e-3), name

    def test_films_of_which_no_patient_is_known_are_patients_of_their_own(self, trial, films):
        keyed = Answers(**{**vars_of(films), "patient_key": [None] * (len(films.film) - 1) + ["p"]})

        alone, one = judge_pairs(trial, films), judge_pairs(trial, keyed.in_order())

        assert (alone.patients, one.patients) == (None, 1)
        assert one.without_key == len(films.film) - 1
        assert one.gains["sensitivity"] == alone.gains["sensitivity"]

    def test_they_count_in_the_order_of_their_keys(self, films):
        keys = [name[::-1] for name in films.film]
        keyed = Answers(**{**vars_of(films), "patient_key": keys}).in_order()

        assert keyed.patient_key == sorted(keys)
        assert keyed.unit.tolist() == list(range(len(keys)))

    def test_mcnemars_test_which_takes_films_for_independent_is_not_given(self, trial, repeated):
        found = judge_pairs(trial, repeated).discordance["sensitivity"]

        assert (found.n, found.p) == (3 * 360, None)

    def test_a_sample_of_a_patients_films_is_weighted_by_its_sampling_alone(self, trial):
        """A patient's number of read films depends on what was read."""
        found = Answers(
            film=list("abcd"),
            sick=np.array([True, True, True, True]),
            sampling=np.array([0.5, 1.0, 1.0, 1.0]),
            champion=np.array([1.0, 0.0, 0.0, 0.0]),
            challenger=np.array([1.0, 1.0, 0.0, 0.0]),
            patient_key=["p", "p", "p", "q"],
        )

        judgement = judge_pairs(trial, found)

        assert judgement.gains["sensitivity"].value == pytest.approx(1 / 5)
        assert judgement.figures[0]["sensitivity"].value == pytest.approx(2 / 5)

    @pytest.mark.parametrize(
        ("keys", "said"),
        [
            (None, "No film has a patient's key: films count as independent"),
            (["p", "p", None], "of 1 patients, each of whom is one observation; 1 films without"),
        ],
    )
    def test_the_report_says_what_counts_as_one_observation(self, trial, keys, said):
        from ml.verdict.report.replay import decision, report, tables

        found = Answers(
            film=list("abc"),
            sick=np.array([True, True, False]),
            sampling=np.ones(3),
            champion=np.array([0.75, 0.25, 0.25]),
            challenger=np.array([0.75, 0.75, 0.25]),
            patient_key=keys,
        )
        judgement = judge_pairs(trial, found)
        made = decision(trial, judgement, found, environment=None, source="films")

        assert said in made.method["independent"]
        assert any(said in table.note for table in tables(trial, judgement))
        assert said.replace("'", "&#39;") in report(trial, judgement, found, made)


def vars_of(found):
    """Its fields, without what it has computed of them."""
    return {name: getattr(found, name) for name in type(found).__dataclass_fields__}

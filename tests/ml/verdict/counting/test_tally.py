"""What is counted of a log, in the form that the statistics take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ml.verdict.counting.counts import count
from ml.verdict.counting.labelled_file import ParquetFile
from ml.verdict.counting.queries import Queries
from ml.verdict.counting.tally import Tally
from ml.verdict.statistics.cells import NOT_CHOSEN, PNEUMONIA, UNREAD, UNRESOLVED
from tests.ml.verdict.log import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def tally(log, experiment) -> Callable[..., Tally]:
    """Counts the log, as of its end."""

    def counted(**values) -> Tally:
        from infra.declared.experiment import load, splits

        log.end()
        trial = load(experiment(**values))
        rows = ParquetFile(log.parquet(), trial.subgroups)
        queries = Queries(rows=rows.relations, experiment=trial, splits=splits(trial))
        return Tally(counts=count(rows, queries, None))

    return counted


def truths(tally: Tally) -> dict[int, int]:
    films = tally.counts.tables["films"]
    return {
        int(truth): int(films["n"][films["truth"] == truth].sum()) for truth in set(films["truth"])
    }


class TestAnAnswerWithoutAReading:
    def test_is_unread_where_all_are_read(self, log, tally):
        log.film(CHAMPION, 0.9)

        assert truths(tally()) == {UNREAD: 1}

    def test_was_not_chosen_as_far_as_is_known_where_a_share_is_read(self, log, tally):
        log.film(CHAMPION, 0.1)

        assert truths(tally(audit=0.5)) == {NOT_CHOSEN: 1}

    def test_is_unread_where_the_log_says_that_it_was_chosen(self, log, tally):
        log.film(CHAMPION, 0.1, chosen=True)
        log.film(CHAMPION, 0.1, chosen=False)

        assert truths(tally(audit=0.5)) == {UNREAD: 1, NOT_CHOSEN: 1}

    def test_counts_with_the_probability_that_the_log_has_of_it(self, log, tally):
        log.film(CHAMPION, 0.1, sampling_probability=0.75, chosen=True)
        log.film(CHAMPION, 0.1, sampling_probability=1.0)

        counted = tally(audit=0.5)

        assert truths(counted) == {UNREAD: 2}
        assert sorted(counted.counts.tables["films"]["sampling"]) == [0.75, 1.0]

    def test_is_not_one_that_readers_could_not_tell(self, log, tally):
        log.film(CHAMPION, 0.9, "INDETERMINATE")

        assert truths(tally()) == {UNRESOLVED: 1}


class TestUnits:
    def test_are_single_films_where_no_patient_is_known(self, log, tally):
        log.films(CHAMPION, {"TP": 3, "FN": 1})
        log.film(CHALLENGER, 0.9)

        counted = tally()

        assert counted.patients == 0
        assert counted.films().unit is None
        assert counted.films().n.sum() == 5

    def test_are_single_films_where_the_key_is_an_empty_text(self, log, tally):
        log.films(CHAMPION, {"TP": 2}, patient_key="")
        log.films(CHAMPION, {"TP": 2}, patient_key=" ")

        assert tally().patients == 0

    def test_are_patients_with_all_their_mature_films_read_or_not(self, log, tally):
        log.film(CHAMPION, 0.9, "PNEUMONIA", hours=30, patient_key="a")
        log.film(CHALLENGER, 0.1, "PNEUMONIA", hours=50, patient_key="a")
        log.film(CHALLENGER, 0.1, "PNEUMONIA", hours=51, patient_key="a")
        log.film(CHALLENGER, 0.9, hours=1, patient_key="a")
        log.film(CHALLENGER, 0.9, hours=24 * 365 - 1, patient_key="a")  # too young

        counted = tally()
        films = counted.films()

        assert counted.patients == 1
        assert set(films.unit) == {0}
        assert set(films.size) == {4}
        assert set(films.look) == {0}
        assert sorted(zip(films.arm, films.called, films.truth, films.within, strict=True)) == [
            (0, True, PNEUMONIA, 1),
            (1, False, PNEUMONIA, 2),
            (1, True, UNREAD, 1),
        ]

    def test_that_are_alike_are_counted_together(self, log, tally):
        for patient, hours in (("a", 1), ("b", 2), ("c", 30)):
            log.film(CHAMPION, 0.9, "PNEUMONIA", hours=hours, patient_key=patient)
            log.film(CHALLENGER, 0.9, "NORMAL", hours=hours, patient_key=patient)
        log.film(CHAMPION, 0.9, "PNEUMONIA", hours=3)

        counted = tally()
        films = counted.films()

        assert counted.patients == 3
        assert films.unit.tolist() == [0, 1, 1, 2, 2]
        assert films.n.tolist() == [1, 2, 2, 1, 1]
        assert films.size.tolist() == [1, 2, 2, 2, 2]
        assert films.look.tolist() == [0, 0, 0, 1, 1]

    def test_have_all_films_of_the_count_by_films(self, log, tally):
        for number in range(30):
            log.film(
                (CHAMPION, CHALLENGER)[number % 2],
                0.9 if number % 3 else 0.1,
                (None, "NORMAL", "PNEUMONIA", "INDETERMINATE")[number % 4],
                hours=number * 7,
                patient_key=(None, "a", "b", "c", "d")[number % 5],
            )
        counted = tally(audit=0.5)

        units, films = counted.films(), counted.counts.tables["films"]

        for truth in np.unique(films["truth"]):
            assert units.n[units.truth == truth].sum() == films["n"][films["truth"] == truth].sum()
        assert units.n[units.size > 1].sum() == films["n"][films["keyed"]].sum() == 24


class TestScoresOfPatients:
    def test_films_of_a_patient_count_as_one_of_as_much_as_they_weigh_together(self, log, tally):
        for patient in "ab":
            for _ in range(2):
                log.film(CHAMPION, 0.9, "PNEUMONIA", patient_key=patient)
            log.film(CHALLENGER, 0.8, "PNEUMONIA", patient_key=patient)
        log.film(CHAMPION, 0.1, "NORMAL")

        alone, beside = (tally().scores(0, beside=it) for it in (False, True))

        assert sorted((alone.n * alone.weight).tolist()) == [1.0, 4.0]
        assert sorted(alone.n.tolist()) == [1.0, 2.0]
        # Compared with the other arm's, all three films of a patient are one.
        assert sorted(beside.n.tolist()) == pytest.approx([1.0, 4 / 3])
        assert tally().scores(1).n.tolist() == [2.0]

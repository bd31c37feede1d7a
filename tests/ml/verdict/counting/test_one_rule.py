"""The same readings count the same from a workspace and from a file, whatever was said when."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.verdict.counting.counts import WorkspaceViews, count
from ml.verdict.counting.labelled_file import ParquetFile
from ml.verdict.counting.queries import Queries
from tests.ml.verdict.log import CHALLENGER, CHAMPION, START, Log
from tests.plugin.ab_test import new_bed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.ab_test import ABTestBed
    from tests.plugin.served import Served

NOON = 12 * 60
READERS = ("reader-1", "reader-2", "reader-3")
TRUTHS = ("PNEUMONIA", "NORMAL", "INDETERMINATE")
LAST = 3 * 24 * 60
AS_OF = START + datetime.timedelta(minutes=NOON + 2 * 24 * 60)


@dataclass(frozen=True)
class Asked:
    """A request; several may have one id."""

    film: int
    arm: str
    probability: float | None
    minute: int


@dataclass(frozen=True)
class Said:
    """A reading of a film, which nobody may have asked about; of an earlier one a correction."""

    film: int
    reader: str
    truth: str
    minute: int
    blind: bool | None
    corrects: int | None
    source: str | None
    copies: int


ASKED = st.builds(
    Asked,
    film=st.integers(0, 5),
    arm=st.sampled_from((CHAMPION, CHALLENGER)),
    probability=st.sampled_from((0.9, 0.25, 0.125, None)),
    minute=st.integers(0, LAST),
)
SAID = st.builds(
    Said,
    film=st.integers(0, 6),
    reader=st.sampled_from(READERS),
    truth=st.sampled_from(TRUTHS),
    minute=st.integers(0, LAST),
    blind=st.sampled_from((True, True, None, False)),
    corrects=st.none() | st.integers(0, 11),
    source=st.sampled_from((None, None, "reading room", "simulation")),
    copies=st.sampled_from((1, 1, 1, 2)),
)
SCENARIOS = st.tuples(
    st.lists(ASKED, min_size=1, max_size=8, unique_by=lambda it: it.minute),
    st.lists(SAID, max_size=12),
)


@pytest.fixture(scope="module")
def bed(shared_workspace: Served) -> ABTestBed:
    """Tables that every example fills again."""
    ab_test = new_bed(shared_workspace)
    ab_test.answer(CHAMPION, 0.9)
    ab_test.create_views()
    return ab_test


def readings(said: list[Said]) -> list[dict[str, Any]]:
    """As the table of the feedback has them."""
    rows = []
    for number, it in enumerate(said):
        corrected = said[it.corrects] if it.corrects is not None and it.corrects < number else None
        own = corrected and (corrected.film, corrected.reader) == (it.film, it.reader)
        row = {
            "feedback_id": f"reading-{number}",
            "prediction_id": f"film-{it.film}",
            "timestamp": START + datetime.timedelta(minutes=NOON + it.minute),
            "ground_truth": it.truth,
            "radiologist_id": it.reader,
            "blind": it.blind,
            "supersedes": f"reading-{it.corrects}" if own else None,
            "feedback_source": it.source,
        }
        rows += [row] * it.copies
    return rows


def fill_workspace(bed: ABTestBed, asked: list[Asked], said: list[Said]) -> None:
    bed.workspace.rows(f"DELETE FROM {bed.analysis.feedback}")
    bed.workspace.rows(f"DELETE FROM {bed.analysis.payload}")
    for it in asked:
        answer = () if it.probability is None else (it.probability,)
        status = 500 if it.probability is None else 200
        bed.answer(it.arm, *answer, id=f"film-{it.film}", minutes=it.minute, status=status)
    rows = [
        f"({', '.join('NULL' if it is None else repr(str(it)) for it in row.values())})"
        for row in readings(said)
    ]
    if rows:
        columns = ", ".join(readings(said)[0])
        types = ("STRING", "STRING", "TIMESTAMP", *["STRING"] * 2, "BOOLEAN", *["STRING"] * 2)
        casts = ", ".join(
            f"CAST({name} AS {kind})" for name, kind in zip(columns.split(", "), types, strict=True)
        )
        bed.workspace.rows(
            f"INSERT INTO {bed.analysis.feedback} ({columns}) "
            f"SELECT {casts} FROM (VALUES {', '.join(rows)}) AS given ({columns})"
        )


def write_file(folder: Path, asked: list[Asked], said: list[Said]) -> Path:
    log = Log(folder=folder)
    of_reading = [
        {**row, "decided_at": row["timestamp"], "film": row["prediction_id"]}
        for row in readings(said)
    ]
    for row in of_reading:
        del row["timestamp"]
    judged = set()
    # The last answer to a request id is judged.
    for number, it in enumerate(sorted(asked, key=lambda it: it.minute, reverse=True)):
        name = f"film-{it.film}"
        first = it.probability is not None and name not in judged
        answered = {
            "hours": (NOON + it.minute) / 60,
            "execution_duration_ms": 20,
            "status_code": 500 if it.probability is None else 200,
        }
        if it.probability is None:
            answered |= {"answer_number": 1, "prediction_id": f"failed-{number}"}
        else:
            others = [o for o in asked if o.film == it.film and o.probability is not None]
            answered |= {
                "prediction_id": name,
                "answer_number": 1 + sum(o.minute > it.minute for o in others),
            }
        judged |= {name} if first else set()
        mine = [row for row in of_reading if first and row["film"] == name]
        for row in mine or [{}]:
            log.film(it.arm, it.probability, None, **{**row, **answered})
    for row in of_reading:
        if row["film"] not in judged:
            log.rows.append(row)
    for row in log.rows:
        row.pop("film", None)
    return log.parquet()


def counted(rows: Any, trial: Any, as_of: datetime.datetime | None) -> dict[str, Any]:
    from infra.declared.experiment import splits

    found = count(rows, Queries(rows=rows.relations, experiment=trial, splits=splits(trial)), as_of)
    tables = {
        f"{name}.{column}": values.tolist()
        for name, table in found.tables.items()
        for column, values in table.items()
    }
    return {"as of": found.as_of, **tables}


def same(bed: ABTestBed, trial: Any, folder: Path, asked: list[Asked], said: list[Said]) -> None:
    from ml.workspace.warehouse import Warehouse

    fill_workspace(bed, asked, said)
    views = WorkspaceViews(
        Warehouse(bed.workspace.sdk(), bed.workspace.warehouse_id), bed.analysis, ()
    )
    by_then = [it for it in asked if it.minute <= 2 * 24 * 60]
    # A file of what had been asked by then: of several answers to one id, another one is the last.
    for as_of, known in [(None, asked), (AS_OF, by_then)] if by_then else [(None, asked)]:
        file = ParquetFile(write_file(folder, known, said), ())
        assert counted(views, trial, as_of) == counted(file, trial, as_of)


@pytest.fixture
def trial(experiment):
    from infra.declared.experiment import load

    return load(experiment(maturity=1, audit=0.5))


_SETTINGS = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


@given(scenario=SCENARIOS)
@settings(max_examples=6, **_SETTINGS)
def test_a_workspace_and_a_file_count_the_same(bed, trial, tmp_path_factory, scenario) -> None:
    same(bed, trial, tmp_path_factory.mktemp("rows"), *scenario)


@pytest.mark.slow("some hundred workspaces are filled")
@given(scenario=SCENARIOS)
@settings(max_examples=100, **_SETTINGS)
def test_many_workspaces_and_files_count_the_same(bed, trial, tmp_path_factory, scenario) -> None:
    same(bed, trial, tmp_path_factory.mktemp("rows"), *scenario)


HOUR = 60


@pytest.mark.parametrize(
    ("said", "truth"),
    [
        pytest.param(
            [
                Said(0, "reader-1", "PNEUMONIA", HOUR, True, None, None, 1),
                Said(0, "reader-1", "NORMAL", 2 * HOUR, False, 0, None, 1),
            ],
            1,
            id="corrected after the reveal",
        ),
        pytest.param(
            [
                Said(0, "reader-1", "PNEUMONIA", HOUR, True, None, None, 1),
                Said(0, "reader-1", "NORMAL", 2 * HOUR, True, 0, None, 1),
            ],
            0,
            id="corrected blind",
        ),
        pytest.param(
            [
                Said(0, "reader-1", "PNEUMONIA", HOUR, True, None, None, 1),
                Said(0, "reader-1", "NORMAL", LAST, True, 0, None, 1),
            ],
            1,
            id="corrected blind after the moment that is judged",
        ),
        pytest.param(
            [
                Said(0, "reader-1", "PNEUMONIA", HOUR, True, None, None, 1),
                Said(0, "reader-2", "INDETERMINATE", HOUR, True, None, None, 1),
            ],
            -1,
            id="another cannot tell",
        ),
        pytest.param(
            [Said(0, "reader-1", "PNEUMONIA", HOUR, True, None, "simulation", 1)],
            -2,
            id="of a simulation",
        ),
        pytest.param(
            [Said(0, "reader-1", "PNEUMONIA", HOUR, False, None, None, 1)],
            -2,
            id="never read blind",
        ),
    ],
)
def test_the_truth_of_a_film_is_what_was_said_blind_and_known(trial, tmp_path, said, truth) -> None:
    from infra.declared.experiment import splits

    file = ParquetFile(write_file(tmp_path, [Asked(0, CHAMPION, 0.9, 0)], said), ())
    queries = Queries(rows=file.relations, experiment=trial, splits=splits(trial))

    films = count(file, queries, AS_OF).tables["films"]

    assert films["truth"].tolist() == [truth]


def test_minds_that_changed_after_the_reveal_are_counted_by_arm(trial, tmp_path) -> None:
    from infra.declared.experiment import splits
    from ml.verdict.counting.tally import Reveals, Tally
    from ml.verdict.statistics.metrics import CHALLENGER as SECOND
    from ml.verdict.statistics.metrics import CHAMPION as FIRST

    asked = [
        Asked(number, CHAMPION if number < 2 else CHALLENGER, 0.9, number) for number in (0, 1, 2)
    ]
    said = [Said(film, "reader-1", "PNEUMONIA", HOUR, True, None, None, 1) for film in (0, 1, 2)]
    said += [
        Said(0, "reader-1", "NORMAL", 2 * HOUR, False, 0, None, 1),
        Said(1, "reader-1", "PNEUMONIA", 2 * HOUR, False, 1, None, 1),
        Said(2, "reader-2", "NORMAL", 2 * HOUR, False, None, None, 1),
        Said(2, "reader-3", "NORMAL", 2 * HOUR, True, None, "simulation", 1),
    ]
    file = ParquetFile(write_file(tmp_path, asked, said), ())
    queries = Queries(rows=file.relations, experiment=trial, splits=splits(trial))

    tally = Tally(counts=count(file, queries, AS_OF))

    assert tally.reveals(FIRST) == Reveals(said_again=2, changed_mind=1)
    assert tally.reveals(SECOND) == Reveals(said_again=0, changed_mind=0)
    assert tally.not_blind() == 3
    assert tally.simulations() == 1
    assert np.array_equal(tally.counts.tables["films"]["truth"], [1, 1])

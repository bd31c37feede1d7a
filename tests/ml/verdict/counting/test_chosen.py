"""The draw of the reading room, again in SQL."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import duckdb
import pytest

from infra.declared.reading import AuditStratum, ReadingPlan
from ml.reading_room.sampler import Sampler
from ml.verdict.counting.chosen import chosen
from ml.verdict.counting.labelled_file import _in_duckdb
from tests.ml.verdict.log import CHALLENGER, CHAMPION
from tests.plugin.ab_test import new_bed

if TYPE_CHECKING:
    from tests.plugin.served import Served

STRATA = (AuditStratum(start=0.2, share=0.5), AuditStratum(start=0.4, share=1.0))
PROBABILITIES = (0.0, 0.19, 0.2, 0.3, 0.4, 0.49, 0.5, 0.9)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("audit_share", [0.1, 0.5, 1 / 3, 1.0])
@pytest.mark.parametrize("strata", [(), STRATA], ids=["one share", "strata"])
def test_sql_chooses_what_the_room_shows(seed, audit_share, strata) -> None:
    plan = ReadingPlan(audit_share=audit_share, seed=seed, audit_strata=strata)
    sampler = Sampler(
        audit_share=audit_share, seed=seed, strata=tuple((it.start, it.share) for it in strata)
    )
    answers = [(f"film-ä-{n}", PROBABILITIES[n % len(PROBABILITIES)]) for n in range(400)]
    was_chosen, share = chosen(plan, 0.5)
    values = ", ".join(f"('{name}', {probability}, 1)" for name, probability in answers)
    statement = (
        f"SELECT answer.prediction_id, {was_chosen}, {share} "
        f"FROM (VALUES {values}) AS answer (prediction_id, probability, answer_number)"
    )

    found = duckdb.sql(_in_duckdb(statement)).fetchall()

    drawn = {
        name: sampler.draw(name, called_positive=probability >= 0.5, probability=probability)
        for name, probability in answers
    }
    assert {name: it.sampling_probability if it else None for name, it in drawn.items()} == {
        name: probability if is_chosen else None for name, is_chosen, probability in found
    }


def test_an_answer_that_was_chosen_and_not_read_is_missing(
    shared_workspace: Served, experiment
) -> None:
    from infra.declared.experiment import load, splits
    from ml.verdict.counting.counts import WorkspaceViews, count
    from ml.verdict.counting.queries import Queries
    from ml.verdict.statistics.cells import NORMAL, NOT_CHOSEN, UNREAD
    from ml.workspace.warehouse import Warehouse

    plan = ReadingPlan(audit_share=0.5, seed=3)
    sampler = Sampler(audit_share=0.5, seed=3)
    names = [f"film-{number}" for number in range(12)]
    drawn = [it for it in names if sampler.draw(it, called_positive=False)]
    bed = new_bed(shared_workspace)
    for number, name in enumerate(names):
        bed.answer((CHAMPION, CHALLENGER)[number % 2], 0.125, id=name, minutes=number)
    bed.judge(drawn[0], "NORMAL", sampling_probability="0.5")
    bed.create_views()
    warehouse = Warehouse(bed.workspace.sdk(), bed.workspace.warehouse_id)
    analysis = dataclasses.replace(bed.analysis, reading=plan)
    trial = load(experiment(maturity=0, audit=0.25))
    rows = WorkspaceViews(warehouse, analysis, ())

    found = count(
        rows, Queries(rows=rows.relations, experiment=trial, splits=splits(trial)), None
    ).tables["films"]

    counted = {
        (int(truth), float(sampling)): int(found["n"][here].sum())
        for truth, sampling in set(zip(found["truth"], found["sampling"], strict=True))
        for here in [(found["truth"] == truth) & (found["sampling"] == sampling)]
    }
    assert counted == {
        (NORMAL, 0.5): 1,
        (UNREAD, 0.5): len(drawn) - 1,
        (NOT_CHOSEN, 0.5): len(names) - len(drawn),
    }
    assert "chosen" not in rows.assumed

"""What a verdict costs where the rows are: passes over the log, rows that travel, seconds."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import sqlglot
from sqlglot import exp

from infra.declared.analysis import VIEWS
from ml.verdict.counting.counts import WorkspaceViews
from tests.ml.verdict.log import CHALLENGER, CHAMPION
from tests.plugin.ab_test import new_bed

if TYPE_CHECKING:
    from infra.declared.analysis import Analysis
    from tests.plugin.served import Served

A_VERDICT = 80_000
"""Requests: a month of a large clinic."""


class Heard:
    """A warehouse that keeps the statements that it runs."""

    def __init__(self, warehouse) -> None:
        self._warehouse = warehouse
        self.statements: list[str] = []

    def execute(self, statement: str, **parameters: str):
        if not statement.startswith("DESCRIBE"):
            self.statements.append(statement)
        return self._warehouse.execute(statement, **parameters)


def passes(query: exp.Expression, analysis: Analysis) -> int:
    """How often a query goes through the log, with every view and WITH written out where it is
    named: what an engine does that keeps no result of a part."""
    total = 0
    parts = {it.alias: it.this for it in query.find_all(exp.CTE)}
    bodies = [query.copy()]
    while bodies:
        body = bodies.pop()
        for with_ in list(body.find_all(exp.With)):
            with_.pop()
        for table in body.find_all(exp.Table):
            name = ".".join(part.name for part in table.parts)
            if name == analysis.payload:
                total += 1
            elif name in parts:
                bodies.append(parts[name].copy())
            else:
                bodies += [
                    sqlglot.parse_one(analysis.query(view.name), read="databricks")
                    for view in VIEWS
                    if name == analysis.full_name(view.name)
                ]
    return total


@pytest.fixture
def bed(shared_workspace: Served):
    return new_bed(shared_workspace)


def decide(bed, trial, warehouse):
    from infra.declared.experiment import load, splits
    from ml.compare import decide

    loaded = load(trial)
    rows = WorkspaceViews(warehouse, bed.analysis, loaded.subgroups)
    return decide(loaded, splits(loaded), rows, as_of=None, environment=None)


def warehouse_of(bed):
    from ml.workspace.warehouse import Warehouse

    return Warehouse(bed.workspace.sdk(), bed.workspace.warehouse_id)


@pytest.mark.parametrize("subgroups", ["[]", '["model_version", "model_name", "endpoint_name"]'])
def test_a_verdict_reads_the_log_three_times_and_its_ids_twice_whatever_is_shown(
    bed, experiment, subgroups
) -> None:
    bed.answer(CHAMPION, 0.9, id="film-1", minutes=1)
    bed.answer(CHALLENGER, 0.9, id="film-2", minutes=1)
    bed.judge("film-1", "PNEUMONIA")
    bed.create_views()
    heard = Heard(warehouse_of(bed))

    decide(bed, experiment(maturity=0, subgroups=subgroups), heard)

    found = [
        passes(sqlglot.parse_one(it, read="databricks"), bed.analysis) for it in heard.statements
    ]
    # The second time for the ids of requests that had readings before they were logged.
    assert found == [1, 2, 2]


def test_at_most_twenty_thousand_rows_of_probabilities_travel_and_say_the_same(
    experiment, tmp_path
) -> None:
    import duckdb

    from infra.declared.experiment import load, splits
    from ml.evaluation.calibration import squared_errors
    from ml.evaluation.discrimination import Scores, area
    from ml.verdict.counting.counts import count
    from ml.verdict.counting.labelled_file import ParquetFile
    from ml.verdict.counting.queries import MOST_SCORES, Queries

    file = tmp_path / "rows.parquet"
    duckdb.sql(
        "SELECT 'film-' || i AS prediction_id, TIMESTAMPTZ '2026-03-02 00:00:00+00' "
        "+ to_seconds(i * 10) AS request_time, CASE WHEN hash(i) % 2 = 0 THEN 'keras-1' "
        "ELSE 'torch-2' END AS arm, pow(hash(i + 1) / 18446744073709551615.0, 3) AS probability, "
        "CASE WHEN hash(i + 2) / 18446744073709551615.0 < probability THEN 'PNEUMONIA' "
        "ELSE 'NORMAL' END AS ground_truth FROM range(60_000) AS t(i)"
    ).write_parquet(str(file))
    trial = load(experiment(maturity=0))
    rows = ParquetFile(file, ())
    queries = Queries(rows=rows.relations, experiment=trial, splits=splits(trial))

    scores = count(rows, queries, None).tables["scores"]

    assert len(scores["n"]) <= MOST_SCORES < scores["n"].sum()
    exact = duckdb.sql(
        f"SELECT probability, ground_truth = 'PNEUMONIA' AS sick FROM '{file}' "
        "WHERE arm = 'keras-1'"
    ).fetchnumpy()
    here = scores["side"] == 0
    ones = np.ones(exact["sick"].size)
    whole = Scores(probability=exact["probability"], sick=exact["sick"], weight=ones, n=ones)
    short = Scores(
        probability=scores["probability"][here],
        sick=scores["truth"][here] == 1,
        weight=np.ones(here.sum()),
        n=scores["n"][here].astype(float),
    )
    assert area(short).value == pytest.approx(area(whole).value, abs=1e-4)
    assert np.average(
        squared_errors(short.probability, short.sick), weights=short.n
    ) == pytest.approx(squared_errors(whole.probability, whole.sick).mean(), abs=1e-4)


@pytest.mark.slow("80,000 requests are logged first")
def test_a_verdict_on_a_months_requests_takes_seconds(bed, experiment) -> None:
    from infra.local.serving.payload import PayloadRow, PayloadTable
    from tests.plugin.ab_test import _NOON

    table = PayloadTable(
        catalog=bed.analysis.catalog, schema=bed.analysis.schema, prefix=bed.analysis.prefix
    )
    for start in range(0, A_VERDICT, 10_000):
        bed.workspace.lake.payload_sink.deliver(
            table,
            [
                PayloadRow(
                    databricks_request_id=f"request-{number:06}",
                    request_date=asked.date(),
                    client_request_id=f"film-{number:06}",
                    request_time=asked,
                    status_code=200,
                    sampling_fraction=1.0,
                    execution_duration_ms=20 + number % 7,
                    response=f'{{"predictions": [[{(number * 37 % 1000) / 1000}]]}}',
                    logging_error_codes=(),
                    served_entity_id=bed._entity_id((CHAMPION, CHALLENGER)[number % 2]),
                    requester="clinic",
                )
                for number in range(start, start + 10_000)
                for asked in [_NOON + datetime.timedelta(seconds=number * 30)]
            ],
        )
    bed.workspace.rows(
        f"INSERT INTO {bed.analysis.feedback} "
        "(feedback_id, prediction_id, timestamp, ground_truth, radiologist_id) "
        "SELECT concat('v-', client_request_id), client_request_id, request_time, "
        "CASE WHEN execution_duration_ms > 22 THEN 'PNEUMONIA' ELSE 'NORMAL' END, 'reader-1' "
        f"FROM {bed.analysis.payload}"
    )
    bed.create_views()

    began = time.perf_counter()
    found = decide(bed, experiment(maturity=0), warehouse_of(bed))
    seconds = time.perf_counter() - began

    assert found.decision.numbers["champion"]["labels"] == A_VERDICT / 2
    assert seconds < 10

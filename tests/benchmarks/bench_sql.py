"""What Databricks SQL over DuckDB costs, as ratios measured in one run.

Run: python tests/benchmarks/bench_sql.py
"""

from __future__ import annotations

import dataclasses
import datetime
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.local.lake import Lake
from infra.local.serving.payload import PayloadRow, PayloadTable
from infra.local.sql.dialect import Parameter
from infra.local.sql.engine import Statement

REPEATS = 50
BATCH = 500
FILM_BYTES = 12_000
"""A request with one film of 28 px in JSON."""


def median_ms(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "workspace", f"sqlite:///{folder}/mlflow.db")
        try:
            measure(lake)
        finally:
            lake.close()


def measure(lake: Lake) -> None:
    lake.database.attach("c", lake.database.catalog_file("c"))
    from infra.local.emulator import state_of

    state_of("unity_catalog", "catalogs")["c"] = {"name": "c"}
    run = lake.engine.execute
    run(Statement(text="CREATE SCHEMA c.s"))
    run(Statement(text="CREATE TABLE c.s.t AS SELECT explode(sequence(1, 100000)) AS x"))

    raw = lake.database.cursor()
    text = "SELECT count(*), avg(x) FROM c.s.t WHERE x > 10"
    plain = median_ms(lambda: raw.execute(text).fetchall())
    ours = median_ms(lambda: run(Statement(text=text)))
    print(f"query through the engine / DuckDB alone      {ours / plain:6.1f} x   ({ours:.1f} ms)")

    run(Statement(text="CREATE TABLE c.s.f (id STRING, label STRING)"))
    merge = (
        "MERGE INTO c.s.f t USING (SELECT :id AS id, :label AS label) s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )

    def feedback() -> None:
        parameters = [
            Parameter(name="id", value=str(uuid.uuid4())),
            Parameter(name="label", value="NORMAL"),
        ]
        run(Statement(text=merge, parameters=parameters))

    one = median_ms(feedback)
    print(f"MERGE of one row / query through the engine  {one / ours:6.1f} x   ({one:.1f} ms)")

    table = PayloadTable(catalog="c", schema="s", prefix="p")
    now = datetime.datetime.now(datetime.UTC)
    film = '{"inputs": [[' + "0.5, " * (FILM_BYTES // 5) + "0.5]]}"
    row = PayloadRow(
        databricks_request_id="",
        request_date=now.date(),
        client_request_id="c",
        request_time=now,
        status_code=200,
        sampling_fraction=1.0,
        execution_duration_ms=1,
        request=film,
        response='{"predictions": [[0.25]]}',
        logging_error_codes=(),
        served_entity_id="e",
        requester="me",
    )

    def deliver(size: int) -> None:
        rows = [
            dataclasses.replace(row, databricks_request_id=str(uuid.uuid4())) for _ in range(size)
        ]
        lake.payload_sink.deliver(table, rows)

    single = median_ms(lambda: deliver(1))
    batch = median_ms(lambda: deliver(BATCH)) / BATCH
    print(
        f"payload row alone / in a batch of {BATCH}         {single / batch:6.1f} x   "
        f"({1000 / batch:.0f} rows/s in batches)"
    )


if __name__ == "__main__":
    main()

"""A verdict on ten million logged rows, beside a bare scan of the same columns by DuckDB.

Half of the rows are labelled, as far more than readers would ever do. Promised: at most 13.6 CPU
seconds and 1.36 GB, from a Parquet file or from a DuckDB database.

    python tests/benchmarks/bench_compare.py [--rows N] [--source duckdb]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = (
    "prediction_id, request_time, arm, probability, ground_truth, decided_at, "
    "sampling_probability, status_code, execution_duration_ms"
)
SCAN = f"""
import duckdb, sys
columns = "{COLUMNS}".split(", ")
counted = ", ".join(f"sum(hash({{column}}))" for column in columns)
file = sys.argv[1]
if file.endswith(".duckdb"):
    connection, rows = duckdb.connect(file, read_only=True), "labelled"
else:
    connection, rows = duckdb.connect(), f"read_parquet('{{file}}')"
print(connection.execute(f"SELECT {{counted}} FROM {{rows}}").fetchall())
"""
ROWS = """
  WITH drawn AS (
    SELECT i, random() < 0.5 AS challenger, random() < 0.7 AS sick, random() AS a, random() AS b,
      random() AS c, random() AS d
    FROM range({rows}) AS t(i)
  ),
  answered AS (
    SELECT *, CASE WHEN sick THEN a < CASE WHEN challenger THEN 0.95 ELSE 0.9 END
                   ELSE a > 0.8 END AS called
    FROM drawn
  )
  SELECT
    'b3f1c2d4a5968778e9f0a1b2c3d4e5f6-' || lpad(i::VARCHAR, 12, '0') AS prediction_id,
    TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_seconds(i * 60 * 86400.0 / {rows}) AS request_time,
    CASE WHEN challenger THEN 'pneumonia_poc_classifier_pytorch-1'
         ELSE 'pneumonia_poc_classifier-1' END AS arm,
    CASE WHEN called THEN 0.5 + 0.5 * b ELSE 0.5 * b END AS probability,
    CASE WHEN called AND c < 1.0 OR NOT called AND c < 0.5
         THEN CASE WHEN sick THEN 'PNEUMONIA' ELSE 'NORMAL' END END AS ground_truth,
    'reader-' || (i % 7)::VARCHAR AS radiologist_id,
    request_time + INTERVAL 2 HOURS AS decided_at,
    CASE WHEN called THEN 1.0 ELSE 0.5 END AS sampling_probability,
    CASE WHEN d < 0.001 THEN 500 ELSE 200 END AS status_code,
    (5 + 40 * d)::BIGINT AS execution_duration_ms
  FROM answered
"""
NAMES = {"parquet": "Parquet", "duckdb": "DuckDB"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--source", choices=list(NAMES), default="parquet")
    given = parser.parse_args()
    rows = given.rows
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"rows.{given.source}"
        _write(file, rows)
        size = file.stat().st_size / 1e6
        print(f"{rows:,} rows, {size:.0f} MB of {NAMES[given.source]}, {os.cpu_count()} cores")
        scan = _measured(["-c", SCAN, str(file)])
        command = ["-m", "ml.compare", "pneumonia_ab", "--data", str(file), "--output", folder]
        verdict = _measured(command)
    for name, (seconds, cpu, memory) in (("bare scan", scan), ("verdict", verdict)):
        print(f"{name:10} {seconds:6.2f} s, {cpu:6.2f} CPU-s, {memory / 1e9:.2f} GB at most")
    print(
        f"the verdict takes {verdict[0] / scan[0]:.1f} times the bare scan's time, "
        f"{verdict[1] / scan[1]:.1f} times its CPU time"
    )


def _write(file: Path, rows: int) -> None:
    import duckdb

    is_database = file.suffix == ".duckdb"
    with duckdb.connect(str(file) if is_database else ":memory:") as connection:
        connection.execute("SELECT setseed(0.5)")
        drawn = ROWS.format(rows=rows)
        connection.execute(
            f"CREATE TABLE labelled AS {drawn}"
            if is_database
            else f"COPY ({drawn}) TO '{file}' (FORMAT parquet)"
        )


def _measured(arguments: list[str]) -> tuple[float, float, float]:
    """Seconds, CPU seconds and bytes of memory of a process of its own."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"failed: {' '.join(arguments[:3])}")
    scale = 1024 if sys.platform == "linux" else 1
    return seconds, usage.ru_utime + usage.ru_stime, float(usage.ru_maxrss * scale)


if __name__ == "__main__":
    main()

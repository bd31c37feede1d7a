"""INSERT, UPDATE, DELETE, MERGE: counted, whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

_NUMBERS = count()


@pytest.fixture
def table(shared_workspace: Any) -> str:
    name = f"base.s.c{next(_NUMBERS)}"
    shared_workspace.rows(f"CREATE TABLE {name} (id INT NOT NULL, name STRING, at TIMESTAMP)")
    shared_workspace.rows(f"INSERT INTO {name} (id, name) VALUES (1, 'a'), (2, 'b')")
    return name


def content(workspace: Any, table: str) -> list[list[str | None]]:
    rows: list[list[str | None]] = workspace.rows(f"SELECT id, name FROM {table} ORDER BY id")
    return rows


def counts(answer: dict[str, Any]) -> dict[str, str]:
    assert answer["status"]["state"] == "SUCCEEDED", answer["status"]
    columns = answer["manifest"]["schema"]["columns"]
    return {c["name"]: v for c, v in zip(columns, answer["result"]["data_array"][0], strict=True)}


def test_insert_answers_what_it_inserted(shared_workspace: Any, table: str) -> None:
    answer = shared_workspace.sql(f"INSERT INTO {table} (id, name) SELECT 3, 'c'")
    assert counts(answer) == {"num_affected_rows": "1", "num_inserted_rows": "1"}


def test_insert_by_name_and_overwrite(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"INSERT INTO {table} BY NAME SELECT 'c' AS name, 3 AS id")
    assert content(shared_workspace, table)[-1] == ["3", "c"]
    shared_workspace.rows(f"INSERT OVERWRITE {table} (id, name) VALUES (9, 'z')")
    assert content(shared_workspace, table) == [["9", "z"]]


def test_update_and_delete_answer_what_they_changed(shared_workspace: Any, table: str) -> None:
    answer = shared_workspace.sql(f"UPDATE {table} AS t SET t.name = upper(t.name) WHERE t.id = 1")
    assert counts(answer) == {"num_affected_rows": "1"}
    answer = shared_workspace.sql(f"DELETE FROM {table} WHERE id = 2")
    assert counts(answer) == {"num_affected_rows": "1"}
    assert content(shared_workspace, table) == [["1", "A"]]


def test_truncate_empties(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"TRUNCATE TABLE {table}")
    assert content(shared_workspace, table) == []


def test_merge_updates_inserts_and_deletes_in_one_go(shared_workspace: Any, table: str) -> None:
    answer = shared_workspace.sql(
        f"MERGE INTO {table} AS t "
        "USING (SELECT * FROM VALUES (1, 'new', false), (2, 'x', true), (3, 'c', false) "
        "AS v(id, name, gone)) AS s ON t.id = s.id "
        "WHEN MATCHED AND s.gone THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET t.name = s.name, t.at = current_timestamp() "
        "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)"
    )
    assert counts(answer) == {
        "num_affected_rows": "3",
        "num_updated_rows": "1",
        "num_deleted_rows": "1",
        "num_inserted_rows": "1",
    }
    assert content(shared_workspace, table) == [["1", "new"], ["3", "c"]]


def test_merge_with_stars_takes_every_column(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(
        f"MERGE INTO {table} t USING (SELECT 2 AS id, 'B' AS name, TIMESTAMP'2026-01-01' AS at "
        "UNION ALL SELECT 5, 'e', CAST(NULL AS TIMESTAMP)) s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )
    assert content(shared_workspace, table) == [["1", "a"], ["2", "B"], ["5", "e"]]


def test_merge_with_parameters(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(
        f"MERGE INTO {table} t USING (SELECT :id AS id, :name AS name) s ON t.id = s.id "
        "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)",
        parameters=[
            {"name": "id", "value": "7", "type": "INT"},
            {"name": "name", "value": "o'g"},
        ],
    )
    assert content(shared_workspace, table)[-1] == ["7", "o'g"]


def test_merge_refuses_two_source_rows_for_one_target_row(
    shared_workspace: Any, table: str
) -> None:
    message = shared_workspace.error(
        f"MERGE INTO {table} t USING (SELECT 1 AS id, 'x' AS name UNION ALL SELECT 1, 'y') s "
        "ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name"
    )
    assert message.startswith("[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE]")
    assert content(shared_workspace, table) == [["1", "a"], ["2", "b"]]


def test_a_failed_insert_leaves_no_row(shared_workspace: Any, table: str) -> None:
    message = shared_workspace.error(f"INSERT INTO {table} (id, name) VALUES (3, 'c'), (NULL, 'd')")
    assert message == (
        "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: id. "
        "SQLSTATE: 23502"
    )
    assert content(shared_workspace, table) == [["1", "a"], ["2", "b"]]


def test_an_insert_with_too_few_values_is_refused(shared_workspace: Any, table: str) -> None:
    message = shared_workspace.error(f"INSERT INTO {table} VALUES (3)")
    assert message.startswith("[INSERT_COLUMN_ARITY_MISMATCH]")


def test_rows_of_a_view_cannot_be_changed(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"CREATE VIEW {table}_v AS SELECT * FROM {table}")
    message = shared_workspace.error(f"DELETE FROM {table}_v")
    assert message.startswith("[EXPECT_TABLE_NOT_VIEW]")


def test_concurrent_writers_lose_nothing(shared_workspace: Any, table: str) -> None:
    """Appends and merges of one key from many clients at once, as ingestion and feedback do."""

    def append(number: int) -> None:
        shared_workspace.rows(
            f"INSERT INTO {table} (id, name) VALUES (:id, 'n')",
            parameters=[{"name": "id", "value": str(100 + number), "type": "INT"}],
        )

    def upsert(number: int) -> None:
        shared_workspace.rows(
            f"MERGE INTO {table} t USING (SELECT 50 AS id, :name AS name) s ON t.id = s.id "
            "WHEN MATCHED THEN UPDATE SET name = s.name "
            "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)",
            parameters=[{"name": "name", "value": str(number)}],
        )

    with ThreadPoolExecutor(8) as clients:
        for done in [clients.submit(work, n) for n in range(20) for work in (append, upsert)]:
            done.result()
    rows = content(shared_workspace, table)
    assert len([row for row in rows if row[1] == "n"]) == 20
    assert len([row for row in rows if row[0] == "50"]) == 1


def test_a_reader_sees_a_merge_whole_or_not_at_all(shared_workspace: Any, table: str) -> None:
    """Every row carries the same name after each merge; a reader never sees two names."""
    source = "SELECT id, :name AS name FROM (SELECT explode(sequence(1, 500)) AS id)"

    def write() -> None:
        for number in range(10):
            shared_workspace.rows(
                f"MERGE INTO {table} t USING ({source}) s ON t.id = s.id "
                "WHEN MATCHED THEN UPDATE SET name = s.name "
                "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)",
                parameters=[{"name": "name", "value": str(number)}],
            )

    shared_workspace.rows(f"UPDATE {table} SET name = 'start'")
    with ThreadPoolExecutor(1) as writer:
        done = writer.submit(write)
        seen = []
        while not done.done():
            seen.append(shared_workspace.rows(f"SELECT count(DISTINCT name) FROM {table}"))
        done.result()
    assert len(seen) > 1
    assert {rows[0][0] for rows in seen} == {"1"}


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO {0} SELECT 7/2",
        "INSERT INTO {0} VALUES (3.9)",
        "INSERT INTO {0} BY NAME SELECT 7/2 AS n",
        "INSERT INTO {0} (n) SELECT 7/2",
        "INSERT OVERWRITE {0} SELECT 7/2",
        "UPDATE {0} SET n = 7/2",
        "UPDATE {0} AS t SET t.n = t.n + 1.9",
        "MERGE INTO {0} AS t USING (SELECT 2 AS n) AS s ON t.n = s.n "
        "WHEN MATCHED THEN UPDATE SET n = s.n + 1.9",
        "MERGE INTO {0} AS t USING (SELECT 3.9 AS n) AS s ON t.n = CAST(s.n AS INT) "
        "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (n) VALUES (s.n)",
        "MERGE INTO {0} AS t USING (SELECT 3.9 AS n) AS s ON FALSE WHEN NOT MATCHED THEN INSERT *",
    ],
)
def test_a_fraction_is_cut_on_its_way_into_an_integer(shared_workspace: Any, change: str) -> None:
    name = f"base.s.c{next(_NUMBERS)}"
    shared_workspace.rows(f"CREATE TABLE {name} (n INT)")
    shared_workspace.rows(f"INSERT INTO {name} VALUES (2)")

    shared_workspace.rows(change.format(name))

    assert shared_workspace.rows(f"SELECT max(n) FROM {name}") == [["3"]]


def test_a_text_that_is_no_number_is_not_written(shared_workspace: Any) -> None:
    name = f"base.s.c{next(_NUMBERS)}"
    shared_workspace.rows(f"CREATE TABLE {name} (n INT)")
    for change in (f"INSERT INTO {name} SELECT '1.5'", f"INSERT INTO {name} VALUES ('x')"):
        assert "CAST_INVALID_INPUT" in shared_workspace.error(change)
    assert shared_workspace.rows(f"SELECT * FROM {name}") == []


def test_a_truth_value_is_no_number(shared_workspace: Any) -> None:
    name = f"base.s.c{next(_NUMBERS)}"
    shared_workspace.rows(f"CREATE TABLE {name} (n INT)")
    assert "UNSUPPORTED_FEATURE" in shared_workspace.error(f"INSERT INTO {name} SELECT true")


@pytest.mark.parametrize(
    "change",
    [
        # The skewness of a sample is another here than in Spark.
        "INSERT INTO {table} (id, name) SELECT 9, CAST(skewness(id) AS STRING) FROM {table}",
        "INSERT INTO {table} (id, name) VALUES (9, date_format(current_timestamp(), 'QQQ'))",
        "UPDATE {table} AS t SET name = date_format(t.at, 'QQQ') WHERE t.id = 1",
        "DELETE FROM {table} WHERE date_format(at, 'QQQ') = 'Q1'",
        "MERGE INTO {table} AS t USING (SELECT 1 AS id) AS new ON t.id = new.id"
        " WHEN MATCHED AND date_format(t.at, 'QQQ') = 'Q1' THEN DELETE",
        "MERGE INTO {table} AS t USING (SELECT 9 AS id) AS new ON t.id = new.id"
        " WHEN NOT MATCHED THEN INSERT (id, name) VALUES (new.id, date_format(now(), 'QQQ'))",
    ],
)
def test_what_a_change_holds_is_refused_where_a_query_of_it_is(
    shared_workspace: Any, table: str, change: str
) -> None:
    before = content(shared_workspace, table)

    answer = shared_workspace.sql(change.format(table=table))

    assert "UNSUPPORTED_FEATURE" in answer["status"]["error"]["message"]
    assert content(shared_workspace, table) == before

"""The Statement Execution API: parameters, results, waiting, cancelling, errors."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.plugin.workspaces import eventually

# Days of work for any number of cores: whoever waits for its end has cancelled it.
SLOW = (
    "SELECT sum(sqrt(a * b * c)) FROM (SELECT explode(sequence(1, 60000)) AS a) "
    "CROSS JOIN (SELECT explode(sequence(1, 600000)) AS b) "
    "CROSS JOIN (SELECT explode(sequence(1, 60000)) AS c)"
)


@pytest.mark.parametrize(
    ("query", "name", "likeliest"),
    [
        ("SELECT abs(scor) FROM base.s.rated", "scor", "score"),
        ("SELECT upper(r.sit) FROM base.s.rated AS r", "sit", "site"),
        ("SELECT count(*) FROM base.s.rated WHERE site_ = 'north'", "site_", "site"),
        ("SELECT lag(sore) OVER (ORDER BY site) FROM base.s.rated", "sore", "score"),
    ],
)
def test_a_misspelt_column_is_named_with_those_like_it(
    shared_workspace: Any, query: str, name: str, likeliest: str
) -> None:
    shared_workspace.rows("CREATE OR REPLACE TABLE base.s.rated AS SELECT 1 AS score, 'a' AS site")
    message = shared_workspace.error(query)
    assert message.startswith("[UNRESOLVED_COLUMN.WITH_SUGGESTION]")
    assert f"`{name}` cannot be resolved" in message
    assert f"following? [`{likeliest}`" in message


def test_an_answer_has_manifest_and_rows_as_text(shared_workspace: Any) -> None:
    answer = shared_workspace.sql(
        "SELECT 1 AS a, CAST(1.5 AS DECIMAL(4,2)) AS b, true AS c, NULL AS d"
    )
    assert answer["status"] == {"state": "SUCCEEDED"}
    assert answer["manifest"]["schema"] == {
        "column_count": 4,
        "columns": [
            {"name": "a", "type_text": "INT", "type_name": "INT", "position": 0},
            {
                "name": "b",
                "type_text": "DECIMAL(4,2)",
                "type_name": "DECIMAL",
                "position": 1,
                "type_precision": 4,
                "type_scale": 2,
            },
            {"name": "c", "type_text": "BOOLEAN", "type_name": "BOOLEAN", "position": 2},
            {"name": "d", "type_text": "INT", "type_name": "INT", "position": 3},
        ],
    }
    assert answer["manifest"]["format"] == "JSON_ARRAY"
    assert answer["manifest"]["total_row_count"] == 1
    assert answer["result"]["data_array"] == [["1", "1.50", "true", None]]


def test_a_statement_that_answers_nothing_has_no_columns(shared_workspace: Any) -> None:
    answer = shared_workspace.sql("CREATE TABLE base.s.nothing (a INT)")
    assert answer["manifest"]["schema"] == {"column_count": 0, "columns": []}
    assert answer["manifest"]["total_row_count"] == 0


def test_nulls_come_first_ascending_and_last_descending(shared_workspace: Any) -> None:
    values = "VALUES (2), (NULL), (1) AS t(x)"
    assert shared_workspace.rows(f"SELECT x FROM {values} ORDER BY x") == [[None], ["1"], ["2"]]
    assert shared_workspace.rows(f"SELECT x FROM {values} ORDER BY x DESC") == [
        ["2"],
        ["1"],
        [None],
    ]


def test_names_are_resolved_against_the_default_catalog_and_schema(shared_workspace: Any) -> None:
    shared_workspace.rows("CREATE TABLE base.s.resolved AS SELECT 1 AS x")
    for name, defaults in (
        ("resolved", {"catalog": "base", "schema": "s"}),
        ("s.resolved", {"catalog": "base"}),
        ("`BASE`.`s`.`Resolved`", {}),
    ):
        assert shared_workspace.rows(f"SELECT x FROM {name}", **defaults) == [["1"]]
    assert shared_workspace.error("SELECT x FROM resolved", schema="s").startswith(
        "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`s`.`resolved`"
    )


def test_a_common_table_expression_hides_a_table(shared_workspace: Any) -> None:
    shared_workspace.rows("CREATE TABLE base.s.hidden AS SELECT 'table' AS x")
    query = "WITH hidden AS (SELECT 'expression' AS x) SELECT x FROM hidden"
    assert shared_workspace.rows(query, catalog="base", schema="s") == [["expression"]]


def test_qualify_keeps_rows_by_a_window(shared_workspace: Any) -> None:
    rows = shared_workspace.rows(
        "SELECT g, x FROM VALUES ('a', 1), ('a', 2), ('b', 3) AS t(g, x) "
        "QUALIFY row_number() OVER (PARTITION BY g ORDER BY x DESC) = 1 ORDER BY g"
    )
    assert rows == [["a", "2"], ["b", "3"]]


@pytest.mark.parametrize(
    ("value", "data_type", "expected"),
    [
        ("12", "INT", "12"),
        ("9007199254740993", "BIGINT", "9007199254740993"),
        ("1.25", "DECIMAL(5,2)", "1.25"),
        ("0.1", "DOUBLE", "0.1"),
        ("true", "BOOLEAN", "true"),
        ("2026-01-02", "DATE", "2026-01-02"),
        ("2026-01-02T03:04:05+01:00", "TIMESTAMP", "2026-01-02T02:04:05.000Z"),
        ("plain", "STRING", "plain"),
        (None, "STRING", None),
    ],
)
def test_a_parameter_has_a_type(
    shared_workspace: Any, value: str | None, data_type: str, expected: str | None
) -> None:
    parameter = {"name": "p", "value": value, "type": data_type}
    assert shared_workspace.rows("SELECT :p AS p", parameters=[parameter]) == [[expected]]


def test_a_parameter_is_never_part_of_the_statement(shared_workspace: Any) -> None:
    shared_workspace.rows("CREATE TABLE base.s.safe AS SELECT 1 AS x")
    hostile = "x'); DROP TABLE base.s.safe; --"
    rows = shared_workspace.rows("SELECT :p AS p", parameters=[{"name": "p", "value": hostile}])
    assert rows == [[hostile]]
    assert shared_workspace.rows("SELECT x FROM base.s.safe") == [["1"]]


def test_a_name_can_be_a_parameter_in_an_identifier_clause(shared_workspace: Any) -> None:
    shared_workspace.rows("CREATE TABLE base.s.named AS SELECT 5 AS x")
    parameter = {"name": "t", "value": "base.s.named"}
    assert shared_workspace.rows("SELECT x FROM IDENTIFIER(:t)", parameters=[parameter]) == [["5"]]
    shared_workspace.rows("INSERT INTO IDENTIFIER(:t) (x) VALUES (6)", parameters=[parameter])
    assert shared_workspace.rows("SELECT count(*) FROM base.s.named") == [["2"]]
    shared_workspace.rows("DROP TABLE IDENTIFIER('base.s.named')")
    hostile = {"name": "t", "value": "base.s.named; DROP TABLE x"}
    message = shared_workspace.error("SELECT x FROM IDENTIFIER(:t)", parameters=[hostile])
    assert message.startswith("[TABLE_OR_VIEW_NOT_FOUND]")


@pytest.mark.parametrize(
    ("statement", "parameters", "error_class"),
    [
        ("SELECT :missing", [], "UNBOUND_SQL_PARAMETER"),
        ("SELECT :p", [{"name": "p", "value": "x", "type": "INT"}], "CAST_INVALID_INPUT"),
        ("SELECT :p", [{"name": "p", "value": "x", "type": "NOTHING"}], "DATATYPE_MISMATCH"),
        ("SELECT ?", [], "UNSUPPORTED_FEATURE"),
        ("SELECT * FROM base.s.missing", [], "TABLE_OR_VIEW_NOT_FOUND"),
        ("SELECT missing FROM (SELECT 1 AS x)", [], "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("SELEC 1", [], "PARSE_SYNTAX_ERROR"),
        ("SELECT 1 FROM", [], "PARSE_SYNTAX_ERROR"),
        ("SELECT 'open", [], "PARSE_SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", [], "PARSE_SYNTAX_ERROR"),
        ("SELECT 1 / 0", [], "DIVIDE_BY_ZERO"),
        ("SELECT 1 % 0", [], "REMAINDER_BY_ZERO"),
        ("SELECT CAST('x' AS INT)", [], "CAST_INVALID_INPUT"),
        ("SELECT raise_error('no')", [], "USER_RAISED_EXCEPTION"),
        (
            "SELECT a.x FROM (SELECT 1 AS x) a, (SELECT 2 AS x) b WHERE x = 1",
            [],
            "AMBIGUOUS_REFERENCE",
        ),
        ("SELECT g, x FROM VALUES (1, 2) AS t(g, x) GROUP BY g", [], "MISSING_AGGREGATION"),
    ],
)
def test_an_error_of_the_client_has_its_class(
    shared_workspace: Any, statement: str, parameters: list[dict[str, str]], error_class: str
) -> None:
    answer = shared_workspace.sql(statement, parameters=parameters)
    assert answer["status"]["state"] == "FAILED"
    assert answer["status"]["error"]["error_code"] == "BAD_REQUEST"
    assert answer["status"]["error"]["message"].startswith(f"[{error_class}] ")
    assert answer["status"]["error"]["message"].endswith(
        f"SQLSTATE: {answer['status']['sql_state']}"
    )
    assert "result" not in answer


@pytest.mark.parametrize(
    "statement",
    [
        "OPTIMIZE base.s.t",
        "GRANT SELECT ON TABLE base.s.t TO `x`",
        "SELECT xxhash64('a')",
        "SELECT typeof(1)",
        "SELECT rand(3)",
        "SELECT * FROM base.information_schema.tables",
        "SELECT * FROM base.s.t TIMESTAMP AS OF '2026-01-01'",
        "SELECT x FROM (SELECT array(1) AS l) LATERAL VIEW OUTER explode(l) e AS x",
        "CACHE TABLE base.s.t",
    ],
)
def test_what_is_not_emulated_says_so(shared_workspace: Any, statement: str) -> None:
    message = shared_workspace.error(statement)
    assert message.startswith("[UNSUPPORTED_FEATURE] ")
    assert "not emulated by the local workspace" in message


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM csv.`/etc/passwd`",
        "SELECT getenv('HOME')",
        "COPY (SELECT 1) TO '/tmp/x'",
        "ATTACH '/tmp/x.duckdb' AS x",
        "SELECT * FROM base.__unity_catalog.table_metadata",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SELECT * FROM duckdb_settings()",
    ],
)
def test_a_statement_reaches_nothing_but_the_catalogs(
    shared_workspace: Any, statement: str
) -> None:
    shared_workspace.error(statement)


def test_a_row_limit_truncates(shared_workspace: Any) -> None:
    answer = shared_workspace.sql("SELECT explode(sequence(1, 10)) AS x", row_limit=3)
    assert answer["result"]["data_array"] == [["1"], ["2"], ["3"]]
    assert answer["manifest"]["truncated"] is True


def test_a_byte_limit_truncates(shared_workspace: Any) -> None:
    answer = shared_workspace.sql(
        "SELECT repeat('x', 100) AS x FROM (SELECT explode(sequence(1, 10)))", byte_limit=250
    )
    assert answer["manifest"]["total_row_count"] == 2
    assert answer["manifest"]["truncated"] is True


def test_a_large_result_comes_in_chunks(shared_workspace: Any) -> None:
    answer = shared_workspace.sql(
        "SELECT x, repeat('y', 1000000) AS y FROM (SELECT explode(sequence(1, 10)) AS x)"
    )
    assert answer["manifest"]["total_chunk_count"] == 3
    rows = list(answer["result"]["data_array"])
    link = answer["result"].get("next_chunk_internal_link")
    while link:
        chunk = shared_workspace.client.get(link).json()
        assert chunk["row_offset"] == len(rows)
        rows += chunk["data_array"]
        link = chunk.get("next_chunk_internal_link")
    assert [row[0] for row in rows] == [str(number) for number in range(1, 11)]


def test_an_inline_result_has_a_limit(shared_workspace: Any) -> None:
    message = shared_workspace.error(
        "SELECT repeat('y', 1000000) FROM (SELECT explode(sequence(1, 30)))"
    )
    assert message.startswith("[INLINE_BYTE_LIMIT_EXCEEDED]")


def test_without_waiting_a_statement_is_polled(shared_workspace: Any) -> None:
    answer = shared_workspace.sql("SELECT 42 AS x", wait_timeout="0s")
    path = f"/api/2.0/sql/statements/{answer['statement_id']}"
    answer = eventually(
        lambda: shared_workspace.client.get(path).json(),
        lambda answer: answer["status"]["state"] not in ("PENDING", "RUNNING"),
    )
    assert answer["result"]["data_array"] == [["42"]]


@pytest.fixture
def hurried(shared_workspace: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A workspace whose seconds of `wait_timeout`, at least five, take a tenth."""
    monkeypatch.setattr(shared_workspace.lake.statements, "second", 0.1)
    return shared_workspace


def test_after_the_wait_a_statement_goes_on_or_is_cancelled(hurried: Any) -> None:
    asked = time.monotonic()
    answer = hurried.sql(SLOW, wait_timeout="5s", on_wait_timeout="CONTINUE")
    assert time.monotonic() - asked >= 0.5
    assert answer["status"]["state"] == "RUNNING"
    path = f"/api/2.0/sql/statements/{answer['statement_id']}"
    assert hurried.client.post(f"{path}/cancel").status_code == 200
    assert hurried.client.get(path).json()["status"]["state"] == "CANCELED"
    answer = hurried.sql(SLOW, wait_timeout="5s", on_wait_timeout="CANCEL")
    assert answer["status"]["state"] == "CANCELED"
    # The threads are free again.
    assert hurried.rows("SELECT 1", wait_timeout="50s") == [["1"]]


def test_a_cancelled_insert_leaves_no_rows(hurried: Any) -> None:
    hurried.rows("CREATE TABLE base.s.cancelled (n BIGINT)", wait_timeout="50s")
    answer = hurried.sql(
        f"INSERT INTO base.s.cancelled SELECT CAST(x AS BIGINT) FROM ({SLOW}) AS t(x)",
        wait_timeout="5s",
        on_wait_timeout="CANCEL",
    )
    assert answer["status"]["state"] == "CANCELED"
    counted = hurried.rows("SELECT count(*) FROM base.s.cancelled", wait_timeout="50s")
    assert counted == [["0"]]


@pytest.mark.parametrize(
    ("change", "status", "mentioned"),
    [
        ({"wait_timeout": "3s"}, 400, "wait_timeout"),
        ({"wait_timeout": "soon"}, 400, "wait_timeout"),
        ({"warehouse_id": "nowhere"}, 400, "nowhere is not a valid endpoint id"),
        ({"statement": ""}, 400, "statement"),
        ({"on_wait_timeout": "MAYBE"}, 400, "on_wait_timeout"),
        ({"row_limit": 0}, 400, "row_limit"),
        ({"disposition": "EXTERNAL_LINKS"}, 501, "EXTERNAL_LINKS"),
        ({"format": "ARROW_STREAM"}, 501, "ARROW_STREAM"),
    ],
)
def test_what_is_no_request_is_refused(
    shared_workspace: Any, change: dict[str, Any], status: int, mentioned: str
) -> None:
    body = {"statement": "SELECT 1", "warehouse_id": shared_workspace.warehouse_id, **change}
    response = shared_workspace.client.post("/api/2.0/sql/statements", json=body)
    assert response.status_code == status
    assert mentioned in response.json()["message"]


def test_an_unknown_statement_is_404(shared_workspace: Any) -> None:
    response = shared_workspace.client.get("/api/2.0/sql/statements/nope")
    assert response.status_code == 404
    assert response.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_a_statement_starts_its_warehouse(shared_workspace: Any) -> None:
    path = f"/api/2.0/sql/warehouses/{shared_workspace.warehouse_id}"
    shared_workspace.client.post(f"{path}/stop")
    shared_workspace.rows("SELECT 1")
    assert shared_workspace.client.get(path).json()["state"] == "RUNNING"


def test_statements_are_in_the_query_history(shared_workspace: Any) -> None:
    shared_workspace.rows("SELECT 'in the history'")
    history = shared_workspace.client.get("/api/2.0/sql/history/queries").json()["res"]
    assert history[0]["query_text"] == "SELECT 'in the history'"
    assert history[0]["status"] == "FINISHED"


def test_the_sdk_executes_statements(shared_workspace: Any) -> None:
    from databricks.sdk.service.sql import StatementParameterListItem, StatementState

    sdk = shared_workspace.sdk()
    answer = sdk.statement_execution.execute_statement(
        statement="SELECT :n + 1 AS n, array('a') AS l",
        warehouse_id=shared_workspace.warehouse_id,
        parameters=[StatementParameterListItem(name="n", value="1", type="INT")],
        wait_timeout="30s",
    )
    assert answer.status.state == StatementState.SUCCEEDED
    assert answer.result.data_array == [["2", '["a"]']]
    assert [column.type_name.value for column in answer.manifest.schema.columns] == ["INT", "ARRAY"]
    again = sdk.statement_execution.get_statement(answer.statement_id)
    assert again.result.data_array == answer.result.data_array
    chunk = sdk.statement_execution.get_statement_result_chunk_n(answer.statement_id, 0)
    assert chunk.data_array == answer.result.data_array
    failed = sdk.statement_execution.execute_statement(
        statement="SELECT * FROM nowhere.s.t", warehouse_id=shared_workspace.warehouse_id
    )
    assert failed.status.state == StatementState.FAILED
    assert "TABLE_OR_VIEW_NOT_FOUND" in failed.status.error.message

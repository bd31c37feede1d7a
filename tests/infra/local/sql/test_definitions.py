"""CREATE, ALTER, COMMENT, DROP: what Unity Catalog then says of the table."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

_NUMBERS = count()


@pytest.fixture
def table(shared_workspace: Any) -> str:
    """The name of a table of three columns with two rows."""
    name = f"base.s.t{next(_NUMBERS)}"
    shared_workspace.rows(
        f"CREATE TABLE {name} (id BIGINT NOT NULL COMMENT 'key', name STRING, amt DOUBLE) "
        "USING DELTA COMMENT 'one' TBLPROPERTIES ('k' = 'v')"
    )
    shared_workspace.rows(f"INSERT INTO {name} VALUES (1, 'a', 1.5), (2, 'b', NULL)")
    return name


def read(workspace: Any, name: str) -> dict[str, Any]:
    response = workspace.client.get(f"/api/2.1/unity-catalog/tables/{name}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def names(info: dict[str, Any]) -> list[str]:
    return [column["name"] for column in info["columns"]]


def test_a_table_shows_its_comment_properties_and_columns(
    shared_workspace: Any, table: str
) -> None:
    info = read(shared_workspace, table)
    assert (info["table_type"], info["data_source_format"]) == ("MANAGED", "DELTA")
    assert (info["comment"], info["properties"]) == ("one", {"k": "v"})
    assert info["columns"][0] == {
        "name": "id",
        "type_text": "bigint",
        "type_name": "LONG",
        "type_precision": 0,
        "type_scale": 0,
        "type_json": '{"name":"id","type":"long","nullable":false,"metadata":{}}',
        "position": 0,
        "nullable": False,
        "comment": "key",
    }


@pytest.mark.parametrize(
    ("declared", "type_name", "type_text"),
    [
        ("STRING", "STRING", "string"),
        ("VARCHAR(10)", "STRING", "varchar(10)"),
        ("INT", "INT", "int"),
        ("SMALLINT", "SHORT", "smallint"),
        ("FLOAT", "FLOAT", "float"),
        ("DECIMAL(10,2)", "DECIMAL", "decimal(10,2)"),
        ("BOOLEAN", "BOOLEAN", "boolean"),
        ("DATE", "DATE", "date"),
        ("TIMESTAMP", "TIMESTAMP", "timestamp"),
        ("TIMESTAMP_NTZ", "TIMESTAMP_NTZ", "timestamp_ntz"),
        ("BINARY", "BINARY", "binary"),
        ("ARRAY<STRING>", "ARRAY", "array<string>"),
        ("MAP<STRING, ARRAY<INT>>", "MAP", "map<string,array<int>>"),
        ("STRUCT<a: INT, b: STRING>", "STRUCT", "struct<a:int,b:string>"),
    ],
)
def test_a_column_keeps_its_declared_type(
    shared_workspace: Any, declared: str, type_name: str, type_text: str
) -> None:
    name = f"base.s.t{next(_NUMBERS)}"
    shared_workspace.rows(f"CREATE TABLE {name} (c {declared})")
    column = read(shared_workspace, name)["columns"][0]
    assert (column["type_name"], column["type_text"]) == (type_name, type_text)


def test_partitioning_and_clustering_are_shown(shared_workspace: Any) -> None:
    partitioned, clustered = (f"base.s.t{next(_NUMBERS)}" for _ in range(2))
    shared_workspace.rows(f"CREATE TABLE {partitioned} (a INT, d DATE) PARTITIONED BY (d)")
    shared_workspace.rows(f"CREATE TABLE {clustered} (a INT, d DATE) CLUSTER BY (d)")
    columns = read(shared_workspace, partitioned)["columns"]
    assert [column.get("partition_index") for column in columns] == [None, 0]
    assert read(shared_workspace, clustered)["properties"]["clusteringColumns"] == '[["d"]]'


def test_a_column_can_be_added_behind_another_and_keeps_the_rows(
    shared_workspace: Any, table: str
) -> None:
    shared_workspace.rows(f"ALTER TABLE {table} ADD COLUMN `n` INT COMMENT 'new' AFTER id")
    info = read(shared_workspace, table)
    assert names(info) == ["id", "n", "name", "amt"]
    assert info["columns"][1]["comment"] == "new"
    assert info["columns"][0]["comment"] == "key"
    assert info["columns"][0]["nullable"] is False
    assert shared_workspace.rows(f"SELECT * FROM {table} ORDER BY id") == [
        ["1", None, "a", "1.5"],
        ["2", None, "b", None],
    ]


def test_columns_can_be_added_first_and_several_at_once(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"ALTER TABLE {table} ADD COLUMN f INT FIRST")
    shared_workspace.rows(f"ALTER TABLE {table} ADD COLUMNS (x INT, y STRING COMMENT 'c')")
    assert names(read(shared_workspace, table)) == ["f", "id", "name", "amt", "x", "y"]


def test_columns_can_be_dropped(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"ALTER TABLE {table} DROP COLUMN IF EXISTS (`amt`, `never`)")
    assert names(read(shared_workspace, table)) == ["id", "name"]
    message = shared_workspace.error(f"ALTER TABLE {table} DROP COLUMN never")
    assert message.startswith("[UNRESOLVED_COLUMN.WITH_SUGGESTION]")
    assert "`name`" in message


def test_a_column_can_be_renamed_retyped_and_commented(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"ALTER TABLE {table} RENAME COLUMN name TO label")
    shared_workspace.rows(f"ALTER TABLE {table} ALTER COLUMN label COMMENT 'what it is'")
    shared_workspace.rows(f"ALTER TABLE {table} ALTER COLUMN label SET NOT NULL")
    column = read(shared_workspace, table)["columns"][1]
    assert (column["name"], column["comment"], column["nullable"]) == ("label", "what it is", False)
    shared_workspace.rows(f"ALTER TABLE {table} ALTER COLUMN label DROP NOT NULL")
    assert read(shared_workspace, table)["columns"][1]["nullable"] is True


def test_a_column_can_be_given_another_type_and_a_default(
    shared_workspace: Any, table: str
) -> None:
    shared_workspace.rows(f"ALTER TABLE {table} ALTER COLUMN id TYPE DECIMAL(20,0)")
    shared_workspace.rows(f"ALTER TABLE {table} ALTER COLUMN amt SET DEFAULT 7.5")
    shared_workspace.rows(f"INSERT INTO {table} (id) VALUES (3)")
    assert read(shared_workspace, table)["columns"][0]["type_text"] == "decimal(20,0)"
    assert shared_workspace.rows(f"SELECT amt FROM {table} WHERE id = 3") == [["7.5"]]
    shared_workspace.rows(f"ALTER TABLE {table} ALTER COLUMN amt DROP DEFAULT")
    shared_workspace.rows(f"INSERT INTO {table} (id) VALUES (4)")
    assert shared_workspace.rows(f"SELECT amt FROM {table} WHERE id = 4") == [[None]]


def test_a_table_can_be_renamed_clustered_and_given_to_another(
    shared_workspace: Any, table: str
) -> None:
    before = read(shared_workspace, table)
    shared_workspace.rows(f"ALTER TABLE {table} RENAME TO {table}_renamed")
    shared_workspace.rows(f"ALTER TABLE {table}_renamed CLUSTER BY (id)")
    shared_workspace.rows(f"ALTER TABLE {table}_renamed OWNER TO `data team`")
    info = read(shared_workspace, f"{table}_renamed")
    assert (info["table_id"], info["owner"]) == (before["table_id"], "data team")
    assert info["columns"] == before["columns"]
    assert info["properties"]["clusteringColumns"] == '[["id"]]'
    shared_workspace.rows(f"ALTER TABLE {table}_renamed CLUSTER BY NONE")
    assert "clusteringColumns" not in read(shared_workspace, f"{table}_renamed")["properties"]
    assert shared_workspace.error(f"SELECT * FROM {table}").startswith("[TABLE_OR_VIEW_NOT_FOUND]")


def test_not_null_cannot_be_set_over_a_null(shared_workspace: Any, table: str) -> None:
    message = shared_workspace.error(f"ALTER TABLE {table} ALTER COLUMN amt SET NOT NULL")
    assert message.startswith("[DELTA_NOT_NULL_CONSTRAINT_VIOLATED]")
    assert read(shared_workspace, table)["columns"][2]["nullable"] is True
    assert shared_workspace.rows(f"SELECT count(*) FROM {table}") == [["2"]]


def test_properties_and_comments_can_be_changed(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"ALTER TABLE {table} SET TBLPROPERTIES ('k' = 'v2', 'z' = '1')")
    shared_workspace.rows(f"ALTER TABLE {table} UNSET TBLPROPERTIES IF EXISTS ('k', 'never')")
    shared_workspace.rows(f"COMMENT ON TABLE {table} IS 'it\\'s two'")
    shared_workspace.rows(f"COMMENT ON COLUMN {table}.amt IS 'amount'")
    info = read(shared_workspace, table)
    assert info["properties"] == {"z": "1"}
    assert (info["comment"], info["columns"][2]["comment"]) == ("it's two", "amount")


def test_create_or_replace_starts_anew(shared_workspace: Any, table: str) -> None:
    before = read(shared_workspace, table)
    shared_workspace.rows(f"CREATE OR REPLACE TABLE {table} (x INT)")
    info = read(shared_workspace, table)
    assert names(info) == ["x"]
    assert "comment" not in info
    assert info["table_id"] != before["table_id"]
    assert shared_workspace.rows(f"SELECT count(*) FROM {table}") == [["0"]]


def test_if_not_exists_changes_nothing(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"CREATE TABLE IF NOT EXISTS {table} (x INT)")
    assert names(read(shared_workspace, table)) == ["id", "name", "amt"]
    assert shared_workspace.error(f"CREATE TABLE {table} (x INT)").startswith(
        "[TABLE_OR_VIEW_ALREADY_EXISTS]"
    )


def test_a_table_can_be_created_from_a_query(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"CREATE TABLE {table}_copy COMMENT 'copy' AS SELECT id FROM {table}")
    info = read(shared_workspace, f"{table}_copy")
    assert (names(info), info["comment"]) == (["id"], "copy")
    assert shared_workspace.rows(f"SELECT count(*) FROM {table}_copy") == [["2"]]


def test_a_view_shows_its_query_as_written_and_its_comments(
    shared_workspace: Any, table: str
) -> None:
    query = f"SELECT  id, /* kept */ name FROM {table}"
    shared_workspace.rows(
        f"CREATE VIEW {table}_v (a COMMENT 'the key', b) COMMENT 'view' "
        f"TBLPROPERTIES ('p' = 'q') AS {query};"
    )
    info = read(shared_workspace, f"{table}_v")
    assert info["table_type"] == "VIEW"
    assert info["view_definition"] == query
    assert (info["comment"], info["properties"]) == ("view", {"p": "q"})
    assert [column.get("comment") for column in info["columns"]] == ["the key", None]
    assert shared_workspace.rows(f"SELECT a FROM {table}_v ORDER BY a") == [["1"], ["2"]]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW {table}_v AS {query}",
        "CREATE TABLE {table}_v AS {query}",
        "INSERT INTO {table} (name) {query}",
        "DELETE FROM {table} WHERE name IN ({query})",
    ],
)
def test_what_a_query_reads_of_a_missing_table_is_not_taken_for_a_gap(
    shared_workspace: Any, table: str, statement: str
) -> None:
    """Nothing has a type in such a query, and no form without types is covered."""
    query = "SELECT a FROM base.s.nothing_here WHERE a LIKE 'x%' AND b <= a"
    message = shared_workspace.error(statement.format(table=table, query=query))
    assert message.startswith(
        "[TABLE_OR_VIEW_NOT_FOUND] The table or view `base`.`s`.`nothing_here`"
    )


def test_a_view_can_be_given_another_query(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"CREATE VIEW {table}_v AS SELECT id FROM {table}")
    shared_workspace.rows(f"ALTER VIEW {table}_v AS SELECT count(*) AS n FROM {table}")
    assert read(shared_workspace, f"{table}_v")["view_definition"].startswith("SELECT count(*)")
    assert shared_workspace.rows(f"SELECT n FROM {table}_v") == [["2"]]


def test_a_view_follows_its_table(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"CREATE VIEW {table}_v AS SELECT id, name FROM {table}")
    shared_workspace.rows(f"ALTER TABLE {table} ADD COLUMN n INT AFTER id")
    shared_workspace.rows(f"INSERT INTO {table} (id, name) VALUES (3, 'c')")
    assert shared_workspace.rows(f"SELECT count(*) FROM {table}_v") == [["3"]]


def test_drop_wants_the_right_kind(shared_workspace: Any, table: str) -> None:
    shared_workspace.rows(f"CREATE VIEW {table}_v AS SELECT 1 AS one")
    assert shared_workspace.error(f"DROP TABLE {table}_v").startswith("[EXPECT_TABLE_NOT_VIEW]")
    assert shared_workspace.error(f"DROP VIEW {table}").startswith("[EXPECT_VIEW_NOT_TABLE]")
    shared_workspace.rows(f"DROP VIEW {table}_v")
    shared_workspace.rows(f"DROP TABLE {table}")
    shared_workspace.rows(f"DROP TABLE IF EXISTS {table}")
    assert shared_workspace.error(f"DROP TABLE {table}").startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    response = shared_workspace.client.get(f"/api/2.1/unity-catalog/tables/{table}")
    assert response.status_code == 404


def test_a_primary_key_is_not_enforced_but_is_not_null(shared_workspace: Any) -> None:
    name = f"base.s.t{next(_NUMBERS)}"
    shared_workspace.rows(f"CREATE TABLE {name} (id INT, CONSTRAINT pk PRIMARY KEY (id))")
    shared_workspace.rows(f"INSERT INTO {name} VALUES (1), (1)")
    assert read(shared_workspace, name)["columns"][0]["nullable"] is False


@pytest.mark.parametrize(
    ("statement", "error_class"),
    [
        ("CREATE TABLE base.nowhere.t (a INT)", "SCHEMA_NOT_FOUND"),
        ("CREATE TABLE nowhere.s.t (a INT)", "NO_SUCH_CATALOG_EXCEPTION"),
        ("CREATE TABLE base.s.t (a INT, A STRING)", "COLUMN_ALREADY_EXISTS"),
        ("CREATE TABLE base.s.t (a INT) PARTITIONED BY (b)", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("CREATE TABLE system.serving.mine (a INT)", "INSUFFICIENT_PERMISSIONS"),
        ("CREATE TABLE base.s.t (a INT) USING PARQUET", "UNSUPPORTED_FEATURE"),
        ("CREATE TABLE base.s.t (a INT) LOCATION 's3://x'", "UNSUPPORTED_FEATURE"),
        ("CREATE TABLE base.s.t (a BIGINT GENERATED ALWAYS AS IDENTITY)", "UNSUPPORTED_FEATURE"),
        ("CREATE TABLE base.s.t (v VARIANT)", "UNSUPPORTED_FEATURE"),
        ("CREATE FUNCTION base.s.f(x INT) RETURNS INT RETURN x", "UNSUPPORTED_FEATURE"),
        ("DROP TABLE system.serving.endpoint_usage", "INSUFFICIENT_PERMISSIONS"),
    ],
)
def test_what_cannot_be_created_is_refused_and_leaves_nothing(
    shared_workspace: Any, statement: str, error_class: str
) -> None:
    assert shared_workspace.error(statement).startswith(f"[{error_class}]")
    assert shared_workspace.error("SELECT * FROM base.s.t").startswith("[TABLE_OR_VIEW_NOT_FOUND]")


def test_a_schema_is_dropped_with_its_tables_only_on_demand(shared_workspace: Any) -> None:
    shared_workspace.rows("CREATE SCHEMA base.temporary COMMENT 'mine'")
    shared_workspace.rows("CREATE TABLE base.temporary.t (a INT)")
    schema = shared_workspace.client.get("/api/2.1/unity-catalog/schemas/base.temporary").json()
    assert schema["comment"] == "mine"
    assert shared_workspace.error("DROP SCHEMA base.temporary").startswith("[SCHEMA_NOT_EMPTY]")
    shared_workspace.rows("DROP SCHEMA base.temporary CASCADE")
    gone = shared_workspace.client.get("/api/2.1/unity-catalog/schemas/base.temporary")
    assert gone.status_code == 404


def test_show_and_describe(shared_workspace: Any, table: str) -> None:
    short = table.removeprefix("base.s.")
    assert ["s", short, "false"] in shared_workspace.rows("SHOW TABLES IN base.s")
    assert shared_workspace.rows(f"SHOW TABLES IN base.s LIKE '{short}'") == [["s", short, "false"]]
    assert shared_workspace.rows("SHOW SCHEMAS IN base") == [["default"], ["s"]]
    assert ["base"] in shared_workspace.rows("SHOW CATALOGS")
    assert shared_workspace.rows(f"SHOW COLUMNS IN {table}") == [["id"], ["name"], ["amt"]]
    assert shared_workspace.rows(f"SHOW TBLPROPERTIES {table}") == [["k", "v"]]
    assert shared_workspace.rows(f"DESCRIBE TABLE {table}") == [
        ["id", "bigint", "key"],
        ["name", "string", None],
        ["amt", "double", None],
    ]
    extended = shared_workspace.rows(f"DESCRIBE TABLE EXTENDED {table}")
    assert ["Comment", "one", ""] in extended
    shared_workspace.rows(f"CREATE VIEW {table}_v AS SELECT 1 AS one")
    views = shared_workspace.rows("SHOW VIEWS IN base.s")
    assert ["s", f"{short}_v", "false"] in views
    assert ["s", short, "false"] not in views
    created = shared_workspace.rows(f"SHOW CREATE TABLE {table}")[0][0]
    assert created.startswith(f"CREATE TABLE {table} (\n  id bigint NOT NULL COMMENT 'key'")

"""What each function of Databricks SQL that is let through returns.

Expected values are those of Databricks' documentation of built-in functions
(https://docs.databricks.com/aws/en/sql/language-manual/sql-ref-functions-builtin-alpha).
"""

from __future__ import annotations

from typing import Any

import pytest

# An expression, its value as the API sends it, its type.
SCALARS = [
    # Conditions and casts.
    ("if(1 > 0, 'a', 'b')", "a", "STRING"),
    ("CASE WHEN false THEN 1 ELSE 2 END", "2", "INT"),
    ("coalesce(NULL, 3)", "3", "INT"),
    ("nullif(1, 1)", None, "INT"),
    ("nvl(NULL, 'x')", "x", "STRING"),
    ("nvl2(NULL, 1, 2)", "2", "INT"),
    ("least(2, 1)", "1", "INT"),
    ("true AND false OR true", "true", "BOOLEAN"),
    ("NULL <=> NULL", "true", "BOOLEAN"),
    ("try_cast('x' AS INT)", None, "INT"),
    ("'2.50' :: DECIMAL(5,2)", "2.50", "DECIMAL(5,2)"),
    # A cast to an integer cuts the fraction off.
    ("CAST(2.7 AS INT)", "2", "INT"),
    ("CAST(-2.7D AS BIGINT)", "-2", "BIGINT"),
    ("CAST(x AS INT)", "3", "INT"),
    ("CAST('12' AS INT)", "12", "INT"),
    # Numbers. `/` never divides integers, `div` does.
    ("7 / 2", "3.5", "DOUBLE"),
    ("7 DIV 2", "3", "BIGINT"),
    ("7 % 4", "3", "INT"),
    ("mod(7, 4)", "3", "INT"),
    ("try_divide(1, 0)", None, "DOUBLE"),
    ("try_divide(3, 2)", "1.5", "DOUBLE"),
    ("abs(-2)", "2", "INT"),
    ("ceil(1.2D)", "2", "BIGINT"),
    ("floor(1.8D)", "1", "BIGINT"),
    ("round(2.345D, 2)", "2.35", "DOUBLE"),
    ("sqrt(9)", "3.0", "DOUBLE"),
    ("power(2, 3)", "8.0", "DOUBLE"),
    ("exp(0)", "1.0", "DOUBLE"),
    ("ln(1)", "0.0", "DOUBLE"),
    ("log(10, 100)", "2.0", "DOUBLE"),
    ("sign(-3D)", "-1.0", "DOUBLE"),
    ("rand() < 1", "true", "BOOLEAN"),
    # Strings. concat answers NULL for a NULL, concat_ws leaves it out.
    ("concat('a', 'b')", "ab", "STRING"),
    ("'a' || j:nothing", None, "STRING"),
    ("concat_ws('-', 'a', NULL, 'b')", "a-b", "STRING"),
    ("contains('abc', 'b')", "true", "BOOLEAN"),
    ("startswith('abc', 'a')", "true", "BOOLEAN"),
    ("endswith('abc', 'b')", "false", "BOOLEAN"),
    ("left('abc', 2)", "ab", "STRING"),
    ("right('abc', 2)", "bc", "STRING"),
    ("length('abc')", "3", "INT"),
    ("lower('AB')", "ab", "STRING"),
    ("upper('ab')", "AB", "STRING"),
    ("trim('  a ')", "a", "STRING"),
    ("lpad('7', 3, '0')", "007", "STRING"),
    ("repeat('ab', 2)", "abab", "STRING"),
    ("replace('abc', 'b', 'x')", "axc", "STRING"),
    ("reverse('abc')", "cba", "STRING"),
    ("substring('hello', 2, 3)", "ell", "STRING"),
    ("split('a1b2c', '[0-9]')", '["a","b","c"]', "ARRAY<STRING>"),
    ("locate('b', 'abc')", "2", "INT"),
    ("instr('abc', 'c')", "3", "INT"),
    ("'abc' RLIKE '^a.c$'", "true", "BOOLEAN"),
    ("regexp_replace('a1b2', '[0-9]', '')", "ab", "STRING"),
    ("md5('a')", "0cc175b9c0f1b6a831c399e269772661", "STRING"),
    (
        "sha2('a', 256)",
        "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
        "STRING",
    ),
    # Time, in UTC.
    ("current_timestamp() > TIMESTAMP'2020-01-01'", "true", "BOOLEAN"),
    ("current_date() >= DATE'2020-01-01'", "true", "BOOLEAN"),
    ("TIMESTAMP'2026-01-02T03:04:05+02:00'", "2026-01-02T01:04:05.000Z", "TIMESTAMP"),
    ("TIMESTAMP_NTZ'2026-01-02 03:04:05.678901'", "2026-01-02T03:04:05.678901", "TIMESTAMP_NTZ"),
    ("DATE'2026-01-02'", "2026-01-02", "DATE"),
    ("to_date('2026-01-02')", "2026-01-02", "DATE"),
    ("to_timestamp('2026-01-02 03:04:05')", "2026-01-02T03:04:05.000Z", "TIMESTAMP"),
    ("to_timestamp('02/01/2026', 'dd/MM/yyyy')", "2026-01-02T00:00:00.000Z", "TIMESTAMP"),
    (
        "date_format(TIMESTAMP'2026-01-02 03:04:05', 'yyyy-MM-dd HH:mm')",
        "2026-01-02 03:04",
        "STRING",
    ),
    ("date_trunc('HOUR', TIMESTAMP'2026-01-02 03:04:05')", "2026-01-02T03:00:00.000Z", "TIMESTAMP"),
    ("trunc(DATE'2026-03-31', 'MM')", "2026-03-01", "DATE"),
    ("date_add(DATE'2026-01-31', 1)", "2026-02-01", "DATE"),
    ("date_sub(DATE'2026-01-01', 1)", "2025-12-31", "DATE"),
    ("dateadd(HOUR, 2, TIMESTAMP'2026-01-02 03:04:05')", "2026-01-02T05:04:05.000Z", "TIMESTAMP"),
    ("TIMESTAMP'2026-01-02 00:00:00' - INTERVAL 1 DAY", "2026-01-01T00:00:00.000Z", "TIMESTAMP"),
    # Whole hours, not boundaries crossed.
    (
        "timestampdiff(HOUR, TIMESTAMP'2026-01-01 00:59:00', TIMESTAMP'2026-01-01 01:01:00')",
        "0",
        "BIGINT",
    ),
    (
        "timestampdiff(SECOND, TIMESTAMP'2026-01-01 00:59:00', TIMESTAMP'2026-01-01 01:01:00')",
        "120",
        "BIGINT",
    ),
    ("add_months(DATE'2026-01-31', 1)", "2026-02-28", "DATE"),
    ("last_day(DATE'2026-02-03')", "2026-02-28", "DATE"),
    ("year(DATE'2026-02-03')", "2026", "INT"),
    ("quarter(DATE'2026-02-03')", "1", "INT"),
    ("month(DATE'2026-02-03')", "2", "INT"),
    ("day(DATE'2026-02-03')", "3", "INT"),
    ("dayofmonth(DATE'2026-02-03')", "3", "INT"),
    ("dayofyear(DATE'2026-02-03')", "34", "INT"),
    ("dayofweek(DATE'2026-11-22')", "1", "INT"),  # a Sunday
    ("hour(TIMESTAMP'2026-01-02 03:04:05')", "3", "INT"),
    ("minute(TIMESTAMP'2026-01-02 03:04:05')", "4", "INT"),
    ("second(TIMESTAMP'2026-01-02 03:04:05')", "5", "INT"),
    ("extract(HOUR FROM TIMESTAMP'2026-01-02 03:04:05')", "3", "INT"),
    ("unix_timestamp(TIMESTAMP'1970-01-01 00:01:00')", "60", "BIGINT"),
    ("unix_seconds(TIMESTAMP'1970-01-01 00:01:00')", "60", "BIGINT"),
    ("unix_millis(TIMESTAMP'1970-01-01 00:01:00')", "60000", "BIGINT"),
    ("from_unixtime(60)", "1970-01-01 00:01:00", "STRING"),
    ("timestamp_seconds(60)", "1970-01-01T00:01:00.000Z", "TIMESTAMP"),
    ("timestamp_millis(1500)", "1970-01-01T00:00:01.500Z", "TIMESTAMP"),
    ("timestamp_micros(1500000)", "1970-01-01T00:00:01.500Z", "TIMESTAMP"),
    ("make_date(2026, 1, 2)", "2026-01-02", "DATE"),
    # Who and where.
    ("current_user()", "minilake-user", "STRING"),
    ("session_user()", "minilake-user", "STRING"),
    ("user()", "minilake-user", "STRING"),
    ("current_catalog()", "base", "STRING"),
    ("current_schema()", "s", "STRING"),
    ("current_database()", "s", "STRING"),
    # JSON: text, NULL where the document is none, objects and arrays as JSON.
    ("j:a.b[1]", "2.5", "STRING"),
    ("j:a.b[1] :: DOUBLE", "2.5", "DOUBLE"),
    ("j:a", '{"b":[1,2.5]}', "STRING"),
    ("j:list[*].x", "[1,2]", "STRING"),
    ("j:nothing", None, "STRING"),
    ("bad:a", None, "STRING"),
    ("get_json_object(j, '$.a.b[0]')", "1", "STRING"),
    ("get_json_object(bad, '$.a')", None, "STRING"),
    (
        "from_json(j, 'a STRUCT<b: ARRAY<DOUBLE>>')",
        '{"a":{"b":[1.0,2.5]}}',
        "STRUCT<A:STRUCT<B:ARRAY<DOUBLE>>>",
    ),
    ("from_json(j, 'a STRUCT<b: ARRAY<DOUBLE>>').a.b[1]", "2.5", "DOUBLE"),
    ("from_json('[{\"x\":1}]', 'ARRAY<STRUCT<x: INT>>')[0].x", "1", "INT"),
    ("from_json(bad, 'a INT')", '{"a":null}', "STRUCT<A:INT>"),
    # Arrays (counted from 0 in brackets, from 1 in element_at), maps, structs.
    ("array(5, 6)[0]", "5", "INT"),
    ("element_at(array(5, 6), 1)", "5", "INT"),
    ("size(array(5, 6))", "2", "INT"),
    ("array_contains(array(5, 6), 6)", "true", "BOOLEAN"),
    ("array_max(array(1, 2))", "2", "INT"),
    ("array_min(array(1, 2))", "1", "INT"),
    ("array_join(array('a', 'b'), ',')", "a,b", "STRING"),
    ("flatten(array(array(1), array(2)))", "[1,2]", "ARRAY<INT>"),
    ("sequence(1, 3)", "[1,2,3]", "ARRAY<INT>"),
    ("sort_array(array(2, 1))", "[1,2]", "ARRAY<INT>"),
    ("transform(array(1, 2), x -> x + 1)", "[2,3]", "ARRAY<INT>"),
    ("filter(array(1, 2), x -> x > 1)", "[2]", "ARRAY<INT>"),
    ("aggregate(array(1, 2, 3), 0, (total, x) -> total + x)", "6", "INT"),
    ("exists(array(1, 2), x -> x > 1)", "true", "BOOLEAN"),
    ("forall(array(1, 2), x -> x > 1)", "false", "BOOLEAN"),
    ("map('a', 1)['a']", "1", "INT"),
    ("map('a', 1)", '{"a":1}', "MAP<STRING,INT>"),
    ("element_at(map('a', 1), 'a')", "1", "INT"),
    ("map_keys(map('a', 1))", '["a"]', "ARRAY<STRING>"),
    ("map_values(map('a', 1))", "[1]", "ARRAY<INT>"),
    ("map_contains_key(map('a', 1), 'a')", "true", "BOOLEAN"),
    ("map_from_arrays(array('a'), array(1))['a']", "1", "INT"),
    ("map_entries(map('a', 1))[0].value", "1", "INT"),
    ("named_struct('a', 1).a", "1", "INT"),
]

# Over the rows x = 1, 2, 3, 4, NULL with the groups a, a, b, b, b.
AGGREGATES = [
    ("count(*)", "5", "BIGINT"),
    ("count(x)", "4", "BIGINT"),
    ("count(DISTINCT g)", "2", "BIGINT"),
    ("count_if(x > 1)", "3", "BIGINT"),
    ("sum(x)", "10", "BIGINT"),
    ("sum(x) FILTER (WHERE g = 'a')", "3", "BIGINT"),
    ("avg(x)", "2.5", "DOUBLE"),
    ("mean(x)", "2.5", "DOUBLE"),
    ("min(x)", "1", "INT"),
    ("max(x)", "4", "INT"),
    ("median(x)", "2.5", "DOUBLE"),
    # percentile interpolates, percentile_approx answers an element.
    ("percentile(x, 0.5)", "2.5", "DOUBLE"),
    ("percentile_approx(x, 0.5)", "2", "INT"),
    ("approx_percentile(x, 0.99, 100)", "4", "INT"),
    ("round(stddev(x), 4)", "1.291", "DOUBLE"),
    ("round(stddev_samp(x), 4)", "1.291", "DOUBLE"),
    ("round(stddev_pop(x), 4)", "1.118", "DOUBLE"),
    ("round(variance(x), 4)", "1.6667", "DOUBLE"),
    ("var_pop(x)", "1.25", "DOUBLE"),
    ("round(corr(x, x), 6)", "1.0", "DOUBLE"),
    ("collect_list(x)", "[1,2,3,4]", "ARRAY<INT>"),
    ("sort_array(collect_set(g))", '["a","b"]', "ARRAY<STRING>"),
    ("max_by(g, x)", "b", "STRING"),
    ("min_by(g, x)", "a", "STRING"),
    ("any_value(g) IS NOT NULL", "true", "BOOLEAN"),
    ("first(g) IN ('a', 'b')", "true", "BOOLEAN"),
    ("last(g) IN ('a', 'b')", "true", "BOOLEAN"),
    ("bool_and(x > 0)", "true", "BOOLEAN"),
    ("every(x > 0)", "true", "BOOLEAN"),
    ("bool_or(x > 3)", "true", "BOOLEAN"),
    ("some(x > 3)", "true", "BOOLEAN"),
]

# Over the same rows, the values of all of them in the order of x.
WINDOWS = [
    ("row_number() OVER (ORDER BY x)", ["1", "2", "3", "4", "5"]),
    ("ntile(2) OVER (ORDER BY x)", ["1", "1", "1", "2", "2"]),
    ("lag(x) OVER (ORDER BY x)", [None, None, "1", "2", "3"]),
    ("lead(x) OVER (ORDER BY x)", ["1", "2", "3", "4", None]),
    ("sum(x) OVER (PARTITION BY g)", ["7", "3", "3", "7", "7"]),
    ("first_value(x) OVER (PARTITION BY g ORDER BY x DESC)", ["4", "2", "2", "4", "4"]),
]

ROWS = "(VALUES (1, 'a'), (2, 'a'), (3, 'b'), (4, 'b'), (NULL, 'b')) AS t(x, g)"
DOCUMENT = '{"a": {"b": [1, 2.5]}, "odd name": "yes", "list": [{"x": 1}, {"x": 2}]}'
DOCUMENTS = f"(SELECT '{DOCUMENT}' AS j, '{{bad' AS bad, 3.9D AS x)"

# Table-valued forms, each with its rows.
GENERATORS = [
    ("SELECT explode(array(1, 2))", [["1"], ["2"]]),
    ("SELECT posexplode(array('a', 'b'))", [["0", "a"], ["1", "b"]]),
    (
        "SELECT i, c FROM (SELECT 1 AS i, array('a', 'b') AS l) LATERAL VIEW explode(l) e AS c",
        [["1", "a"], ["1", "b"]],
    ),
    ("SELECT EXISTS (SELECT 1)", [["true"]]),
]


def select(expression: str, source: str) -> str:
    return f"SELECT {expression} AS answer FROM {source}"


@pytest.mark.parametrize(("expression", "value", "type_text"), SCALARS)
def test_a_scalar_function(
    shared_workspace: Any, expression: str, value: str | None, type_text: str
) -> None:
    answer = shared_workspace.sql(select(expression, DOCUMENTS), catalog="base", schema="s")
    assert answer["status"]["state"] == "SUCCEEDED", answer["status"]
    assert answer["result"]["data_array"] == [[value]]
    assert answer["manifest"]["schema"]["columns"][0]["type_text"] == type_text


@pytest.mark.parametrize(("expression", "value", "type_text"), AGGREGATES)
def test_an_aggregate(shared_workspace: Any, expression: str, value: str, type_text: str) -> None:
    answer = shared_workspace.sql(select(expression, ROWS))
    assert answer["status"]["state"] == "SUCCEEDED", answer["status"]
    assert answer["result"]["data_array"] == [[value]]
    assert answer["manifest"]["schema"]["columns"][0]["type_text"] == type_text


@pytest.mark.parametrize(("expression", "values"), WINDOWS)
def test_a_window_function(
    shared_workspace: Any, expression: str, values: list[str | None]
) -> None:
    rows = shared_workspace.rows(select(expression, ROWS) + " ORDER BY x")
    assert [value for (value,) in rows] == values


@pytest.mark.parametrize(("query", "rows"), GENERATORS)
def test_a_query_form(shared_workspace: Any, query: str, rows: list[list[str | None]]) -> None:
    assert shared_workspace.rows(query) == rows
